"""The pictures' files: letters' widths, colours' contrast, SVG, PNG and PDF."""

import gc
import io
import math
import re
import zlib
from dataclasses import replace
from functools import cache
from itertools import combinations, pairwise, product
from pathlib import Path
from xml.etree import ElementTree

import matplotlib
import pytest
from matplotlib.ft2font import FT2Font
from PIL import Image

from resnetlab.errors import UsageError
from resnetlab.network.catalog import model_spec
from resnetlab.show.drawing.raster import to_pdf, to_png
from resnetlab.show.drawing.scene import Path as Line
from resnetlab.show.drawing.scene import Scene, Text, arrowhead, moved
from resnetlab.show.drawing.svg import to_svg
from resnetlab.show.drawing.theme import THEMES, ThemeName
from resnetlab.show.drawing.typeface import _CHARACTERS, text_box, text_width
from resnetlab.show.picture import draw, save
from tests.kit.color_vision import SEEN, lab
from tests.kit.drawings import folded

SVG = "{http://www.w3.org/2000/svg}"


def upper_part() -> Scene:
    """A drawing's first items, all in one font: cutting fonts out takes most of a PDF's time."""
    scene = folded("resnet20")
    items = [item for item in scene.items[:60] if not (isinstance(item, Text) and item.bold)]
    return replace(scene, items=tuple(items))


@cache
def two_pages() -> bytes:
    return to_pdf([upper_part()] * 2)


@pytest.mark.parametrize(("bold", "file"), ((False, "DejaVuSans.ttf"), (True, "DejaVuSans-Bold.ttf")))
def test_the_table_of_widths_is_matplotlibs_font(bold: bool, file: str) -> None:
    path = Path(matplotlib.get_data_path(), "fonts", "ttf", file)
    from fontTools.ttLib import TTFont

    font = TTFont(path)
    glyphs, widths = font.getBestCmap(), font["hmtx"]
    assert font["head"].unitsPerEm == 2048
    assert [text_width(character, 2048, bold) for character in _CHARACTERS] == [
        widths[glyphs[ord(character)]][0] for character in _CHARACTERS
    ]
    assert FT2Font(str(path)).family_name == "DejaVu Sans"


def test_a_texts_box_hangs_on_its_anchor() -> None:
    width = text_width("[N, 8]", 10)
    boxes = [
        text_box(Text(x=50, y=20, text="[N, 8]", size=10, color="", anchor=anchor))
        for anchor in ("start", "middle", "end")
    ]

    assert [(left, right) for left, _, right, _ in boxes] == [
        (50, 50 + width), (50 - width / 2, 50 + width / 2), (50 - width, 50),
    ]  # fmt: skip
    assert {(top, bottom) for _, top, _, bottom in boxes} == {(12.4, 22.4)}


def luminance(color: str) -> float:
    """Relative luminance, WCAG 2.2."""
    channels = [int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(weight * value for weight, value in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    dark, bright = sorted((luminance(one), luminance(other)))
    return (bright + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("name", THEMES)
def test_every_text_can_be_read_on_what_it_stands(name: ThemeName) -> None:
    theme = THEMES[name]
    grounds = [theme.background, theme.paper]
    grounds += [color for stage in (*theme.stages, theme.neutral) for color in (stage.panel, stage.fill)]

    low = [
        (text, ground)
        for text, ground in product((theme.ink, theme.faint, theme.accent), grounds)
        if contrast(text, ground) < 4.5
    ]
    assert low == []
    lines = [theme.line, theme.shortcut, *(stage.stroke for stage in theme.stages)]
    assert [line for line in lines if contrast(line, theme.background) < 3] == []  # WCAG 1.4.11
    assert contrast("#ffffff", "#000000") == 21


@pytest.mark.parametrize("sight", SEEN)
@pytest.mark.parametrize("name", THEMES)
def test_stages_look_different_to_colour_blind_readers_too(name: ThemeName, sight: str) -> None:
    """All pairs of the first four, and all neighbours, the last and the first too: CIE76 >= 10."""
    seen = [lab(stage.fill, sight) for stage in THEMES[name].stages]
    pairs = {*combinations(range(4), 2), *pairwise(range(len(seen))), (len(seen) - 1, 0)}

    alike = [(a + 1, b + 1) for a, b in pairs if math.dist(seen[a], seen[b]) < 10]
    assert alike == []


def test_stages_in_print_differ_without_colour() -> None:
    fills = sorted(luminance(stage.fill) for stage in THEMES["print"].stages)

    assert all(len(set(re.findall("..", stage.fill[1:]))) == 1 for stage in THEMES["print"].stages)
    assert min(b - a for a, b in pairwise(fills)) > 0.02


def test_the_same_network_gives_the_same_bytes() -> None:
    def svg() -> str:
        return to_svg(draw([model_spec("resnet20")])[0])

    scene = upper_part()
    assert svg() == svg()
    assert to_pdf([scene] * 2) == two_pages()
    assert to_png(scene, 0.2) == to_png(scene, 0.2)


def test_an_svg_tells_its_title_description_and_texts() -> None:
    scene = folded("resnet20")
    root = ElementTree.fromstring(to_svg(scene))

    assert (root.tag, root.get("role")) == (f"{SVG}svg", "img")
    title, description = (root.find(f"{SVG}{tag}") for tag in ("title", "desc"))
    assert title is not None and description is not None
    assert root.get("aria-labelledby") == f"{title.get('id')} {description.get('id')}"
    assert title.text == "resnet20: schematic"
    assert "Stage 2: 3 units, maps 16×16, 32 channels" in (description.text or "")
    assert root.get("viewBox") == f"0 0 {root.get('width')} {root.get('height')}"
    assert [e.text for e in root.iter(f"{SVG}text")] == [t.text for t in scene.items if isinstance(t, Text)]
    tips = [e.text for e in root.iterfind(f"{SVG}rect/{SVG}title")]
    assert (
        "layer1.0.conv1: conv 3×3, 2,304 parameters, 2.4 M multiply-adds; the first of 3 equal ones" in tips
    )


def test_svgs_in_one_page_share_no_id() -> None:
    ids = [re.findall(r' id="([^"]+)"', to_svg(folded(name))) for name in ("resnet20", "resnet32")]

    assert len(set(ids[0] + ids[1])) == 4


def test_a_pdf_has_a_page_for_each_scene_and_text_that_can_be_selected() -> None:
    pdf = two_pages()

    assert pdf.startswith(b"%PDF")
    assert pdf.count(b"/Type /Page ") == 2
    streams = [zlib.decompress(s) for s in re.findall(rb"stream\r?\n(x.*?)\r?\nendstream", pdf, re.S)]
    shown = b"".join(re.findall(rb"\(((?:[^()\\]|\\.)*)\)", b"".join(streams))).replace(b"\0", b"")
    assert b"W=[3,3,16,16]" in shown
    assert b"those of convolutions and classifier" in shown  # no "fi" joined into one letter
    assert b"/Subtype /Type3" not in pdf  # type 3 fonts are outlines: not searchable everywhere


def test_a_png_has_the_scenes_size_times_the_scale_and_its_background() -> None:
    (scene,) = draw([model_spec("resnet20")], theme="dark")
    image = Image.open(io.BytesIO(to_png(replace(scene, items=scene.items[:20]), 0.5)))

    assert image.mode == "RGB"
    assert image.size == (int(scene.width / 2), int(scene.height / 2))
    assert image.getpixel((1, 1)) == (0x12, 0x16, 0x1C)


def test_drawing_leaves_matplotlibs_settings_and_the_garbage_collector_alone() -> None:
    before = dict(matplotlib.rcParams)
    to_png(upper_part(), 0.1)

    assert dict(matplotlib.rcParams) == before
    assert gc.isenabled()
    gc.disable()
    try:
        to_png(upper_part(), 0.1)
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_arrowheads_and_moves_of_lines() -> None:
    line = Line(start=(0, 0), segments=(((0, 5), (0, 8), (0, 10)),), color="#000000", arrow=True)

    assert arrowhead(line, length=4, half_width=1) == ((0, 10), (-1, 6), (1, 6))
    (there,) = moved([line], 3, 4)
    assert isinstance(there, Line)
    assert (there.start, there.segments) == ((3, 4), (((3, 9), (3, 12), (3, 14)),))


def test_pages_go_to_numbered_files_or_into_one_pdf(tmp_path: Path) -> None:
    scene = Scene(width=20, height=10, background="#ffffff", title="t", description="d", items=())

    assert save([scene], tmp_path / "x.svg") == [tmp_path / "x.svg"]
    assert save([scene] * 2, tmp_path / "x.PNG") == [tmp_path / "x-01.PNG", tmp_path / "x-02.PNG"]
    assert [path.name for path in save([scene] * 100, tmp_path / "x.svg")][::99] == ["x-001.svg", "x-100.svg"]
    assert save([scene] * 2, tmp_path / "x.pdf") == [tmp_path / "x.pdf"]
    with pytest.raises(
        UsageError, match=r"no such kind of picture: \.jpg\nName the file \.svg, \.pdf or \.png"
    ):
        save([scene], tmp_path / "x.jpg")
    assert len(list(tmp_path.iterdir())) == 1 + 2 + 100 + 1
