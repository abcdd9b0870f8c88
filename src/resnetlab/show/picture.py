"""A network's pictures as a value: the full schematic, the overview and the unit; SVG, PNG, PDF. No torch."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from resnetlab.base.paths import user_path
from resnetlab.base.plaindata import convert
from resnetlab.errors import UsageError, nearest
from resnetlab.network.layers import image_size
from resnetlab.network.spec import ModelSpec
from resnetlab.show.drawing.labels import Layout, Part
from resnetlab.show.drawing.saving import check_target, save
from resnetlab.show.drawing.scene import Scene
from resnetlab.show.drawing.svg import to_svg
from resnetlab.show.drawing.theme import THEMES, ThemeName

__all__ = ["OPTIONS", "Layout", "Part", "Style", "ThemeName", "check_target", "draw", "save"]

Style = Literal["full", "overview", "unit"]


OPTIONS: dict[str, object] = {
    "style": Style, "theme": ThemeName, "layout": Layout, "height": int | None, "width": int | None,
    "unfold": bool, "columns": int | None, "part": Part | None,
}  # fmt: skip
"""What `draw` lets one choose, with the types."""


def draw(
    specs: Sequence[ModelSpec], *, style: Style = "full", theme: ThemeName = "light",
    layout: Layout = "NHWC", height: int | None = None, width: int | None = None, unfold: bool = False,
    columns: int | None = None, part: Part | None = None, names: Sequence[str] | None = None,
) -> tuple[Scene, ...]:  # fmt: skip
    """Return the pages of a drawing of one network, or of several side by side.

    Args:
        specs: One network; for "overview" up to three, for "unit" up to six.
        style: "full": every operation; "overview": the layers with weights, as He et al., 2015,
            Fig. 3; "unit": one residual unit large, as He et al., 2016, Fig. 4.
        theme: The colours: "light", "dark" or "print".
        layout: The order of a map's axes in the sizes.
        height: Of the images in px; the default is the network's nominal size.
        width: The same.
        unfold: Draw equal units one by one ("full" only), on as many pages as it takes.
        columns: How many stand side by side ("full" only); None takes what makes a comfortable page.
        part: Draw one part of a network alone, large, each of its steps told in words ("full" only).
        names: What the networks side by side are called; None takes their own names.

    Raises:
        UsageError: If an option has no such value, the style cannot show so many networks or has no
            such choice, or the strides do not allow the size.
    """
    _check(style, theme, layout, height, width, unfold, columns, part)
    chosen = {"unfold": unfold, "columns": columns is not None, "part": part is not None}
    if style != "full" and any(chosen.values()):
        choice = next(name for name, is_given in chosen.items() if is_given)
        raise UsageError(f"{choice} goes with the style full, not with {style}")
    if part is not None and (unfold or columns is not None):
        raise UsageError(f"a part is one picture: no {'unfold' if unfold else 'columns'} of it")
    colors = THEMES[theme]
    if style == "overview":
        from resnetlab.show.drawing.comparison.overview import draw_overview

        return (draw_overview(specs, colors, layout, height, width, names),)
    if style == "unit":
        from resnetlab.show.drawing.comparison.unit_figure import draw_units

        return (draw_units(specs, colors, layout, height, width, names),)
    from resnetlab.show.drawing.schematic.full import draw_schematic

    if len(specs) != 1:
        raise UsageError(
            f"the style full draws one network, got {len(specs)}",
            hint="The styles overview and unit draw several side by side.",
        )
    if part is not None:
        from resnetlab.show.drawing.part.figure import draw_part

        return (draw_part(specs[0], part, colors, layout, height, width),)
    high, wide = image_size(specs[0].input_size, height, width)
    return draw_schematic(specs[0], colors, layout, height=high, width=wide, unfold=unfold, columns=columns)


def _check(*values: object) -> None:
    """See that these are values of the `OPTIONS`, in their order."""
    for (name, kind), value in zip(OPTIONS.items(), values, strict=True):
        convert(kind, value, name)
        if name in ("height", "width", "columns") and isinstance(value, int) and value < 1:
            raise UsageError(f"{name} must be at least 1, got {value}")


@dataclass(frozen=True, slots=True, repr=False)
class Picture:
    """The pages of a drawing; a notebook shows them as SVG."""

    pages: tuple[Scene, ...]

    def svgs(self) -> tuple[str, ...]:
        """Return each page as an SVG document."""
        return tuple(map(to_svg, self.pages))

    def save(self, path: str | os.PathLike[str]) -> list[Path]:
        """Write .svg, .pdf or .png, by the name's suffix, and return the files, as `saving.save` does."""
        return save(self.pages, user_path(path))

    def _repr_svg_(self) -> str | None:
        return self.svgs()[0] if len(self.pages) == 1 else None

    def _repr_html_(self) -> str:
        return "\n".join(map(_fitted, self.svgs()))

    def __repr__(self) -> str:
        title, count = self.pages[0].title.partition(", page ")[0], len(self.pages)
        return f"<{title}, {count} page{'s' if count > 1 else ''}>"


def _fitted(svg: str) -> str:
    """Return the document as it stands in a cell: never wider than that, which cuts off what is."""
    return svg.replace("<svg ", '<svg style="max-width:100%;height:auto" ', 1)


def draw_picture(
    spec: ModelSpec, path: str | os.PathLike[str] | None, options: Mapping[str, object]
) -> Picture:
    """Return the network's drawing with these options of `draw`; `path` is where it shall be saved, or None.

    Raises:
        UsageError: If there is no such option or an option has no such value, the strides do not
            allow the size, or the path's suffix is no picture's.
        WriteError: If nothing could be written at the path.
    """
    if unknown := [name for name in options if name not in OPTIONS]:
        hints = [hint for name in unknown if (hint := nearest(name, OPTIONS))]
        hints.append(f"The options are {', '.join(OPTIONS)}.")
        raise UsageError(f"draw has no option {', '.join(unknown)}", hint="\n".join(hints))
    if path is not None:
        check_target(user_path(path))
    values: dict[str, Any] = dict(options)
    return Picture(draw([spec], **values))
