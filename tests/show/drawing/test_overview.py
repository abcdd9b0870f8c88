"""The overview tells the truth, is aligned by stage, and nothing in it overlaps."""

import re
from collections import defaultdict
from collections.abc import Sequence

import pytest

from resnetlab.errors import UsageError
from resnetlab.network.catalog import list_models, model_spec
from resnetlab.network.spec import ModelSpec
from resnetlab.show.drawing.comparison.overview import draw_overview
from resnetlab.show.drawing.scene import Box, Path, Scene, Text
from resnetlab.show.drawing.theme import THEMES
from tests.kit.overlaps import problems
from tests.kit.restated_drawings import branch_end, conv_texts, map_sizes, shape, shortcut_texts, stage_name

LIGHT = THEMES["light"]
GROUPS = (
    ("resnet34", "plain34"),
    ("resnet110", "plain110"),
    ("resnet50_v1", "resnet50", "resnet50_v2"),
    ("resnet20", "resnet50", "plain18"),
    ("resnet152", "resnet110", "tfresearch_cifar100_bottleneck1001"),
    ("tfofficial_resnet18v1", "tfofficial_cifar_resnet110v2", "keras_resnet20v2"),
)


def overview(*names: str, layout: str = "NHWC", theme: str = "light") -> Scene:
    return draw_overview([model_spec(name) for name in names], THEMES[theme], layout, None, None)


def texts(scene: Scene, prefix: str = "") -> list[Text]:
    """The texts on layers and units of one model, from top to bottom, without its prefix."""
    found = [item for item in scene.items if isinstance(item, Text) and item.about.startswith(prefix)]
    return sorted(found, key=lambda text: text.y)


def in_unit(found: Sequence[Text], unit: str, *, shortcut: bool) -> list[str]:
    return [
        text.text
        for text in found
        if text.role in ("kernel", "name", "padding")
        and text.about.startswith(f"{unit}.")
        and ("downsample" in text.about) == shortcut
    ]


def check_labels(spec: ModelSpec, scene: Scene, layout: str, prefix: str = "") -> None:
    found = texts(scene, prefix)
    repeats = [text for text in found if text.role == "count" and text.text.startswith("× ")]
    counts = {text.about: int(text.text[2:]) for text in repeats}
    shapes = {text.about: text.text for text in found if text.role == "shape"}
    sizes = map_sizes(spec)
    assert f"image {shape(layout, spec.in_channels, spec.input_size)}" in shapes[f"{prefix}image"]
    for stage, blocks in enumerate(spec.blocks):
        name = f"{prefix}{stage_name(spec, stage)}"
        pattern = re.compile(rf"({re.escape(name)}\.\d+)\.")
        units = list(dict.fromkeys(match[1] for text in found if (match := pattern.match(text.about))))
        assert sum(counts.get(unit, 1) for unit in units) == blocks
        for index, unit in enumerate(units):
            is_first = index == 0
            convs = conv_texts(spec, stage, is_first=is_first)
            assert in_unit(found, unit, shortcut=False) == convs + branch_end(spec)
            assert in_unit(found, unit, shortcut=True) == shortcut_texts(spec, stage, is_first=is_first)
        end = "branch_scale" if branch_end(spec) else f"conv{2 if spec.unit == 'basic' else 3}"
        last = f"{units[-1]}.{end}"
        assert shapes[last] == shape(layout, spec.out_channels[stage], sizes[stage + 1])
    head = "head.fc" if spec.order == "pre" else "fc"
    assert shapes[f"{prefix}{head}"] == f"logits [N, {spec.classes}]"
    assert shapes[f"{prefix}pool"] == f"[N, {spec.out_channels[-1]}]"
    assert next(text.text for text in found if text.about == prefix + head) == f"fc {spec.classes}"


@pytest.mark.parametrize("name", list_models())
def test_every_label_is_what_the_specification_says_and_nothing_overlaps(name: str) -> None:
    scene = overview(name)

    check_labels(model_spec(name), scene, "NHWC")
    assert problems(scene) == []


@pytest.mark.parametrize("names", GROUPS, ids="+".join)
@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
def test_models_side_by_side_are_labelled_each_as_itself(names: tuple[str, ...], layout: str) -> None:
    scene = overview(*names, layout=layout)

    assert problems(scene) == []
    for name in names:
        check_labels(model_spec(name), scene, layout, f"{name}:")


@pytest.mark.parametrize("names", GROUPS, ids="+".join)
def test_every_stage_starts_at_one_height_in_all_models(names: tuple[str, ...]) -> None:
    starts: defaultdict[int, set[float]] = defaultdict(set)
    boxes = {item.about: item for item in overview(*names).items if isinstance(item, Box)}
    for spec in map(model_spec, names):
        for stage in range(len(spec.blocks)):
            starts[stage].add(boxes[f"{spec.name}:{stage_name(spec, stage)}.0.conv1"].y)

    assert all(len(heights) == 1 for heights in starts.values()), starts
    assert sorted(starts.values(), key=min) == [starts[stage] for stage in sorted(starts)]


def test_the_papers_figure_3_draws_all_34_layers_one_by_one() -> None:
    scene = overview("resnet34", "plain34")
    boxes = [item.about for item in scene.items if isinstance(item, Box) and ":" in item.about]

    for name in ("resnet34:", "plain34:"):
        weighted = [a for a in boxes if a.startswith(name) and re.search(r"(conv\d|fc)$", a)]
        assert len(weighted) == 34
    assert not [text for text in texts(scene) if text.text.startswith("×")]


def shortcuts(scene: Scene) -> dict[str, bool]:
    """The units with a shortcut, and whether it is dashed."""
    return {
        item.about: item.dashed
        for item in scene.items
        if isinstance(item, Path) and item.color == LIGHT.shortcut and item.about
    }


def test_shortcuts_are_drawn_where_they_are_and_dashed_where_zeros_are_added() -> None:
    assert shortcuts(overview("resnet110")) == {
        "layer1.0": False, "layer2.0": True, "layer2.1": False, "layer3.0": True, "layer3.1": False,
    }  # fmt: skip
    assert set(shortcuts(overview("resnet34")).values()) == {False}
    assert len(shortcuts(overview("resnet34"))) == 16
    assert shortcuts(overview("plain34")) == {}


def test_the_stride_stands_on_the_first_1x1_in_v1_and_on_the_3x3_in_v15_and_v2() -> None:
    names = ("resnet50_v1", "resnet50", "resnet50_v2")
    strided = {text.about for text in texts(overview(*names)) if text.text.endswith(", /2")}

    assert {about for about in strided if re.search(r"(layer2|stages\.1).*conv\d$", about)} == {
        "resnet50_v1:layer2.0.conv1", "resnet50:layer2.0.conv2", "resnet50_v2:stages.1.blocks.0.conv2",
    }  # fmt: skip


def test_a_stage_may_stride_in_its_last_unit() -> None:
    # As in Keras Applications: ResNet50V2.
    keras = model_spec("resnet50_v2").with_(stride_on="last-3x3", shortcut="stage", strides=(2, 2, 2, 1))
    scene = draw_overview([keras], LIGHT, "NHWC", None, None)

    strided = [text.about for text in texts(scene) if text.text.endswith(", /2") and "blocks" in text.about]
    assert set(strided) == {
        f"stages.{stage}.blocks.{last}.{layer}"
        for stage, last in enumerate((2, 3, 5))
        for layer in ("conv2", "downsample.pool")
    }
    assert problems(scene) == []


def test_the_heading_gives_name_depth_parameters_and_multiply_adds() -> None:
    lines = [text.text for text in texts(overview("resnet34")) if text.role in ("name", "count")][:4]

    # torchvision's documentation of its weights: 21797672 parameters, 3.66 G.
    assert lines == ["resnet34", "34 weighted layers", "21.8 M parameters", "3.7 G multiply-adds"]


def test_the_margin_gives_the_output_size_where_all_models_share_it() -> None:
    same = {t.about: t.text for t in texts(overview("resnet34", "plain34"), "stage") if t.role == "shape"}
    mixed = [t.text for t in texts(overview("resnet34", "resnet20"), "stage") if t.role == "shape"]

    assert same == {f"stage {i}": f"output size: {size}" for i, size in enumerate((56, 28, 14, 7), 1)}
    assert mixed == ["output size: 7"]  # only one of the two has a stage 4


def test_another_input_size_changes_the_sizes() -> None:
    scene = draw_overview([model_spec("resnet18")], LIGHT, "NHWC", 96, 64)

    found = [text.text for text in texts(scene, "stage") if text.role == "shape"]
    assert found == [f"output size: {size}" for size in ("24×16", "12×8", "6×4", "3×2")]
    assert problems(scene) == []


def test_themes_change_colours_only_and_every_text_can_be_read() -> None:
    scenes = [overview("resnet110", "plain110", theme=theme) for theme in THEMES]

    found = [[(text.x, text.y, text.text) for text in texts(scene)] for scene in scenes]
    assert found[0] == found[1] == found[2]
    assert min(text.size for text in texts(scenes[0])) >= 10
    assert len({scene.background for scene in scenes}) == 2


def test_a_network_of_unusual_stages_is_drawn_too() -> None:
    base = model_spec("resnet20")
    one = base.with_(blocks=(1,), widths=(16,), out_channels=(16,), strides=(1,))
    seven = base.with_(
        blocks=(1,) * 7, widths=(16,) * 7, out_channels=(16,) * 7, strides=(1,) * 7, shortcut="C"
    )

    for specs in ([one], [seven], [one, seven]):
        assert problems(draw_overview(specs, LIGHT, "NHWC", None, None)) == []


def test_title_and_description_say_in_words_what_is_drawn() -> None:
    scene = overview("resnet34", "plain34")

    assert [text.text for text in texts(scene) if text.role == "title"] == ["resnet34 beside plain34"]
    assert scene.title == "resnet34 beside plain34: overview"
    assert "plain34, 34 weighted layers, no shortcuts. stage 1: 3 units, output size 56;" in scene.description


@pytest.mark.parametrize("count", [0, 4])
def test_no_model_and_more_than_three_are_refused(count: int) -> None:
    with pytest.raises(UsageError, match=rf"draws 1 to 3 models side by side, and {count} were given"):
        overview(*["resnet20"] * count)


def test_a_size_that_the_strides_do_not_allow_is_refused() -> None:
    with pytest.raises(UsageError, match="for images of 31x31 px the branch makes maps of 16x16"):
        draw_overview([model_spec("chaoji_resnet20")], LIGHT, "NHWC", 31, 31)


@pytest.mark.parametrize("names", [("plain20", "resnet20"), ("resnet34", "plain34")])
def test_no_word_of_the_heading_stands_alone(names: tuple[str, ...]) -> None:
    scene = overview(*names)
    said = [item.text for item in scene.items if isinstance(item, Text) and item.color == LIGHT.faint]
    (last,) = (index for index, text in enumerate(said) if text.endswith("stride 2."))

    assert len(said[last].split()) > 1
    assert " ".join(said[: last + 1]).startswith("One box per weighted layer; ")
