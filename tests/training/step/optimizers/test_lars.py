"""LARS is what You et al. wrote down, and with the rate outside, what TensorFlow's official ResNet uses."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from resnetlab.errors import UsageError
from resnetlab.recipe import Optimizer
from resnetlab.training.step.optim import build_optimizer, set_rate
from tests.kit.interrupted_runs import run_until
from tests.kit.small_runs import final_bytes, go_on, small_plan, small_source, train_whole, two_stage_plan

Numbers = np.ndarray[Any, np.dtype[np.float64]]
KERNEL: Numbers = np.array([[3.0, 4.0], [-1.0, 2.0]])
GRADIENTS: list[Numbers] = [np.array([[0.3, -0.2], [0.1, 4.0]]), np.array([[3.0, 0.0], [-2.0, 1.0]]), KERNEL]
RATES = (2.0, 5.0, 1.0)
MOMENTUM, DECAY, ETA = 0.9, 0.1, 0.02


def paper() -> Numbers:
    """Algorithm 1 of arXiv:1708.03888, line by line."""
    w, v = KERNEL, np.zeros_like(KERNEL)
    for g, gamma in zip(GRADIENTS, RATES, strict=True):
        local = np.linalg.norm(w) / (np.linalg.norm(g) + DECAY * np.linalg.norm(w)) * ETA
        v = MOMENTUM * v + gamma * local * (g + DECAY * w)
        w = w - v
    return w


def official(*, corrected: bool = True) -> Numbers:
    """`LARSOptimizer.compute_lr` and `apply_momentum` of TensorFlow 1; its gradient holds the decay."""
    var, accumulator = KERNEL, np.zeros_like(KERNEL)
    for g, rate in zip(GRADIENTS, RATES, strict=True):
        grad = g + DECAY * var  # of the loss, of which the L2 penalty is a part
        w_norm, g_norm = np.linalg.norm(var), np.linalg.norm(g if corrected else grad)
        trust_ratio = (ETA * w_norm / (g_norm + DECAY * w_norm)) if w_norm > 0 and g_norm > 0 else 1.0
        accumulator = accumulator * MOMENTUM + grad
        var = var - rate * trust_ratio * accumulator
    return var


def config(**changes: Any) -> Optimizer:
    values: dict[str, Any] = {"weight_decay": DECAY, "trust": ETA, "decay_scope": "all"}
    return Optimizer(optimizer="lars", **values | changes)


@pytest.mark.parametrize(("form", "expected"), [("keras", paper), ("torch", official)])
def test_it_is_its_definition(form: Any, expected: Callable[[], Numbers]) -> None:
    layer = torch.nn.Linear(2, 2, bias=False)
    layer.load_state_dict({"weight": torch.tensor(KERNEL)})
    settings = config(momentum_form=form)
    optimizer = build_optimizer(layer, settings)

    for gradient, rate in zip(GRADIENTS, RATES, strict=True):
        layer.weight.grad = torch.tensor(gradient, dtype=torch.float32)
        set_rate(optimizer, settings, rate)
        optimizer.step()

    np.testing.assert_allclose(layer.weight.detach().numpy(), expected(), rtol=2e-6)
    assert not np.allclose(paper(), official(), rtol=0.01)
    assert not np.allclose(official(corrected=False), official(), rtol=0.01)


@pytest.mark.parametrize("form", ["keras", "torch"])
def test_biases_and_bn_learn_at_the_rate_itself(form: Any) -> None:
    norm = torch.nn.BatchNorm2d(2)
    optimizer = build_optimizer(norm, config(momentum_form=form))
    for parameter in norm.parameters():
        parameter.grad = torch.tensor([1.0, -2.0])

    set_rate(optimizer, config(momentum_form=form), 0.5)
    optimizer.step()

    torch.testing.assert_close(norm.weight.detach(), torch.tensor([1 - 0.5 * 1.1, 1 - 0.5 * -1.9]))
    torch.testing.assert_close(norm.bias.detach(), torch.tensor([-0.5, 1.0]))


@pytest.mark.parametrize(("weight", "gradient"), [(0.0, 2.0), (2.0, 0.0)])
def test_a_kernel_that_is_zero_or_has_no_gradient_learns_at_the_rate_itself(
    weight: float, gradient: float
) -> None:
    layer = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.constant_(layer.weight, weight)
    optimizer = build_optimizer(layer, config())
    layer.weight.grad = torch.full((1, 1), gradient)

    set_rate(optimizer, config(), 0.5)
    optimizer.step()

    assert float(layer.weight.detach()) == pytest.approx(weight - 0.5 * (gradient + DECAY * weight))


def test_a_step_that_is_found_bad_is_left_out_and_the_next_one_is_not() -> None:
    layer = torch.nn.Linear(2, 2)
    optimizer = build_optimizer(layer, config())
    set_rate(optimizer, config(), 0.5)
    before = [p.detach().clone() for p in layer.parameters()]
    for bad in (1.0, 0.0):
        optimizer.found_inf = torch.tensor(bad)  # type: ignore[attr-defined]
        for parameter in layer.parameters():
            parameter.grad = torch.full_like(parameter, torch.nan if bad else 1.0)
        optimizer.step()
        kept = [optimizer.state[p]["momentum_buffer"] for p in layer.parameters()]
        is_same = [torch.equal(p, b) for p, b in zip(layer.parameters(), before, strict=True)]
        assert is_same == [bool(bad)] * 2
        assert [bool(torch.any(t != 0)) for t in kept] == [not bad] * 2
        assert all(torch.isfinite(t).all() for t in kept)


@pytest.mark.parametrize("form", ["keras", "torch"])
def test_a_run_resumes_exactly(form: Any, tmp_path: Path) -> None:
    changes: dict[str, Any] = {
        "optimizer": "lars",
        "momentum_form": form,
        "schedule": "polynomial",
        "trust": 0.1,
    }
    whole = train_whole(tmp_path / "whole", two_stage_plan(**changes))
    cut = run_until(tmp_path / "cut", 7, **changes)

    trainer = go_on(cut, small_source())
    assert trainer.state.step == 7
    trainer.train()
    trainer.close()

    last = trainer.timeline.num_steps
    assert final_bytes(cut, last) == final_bytes(whole, last)


@pytest.mark.parametrize("trust", [0.0, -1.0, float("inf"), float("nan")])
def test_a_trust_coefficient_that_cannot_be_is_refused(trust: float) -> None:
    with pytest.raises(UsageError, match="trust is above 0 and finite"):
        Optimizer(trust=trust)


def test_the_trust_coefficient_of_another_optimizer_is_refused() -> None:
    with pytest.raises(UsageError, match=r"trust=0\.01 is lars's, and would change nothing of sgd"):
        small_plan(trust=0.01)
