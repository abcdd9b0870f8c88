"""Every foreign naming: a network written under its names comes back, with equal logits."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from resnetlab import create_model
from resnetlab.models import ResNet
from resnetlab.network.catalog import list_models, model_spec
from resnetlab.network.spec import ModelSpec
from resnetlab.weights import convert, recognise
from resnetlab.weights.facts.naming import expected_shapes
from resnetlab.weights.namings.keras_applications import keras_v1_spec, keras_v2_spec
from resnetlab.weights.recognising import shapes_of
from tests.kit.foreign_weights import (
    BLOCKS,
    RESEARCH,
    SLIM,
    SMALL,
    TENSORFLOW,
    Pairs,
    chaoji_tf1,
    chaoji_tf2,
    keras_old,
    keras_v1,
    keras_v2,
    lively,
    official_50_v1,
    official_50_v2,
    official_cifar_8_v1,
    official_cifar_8_v2,
    research_basic,
    research_bottleneck,
    to_tensorflow,
)

VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"
TF1 = "Resnet_v2_Cifar10_20/"
TENSORFLOW_CASES = {
    "official cifar v1": ("tfofficial_cifar_resnet8v1", official_cifar_8_v1, TENSORFLOW, "resnet_model/", ""),
    "official cifar v2": ("tfofficial_cifar_resnet8v2", official_cifar_8_v2, TENSORFLOW, "", ""),
    "chaoji tf1": ("chaoji_resnet20", chaoji_tf1, SLIM, TF1, ""),
    "chaoji tf2": ("chaoji_tf2_resnet20", chaoji_tf2, TENSORFLOW, "model/", VALUE),
    "research": ("tfresearch_resnet8", research_basic, RESEARCH, "", ""),
    "research 100": ("tfresearch_cifar100_resnet8", research_basic, RESEARCH, "", ""),
    "research bottleneck": ("tfresearch_bottleneck11", research_bottleneck, RESEARCH, "", ""),
}
Table = Callable[[], Pairs]


def images(size: int = 32) -> Tensor:
    return torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(1))


def logits(model: ResNet, pixels: Tensor) -> Tensor:
    with torch.no_grad():
        return model(pixels)


def loaded(tensors: dict[str, Tensor], spec: ModelSpec | None = None) -> tuple[ResNet, str]:
    """Return a network with the tensors, in evaluation mode, and the naming's name."""
    naming = recognise(shapes_of(tensors))
    spec = spec or naming.spec
    model = ResNet(spec).eval()
    model.load_state_dict(convert(tensors, naming, spec).tensors)
    return model, naming.name


@pytest.mark.parametrize("case", TENSORFLOW_CASES)
def test_tensorflows_names_give_the_network_and_its_logits(case: str) -> None:
    name, table, leaves, prefix, suffix = TENSORFLOW_CASES[case]
    model = lively(name)
    tensors = to_tensorflow(model.state_dict(), table(), leaves, prefix, suffix)
    if case.startswith("chaoji"):  # the head is a 1x1 convolution there
        head = next(key for key, tensor in tensors.items() if tensor.dim() == 2)
        tensors[head] = tensors[head][None, None]

    found, naming = loaded(tensors)

    assert naming.removeprefix("tensorflow-").replace("-", " ") == case.removesuffix(" v1").removesuffix(
        " v2"
    ).removesuffix(" 100").removesuffix(" bottleneck")
    assert found.spec == model.spec
    assert torch.equal(logits(found, images()), logits(model, images()))


@pytest.mark.parametrize(
    ("name", "table"), [("tfofficial_resnet50v1", official_50_v1), ("tfofficial_resnet50v2", official_50_v2)]
)
def test_the_official_numbers_of_resnet50_are_the_reference_tables(name: str, table: Table) -> None:
    """Which tensor is which, told by names alone: nearly all 3x3 kernels have equal shapes."""
    state = create_model(name, device="meta").state_dict()
    theirs = {ours: number for number, ours in table()}
    shapes = shapes_of(to_tensorflow(state, table(), TENSORFLOW, "resnet_model/"))

    naming = recognise(shapes)

    assert naming.spec == model_spec(name)
    for full, ours in naming.keys.items():
        layer, leaf = ours.rpartition(".")[0], full.rpartition("/")[0]
        assert leaf == f"resnet_model/{theirs[layer]}"


@pytest.mark.parametrize(("table", "eps"), [(keras_v1, 1.001e-5), (keras_old, 1e-3)])
def test_keras_v1_folds_biases_and_turns_bgr(table: Callable[[tuple[int, ...]], Pairs], eps: float) -> None:
    """A network with biases, reading BGR, becomes one without, reading RGB; sums differ in order: 1e-5."""
    spec = keras_v1_spec(50, eps)
    biased = lively("resnet50_v1", bn_eps=eps, conv_bias=True, classes=7, **SMALL)
    tensors = to_tensorflow(biased.state_dict(), table(BLOCKS), TENSORFLOW)

    found, _ = loaded(tensors)

    assert found.spec == spec.with_(classes=7, **SMALL)
    expected = logits(biased, images(64))
    assert torch.allclose(
        logits(found, images(64).flip(1)), expected, rtol=0, atol=1e-5 * float(expected.abs().max())
    )


def test_keras_v2_keeps_the_biases_of_the_residual_stream() -> None:
    model = lively("resnet50_v2", **{k: getattr(keras_v2_spec(50), k) for k in KNOBS}, **SMALL)
    tensors = to_tensorflow(model.state_dict(), keras_v2(BLOCKS), TENSORFLOW)
    before_a_norm = [key for key in tensors if key.endswith(("_1_conv/bias", "_2_conv/bias"))]
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if name.endswith(("conv1.bias", "conv2.bias")):
                tensor.zero_()
    for key in before_a_norm:
        del tensors[key]

    found, _ = loaded(tensors)

    assert len(before_a_norm) == 2 * sum(BLOCKS)
    assert found.spec == keras_v2_spec(50).with_(**SMALL)
    assert torch.equal(logits(found, images(67)), logits(model, images(67)))


KNOBS = ("stride_on", "strides", "shortcut", "max_pool", "conv_bias", "bn_eps", "bn_momentum")


def test_keras_v2_pools_zeros_at_the_border() -> None:
    """Where all is below zero, the border's maxima are the padding's zeros, and no others are."""
    stem = create_model("resnet50_v2", max_pool="zeros", **SMALL).stem
    pooled = stem.pool(torch.full((1, 8, 6, 6), -1.0))[0, 0]

    assert pooled.tolist() == [[0.0, 0.0, 0.0], [0.0, -1.0, -1.0], [0.0, -1.0, -1.0]]


def test_keras_v2_strides_in_the_last_units() -> None:
    """Reference section 6.2, and the shapes of keras.applications.ResNet50V2 at 224 px."""
    sides = {row.unit: row.output[1] for row in keras_v2_spec(50).shapes() if row.place == "branch"}

    assert sides["stages.0.blocks.0"] == sides["stages.0.blocks.1"] == 56
    assert sides["stages.0.blocks.2"] == sides["stages.1.blocks.2"] == 28
    assert (sides["stages.1.blocks.3"], sides["stages.2.blocks.5"], sides["stages.3.blocks.2"]) == (14, 7, 7)


TORCH_NAMES = [
    *(f"resnet{depth}" for depth in (18, 34, 50, 101, 152)),
    *(f"resnet{depth}_v2" for depth in (18, 50, 101)),
    *("resnet20", "resnet110", "resnet164", "preresnet20", "preresnet164"),
]


@pytest.mark.parametrize("name", TORCH_NAMES)
def test_torchs_names_tell_the_network(name: str) -> None:
    """Three stages of bottlenecks under torchvision's names stride where its four do."""
    spec = model_spec(name)
    naming = recognise(expected_shapes(spec))

    assert naming.spec == (spec if name != "resnet164" else spec.with_(stride_on="3x3"))


@pytest.mark.parametrize("name", ["resnet20", "chaoji_resnet20", "keras_resnet20v2", "tfofficial_resnet18v1"])
def test_expected_shapes_are_the_modules(name: str) -> None:
    model = create_model(name, device="meta")

    assert expected_shapes(model.spec) == shapes_of(model.state_dict())


def test_every_listed_network_is_found_by_its_own_names_or_needs_to_be_named() -> None:
    """What the shapes show is right for all; constants like eps are open there, and listed as such."""
    for name in list_models():
        spec = model_spec(name)
        if sum(spec.blocks) > 100:  # deeper ones of the same family say nothing new
            continue
        naming = recognise(expected_shapes(spec))
        shown = (
            "blocks",
            "widths",
            "out_channels",
            "classes",
            "stem_norm",
            "unit",
            "conv_bias",
            "preact_gamma",
        )
        assert all(getattr(naming.spec, knob) == getattr(spec, knob) for knob in shown), name


def test_knobs_are_read_off_the_shapes() -> None:
    spec = model_spec("resnet50").with_(classes=12, in_channels=1, widths=(128, 256, 512, 1024))

    assert recognise(expected_shapes(spec)).spec == spec


def test_akamasters_names() -> None:
    """pytorch_resnet_cifar10: linear for fc, everything under module., no counters of old torch."""
    model = lively("resnet20")
    state = {
        "module." + key.replace("fc.", "linear."): tensor
        for key, tensor in model.state_dict().items()
        if not key.endswith("num_batches_tracked")
    }

    found, naming = loaded(state)

    assert naming == "akamaster"
    assert torch.equal(logits(found, images()), logits(model, images()))


def test_kuangliu_s_resnet18_is_a_small_stem_on_resnet18() -> None:
    model = lively("resnet18", stem="small", width=0.125, classes=10)
    state = {
        key.replace("fc.", "linear.").replace("downsample", "shortcut"): tensor
        for key, tensor in model.state_dict().items()
    }

    found, _ = loaded(state)

    assert found.spec == model.spec
    assert torch.equal(logits(found, images()), logits(model, images()))


def test_timms_classifier_is_a_convolution() -> None:
    model = lively("resnet50_v2", **SMALL)
    state = model.state_dict()
    state["head.fc.weight"] = state["head.fc.weight"][:, :, None, None]

    found, naming = loaded(state)

    assert naming == "timm-resnetv2"
    assert torch.equal(logits(found, images(64)), logits(model, images(64)))


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "model.", "module._orig_mod."])
def test_prefixes_are_removed_and_said(prefix: str) -> None:
    naming = recognise(
        {prefix + key: shape for key, shape in expected_shapes(model_spec("resnet20")).items()}
    )

    assert "".join(sorted(naming.prefixes, reverse=True)) == prefix
    assert naming.spec == model_spec("resnet20")
