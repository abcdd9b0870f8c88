"""ModelSpec: round trip, knobs, what it refuses, what it prints; no torch."""

import dataclasses
import json
import subprocess
import sys

import pytest

from resnetlab.errors import UsageError
from resnetlab.network.catalog import list_models, model_spec
from resnetlab.network.spec import KNOBS, ModelSpec, parse_knob


@pytest.mark.parametrize("name", list_models())
def test_json_round_trip(name: str) -> None:
    """Through JSON text and back, a specification is equal to itself and hashes alike."""
    spec = model_spec(name)

    copy = ModelSpec.from_json(json.loads(json.dumps(spec.to_json())))

    assert spec == copy
    assert hash(spec) == hash(copy)


def test_from_json_names_every_unknown_and_missing_field() -> None:
    """One error for all fields that are too many or too few."""
    data = model_spec("resnet20").to_json()
    del data["blocks"], data["classes"]
    data |= {"depth": 20, "colour": "red"}

    with pytest.raises(UsageError) as caught:
        ModelSpec.from_json(data)

    expected = "not a model specification: unknown colour, depth; missing blocks, classes"
    assert expected == caught.value.args[0]
    assert "later version" in caught.value.hint


def test_fields_left_out_keep_their_defaults() -> None:
    """A field that came later was, in every network of before, what its default is."""
    spec = model_spec("resnet20")
    data = spec.to_json()
    del data["stochastic_depth"], data["max_pool"], data["preact_momentum"]

    assert ModelSpec.from_json(data) == spec


def test_wrong_types_are_all_named() -> None:
    """Values of the wrong type are refused together, before anything else is looked at."""
    data = model_spec("resnet20").to_json() | {"classes": "ten", "order": "sideways", "blocks": 3}

    with pytest.raises(UsageError) as caught:
        ModelSpec.from_json(data)

    for part in ("classes='ten'", "order=sideways", "post, pre, bn-after-add", "blocks=3"):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"classes": 0}, "classes must be at least 1, got 0"),
        ({"blocks": (3, 3)}, "widths has 3 stages and blocks 2"),
        ({"blocks": (3, 0, 3)}, "blocks must be whole numbers from 1 on, got (3, 0, 3)"),
        ({"out_channels": (16, 32, 48)}, "basic units give on their width"),
        ({"stem_width": 32}, "shortcut A cannot narrow (32, 16, 32, 64); take B"),
        ({"blocks": (16_000, 384, 1)}, "blocks are 16,385 units, and at most 16,384 are built"),
        ({"bn_eps": 0.0}, "bn_eps must be > 0, got 0.0"),
        ({"bn_momentum": 0.0}, "bn_momentum must lie in (0, 1], got 0.0"),
        ({"preact_momentum": 2.0}, "preact_momentum must lie in (0, 1], got 2.0"),
        ({"act_slope": 1.0}, "act_slope must lie in [0, 1), got 1.0"),
        ({"stochastic_depth": 1.0}, "stochastic_depth must lie in [0, 1), got 1.0"),
        ({"shortcut": "none", "stochastic_depth": 0.5}, "this network is plain"),
        (
            {"shortcut_scale": 0},
            "shortcut_scale must be a factor > 0, got 0.0; shortcut=none has no shortcuts",
        ),
        ({"branch_scale": float("inf")}, "branch_scale must be a factor > 0, got inf"),
        ({"shortcut_dropout": 1}, "shortcut_dropout must lie in [0, 1), got 1.0"),
        ({"gate_bias": -6}, "gate_bias needs a shortcut_gate: exclusive or shortcut-only"),
        ({"gate_bias": float("nan")}, "gate_bias must be a finite number, got nan"),
        ({"shortcut": "none", "shortcut_gate": "exclusive"}, "shortcut_gate must have a shortcut"),
        (
            {"branch_scale": 2, "shortcut_dropout": 0.5},
            "branch_scale and shortcut_dropout are not defined together: take one of them",
        ),
        ({"shortcut": "none", "zero_init_residual": True}, "this network is plain"),
        ({"order": "relu-before-add", "zero_init_residual": True}, "would never learn"),
        ({"width": -1.0}, "width must be a factor > 0, got -1.0"),
        ({"width": "big"}, "width='big': not float"),
    ],
)
def test_contradictions_are_refused(changes: dict[str, object], text: str) -> None:
    """Each guard fires, with the value in its message."""
    with pytest.raises(UsageError) as caught:
        model_spec("resnet20").with_(**changes)

    assert text in str(caught.value)


def test_all_contradictions_are_named_at_once() -> None:
    """Two mistakes, one error."""
    with pytest.raises(UsageError, match=r"classes must be .*; bn_eps must be"):
        model_spec("resnet20").with_(classes=0, bn_eps=-1.0)


def test_unknown_knob_is_answered_with_the_nearest() -> None:
    """The message names the wrong knob, the near ones and all."""
    with pytest.raises(UsageError) as caught:
        model_spec("resnet20").with_(shortcuts="B")

    assert "no such model knob: shortcuts" in str(caught.value)
    assert "Did you mean shortcut" in str(caught.value)
    assert ", ".join(KNOBS) in str(caught.value)


def test_identity_is_not_a_knob() -> None:
    """Nobody renames a network or its published counts by a knob."""
    assert not {"name", "source", "published_parameters", "published_multiply_adds"} & set(KNOBS)
    with pytest.raises(UsageError, match="no such model knob: name"):
        model_spec("resnet20").with_(name="mine")


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("width", "2", 2.0),
        ("shortcut", "B", "B"),
        ("blocks", "3,4,6,3", (3, 4, 6, 3)),
        ("zero_init_residual", "true", True),
        ("classes", "100", 100),
        ("preact_momentum", "none", None),
        ("preact_momentum", "0.001", 0.001),
    ],
)
def test_knobs_are_read_from_text(name: str, text: str, value: object) -> None:
    """The command line's text becomes the typed value, and `with_` takes it."""
    parsed = parse_knob(name, text)

    assert value == parsed
    assert type(value) is type(parsed)
    assert isinstance(model_spec("resnet50").with_(**{name: parsed}), ModelSpec)


@pytest.mark.parametrize(
    ("name", "text"), [("classes", "many"), ("shortcut", "D"), ("blocks", "a,b"), ("colour", "1")]
)
def test_text_that_is_no_value_is_refused(name: str, text: str) -> None:
    """The error says which knob."""
    with pytest.raises(UsageError, match=name):
        parse_knob(name, text)


def test_width_multiplies_every_channel_count() -> None:
    """Stem, inner and outer channels; classes and image stay."""
    spec = model_spec("resnet164").with_(width=2)

    assert (
        spec.stem_width,
        spec.widths,
        spec.out_channels,
    ) == (32, (32, 64, 128), (128, 256, 512))
    assert (spec.classes, spec.in_channels) == (10, 3)


def test_small_stem_brings_small_images() -> None:
    """resnet18 with a 3x3/1 stem is the 11,173,962-parameter net known from CIFAR-10.

    The figure is that of kuangliu/pytorch-cifar's ResNet18, computed: 11,689,512 less the 1000-way
    head (513,000) and the 7x7 (9,408), with a 10-way head (5,130) and a 3x3 (1,728).
    """
    spec = model_spec("resnet18").with_(stem="small", classes=10)

    assert spec.num_parameters == 11_689_512 - 513_000 - 9_408 + 5_130 + 1_728
    assert spec.input_size == 32
    assert spec.with_(stem="imagenet").input_size == 224
    assert model_spec("resnet18").with_(stem="small", input_size=64).input_size == 64


def test_published_counts_do_not_survive_a_change() -> None:
    """A changed network has no published counts; an unchanged one keeps them."""
    spec = model_spec("resnet20")

    assert spec.with_(classes=100).published_parameters is None
    assert spec is spec.with_(classes=10, width=1.0)


def test_sizes_that_the_strides_do_not_allow_are_refused_clearly() -> None:
    """VALID average pooling needs even maps; SAME and option A do not; tiny images fit nowhere."""
    with pytest.raises(UsageError) as caught:
        model_spec("chaoji_resnet20").shapes(33, 32)
    text = (
        "stages.1.blocks.0: for images of 33x32 px the branch makes maps of 17x16 px"
        " and the shortcut of 16x16 px"
    )
    assert text in str(caught.value)

    assert model_spec("chaoji_tf2_resnet20").shapes(33, 32)[-1].output == (10, 1, 1)
    assert model_spec("resnet20").shapes(33, 32)[-1].output == (10, 1, 1)
    too_small = model_spec("resnet20").with_(stem="imagenet")
    assert too_small.shapes(1, 1)[-1].output == (10, 1, 1)


def test_keep_probabilities_fall_linearly_to_the_last() -> None:
    """Huang et al., 2016, section 3: p_l = 1 - l/L (1 - p_L)."""
    spec = model_spec("resnet20").with_(blocks=(1, 2, 1), stochastic_depth=0.5)

    assert spec.keep_probabilities == (0.875, 0.75, 0.625, 0.5)


def test_printing_shows_what_counts() -> None:
    """str() is short and tells images, stages, shortcut and counts."""
    text = str(model_spec("resnet50"))

    for part in ("resnet50", "3x224x224", "3 x 64-256/1", "shortcut  B", "25,557,032", "4.1 G"):
        assert part in text
    assert len(text.splitlines()) < 10


def test_every_field_has_help() -> None:
    """Each knob but the computed width carries the string that becomes its --help text."""
    from resnetlab.base.plaindata import field_docs

    assert {field.name for field in dataclasses.fields(ModelSpec)} == set(field_docs(ModelSpec))


def test_no_torch_and_quick() -> None:
    """The catalog and its counts come without torch and NumPy."""
    code = (
        "import sys, resnetlab.network.catalog as c; c.model_spec('resnet56').num_multiply_adds();"
        "print([m for m in ('torch', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
