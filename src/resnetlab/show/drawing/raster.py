"""A scene as PNG or PDF, by matplotlib's objects: the same places as in the SVG, no global state."""

import contextlib
import gc
import io
import zlib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path as FilePath
from typing import Any, Literal, cast

import matplotlib
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import PathPatch
from matplotlib.path import Path as Outline
from matplotlib.text import Text as TextArtist
from matplotlib.transforms import Affine2D, Transform

from resnetlab.show.drawing.scene import Box, Item, Path, Point, Scene, Text, arrowhead
from resnetlab.show.drawing.svg import DASHES

_PX_PER_INCH = 96  # as in CSS
_POINTS_PER_PX = 72 / _PX_PER_INCH
_ROUND = 0.5523  # control points' distance, in radii, of the cubic nearest to a quarter circle

# What a user's matplotlibrc could change in a picture; restored afterwards. Type 42: text in a PDF can be
# selected and searched.
_SETTINGS: dict[Any, Any] = {
    "pdf.fonttype": 42,
    "text.usetex": False,
    "text.hinting": "none",  # hinted letters are wider than their font says
    "path.sketch": None,
    "path.effects": [],
    "savefig.bbox": None,
    "lines.scale_dashes": True,
}


@contextlib.contextmanager
def our_settings() -> Iterator[None]:
    """Draw with our settings, and without collecting garbage: thousands of objects live until the end."""
    was_collecting = gc.isenabled()
    gc.disable()
    try:
        with matplotlib.rc_context(_SETTINGS):
            yield
    finally:
        if was_collecting:
            gc.enable()


def to_png(scene: Scene, scale: float = 2.0) -> bytes:
    """Return the scene as a PNG with `scale` pixels per px of the scene."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    with our_settings():
        canvas: Any = FigureCanvasAgg(_figure(scene, _PX_PER_INCH * scale))
        canvas.draw()
    size, buffer = canvas.get_width_height(), canvas.buffer_rgba()
    pixels = Image.frombuffer("RGBA", size, buffer, "raw", "RGBA", 0, 1).convert("RGB")
    stream = io.BytesIO()
    density = (_PX_PER_INCH * scale,) * 2
    pixels.save(stream, format="png", dpi=density, compress_type=zlib.Z_RLE)  # flat colours: half the time
    return stream.getvalue()


def to_pdf(scenes: Sequence[Scene]) -> bytes:
    """Return the scenes as the pages of one PDF: vectors and text, the same bytes every time."""
    from matplotlib.backends.backend_pdf import PdfPages

    stream = io.BytesIO()
    about = {"Title": scenes[0].title, "Subject": scenes[0].description, "CreationDate": None}
    with our_settings(), PdfPages(stream, metadata=about) as pages:
        for scene in scenes:
            pages.savefig(_figure(scene, 72))
            if len(scenes) > 1:
                gc.collect()  # the page's own, a megabyte and more
    return stream.getvalue()


def _figure(scene: Scene, dots_per_inch: float) -> Figure:
    size = (scene.width / _PX_PER_INCH, scene.height / _PX_PER_INCH)
    figure = Figure(figsize=size, dpi=dots_per_inch, facecolor=scene.background)
    to_inches = Affine2D().scale(1 / _PX_PER_INCH, -1 / _PX_PER_INCH).translate(0, size[1])
    place = to_inches + figure.dpi_scale_trans
    for item in scene.items:
        for artist in _artists(item, place):
            artist.set_zorder(1)  # all the same: they are painted in their order
            figure.add_artist(artist)
    return figure


def _artists(item: Item, place: Transform) -> list[Artist]:
    match item:
        case Text():
            return [_text(item, place)]
        case Box():
            outline = _outline(item)
            return [_patch(outline, place, item.stroke, item.stroke_width, item.fill, item.dashed)]
        case Path():
            line = _patch(_line(item), place, item.color, item.width, None, item.dashed)
            if not item.arrow:
                return [line]
            corners = arrowhead(item)
            head = Outline([*corners, corners[0]], closed=True)
            return [line, _patch(head, place, None, 0, item.color, False)]


_ALIGNMENTS: dict[str, Literal["left", "center", "right"]] = {
    "start": "left",
    "middle": "center",
    "end": "right",
}


def _text(text: Text, place: Transform) -> TextArtist:
    artist: Any = TextArtist(
        text.x, text.y, text.text, color=text.color, horizontalalignment=_ALIGNMENTS[text.anchor],
        verticalalignment="baseline", fontproperties=font(text.bold), fontsize=text.size * _POINTS_PER_PX,
        parse_math=False, transform=place,
    )  # fmt: skip
    if hasattr(artist, "set_fontfeatures"):  # since matplotlib 3.11, and only there letters are joined:
        artist.set_fontfeatures(("-liga",))  # a joined "fi" needs one more font in the PDF, slow to cut out
    return cast(TextArtist, artist)


@lru_cache(maxsize=2)
def font(bold: bool) -> FontProperties:
    """Return the font of all pictures, which comes with matplotlib."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return FontProperties(fname=FilePath(matplotlib.get_data_path(), "fonts", "ttf", name))


def _patch(
    outline: Outline, place: Transform, stroke: str | None, width: float, fill: str | None, dashed: bool
) -> PathPatch:
    points = width * _POINTS_PER_PX
    style = (0, tuple(length / width for length in DASHES)) if dashed else "solid"  # in line widths
    return PathPatch(
        outline, facecolor=fill or "none", edgecolor=stroke or "none", linewidth=points, linestyle=style,
        capstyle="butt", joinstyle="round", transform=place,
    )  # fmt: skip


def _line(path: Path) -> Outline:
    points: list[Point] = [path.start]
    codes = [Outline.MOVETO]
    for segment in path.segments:
        points.extend(segment)
        codes.extend([Outline.CURVE4] * 3 if len(segment) == 3 else [Outline.LINETO])
    return Outline(points, codes)


def _outline(box: Box) -> Outline:
    """Return the rectangle's outline, its corners rounded."""
    left, top, right, bottom = box.x, box.y, box.x + box.width, box.y + box.height
    r = min(box.radius, box.width / 2, box.height / 2)
    if not r:
        corners = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]
        return Outline(corners, closed=True)
    k = r * (1 - _ROUND)
    points = [
        (left + r, top), (right - r, top), (right - k, top), (right, top + k), (right, top + r),
        (right, bottom - r), (right, bottom - k), (right - k, bottom), (right - r, bottom),
        (left + r, bottom), (left + k, bottom), (left, bottom - k), (left, bottom - r),
        (left, top + r), (left, top + k), (left + k, top), (left + r, top), (left + r, top),
    ]  # fmt: skip
    side = [Outline.LINETO, Outline.CURVE4, Outline.CURVE4, Outline.CURVE4]
    return Outline(points, [Outline.MOVETO, *(side * 4), Outline.CLOSEPOLY])
