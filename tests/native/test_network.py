"""Whole networks in training by kernels of our own, held against torch's in float64."""

import copy
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from resnetlab import models
from resnetlab.errors import ResnetlabError
from resnetlab.models.resnet import ResNet
from resnetlab.native import building
from resnetlab.native.graph import Unsuitable
from resnetlab.native.network import NativeNetwork, obstacle
from resnetlab.native.program import Program
from resnetlab.native.threads import give_openmp
from resnetlab.network.catalog import model_spec
from resnetlab.network.spec import ModelSpec

pytestmark = pytest.mark.kernels

CPU = torch.device("cpu")
EIGHT = model_spec("resnet8")


def network(spec: ModelSpec) -> ResNet:
    """One whose BNs do something."""
    torch.manual_seed(3)
    model = models.build(spec, seed=1).train()
    for norm in (m for m in model.modules() if isinstance(m, nn.BatchNorm2d)):
        if norm.weight is not None:
            nn.init.uniform_(norm.weight, 0.5, 1.5)
        nn.init.normal_(norm.bias, 0, 0.3)
        assert norm.running_mean is not None
        nn.init.normal_(norm.running_mean, 0, 0.2)
    return model.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def trained(
    model: ResNet,
    logits_of: Callable[[Tensor], Tensor],
    dtype: torch.dtype,
    size: int | tuple[int, int],
    seed: int = 5,
) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    height, width = (size, size) if isinstance(size, int) else size
    images = torch.randn(6, 3, height, width, generator=generator).to(dtype)
    logits = logits_of(images)
    functional.cross_entropy(logits, torch.arange(6) % 4).backward()
    return logits.detach()


class Spoilt(NativeNetwork):
    """A network whose memory holds no numbers before each step, as others may have left it."""

    def _program(self, images_NCHW: Tensor) -> Program:
        self.program = super()._program(images_NCHW)
        self.program._memory.blocks.memory.fill_(255)  # not a number, in float32 and bfloat16
        return self.program


def apart(one: nn.Module, exact: nn.Module) -> float:
    """Return the largest error of a gradient or of running statistics, as a share of its norm."""
    gradients = [
        (p.grad, q.grad)
        for p, q in zip(one.parameters(), exact.parameters(), strict=True)
        if q.grad is not None and q.grad.norm() > 1e-12  # a bias before BN: nothing but roundings
    ]
    statistics = zip(one.buffers(), exact.buffers(), strict=True)
    floats = [(a, b) for a, b in statistics if b.is_floating_point()]
    return max(float((a.double() - b).norm() / b.norm()) for a, b in [*gradients, *floats])


def short(name: str, **changes: object) -> ModelSpec:
    """Return a network of that form with one unit a stage."""
    spec = model_spec(name)
    return replace(spec, blocks=(1,) * len(spec.blocks), **changes)


def two_stages(name: str, **changes: object) -> ModelSpec:
    """Return its first two, which are what is of its own: every kind of convolution costs a second."""
    spec = short(name, **changes)
    parts = {part: getattr(spec, part)[:2] for part in ("blocks", "widths", "out_channels", "strides")}
    return replace(spec, **parts)


SMALL_STAGES = {"widths": (16, 16, 32, 32), "out_channels": (16, 16, 32, 32), "stem_width": 16}


@pytest.mark.parametrize(
    ("spec", "size"),
    [
        (model_spec("resnet14"), 16),
        (model_spec("preresnet14"), 16),
        (model_spec("plain14"), (24, 40)),
        (short("tfofficial_cifar_resnet32v1"), 16),
        (short("tfofficial_cifar_resnet32v2"), 16),
        (short("resnet164"), (18, 10)),
        (short("preresnet164"), 16),
        (short("resnet18", **SMALL_STAGES), (40, 72)),
        (short("resnet110_relu_before_add"), 16),
        (short("keras_resnet20v1"), 16),
        (two_stages("keras_resnet20v2"), 16),
        (short("chaoji_resnet20"), 16),
        (two_stages("tfresearch_resnet32", shortcut="A-avgpool-same"), 17),
    ],
    ids=lambda value: getattr(value, "name", str(value)),
)
def test_gradients_and_statistics_are_as_good_as_torchs(spec: ModelSpec, size: int | tuple[int, int]) -> None:
    """Of the best of three batches: where roundings decide a ReLU, any error can be large."""
    errors = []
    for seed in range(3):
        model = network(spec)
        usual, exact = copy.deepcopy(model), copy.deepcopy(model).double()
        native = trained(model, Spoilt(model), torch.float32, size, seed)
        expected = trained(exact, exact, torch.float64, size, seed)
        of_torch = trained(usual, usual, torch.float32, size, seed)
        assert (native - expected).norm() < 5 * (of_torch - expected).norm() + 1e-5 * expected.norm()
        errors.append((apart(model, exact), apart(usual, exact)))
    assert min(ours for ours, _ in errors) < 5 * max(torchs for _, torchs in errors) + 1e-5


needs_bf16 = pytest.mark.skipif(not building.multiplies_bf16(), reason="needs a processor that multiplies it")
WIDE = replace(EIGHT, name="wide", blocks=(1,), widths=(256,), out_channels=(256,), strides=(1,))
"""Two images of 14x14 are one group of AMX's tiles, and chunks of these end within each of them."""


@pytest.mark.parametrize(
    ("spec", "size", "dtype"),
    [
        (EIGHT, 16, torch.float32),
        pytest.param(WIDE, 14, torch.bfloat16, marks=needs_bf16),
    ],
    ids=["fp32", "bf16"],
)
def test_two_threads_make_the_same_as_one_but_for_the_order_of_sums(
    spec: ModelSpec, size: int, dtype: torch.dtype
) -> None:
    threads = torch.get_num_threads()
    found = []
    try:
        for count in (1, 2, 2):
            torch.set_num_threads(count)
            model = network(spec)
            native = Spoilt(model, dtype)
            found.append((trained(model, native, torch.float32, size), model))
    finally:
        torch.set_num_threads(threads)
    (one, _), (two, model), (again, repeated) = found
    assert one.isfinite().all()
    assert torch.equal(one, two), "forward no sum depends on threads"
    assert torch.equal(two, again)
    assert all(
        torch.equal(p.grad, q.grad)
        for p, q in zip(model.parameters(), repeated.parameters(), strict=True)
        if p.grad is not None and q.grad is not None
    )


def test_threads_of_our_own_make_the_same_where_openmp_cannot_be_had() -> None:
    threads, program = torch.get_num_threads(), building.library("program.cpp")
    found = []
    try:
        torch.set_num_threads(3)
        for has_openmp in (True, False):
            model = network(EIGHT)
            if has_openmp:
                give_openmp(program)
            else:
                program.use_openmp(None, None, None)
            logits = trained(model, NativeNetwork(model), torch.float32, 16)
            found.append([logits, *(p.grad for p in model.parameters())])
    finally:
        torch.set_num_threads(threads)
        give_openmp(program)
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


def test_gradients_of_two_batches_add_up() -> None:
    model, twice = network(EIGHT), network(EIGHT)
    trained(model, NativeNetwork(model), torch.float32, 16)
    native = NativeNetwork(twice)
    for _ in range(2):
        trained(twice, native, torch.float32, 16)
    for p, q in zip(model.parameters(), twice.parameters(), strict=True):
        assert p.grad is not None and q.grad is not None
        torch.testing.assert_close(2 * p.grad, q.grad)


def test_a_backward_pass_that_comes_too_late_is_refused() -> None:
    model = network(EIGHT)
    native, images = NativeNetwork(model), torch.randn(2, 3, 16, 16)
    first = native(images).sum()
    native(images)
    with pytest.raises(RuntimeError, match="overwritten"):
        first.backward()
    again = native(images).sum()
    again.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="or going back"):
        again.backward()


def test_gradients_of_maps_take_the_memory_of_maps_that_are_done_with() -> None:
    """And of packed weights. With memory of their own the gradients alone would double it."""
    model = network(EIGHT)
    native = Spoilt(model)
    trained(model, native, torch.float32, 32)
    memory = native.program._memory
    maps = sum(block.size for block in memory.maps.values())

    assert maps < len(memory.blocks.memory) < 1.5 * maps


def test_what_is_not_a_number_stays_so() -> None:
    model = network(EIGHT)
    images = torch.randn(2, 3, 16, 16)
    images[1, 0, 5, 5] = torch.nan
    assert NativeNetwork(model)(images).isnan().all()


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        (
            replace(model_spec("resnet20"), widths=(12, 24, 48), out_channels=(12, 24, 48), stem_width=12),
            "channels do not fill registers",
        ),
    ],
)
def test_networks_that_have_no_kernels_are_told(spec: ModelSpec, why: str) -> None:
    assert why in obstacle(spec, CPU, torch.float32)


@pytest.mark.parametrize("name", ["resnet8", "preresnet14"])
def test_branches_are_kept_as_stochastic_depth_drew(name: str) -> None:
    model = network(model_spec(name).with_(stochastic_depth=0.5))
    exact = copy.deepcopy(model).double()
    keep_UN = model.draw_keep(6)
    keep_UN[0, 0] = 0  # one at least
    native = NativeNetwork(model)
    logits = trained(model, lambda images: native(images, keep_UN), torch.float32, 16)
    expected = trained(exact, lambda images: exact(images, keep_UN.double()), torch.float64, 16)
    assert (logits - expected).norm() < 1e-5 * expected.norm()
    assert apart(model, exact) < 1e-3
    assert not torch.equal(native(torch.ones(2, 3, 16, 16)), native(torch.ones(2, 3, 16, 16))), "drawn anew"


def test_a_frozen_bn_stays_as_it_is_and_passes_gradients_on() -> None:
    model = network(EIGHT)
    for name in ("bn1", "layer2.0.bn2", "layer3.0.bn1"):
        model.get_submodule(name).eval()
    before, exact = copy.deepcopy(model.state_dict()), copy.deepcopy(model).double()
    native = trained(model, NativeNetwork(model), torch.float32, 16)
    expected = trained(exact, exact, torch.float64, 16)
    assert (native - expected).norm() < 1e-5 * expected.norm()
    assert apart(model, exact) < 1e-3
    assert torch.equal(before["bn1.running_var"], model.state_dict()["bn1.running_var"])


def test_a_bn_without_running_statistics_is_refused() -> None:
    model = network(EIGHT)
    norm = model.get_submodule("bn1")
    assert isinstance(norm, nn.BatchNorm2d)
    norm.track_running_stats = False
    with pytest.raises(Unsuitable, match="without running statistics"):
        NativeNetwork(model)


def test_a_machine_without_a_compiler_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert obstacle(model_spec("resnet20"), CPU, torch.float32) == "no C++ compiler found"


def test_a_compiler_that_fails_is_told() -> None:
    with pytest.raises(ResnetlabError, match="could not build a kernel"):
        building.library("convolution.cpp", IC=16)


def test_a_kept_kernel_that_does_not_load_is_made_anew(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made = Path(building.library("program.cpp")._name)
    (tmp_path / made.name).write_bytes(b"")
    monkeypatch.setattr(building, "_place", lambda: tmp_path)
    assert building._library.__wrapped__("program.cpp").run
