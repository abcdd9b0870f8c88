"""A scene as SVG: one file that stands alone, also inside a web page or a notebook beside others."""

import hashlib
from xml.sax.saxutils import escape, quoteattr

from resnetlab.show.drawing.scene import Box, Item, Path, Point, Scene, Text, arrowhead
from resnetlab.show.drawing.typeface import FONT_STACK

DASHES = (5.0, 3.5)
"""Lengths in px of a dash and of the gap after it, in every picture."""


def to_svg(scene: Scene) -> str:
    """Return the scene as an SVG document with real text, a title and a description."""
    body = "\n".join(_item(item) for item in scene.items)
    # Different drawings in one page share no id. The same drawing twice has its ids twice, and behind
    # either of them the same words.
    key = hashlib.sha256(f"{scene.title}{scene.description}{body}".encode()).hexdigest()[:8]
    width, height = _number(scene.width), _number(scene.height)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"'
        f' viewBox="0 0 {width} {height}" role="img" aria-labelledby="title-{key} desc-{key}"'
        f' font-family="{FONT_STACK}">\n'
        f'<title id="title-{key}">{escape(scene.title)}</title>\n'
        f'<desc id="desc-{key}">{escape(scene.description)}</desc>\n'
        f'<rect width="{width}" height="{height}" fill="{scene.background}"/>\n'
        f"{body}\n</svg>\n"
    )


def _item(item: Item) -> str:
    match item:
        case Box():
            return _box(item)
        case Text():
            return _text(item)
        case Path():
            return _path(item)


def _box(box: Box) -> str:
    place = f'x="{_number(box.x)}" y="{_number(box.y)}"'
    size = f'width="{_number(box.width)}" height="{_number(box.height)}"'
    radius = f' rx="{_number(box.radius)}"' if box.radius else ""
    stroke = f' stroke="{box.stroke}"' if box.stroke else ""
    if box.stroke and box.stroke_width != 1:
        stroke += f' stroke-width="{_number(box.stroke_width)}"'
    start = f'<rect {place} {size}{radius} fill="{box.fill or "none"}"{stroke}{_dashes(box.dashed)}'
    return f"{start}><title>{escape(box.tip)}</title></rect>" if box.tip else f"{start}/>"


def _text(text: Text) -> str:
    anchor = f' text-anchor="{text.anchor}"' if text.anchor != "start" else ""
    weight = ' font-weight="bold"' if text.bold else ""
    place = f'x="{_number(text.x)}" y="{_number(text.y)}" font-size="{_number(text.size)}"'
    return f"<text {place}{anchor}{weight} fill={quoteattr(text.color)}>{escape(text.text)}</text>"


def _path(path: Path) -> str:
    steps = "".join(
        f"{'C' if len(segment) == 3 else 'L'}{' '.join(map(_point, segment))}" for segment in path.segments
    )
    width = f' stroke-width="{_number(path.width)}"' if path.width != 1 else ""
    line = (
        f'<path d="M{_point(path.start)}{steps}" fill="none" stroke="{path.color}"{width}'
        f"{_dashes(path.dashed)}/>"
    )
    if not path.arrow:
        return line
    head = "L".join(map(_point, arrowhead(path)))
    return f'{line}<path d="M{head}Z" fill="{path.color}"/>'


def _dashes(dashed: bool) -> str:
    return f' stroke-dasharray="{" ".join(map(_number, DASHES))}"' if dashed else ""


def _point(point: Point) -> str:
    return f"{_number(point[0])},{_number(point[1])}"


def _number(value: float) -> str:
    """Write a coordinate with at most one decimal place."""
    return f"{round(value, 1) + 0.0:g}" if abs(value) < 1e5 else f"{value:.0f}"
