"""The unit figure: operations in their true order, strides and shortcuts where they truly are."""

from dataclasses import replace

import pytest

from resnetlab.errors import UsageError
from resnetlab.network.catalog import list_models, model_spec
from resnetlab.network.spec import ModelSpec
from resnetlab.show.drawing.comparison.unit_figure import draw_units
from resnetlab.show.drawing.scene import Box, Path, Scene, Text
from resnetlab.show.drawing.theme import THEMES
from tests.kit.overlaps import problems
from tests.kit.restated_drawings import (
    branch_end,
    conv_texts,
    map_sizes,
    order,
    shape,
    shortcut_texts,
    stage_input,
    stage_name,
    strided_index,
)

LIGHT = THEMES["light"]
ABLATIONS = (
    "resnet110", "resnet110_bn_after_add", "resnet110_relu_before_add", "resnet110_relu_only_preact",
    "preresnet110", "plain110",
)  # fmt: skip
GROUPS = (
    ABLATIONS,
    ("resnet34", "plain34"),
    ("resnet110", "plain110"),
    ("resnet50_v1", "resnet50", "resnet50_v2"),
    ("tfresearch_cifar100_bottleneck1001", "chaoji_tf2_plain20", "tfofficial_cifar_resnet110v2"),
)


def figure(*names: str, layout: str = "NHWC", theme: str = "light") -> Scene:
    return draw_units([model_spec(name) for name in names], THEMES[theme], layout, None, None)


def unit_texts(scene: Scene, unit: str) -> list[Text]:
    """The texts in the boxes of the unit's layers, from top to bottom."""
    found = [item for item in scene.items if isinstance(item, Text) and item.about.startswith(f"{unit}.")]
    return sorted(found, key=lambda text: text.y)


def addition(scene: Scene, unit: str) -> Box | None:
    boxes = [item for item in scene.items if isinstance(item, Box)]
    return next((box for box in boxes if box.about == unit and box.tip == "addition"), None)


def letters(texts: list[Text]) -> str:
    """The operations as W (weight), B (BN) and R (ReLU)."""
    operations = [text.text for text in texts if text.role in ("kernel", "norm", "name")]
    return "".join("R" if "ReLU" in word else "B" if word.startswith("BN") else "W" for word in operations)


def check_unit(spec: ModelSpec, scene: Scene, unit: str, layout: str, *, is_first: bool) -> None:
    stage = 1
    found = unit_texts(scene, unit)
    trunk = [text for text in found if "downsample" not in text.about and "branch_scale" not in text.about]
    assert [text.text for text in found if "branch_scale" in text.about] == branch_end(spec)
    beside = [text for text in found if "downsample" in text.about]
    before, after = order(spec)
    assert letters(trunk) == before + after
    convs = [text.text for text in trunk if text.role == "kernel"]
    assert convs == conv_texts(spec, stage, is_first=False)
    steps = [text.text for text in beside if text.role in ("kernel", "name", "padding")]
    assert steps == [text.partition(", /")[0] for text in shortcut_texts(spec, stage, is_first=is_first)]
    has_norm = spec.projection_norm and any("conv" in text for text in steps)
    assert [text.text for text in beside if text.role == "norm"] == ["BN (beta, gamma)"] * has_norm

    inner, outer = map_sizes(spec)[stage : stage + 2]
    channels = stage_input(spec, stage) if is_first else spec.out_channels[stage]
    ends = [t.text for t in scene.items if isinstance(t, Text) and t.role == "shape" and t.about == unit]
    last = shape(layout, spec.out_channels[stage], outer)
    assert ends == [shape(layout, channels, inner if is_first else outer), last]
    assert [text.text for text in trunk if text.role == "shape"][-1] == last
    if sizes := [text.text for text in beside if text.role == "shape"]:
        assert sizes[-1] == last

    tags = [(text.about, text.text) for text in found if text.role == "stride"]
    assert tags == sorted(tags, key=lambda tag: [text.about for text in found].index(tag[0]))
    stride = spec.strides[stage]
    strided = {f"{unit}.conv{strided_index(spec) + 1}"} | {text.about for text in beside[:1]}
    assert set(tags) == ({(about, f"stride {stride}") for about in strided} if is_first else set())
    check_addition(spec, scene, unit, len(before), trunk)


def check_addition(spec: ModelSpec, scene: Scene, unit: str, before: int, trunk: list[Text]) -> None:
    circle = addition(scene, unit)
    assert (circle is None) == (spec.shortcut == "none")
    if circle is not None:
        named = [text for text in trunk if text.role in ("kernel", "norm", "name")]
        assert all(text.y < circle.y for text in named[:before])
        assert all(text.y > circle.y for text in named[before:])


def check_labels(spec: ModelSpec, scene: Scene, layout: str, prefix: str = "") -> None:
    unit = f"{prefix}{stage_name(spec, 1)}"
    check_unit(spec, scene, f"{unit}.0", layout, is_first=True)
    check_unit(spec, scene, f"{unit}.1", layout, is_first=False)


@pytest.mark.parametrize("name", list_models())
def test_every_label_is_what_the_specification_says_and_nothing_overlaps(name: str) -> None:
    scene = figure(name)

    check_labels(model_spec(name), scene, "NHWC")
    assert problems(scene) == []


@pytest.mark.parametrize("names", GROUPS, ids="+".join)
@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
def test_models_side_by_side_are_labelled_each_as_itself(names: tuple[str, ...], layout: str) -> None:
    scene = figure(*names, layout=layout)

    assert problems(scene) == []
    for name in names:
        check_labels(model_spec(name), scene, layout, f"{name}:")


def shortcut(scene: Scene, unit: str) -> list[Path]:
    """The pieces of the unit's shortcut, from top to bottom."""
    paths = [item for item in scene.items if isinstance(item, Path)]
    return [path for path in paths if path.about == unit and path.color == LIGHT.shortcut]


def box(scene: Scene, about: str) -> Box:
    return next(item for item in scene.items if isinstance(item, Box) and item.about == about)


def test_the_shortcut_leaves_from_the_input_or_after_the_shared_activation() -> None:
    scene = figure("resnet50_v2", "tfresearch_bottleneck164")

    for name, is_after in (("resnet50_v2", True), ("tfresearch_bottleneck164", False)):
        unit = f"{name}:stages.1.blocks.0"
        pieces, act = shortcut(scene, unit), box(scene, f"{unit}.act1")
        assert (pieces[0].start[1] > act.y + act.height) == is_after
        assert (act.x < pieces[0].start[0] < act.x + act.width) == is_after
    other = "resnet50_v2:stages.1.blocks.1"
    assert shortcut(scene, other)[0].start[1] < box(scene, f"{other}.norm1").y


def test_the_shortcut_is_straight_and_dashed_where_zeros_are_added() -> None:
    scene = figure(*ABLATIONS)

    for name in ABLATIONS[:-1]:
        unit = f"{name}:{stage_name(model_spec(name), 1)}"
        changing, identity = shortcut(scene, f"{unit}.0"), shortcut(scene, f"{unit}.1")
        assert [len(changing), len(identity)] == [3, 1]  # over pooling and zero channels, or nothing
        assert all(path.dashed for path in changing) and not identity[0].dashed
        assert {path.start[0] for path in changing + identity} == {
            path.segments[-1][0][0] for path in changing
        }
    assert shortcut(scene, "plain110:layer2.0") == []


def captions(scene: Scene, unit: str) -> str:
    found = [item for item in scene.items if isinstance(item, Text)]
    return " ".join(text.text for text in found if text.about == unit and text.role == "note")


def test_captions_say_which_units_where_the_stride_sits_and_what_the_shortcut_reads() -> None:
    scene = figure("resnet50_v1", "resnet50", "resnet50_v2", "resnet110", "chaoji_resnet20", "plain18")

    for unit, words in (
        (
            "resnet50_v1:layer2.0",
            "stage 2, unit 1 (layer2.0) stride 2 on the first 1×1 projection shortcut, from the unit's input",
        ),
        (
            "resnet50:layer2.0",
            "stage 2, unit 1 (layer2.0) stride 2 on the 3×3 projection shortcut, from the unit's input",
        ),
        ("resnet50:layer2.1", "stage 2, units 2-4 (layer2.1 to 3) identity shortcut, from the unit's input"),
        (
            "resnet50_v2:stages.1.blocks.0",
            "stage 2, unit 1 (stages.1.blocks.0) stride 2 on the 3×3 projection shortcut,"
 " from the pre-activation",
        ),
        (
            "resnet110:layer2.0",
            "stage 2, unit 1 (layer2.0) stride 2 on the first 3×3 shortcut of every 2nd pixel and"
            " 16 zero channels, from the unit's input",
        ),
        (
            "chaoji_resnet20:stages.1.blocks.0",
            "stage 2, unit 1 (stages.1.blocks.0) stride 2 on the first 3×3 shortcut of average pooling and"
            " 16 zero channels, from the unit's input",
        ),
        ("plain18:layer2.1", "stage 2, unit 2 (layer2.1) no shortcut"),
    ):  # fmt: skip
        assert captions(scene, unit) == words


def test_heads_give_the_papers_words_for_the_order() -> None:
    scene = figure(*ABLATIONS)
    heads = {
        text.about: text.text
        for text in scene.items
        if isinstance(text, Text) and text.about.endswith(":") and text.role == "note"
    }

    assert [heads[f"{name}:"] for name in ABLATIONS] == [
        "original", "BN after addition", "ReLU before addition", "ReLU-only pre-activation",
        "full pre-activation", "original, no shortcut",
    ]  # fmt: skip


def test_a_leaky_slope_and_a_missing_gamma_are_told() -> None:
    texts = [
        item.text for item in figure("tfresearch_resnet20", "chaoji_resnet20").items if isinstance(item, Text)
    ]

    assert "leaky ReLU 0.1" in texts
    assert texts.count("BN (beta)") == 2  # chaoji's first norm of both units


def test_themes_change_colours_only_and_every_text_can_be_read() -> None:
    scenes = [figure(*ABLATIONS, theme=theme) for theme in THEMES]

    found = [[(i.x, i.y, i.text) for i in scene.items if isinstance(i, Text)] for scene in scenes]
    assert found[0] == found[1] == found[2]
    assert min(item.size for item in scenes[0].items if isinstance(item, Text)) >= 10


def test_outputs_stand_at_one_height_in_all_models() -> None:
    scene = figure(*ABLATIONS)
    heights = {item.y for item in scene.items if isinstance(item, Text) and item.text == "l+1"}

    assert len(heights) == 2  # one for each of the two rows


def test_networks_of_unusual_stages_are_drawn_too() -> None:
    base = model_spec("resnet20")
    one = base.with_(blocks=(1,), widths=(16,), out_channels=(16,), strides=(1,))
    lone = base.with_(blocks=(1, 1, 1), shortcut="C")
    wide = base.with_(blocks=(2, 2), widths=(16, 16), out_channels=(16, 16), strides=(1, 3))

    for specs in ([one], [lone], [wide], [one, lone, wide]):
        scene = draw_units(specs, LIGHT, "NHWC", 48, 96)
        assert problems(scene) == []
    titles = [
        item.text for item in draw_units([one], LIGHT, "NHWC", None, None).items if isinstance(item, Text)
    ]
    assert "First unit" in titles
    assert "The units after it" not in titles


def test_a_stage_that_strides_in_its_last_unit_shows_that_one_in_a_row_of_its_own() -> None:
    # As in Keras Applications: ResNet50V2.
    keras = model_spec("resnet50_v2").with_(stride_on="last-3x3", shortcut="stage", strides=(2, 2, 2, 1))
    scene = draw_units([model_spec("resnet50_v2"), replace(keras, name="keras")], LIGHT, "NHWC", None, None)
    titles = [item for item in scene.items if isinstance(item, Text) and item.size == 13 and not item.about]
    tags = {text.about for text in scene.items if isinstance(text, Text) and text.role == "stride"}

    assert [text.text for text in titles] == [
        "First unit",
        "The units after it",
        "Last unit: the size changes",
    ]
    assert {about for about in tags if about.startswith("keras:")} == {
        "keras:stages.1.blocks.3.conv2", "keras:stages.1.blocks.3.downsample.pool",
    }  # fmt: skip
    last = box(scene, "keras:stages.1.blocks.3")
    assert titles[1].y < box(scene, "keras:stages.1.blocks.1").y < titles[2].y < last.y
    assert problems(scene) == []


def test_title_and_description_say_in_words_what_is_drawn() -> None:
    scene = figure("resnet50", "resnet50_v1")

    assert title_of(scene) == "Inside a unit of resnet50 and resnet50_v1"
    assert scene.title == "resnet50 beside resnet50_v1: inside a unit"
    assert "resnet50, original. layer2.0: 1×1 conv, 128, BN (beta, gamma), ReLU, 3×3" in scene.description
    assert "; stride 2 on the first 1×1; projection shortcut, from the unit's input." in scene.description


def title_of(scene: Scene) -> str:
    return " ".join(item.text for item in scene.items if isinstance(item, Text) and item.role == "title")


def test_a_long_title_is_broken_into_lines_of_the_pages_width() -> None:
    name = "tfresearch_cifar100_bottleneck1001"
    scene = figure(name, name)
    lines = [item for item in scene.items if isinstance(item, Text) and item.role == "title"]

    assert len(lines) > 1
    assert title_of(scene) == f"Inside a unit of {name} (1) and {name} (2)"


@pytest.mark.parametrize("count", [0, 7])
def test_no_model_and_more_than_six_are_refused(count: int) -> None:
    with pytest.raises(UsageError, match=rf"draws 1 to 6 models side by side, and {count} were given"):
        figure(*["resnet20"] * count)


def test_a_size_that_the_strides_do_not_allow_is_refused() -> None:
    with pytest.raises(UsageError, match="for images of 31x31 px the branch makes maps of 16x16"):
        draw_units([model_spec("chaoji_resnet20")], LIGHT, "NHWC", 31, 31)
