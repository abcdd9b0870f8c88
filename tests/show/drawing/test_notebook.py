"""A specification shows itself: `spec.draw`, and what a notebook asks for."""

import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from resnetlab.errors import UsageError
from resnetlab.network.catalog import model_spec
from resnetlab.show.drawing.svg import to_svg
from resnetlab.show.picture import draw

RESNET20 = model_spec("resnet20")


FITTED = ' style="max-width:100%;height:auto"'


def test_a_notebook_shows_the_full_drawing_in_light_colours_as_wide_as_the_cell() -> None:
    svg = to_svg(draw([RESNET20])[0])

    assert RESNET20._repr_svg_() == svg
    assert RESNET20._repr_html_() == svg.replace("<svg", f"<svg{FITTED}", 1)


def test_draw_returns_a_picture_that_a_notebook_shows() -> None:
    picture = RESNET20.draw(style="unit", theme="dark", layout="NCHW")

    (scene,) = draw([RESNET20], style="unit", theme="dark", layout="NCHW")
    assert picture.pages == (scene,)
    assert picture._repr_svg_() == to_svg(scene)
    assert picture._repr_html_().count("<svg ") == 1
    assert repr(RESNET20.draw()) == "<resnet20: schematic, 1 page>"


def test_a_picture_of_many_pages_is_shown_whole() -> None:
    picture = RESNET20.draw(unfold=True)

    html = picture._repr_html_()
    assert picture._repr_svg_() is None
    assert html is not None and html.count(f"<svg{FITTED} ") == len(picture.pages) > 1
    assert repr(picture) == f"<resnet20: schematic, {len(picture.pages)} pages>"


def test_draw_saves_and_returns_the_files(tmp_path: Path) -> None:
    assert RESNET20.draw(tmp_path / "x.svg") == [tmp_path / "x.svg"]
    assert (tmp_path / "x.svg").read_text() == to_svg(draw([RESNET20])[0])
    files = RESNET20.draw(str(tmp_path / "y.svg"), unfold=True)
    assert files == sorted(path for path in tmp_path.iterdir() if path.name.startswith("y-"))


def test_drawings_in_one_notebook_do_not_clash() -> None:
    """Each id stands once, every reference stays within its own drawing, and no style reaches beyond it."""
    spec = RESNET20.with_(classes=11)
    svgs = [RESNET20._repr_svg_() or "", spec._repr_svg_() or "", *RESNET20.draw(unfold=True).svgs()]

    ids = [re.findall(r' id="([^"]+)"', svg) for svg in svgs]
    assert len({name for names in ids for name in names}) == sum(map(len, ids)) > 0
    for svg, names in zip(svgs, ids, strict=True):
        root = ElementTree.fromstring(svg)
        assert (root.get("aria-labelledby") or "").split() == names
        assert "<style" not in svg and "url(#" not in svg


@pytest.mark.parametrize(
    ("options", "words"),
    (
        ({"them": "dark"}, "draw has no option them\nDid you mean theme?"),
        ({"theme": "pink"}, "theme=pink: not one of light, dark, print"),
        ({"style": "ful"}, "style=ful: not one of full, overview, unit"),
        ({"layout": "CHWN"}, "layout=CHWN: not one of NHWC, NCHW"),
        ({"height": 0}, "height must be at least 1, got 0"),
        ({"width": "32"}, "width='32': not int"),
    ),
)
def test_options_that_there_are_not_are_refused(options: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        RESNET20.draw(**options)

    assert words in str(caught.value)


def test_a_path_that_takes_no_picture_is_told_before_anything_is_drawn(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no such kind of picture: \.jpg"):
        RESNET20.draw(tmp_path / "x.jpg", theme="pink")


def test_specifications_do_without_the_drawing_until_one_is_asked_for() -> None:
    code = (
        "import sys; from resnetlab.network.catalog import model_spec; model_spec('resnet20').num_parameters;"
        "sys.exit(any(name.startswith(('resnetlab.show.picture', 'matplotlib')) for name in sys.modules))"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
