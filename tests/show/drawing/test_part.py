"""One part drawn large: every step of it, its size, its numbers, and nothing over anything else."""

import re
from pathlib import Path
from typing import Any, get_args

import pytest

from resnetlab.cli import main
from resnetlab.errors import UsageError
from resnetlab.network.catalog import model_spec
from resnetlab.network.layers import num_parameters
from resnetlab.network.plan import Traced
from resnetlab.network.spec import ModelSpec
from resnetlab.show.drawing.labels import Part, shape_text
from resnetlab.show.drawing.scene import Box, Scene, Text
from resnetlab.show.drawing.scene import Path as Line
from resnetlab.show.picture import draw
from tests.kit.overlaps import problems

PARTS = get_args(Part)
MODELS = {
    "post, A": model_spec("resnet20"),
    "pre, average pooling": model_spec("chaoji_resnet20"),
    "bottleneck, B": model_spec("resnet50"),
    "pre, bottleneck, from the pre-activation": model_spec("resnet50_v2"),
    "C": model_spec("resnet34").with_(shortcut="C"),
    "a projection in every stage": model_spec("keras_resnet20v1"),
    "bias": model_spec("keras_resnet20v2"),
    "stride on the last": model_spec("tfofficial_cifar_resnet20v2"),
    "wide": model_spec("tfresearch_cifar100_wrn28_10"),
    "very deep": model_spec("preresnet1001"),
    "ReLU only": model_spec("resnet164_relu_only_preact"),
    "BN after the addition": model_spec("resnet110_bn_after_add"),
    "one stage, no change": model_spec("preresnet110").with_(
        blocks=(2,), widths=(16,), out_channels=(16,), strides=(1,), first_shortcut_preact=False
    ),
    "leaky, thousands of classes, grey": model_spec("resnet18").with_(
        act_slope=0.1, classes=21_843, in_channels=1
    ),
    "plain": model_spec("plain20"),
}


def pictured(spec: ModelSpec, part: Any, **options: Any) -> Scene:
    (scene,) = draw([spec], part=part, **options)
    return scene


def texts(scene: Scene) -> list[Text]:
    return [item for item in scene.items if isinstance(item, Text)]


def rows_of(scene: Scene, spec: ModelSpec) -> list[Traced]:
    """The layers that have a box."""
    drawn = {item.about for item in scene.items if isinstance(item, Box)}
    return [row for row in spec.shapes() if row.path in drawn]


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("name", MODELS)
def test_every_step_is_there_with_its_size_and_nothing_meets(name: str, part: str) -> None:
    spec = MODELS[name]
    if name == "plain" and part == "shortcut":
        return
    for layout in ("NHWC", "NCHW"):
        scene = pictured(spec, part, layout=layout)
        assert problems(scene) == []
        rows = rows_of(scene, spec)
        places = {row.place for row in rows}
        if part in ("stem", "head"):
            place = "stem" if part == "stem" else "tail"
            assert rows == [row for row in spec.shapes() if row.place == place]
        elif part == "unit":
            assert {row.unit for row in rows} == {rows[0].unit} and "branch" in places
            assert len(rows) == sum(row.unit == rows[0].unit for row in spec.shapes())
        else:
            assert "branch" not in places
        said = {text.text for text in texts(scene) if text.role == "shape"}
        for row in rows:
            flat = row.output[1:] == (1, 1) and part == "head"
            assert shape_text(row.output, layout, flat=flat) in said, row.path
            assert shape_text(row.input, layout, flat=flat and row.input[1:] == (1, 1)) in said, row.path


@pytest.mark.parametrize("part", ["stem", "unit", "head"])
@pytest.mark.parametrize("name", MODELS)
def test_the_words_beside_the_steps_count_every_parameter(name: str, part: str) -> None:
    spec = MODELS[name]
    scene = pictured(spec, part)
    words = " ".join(text.text for text in texts(scene) if text.role == "note").partition("pixels.")[2]
    counted = sum(
        int(n.replace(",", "")) for n in re.findall(r"([\d,]+) (?:parameters|weights|biases)", words)
    )
    trunk = [row for row in rows_of(scene, spec) if row.place != "shortcut"]

    assert counted == sum(num_parameters(row.layer) for row in trunk)
    facts = " ".join(text.text for text in texts(scene)[:3])
    assert f"{sum(num_parameters(row.layer) for row in rows_of(scene, spec)):,} parameters" in facts


def test_a_shortcut_counts_its_own_parameters_and_a_changed_network_says_so() -> None:
    for spec, facts in (
        (MODELS["post, A"], "Stage 2, unit 1 (layer2.0). No parameters, for images of 32×32 pixels."),
        (MODELS["BN after the addition"], "Stage 2, unit 1 (layer2.0). No parameters, for images"),
        (MODELS["bottleneck, B"], "16,896 parameters, 51.4 M multiply-adds"),
        (MODELS["C"], "Here with shortcut=C."),
    ):
        assert facts in " ".join(text.text for text in texts(pictured(spec, "shortcut"))[:3])


def test_the_unit_is_one_with_an_identity_and_the_shortcut_one_without() -> None:
    unit, shortcut = (pictured(MODELS["pre, average pooling"], each) for each in ("unit", "shortcut"))

    assert {row.unit for row in rows_of(unit, MODELS["pre, average pooling"])} == {"stages.0.blocks.1"}
    assert {row.unit for row in rows_of(shortcut, MODELS["pre, average pooling"])} == {"stages.1.blocks.0"}
    assert "identity" in {text.text for text in texts(unit)}
    assert {"average pool 2×2", "zero-pad channels", "the branch"} <= {text.text for text in texts(shortcut)}
    only = pictured(MODELS["one stage, no change"], "shortcut")
    assert {"identity", "the input as it is: nothing is learnt"} <= {text.text for text in texts(only)}


def test_a_strip_is_as_long_as_its_channels_and_as_high_as_its_maps_and_zeros_are_hollow() -> None:
    scene = pictured(MODELS["pre, average pooling"], "shortcut")
    bars = [item for item in scene.items if isinstance(item, Box) and item.about == "what flows"]
    strips: dict[float, list[Box]] = {}
    for bar in bars:
        strips.setdefault(round(bar.y + bar.height / 2), []).append(bar)
    found = [strips[y] for y in sorted(strips)]

    assert [len(strip) for strip in found] == [16, 16, 32, 32]
    assert [round(found[0][0].height / strip[0].height, 3) for strip in found] == [1, 2, 2, 2]
    widths = {round(strip[1].x - strip[0].x, 3) for strip in found}
    assert len(widths) == 1
    fills = [bar.fill for bar in found[2]]
    assert fills[:8] == fills[24:] == [fills[0]] * 8 and fills[8:24] == [found[0][0].fill] * 16
    assert fills[0] != fills[8]


def test_the_shortcut_meets_the_branch_in_the_addition() -> None:
    scene = pictured(MODELS["bottleneck, B"], "shortcut")
    plus = next(item for item in scene.items if isinstance(item, Box) and "the branch plus" in item.tip)
    ends = [item.segments[-1][-1] for item in scene.items if isinstance(item, Line) and item.arrow]
    middle = plus.x + plus.width / 2, plus.y + plus.height / 2

    assert any(abs(x - middle[0]) < 0.1 and abs(y - plus.y) < 0.1 for x, y in ends), "from above"
    assert any(abs(x - plus.x) < 0.1 and abs(y - middle[1]) < 0.1 for x, y in ends), "from the side"


@pytest.mark.parametrize("theme", ["dark", "print"])
def test_other_themes_have_the_same_layout(theme: str) -> None:
    light, other = (pictured(MODELS["post, A"], "shortcut", theme=each) for each in ("light", theme))
    assert [text.text for text in texts(light)] == [text.text for text in texts(other)]
    assert light.background != other.background or theme == "print"


def test_other_images_have_other_sizes() -> None:
    scene = pictured(MODELS["bottleneck, B"], "stem", height=256, width=320)
    assert {"[N, 256, 320, 3]", "[N, 64, 80, 64]"} <= {text.text for text in texts(scene)}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"part": "shortcut", "name": "plain20"}, "plain20 has no shortcuts to draw"),
        ({"part": "stem", "style": "unit"}, "part goes with the style full, not with unit"),
        ({"part": "stem", "unfold": True}, "a part is one picture: no unfold of it"),
        ({"part": "stem", "columns": 2}, "a part is one picture: no columns of it"),
        ({"part": "tail"}, "part"),
        ({"part": "head", "height": 33, "width": 33, "name": "chaoji_resnet20"}, "33x33 px"),
    ],
)
def test_what_cannot_be_is_told(options: dict[str, Any], words: str) -> None:
    spec = model_spec(options.pop("name", "resnet20"))
    with pytest.raises(UsageError, match=re.escape(words)):
        draw([spec], **options)


def test_two_networks_have_no_part_in_common() -> None:
    with pytest.raises(UsageError, match="draws one network, got 2"):
        draw([model_spec("resnet20"), model_spec("resnet32")], part="stem")


def test_the_command_names_the_file_by_the_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["draw", "resnet20", "--part", "shortcut", "--set", "shortcut=C"]) == 0
    assert capsys.readouterr().out == "resnet20-shortcut.svg\n"
    assert "conv 1×1" in Path("resnet20-shortcut.svg").read_text()
    assert main(["draw", "plain20", "--part", "shortcut"]) == 2
    assert "--part unit draws one of its plain units" in capsys.readouterr().err
