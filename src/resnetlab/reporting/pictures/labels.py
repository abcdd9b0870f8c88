"""Where the names of lines stand: apart from each other, and off the lines."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True, kw_only=True)
class Label:
    """A box of text to the right of a point; all in points of the page, y upwards."""

    x: float
    """Its left side."""
    y: float
    """Its middle; as it is wished, or as it was found."""
    width: float
    height: float


def off_the_lines(label: Label, lines: Sequence[Sequence[tuple[float, float]]], height: float) -> Label:
    """Return the label moved up or down to where no line crosses it, no farther than it takes; or as it is.

    Args:
        label: The label.
        lines: Each by its points, from left to right, in points of the page.
        height: Of the panel.
    """
    moves = sorted((sign * 3.0 * n for n in range(int(height / 3)) for sign in (1, -1)), key=abs)
    for move in moves:
        moved = replace(label, y=label.y + move)
        is_within = move == 0 or label.height / 2 <= moved.y <= height - label.height / 2
        if is_within and not any(_crosses(moved, line) for line in lines):
            return moved
    return label


def _crosses(label: Label, line: Sequence[tuple[float, float]]) -> bool:
    """Return whether a line lies on a label or next to it."""
    left, right = label.x - 2, label.x + label.width + 2
    low, high = label.y - label.height / 2 - 1, label.y + label.height / 2 + 1
    for (x, y), (to_x, to_y) in itertools.pairwise(line):
        start, stop = max(x, left), min(to_x, right)
        if start > stop:
            continue
        slope = (to_y - y) / (to_x - x) if to_x > x else 0.0
        heights = (y + slope * (start - x), y + slope * (stop - x)) if to_x > x else (y, to_y)
        if min(heights) <= high and max(heights) >= low:
            return True
    return False


def spread(labels: Sequence[Label], low: float, high: float) -> list[Label]:
    """Return the labels, in their order, moved up or down no farther than it takes, and within low and high.

    Only those are kept apart that have columns of the page in common. If there is no room for all between
    the two, they reach beyond `high`.
    """
    placed: dict[int, Label] = {}
    for members in _columns(labels):
        order = sorted(members, key=lambda index: labels[index].y)
        middles = _stacked([labels[i].y for i in order], [labels[i].height for i in order], low, high)
        placed |= {i: replace(labels[i], y=y) for i, y in zip(order, middles, strict=True)}
    return [placed[index] for index in range(len(labels))]


def _columns(labels: Sequence[Label]) -> list[list[int]]:
    """Return the labels' numbers, together those that stand above each other."""
    columns: list[list[int]] = []
    reach = float("-inf")
    for index in sorted(range(len(labels)), key=lambda index: labels[index].x):
        if labels[index].x >= reach:
            columns.append([])
        columns[-1].append(index)
        reach = max(reach, labels[index].x + labels[index].width)
    return columns


def _stacked(wishes: Sequence[float], heights: Sequence[float], low: float, high: float) -> list[float]:
    """Return the middles, least squares from the wishes, of boxes that touch but do not overlap.

    Boxes that would overlap become one block, which stands where its boxes wish it on average (the
    algorithm of pooled neighbours, Ayer et al., 1955).
    """
    blocks: list[tuple[float, int, float]] = []  # bottom, number of boxes, height
    wishes = [wish - height / 2 for wish, height in zip(wishes, heights, strict=True)]
    first = 0
    for last in range(1, len(wishes) + 1):
        first = last - 1
        while True:
            height = sum(heights[first:last])
            below = [sum(heights[first:i]) for i in range(first, last)]
            bottom = sum(w - b for w, b in zip(wishes[first:last], below, strict=True)) / (last - first)
            bottom = max(low, min(bottom, high - height))
            if not blocks or blocks[-1][0] + blocks[-1][2] <= bottom:
                break
            first -= blocks.pop()[1]
        blocks.append((bottom, last - first, height))
    bottoms: list[float] = []
    for bottom, count, _ in blocks:
        for height in heights[len(bottoms) : len(bottoms) + count]:
            bottoms.append(bottom)
            bottom += height
    return [bottom + height / 2 for bottom, height in zip(bottoms, heights, strict=True)]
