"""Muon against its definition, written out for one kernel after another in float64."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from resnetlab.errors import UsageError
from resnetlab.network.catalog import model_spec
from resnetlab.recipe import Optimizer
from resnetlab.training.planning import make_plan
from resnetlab.training.step.optim import build_optimizer, set_rate
from resnetlab.training.step.optimizers.muon import orthogonalised
from tests.kit.single_steps import small_model
from tests.kit.small_runs import CPU, small_plan, small_recipe, small_source

A, B, C = 3.4445, -4.7750, 2.0315


def polynomial(value: Tensor) -> Tensor:
    """What one iteration does to a singular value."""
    return A * value + B * value**3 + C * value**5


@pytest.mark.parametrize("shape", [(3, 16, 144), (2, 64, 27), (1, 24, 24)], ids=["wide", "tall", "square"])
def test_orthogonalising_keeps_the_singular_vectors_and_brings_the_values_near_one(
    shape: tuple[int, int, int],
) -> None:
    generator = torch.Generator().manual_seed(1)
    left, _, right = torch.linalg.svd(
        torch.randn(shape, generator=generator, dtype=torch.float64), full_matrices=False
    )
    values = torch.linspace(1.0, 0.15, left.shape[2], dtype=torch.float64).expand(shape[0], -1)
    matrices = left @ torch.diag_embed(values) @ right

    found = orthogonalised(matrices.float() * 7)

    expected = values / values.norm(dim=1, keepdim=True)
    for _ in range(3):
        expected = polynomial(expected)
    between = left.mT @ found.double() @ right.mT
    # 1e-4: float32, whose 6e-8 three iterations enlarge up to 41-fold, and sums of up to 144 products
    torch.testing.assert_close(between, torch.diag_embed(expected), rtol=0, atol=1e-4)
    assert expected.min() > 0.5
    assert expected.max() < 1.5
    assert found.shape == shape


def test_in_bfloat16_as_on_a_gpu_it_is_as_good_as_its_8_bits() -> None:
    generator = torch.Generator().manual_seed(2)
    matrices = torch.randn(4, 16, 144, generator=generator)

    exact, rounded = orthogonalised(matrices), orthogonalised(matrices, torch.bfloat16)

    assert rounded.dtype == torch.float32
    assert not torch.equal(exact, rounded)
    # 2**-8 an operation, some ten of them, the last two of which enlarge up to threefold
    assert (exact - rounded).norm() < 0.05 * exact.norm()


def test_orthogonalising_zeros_gives_zeros() -> None:
    assert torch.equal(orthogonalised(torch.zeros(2, 3, 4)), torch.zeros(2, 3, 4))


def restated(values: dict[str, Tensor], gradients: list[dict[str, Tensor]], rates: list[float], **given: Any):
    """Muon for kernels and Nesterov's SGD for the rest: one tensor after another, in float64."""
    new = {name: value.double() for name, value in values.items()}
    velocities = {name: torch.zeros_like(value) for name, value in new.items()}
    for named, lr in zip(gradients, rates, strict=True):
        for name, gradient in ((n, g.double()) for n, g in named.items()):
            w, v = new[name], velocities[name]
            if w.ndim == 4:
                v.mul_(given["muon_momentum"]).add_(gradient)
                matrix = (gradient + given["muon_momentum"] * v).flatten(1)
                matrix = matrix / (matrix.norm() + 1e-7)
                for _ in range(3):
                    square = matrix @ matrix.T
                    matrix = A * matrix + (B * square + C * square @ square) @ matrix
                if not given["fixed_norm"]:
                    w.mul_(1 - lr * given["weight_decay"])
                w.sub_(lr * matrix.view(w.shape))
                if given["fixed_norm"]:
                    w.mul_(len(w) ** 0.5 / w.norm())
            else:
                gradient = gradient + (given["weight_decay"] if w.ndim == 2 else 0) * w
                v.mul_(given["momentum"]).add_(gradient)
                w.sub_(lr * given["rest_rate"] * (gradient + given["momentum"] * v))
    return new


def random_gradients(model: nn.Module, count: int) -> list[dict[str, Tensor]]:
    generator = torch.Generator().manual_seed(5)
    return [
        {name: torch.randn(p.shape, generator=generator) for name, p in model.named_parameters()}
        for _ in range(count)
    ]


@pytest.mark.parametrize("fixed_norm", [False, True])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_a_batch_of_kernels_is_updated_as_each_kernel_alone(
    layout: torch.memory_format, fixed_norm: bool
) -> None:
    model = small_model().to(memory_format=layout)  # type: ignore[call-overload]
    given: dict[str, Any] = {"muon_momentum": 0.6, "momentum": 0.85, "rest_rate": 0.25, "weight_decay": 0.1}
    given["fixed_norm"] = fixed_norm
    config = Optimizer(optimizer="muon", decay_scope="kernels", **given)
    optimizer = build_optimizer(model, config)
    gradients, rates = random_gradients(model, 3), [0.2, 0.05, 0.1]
    before = {name: p.detach().clone() for name, p in model.named_parameters()}

    for named, lr in zip(gradients, rates, strict=True):
        for name, p in model.named_parameters():
            p.grad = torch.empty_like(p).copy_(named[name])
        set_rate(optimizer, config, lr)
        optimizer.step()

    expected = restated(before, gradients, rates, **given)
    for name, p in model.named_parameters():
        assert not torch.equal(p, before[name])
        # float32 against float64; the smallest singular values of an update are enlarged 41-fold
        torch.testing.assert_close(p.detach().double(), expected[name], rtol=1e-4, atol=1e-5, msg=name)


def test_a_gradient_in_another_order_of_memory_gives_the_same_update() -> None:
    """Backends may return NHWC gradients for NCHW kernels."""
    results = []
    for layout in (torch.contiguous_format, torch.channels_last):
        model = small_model()
        config = Optimizer(optimizer="muon")
        optimizer = build_optimizer(model, config)
        for (_, p), g in zip(model.named_parameters(), random_gradients(model, 1)[0].values(), strict=True):
            p.grad = g.contiguous(memory_format=layout) if g.ndim == 4 else g
        set_rate(optimizer, config, 0.1)
        optimizer.step()
        results.append([p.detach() for p in model.parameters()])

    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fixed_norm": True}, "fixed_norm needs optimizer=muon"),
        ({"optimizer": "muon", "muon_momentum": 1.0}, "muon_momentum lies in"),
        ({"optimizer": "muon", "rest_rate": 0.0}, "rest_rate is above 0"),
    ],
)
def test_what_muon_cannot_be_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Optimizer(**changes)


FIXED: dict[str, Any] = {"optimizer": "muon", "nesterov": False, "fixed_norm": True}


def test_what_would_change_nothing_or_too_much_is_refused_where_a_run_is_planned() -> None:
    recipe = small_recipe(**FIXED)
    spec = model_spec("preresnet8").with_(classes=3)

    make_plan(spec, small_source(), "small", recipe, CPU)
    with pytest.raises(UsageError, match="would undo zero_init_residual"):
        make_plan(spec.with_(zero_init_residual=True), small_source(), "small", recipe, CPU)
    silent = model_spec("resnet8").with_(classes=3, zero_init_residual=True)
    make_plan(silent, small_source(), "small", recipe, CPU)  # whose BN is silent, not its kernels
    with pytest.raises(UsageError, match="rest_rate=25 is muon's, and would change nothing of sgd"):
        small_plan(rest_rate=25.0)
    with pytest.raises(UsageError, match=r"muon_momentum=0\.9 is muon's, and would change nothing of adam"):
        small_plan(optimizer="adam", muon_momentum=0.9)
    with pytest.raises(UsageError, match="frozen statistics would not follow"):
        small_plan(**FIXED, bn="frozen-statistics")
