"""A finished drawing as a value: a notebook shows it, and Python saves it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resnetlab.base.paths import user_path
from resnetlab.errors import UsageError, nearest
from resnetlab.network.spec import ModelSpec
from resnetlab.show.drawing.saving import check_target, save
from resnetlab.show.drawing.scene import Scene
from resnetlab.show.drawing.svg import to_svg
from resnetlab.show.picture import OPTIONS, draw


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

    def _repr_html_(self) -> str | None:
        return "\n".join(self.svgs()) if len(self.pages) > 1 else None

    def __repr__(self) -> str:
        title, count = self.pages[0].title.partition(", page ")[0], len(self.pages)
        return f"<{title}, {count} page{'s' if count > 1 else ''}>"


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
