"""The legend says what occurs in the picture above it, and nothing else."""

import pytest

from resnetlab.network.catalog import model_spec
from resnetlab.network.spec import ModelSpec
from resnetlab.show.drawing.legend import ADDITION, REPEAT, draw_legend
from resnetlab.show.drawing.scene import Text
from resnetlab.show.drawing.theme import THEMES
from resnetlab.show.drawing.typeface import text_box
from resnetlab.show.picture import Style, draw

PLAIN = model_spec("plain20")
OPTION_A = "shortcut without weights: subsampling, zero channels"


def legend(specs: list[ModelSpec], style: Style) -> list[str]:
    scene = draw(specs, style=style)[0]
    return [item.text for item in scene.items if isinstance(item, Text) and item.role == "legend"]


@pytest.mark.parametrize("style", ("full", "overview", "unit"))
def test_all_styles_name_the_shortcuts_that_occur_in_the_same_words(style: Style) -> None:
    for name, words in (
        ("resnet20", ["identity shortcut", OPTION_A]),
        ("resnet50", ["identity shortcut", "projection shortcut"]),
        (
            "chaoji_resnet20",
            ["identity shortcut", "shortcut without weights: average pooling, zero channels"],
        ),
        ("plain20", []),
    ):
        found = " ".join(legend([model_spec(name)], style))  # a narrow page breaks its lines
        assert found.count("shortcut") == len(words)
        assert all(word in found for word in words)
        assert ("addition" in found) == bool(words)


@pytest.mark.parametrize("style", ("full", "overview", "unit"))
def test_a_shortcut_that_only_pools_is_not_said_to_add_channels(style: Style) -> None:
    spec = model_spec("resnet50_v2").with_(stride_on="last-3x3", shortcut="stage", strides=(2, 2, 2, 1))

    padded = [text for text in legend([spec], style) if "without weights" in text]
    assert padded == ["shortcut without weights: subsampling"]


def test_pooling_stands_before_zero_channels_whichever_comes_first() -> None:
    # The first unit of the wide network widens without pooling.
    found = legend([model_spec("tfresearch_wrn28_10")], "full")

    assert "shortcut without weights: average pooling, zero channels" in found


def test_several_models_share_a_legend_of_what_any_of_them_has() -> None:
    found = legend([PLAIN, model_spec("resnet20"), model_spec("preresnet164")], "overview")

    shortcuts = ["identity shortcut", OPTION_A, "projection shortcut"]
    assert found == [*shortcuts, "addition", "× n", "n equal units in a row, drawn once"]


def test_a_narrow_page_breaks_the_legend_into_rows() -> None:
    block = draw_legend((ADDITION, REPEAT), THEMES["light"], 130)
    texts = [item for item in block.items if isinstance(item, Text)]

    assert max(text_box(text)[2] for text in texts) <= 130
    assert len({round(text.y) for text in texts}) > 2
    assert block.height >= max(text_box(text)[3] for text in texts)
