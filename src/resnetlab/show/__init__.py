"""Networks for people to look at: `ModelSpec` gets its table and its drawing here. No torch."""

from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from resnetlab.network.spec import ModelSpec

if TYPE_CHECKING:
    from resnetlab.show.picture import Picture


class Shown(str):
    """A text that a notebook shows as `print` does."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def summary(spec: ModelSpec, **options: Any) -> str:
    """Return the table of the network's layers as text, as `tables.text.summary` does.

    Raises:
        UsageError: If batch or size are no whole numbers from 1 on, there is no such layout, or
            the strides do not allow the size.
    """
    from resnetlab.show.tables import text

    return Shown(text.summary(spec, **options))


@overload
def draw(spec: ModelSpec, path: None = None, **options: object) -> "Picture": ...
@overload
def draw(spec: ModelSpec, path: str | PathLike[str], **options: object) -> list[Path]: ...
def draw(
    spec: ModelSpec, path: str | PathLike[str] | None = None, **options: object
) -> "Picture | list[Path]":
    """Return the network's drawing, which a notebook shows, or save it and return the files.

    The options, and what may be wrong with them, are those of `resnetlab.show.picture.draw`.
    """
    from resnetlab.show.picture import draw_picture

    picture = draw_picture(spec, path, options)
    return picture if path is None else picture.save(path)


def _as_svg(spec: ModelSpec) -> str | None:
    return draw(spec)._repr_svg_()


def _as_html(spec: ModelSpec) -> str:
    return draw(spec)._repr_html_()


def _heading(spec: ModelSpec) -> str:
    from resnetlab.show.tables.text import heading

    return heading(spec, spec.input_size, spec.input_size)


# The network is the lower room and knows nothing of how it is shown; `import resnetlab` brings both together.
ModelSpec.summary = summary
ModelSpec.draw = draw
ModelSpec._repr_svg_ = _as_svg
ModelSpec._repr_html_ = _as_html
ModelSpec.__str__ = _heading  # type: ignore[method-assign, assignment]
