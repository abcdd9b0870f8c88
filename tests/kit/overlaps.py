"""What is wrong with a picture's layout, found from the scene alone: texts, boxes, paths, page."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from itertools import pairwise

from resnetlab.show.drawing.scene import Box, Path, Point, Scene, Text
from resnetlab.show.drawing.typeface import text_box

Rectangle = tuple[float, float, float, float]  # left, top, right, bottom
_SLACK = 0.01  # px; coordinates are sums of floats


def problems(scene: Scene) -> list[str]:
    """Return every overlap in words: an empty list is a clean picture.

    No two texts meet; no text stands across a box's border; boxes are apart or one within the other;
    nothing leaves the page; no path runs through a text.
    """
    texts = [(f"text {item.text!r}", text_box(item)) for item in scene.items if isinstance(item, Text)]
    boxes = [
        (f"box {item.about or item.tip!r} at {item.x:.0f},{item.y:.0f}", _box(item))
        for item in scene.items
        if isinstance(item, Box)
    ]
    page = (0.0, 0.0, scene.width, scene.height)
    found = [f"{name} leaves the page" for name, place in texts + boxes if not _within(place, page)]
    for (a, one), (b, other) in _meeting(texts + boxes):
        kinds = {a[:3], b[:3]}
        if kinds == {"tex"}:
            found.append(f"{a} meets {b}")
        elif kinds == {"box"} and not _within(one, other) and not _within(other, one):
            found.append(f"{a} and {b} cross")
        elif kinds == {"box", "tex"}:
            (text, inner), (box, outer) = ((a, one), (b, other)) if a[:3] == "tex" else ((b, other), (a, one))
            if not _within(inner, outer):
                found.append(f"{text} stands across {box}")
    ordered = _Texts(texts)
    for path in (item for item in scene.items if isinstance(item, Path)):
        found += _along(path, ordered, page)
    return found


_Named = tuple[str, Rectangle]


def _meeting(named: list[_Named]) -> Iterator[tuple[_Named, _Named]]:
    """Give the pairs that have a point in common, from the top down."""
    ordered = sorted(named, key=lambda entry: entry[1][1])
    for index, first in enumerate(ordered):
        for second in ordered[index + 1 :]:
            if second[1][1] >= first[1][3]:
                break
            if _meet(first[1], second[1]):
                yield first, second


class _Texts:
    """Texts by their height on the page, so that a line is held against few of them."""

    def __init__(self, texts: list[_Named]) -> None:
        self.texts = sorted(texts, key=lambda text: text[1][1])
        self.tops = [place[1] for _, place in self.texts]
        self.tallest = max((place[3] - place[1] for _, place in texts), default=0.0)

    def between(self, top: float, bottom: float) -> list[_Named]:
        start, end = bisect_left(self.tops, top - self.tallest), bisect_right(self.tops, bottom)
        return self.texts[start:end]


def _along(path: Path, texts: _Texts, page: Rectangle) -> list[str]:
    name = f"path {path.about!r} from {path.start[0]:.0f},{path.start[1]:.0f}"
    found = []
    start = path.start
    for segment in path.segments:
        corners = (start, *segment)
        xs, ys = [x for x, _ in corners], [y for _, y in corners]
        bounds = (min(xs), min(ys), max(xs), max(ys))  # a Bezier curve stays within
        if not _within(bounds, page):
            found.append(f"{name} leaves the page")
        found += [
            f"{name} runs through {text}"
            for text, place in texts.between(bounds[1], bounds[3])
            if _meet(place, bounds) and _passes(corners, place)
        ]
        start = segment[-1]
    return found


def _passes(corners: tuple[Point, ...], place: Rectangle) -> bool:
    """Return whether points along the segment, at most about 1 px apart, lie in the rectangle."""
    steps = int(sum(abs(a[0] - b[0]) + abs(a[1] - b[1]) for a, b in pairwise(corners))) + 2
    points = (_on_curve(corners, step / steps) for step in range(steps + 1))
    return any(place[0] < x < place[2] and place[1] < y < place[3] for x, y in points)


def _on_curve(corners: tuple[Point, ...], share: float) -> Point:
    """Return a point of the Bezier curve by de Casteljau's construction."""
    while len(corners) > 1:
        corners = tuple(
            (a[0] + share * (b[0] - a[0]), a[1] + share * (b[1] - a[1])) for a, b in pairwise(corners)
        )
    return corners[0]


def _box(box: Box) -> Rectangle:
    return box.x, box.y, box.x + box.width, box.y + box.height


def _meet(one: Rectangle, other: Rectangle) -> bool:
    return (
        one[0] < other[2] - _SLACK
        and other[0] < one[2] - _SLACK
        and one[1] < other[3] - _SLACK
        and other[1] < one[3] - _SLACK
    )


def _within(inner: Rectangle, outer: Rectangle) -> bool:
    return (
        inner[0] >= outer[0] - _SLACK
        and inner[1] >= outer[1] - _SLACK
        and inner[2] <= outer[2] + _SLACK
        and inner[3] <= outer[3] + _SLACK
    )
