"""Trained networks by kernels of our own, held against torch's in float64."""

import copy
import random
from dataclasses import replace

import pytest
import torch
from torch import nn

from resnetlab import models
from resnetlab.errors import UsageError
from resnetlab.models.resnet import ResNet
from resnetlab.native import building
from resnetlab.native.inference import NativeInference, obstacle_to_inference
from resnetlab.network.catalog import model_spec
from resnetlab.network.spec import ModelSpec

pytestmark = pytest.mark.kernels


def trained(spec: ModelSpec, seed: int) -> ResNet:
    """Return a network whose every number does something."""
    torch.manual_seed(seed)
    model = models.build(spec, seed=seed)
    for norm in (m for m in model.modules() if isinstance(m, nn.BatchNorm2d)):
        assert norm.running_mean is not None and norm.running_var is not None
        nn.init.normal_(norm.running_mean, 0, 0.2)
        nn.init.uniform_(norm.running_var, 0.7, 1.5)
    with torch.no_grad():
        for parameter in (p for p in model.parameters() if p.dim() == 1):
            parameter.add_(torch.randn_like(parameter) * 0.2)
    return model.eval()


def short(name: str, **changes: object) -> ModelSpec:
    """Return a network of that form with two units in the first stage, one in the others."""
    spec = model_spec(name)
    return replace(spec, blocks=(2,) + (1,) * (len(spec.blocks) - 1), **changes)


@torch.no_grad()
def apart(model: ResNet, images_NCHW: torch.Tensor, precision: str = "fp32") -> float:
    """Return the largest error as a share of the largest logit."""
    exact = copy.deepcopy(model).double()(images_NCHW.double())
    found = NativeInference(model, precision)(images_NCHW)  # type: ignore[arg-type]
    assert found.dtype == torch.float32 and found.shape == exact.shape
    return float((found - exact).abs().max() / exact.abs().max())


SMALL_STAGES = {"widths": (16, 16, 32, 80), "out_channels": (16, 16, 32, 80), "stem_width": 16}
NETWORKS = [
    short("resnet20"), short("preresnet20"), short("plain20"), short("keras_resnet20v1"),
    short("keras_resnet20v2"), short("chaoji_resnet20"), short("tfresearch_resnet32"),
    short("tfofficial_cifar_resnet32v1"), short("tfofficial_cifar_resnet32v2"), short("resnet164"),
    short("preresnet164"), short("resnet110_relu_before_add"), short("resnet18", **SMALL_STAGES),
    short("resnet50", classes=40), short("preresnet50"), short("resnet20").with_(width=0.8),
    short("resnet20", shortcut="C"), short("resnet20").with_(max_pool="zeros", stem_pool=True),
    short("resnet20").with_(max_pool="same", stem_pool=True, padding="same"),
    short("resnet20").with_(shortcut="A-avgpool-same", strides=(1, 3, 4)),
]  # fmt: skip


@pytest.mark.parametrize("spec", NETWORKS, ids=lambda spec: spec.name)
def test_logits_are_those_of_torch(spec: ModelSpec) -> None:
    seed = random.randrange(10**6)
    print("seed", seed)
    chance = random.Random(seed)
    even = 32 if spec.shortcut == "A-avgpool" else chance.choice([31, 32])
    images = torch.randn(chance.choice([1, 2, 7]), 3, even, chance.choice([32, 40, 64]))
    if chance.random() < 0.5:
        images = images.to(memory_format=torch.channels_last)
    assert apart(trained(spec, seed), images) < 1e-5


BY_INSTRUCTIONS = [
    pytest.param("AVX512-BF16", marks=pytest.mark.skipif(not building.multiplies_bf16(), reason="needs it")),
    pytest.param("AMX", marks=pytest.mark.skipif(not building.multiplies_tiles(), reason="needs it")),
]


@pytest.mark.parametrize("instructions", BY_INSTRUCTIONS)
@pytest.mark.parametrize(
    "spec",
    [
        *(NETWORKS[number] for number in (0, 1, 2, 9, 12, 13, 14, 15)),
        short("tfresearch_wrn28_10").with_(width=0.2),
    ],
    ids=lambda spec: spec.name,
)
def test_logits_in_bf16_are_near(spec: ModelSpec, instructions: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESNETLAB_AMX", "" if instructions == "AMX" else "off")
    assert building.instructions(is_half=True) == instructions
    seed = random.randrange(10**6)
    print("seed", seed)
    chance = random.Random(seed)
    height = chance.choice([32, 64] if spec.shortcut == "A-avgpool" else [31, 32, 64])
    images = torch.randn(chance.choice([1, 3, 6]), 3, height, chance.choice([40, 64]))
    assert 1e-5 < apart(trained(spec, seed), images, "bf16") < 5e-2  # of 8 bits; and is bf16 indeed


def test_a_large_batch_is_its_images_whatever_the_threads() -> None:
    native, images = NativeInference(trained(NETWORKS[0], 1)), torch.randn(75, 3, 24, 24)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = native(images)
        torch.set_num_threads(2)
        torch.testing.assert_close(native(images), one, rtol=1e-5, atol=1e-5)
        single = torch.cat([native(images[i : i + 1]) for i in range(5)])
    finally:
        torch.set_num_threads(threads)
    torch.testing.assert_close(single, one[:5], rtol=1e-5, atol=1e-5)


@pytest.mark.skipif(not building.multiplies_bf16(), reason="needs it")
@pytest.mark.parametrize(("images", "side"), [(1, 96), (6, 64), (5, 57)])
def test_logits_in_bf16_are_the_same_whatever_the_threads(images: int, side: int) -> None:
    """Threads share tiles, rows or channels, whatever there is enough of: only torch's classifier rounds."""
    torch.manual_seed(2)
    native, given = NativeInference(trained(short("resnet18"), 2), "bf16"), torch.randn(images, 3, side, side)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = native(given)
        torch.set_num_threads(2)
        torch.testing.assert_close(native(given), one, rtol=1e-5, atol=1e-5)
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize("instructions", ["", *BY_INSTRUCTIONS])
@pytest.mark.parametrize("spec", [NETWORKS[0], NETWORKS[9], NETWORKS[18]], ids=lambda spec: spec.name)
def test_what_is_not_a_number_stays_in_its_image(
    spec: ModelSpec, instructions: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows of AMX's tiles reach beyond a pixel whose channels do not fill them, with weights of zero."""
    monkeypatch.setenv("RESNETLAB_AMX", "" if instructions == "AMX" else "off")
    network = NativeInference(trained(spec, 1), "bf16" if instructions else "fp32")
    for height, width in ((32, 40), (7, 6)):  # of which several small ones are made together
        images = torch.randn(6, 3, height, width)
        images[1::2, :, 0, 0] = torch.nan
        images[3, 0, -1, -1] = torch.nan
        logits = network(images)
        assert logits[::2].isfinite().all() and logits[1::2].isnan().all()


def test_training_mode_and_other_images_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    model = trained(NETWORKS[0], 1)
    native = NativeInference(model)
    for images in (torch.zeros(1, 1, 32, 32), torch.zeros(1, 3, 32, 32, dtype=torch.float64)):
        with pytest.raises(UsageError, match="takes float32 images"):
            native(images)
    with pytest.raises(UsageError, match="training mode"):
        NativeInference(model.train())
    monkeypatch.setattr(building, "compiler_here", lambda: "")
    assert obstacle_to_inference(model.spec) == "no C++ compiler found"


@pytest.mark.parametrize(
    "changes", [{"width": 0.9}, {"widths": (16, 32, 64, 144), "out_channels": (16, 32, 64, 144)}]
)
def test_odd_counts_of_registers_stay_within_their_pixels(changes: dict[str, object]) -> None:
    spec = short("resnet18", input_size=64).with_(**changes)
    for size in (64, 33):
        assert apart(trained(spec, 3), torch.randn(3, 3, size, size)) < 1e-5


def test_weights_are_those_of_the_beginning_whatever_is_packed_later() -> None:
    model = trained(short("resnet18"), 5)
    native, expected = NativeInference(model), copy.deepcopy(model)
    images = torch.randn(4, 3, 224, 224)  # of which one takes other kernels in the last stage than four do
    with torch.inference_mode():
        native(images[:1])  # what is made within may be used, and gone on with, outside
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(2)
        found, wanted = native(images), expected(images)
    assert float((found - wanted).abs().max()) < 1e-4 * float(wanted.abs().max())
