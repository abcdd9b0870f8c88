"""What the papers' two comparison figures share: words in brief, lines with round corners, counts refused."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import hypot
from typing import Literal

from resnetlab.errors import UsageError
from resnetlab.network.catalog import changed_texts
from resnetlab.network.layers import Conv, Gate, Layer, Linear, Norm, PadChannels, Pool
from resnetlab.network.spec import ModelSpec
from resnetlab.show.drawing.labels import name_text
from resnetlab.show.drawing.scene import Box, Item, Path, Point, Role, Segment
from resnetlab.show.drawing.theme import Theme
from resnetlab.show.drawing.typeface import printable

ShortcutKind = Literal["none", "identity", "padded", "projection", "gated"]

_CAP_HEIGHT = 0.73  # of DejaVu Sans, in sizes: what the eye takes for a line's height
_ROUND = 0.5523  # of the radius: where the handles of a Bezier curve stand that looks like a circle's quarter
_POOLS = {"max": "max pool", "average": "avg pool", "subsample": "subsample", "global": "avg pool"}


def brief_text(layer: Layer) -> str:
    """Return the operation as the papers' figures write it, without its stride: "3×3 conv, 64", "fc 1000"."""
    match layer:
        case Conv():
            return f"{layer.kernel}×{layer.kernel} conv, {layer.out_channels}"
        case Linear():
            return f"fc {layer.out_features}"
        case Pool():
            return _POOLS[layer.kind]
        case PadChannels():
            return f"pad {layer.before}+{layer.after}"
        case Gate(is_exclusive=True):
            return "× (1 - g), F × g"
        case _:
            return name_text(layer)


def stride_of(layer: Layer) -> int:
    """Return the layer's stride: 1 for one that has none."""
    return layer.stride if isinstance(layer, Conv | Pool) else 1


def row_text(layer: Layer) -> str:
    """Return the operation in brief with its stride, unless that is 1: "3×3 conv, 64, /2"."""
    stride = stride_of(layer)
    return brief_text(layer) + (f", /{stride}" if stride > 1 else "")


def role_of(layer: Layer) -> Role:
    """Return what `brief_text` tells of the layer."""
    match layer:
        case Conv() | Linear():
            return "kernel"
        case PadChannels():
            return "padding"
        case Norm():
            return "norm"
        case _:
            return "name"


def shortcut_kind(shortcut: Sequence[Layer] | None) -> ShortcutKind:
    """Return which of the papers' shortcuts these layers are; a gated projection is one."""
    if shortcut is None:
        return "none"
    if any(isinstance(layer, Conv) for layer in shortcut):
        return "projection"
    if any(isinstance(layer, Gate) for layer in shortcut):
        return "gated"
    return "padded" if shortcut else "identity"


def order_text(spec: ModelSpec) -> str:
    """Return where BN and activation stand, in the words of He et al., 2016, Fig. 4."""
    words = {
        "post": "original",
        "bn-after-add": "BN after addition",
        "relu-before-add": "ReLU before addition",
        "relu-only-pre": "ReLU-only pre-activation",
        "pre": "full pre-activation",
    }[spec.order]
    return f"{words}, no shortcut" if spec.shortcut == "none" else words


def check_number(specs: Sequence[ModelSpec], most: int, style: str) -> None:
    """See that there are 1 to `most` models.

    Raises:
        UsageError: If there are none or more.
    """
    if not 1 <= len(specs) <= most:
        names = ", ".join(spec.name for spec in specs) or "none"
        raise UsageError(
            f"--style {style} draws 1 to {most} models side by side, and {len(specs)} were given: {names}",
            hint="Draw them in several files.",
        )


@dataclass(frozen=True, slots=True)
class Model:
    """One of the models side by side: what it is called here, and how it differs from what it is named after.

    `prefix` stands before all its paths: "name:", or nothing if it is alone.
    """

    spec: ModelSpec
    name: str
    note: str
    prefix: str


def side_by_side(specs: Sequence[ModelSpec], names: Sequence[str] | None) -> tuple[Model, ...]:
    """Return the models under these names, or under their own; those of one name are numbered."""
    given = [spec.name for spec in specs] if names is None else list(names)
    models = []
    for index, (spec, name) in enumerate(zip(specs, given, strict=True)):
        number = f" ({given[: index + 1].count(name)})" if given.count(name) > 1 else ""
        own = "" if name == spec.name else printable(spec.name)
        changed = ", ".join(changed_texts(spec))
        note = " ".join(filter(None, (own, f"with {changed}" if changed else "")))
        models.append(Model(spec, name + number, note, f"{name}{number}:" if len(specs) > 1 else ""))
    return tuple(models)


def names_text(models: Sequence[Model]) -> str:
    """Return "resnet34 beside plain34", or the one name."""
    return printable(" beside ".join(model.name for model in models))


def listed(models: Sequence[Model]) -> str:
    """Return "resnet50_v1, resnet50 and resnet50_v2"."""
    *others, last = (model.name for model in models)
    return f"{', '.join(others)} and {last}" if others else last


def middle(top: float, height: float, size: float) -> float:
    """Return the baseline of a text of `size` px that looks centred between top and top + height."""
    return top + (height + _CAP_HEIGHT * size) / 2


def bent(
    points: Sequence[Point], color: str,
    *, width: float = 1.5, arrow: bool = False, dashed: bool = False, about: str = "", radius: float = 8.0,
) -> Path:  # fmt: skip
    """Return a line through the points, its corners rounded by `radius`; it has right angles only."""
    segments: list[Segment] = []
    for (before, corner), (_, after) in pairwise(pairwise(points)):
        r = min(radius, _distance(before, corner) / 2, _distance(corner, after) / 2)
        start, end = _towards(corner, before, r), _towards(corner, after, r)
        handles = _towards(corner, before, r * (1 - _ROUND)), _towards(corner, after, r * (1 - _ROUND))
        segments += [(start,), (*handles, end)]
    segments.append((points[-1],))
    return Path(
        start=points[0],
        segments=tuple(segments),
        color=color,
        width=width,
        arrow=arrow,
        dashed=dashed,
        about=about,
    )


def plus(
    x: float, y: float, radius: float, theme: Theme, about: str, tip: str = "addition"
) -> Iterator[Item]:
    """Draw the addition: a circle around (x, y) with a cross in it."""
    side, arm = 2 * radius, 0.55 * radius
    yield Box(
        x=x - radius,
        y=y - radius,
        width=side,
        height=side,
        radius=radius,
        fill=theme.paper,
        stroke=theme.line,
        stroke_width=1.5,
        about=about,
        tip=tip,
    )
    for right, down in ((arm, 0.0), (0.0, arm)):
        yield Path(
            start=(x - right, y - down), segments=(((x + right, y + down),),), color=theme.ink, about=about
        )


def _distance(a: Point, b: Point) -> float:
    return hypot(b[0] - a[0], b[1] - a[1])


def _towards(a: Point, b: Point, length: float) -> Point:
    """Return the point `length` px from a on the way to b."""
    share = length / _distance(a, b)
    return a[0] + share * (b[0] - a[0]), a[1] + share * (b[1] - a[1])
