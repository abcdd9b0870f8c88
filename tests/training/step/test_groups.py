"""BN's beta at a rate of its own; and the penalty whose gradient weight decay is."""

import copy
from typing import Any

import pytest
import torch
from torch import nn

from resnetlab.errors import UsageError
from resnetlab.recipe import Optimizer
from resnetlab.training.step.optim import build_optimizer, penalty_row, set_rate
from tests.kit.single_steps import samples, small_model, stepper


def is_beta(model: nn.Module, name: str) -> bool:
    owner, _, leaf = name.rpartition(".")
    return leaf == "bias" and isinstance(model.get_submodule(owner), nn.BatchNorm2d)


def test_beta_learns_at_its_multiple_of_the_rate_and_all_else_as_before() -> None:
    """One update without momentum and decay: the weights' difference is rate * gradient."""
    plain: dict[str, Any] = {"momentum": 0.0, "nesterov": False, "weight_decay": 0.0}
    start = small_model()
    models = [copy.deepcopy(start), copy.deepcopy(start)]
    for model, multiple in zip(models, (1.0, 64.0), strict=True):
        stepper(model, bias_rate=multiple, **plain)(samples(), step=0, lr=2.0**-7)

    betas = 0
    for (name, p), ours, theirs in zip(
        start.named_parameters(), models[1].parameters(), models[0].parameters(), strict=True
    ):
        moved = theirs - p
        if is_beta(start, name):
            betas += 1
            assert torch.any(moved != 0)
            assert torch.equal(ours - p, 64 * moved), name  # beta begins at 0, 64 is a power of two
        else:
            assert torch.equal(ours, theirs), name
    assert betas == sum(isinstance(m, nn.BatchNorm2d) for m in start.modules())


@pytest.mark.parametrize("kind", ["sgd", "adam", "adamw", "lamb", "lars", "muon"])
def test_the_decay_of_beta_is_divided_by_its_multiple_and_shares_are_kept(kind: Any) -> None:
    model = small_model()
    shares = {name: 0.5 if name.startswith("layer1") else 1.0 for name, _ in model.named_parameters()}
    rest = 4.0 if kind == "muon" else 1.0
    config = Optimizer(optimizer=kind, bias_rate=8.0, weight_decay=0.5, decay_scope="all", rest_rate=rest)
    optimizer = build_optimizer(model, config, shares=shares)
    set_rate(optimizer, config, 0.25)

    groups = {id(p): group for group in optimizer.param_groups for p in group["params"]}
    for name, p in model.named_parameters():
        multiple = 8.0 if is_beta(model, name) else 1.0
        own = rest if p.ndim < 4 else 1.0
        assert groups[id(p)]["lr"] == 0.25 * shares[name] * multiple * own, name
        assert groups[id(p)]["weight_decay"] == 0.5 / multiple, name


@pytest.mark.parametrize("value", [0.0, -1.0, float("inf"), float("nan")])
def test_a_rate_of_beta_that_cannot_be_is_refused(value: float) -> None:
    with pytest.raises(UsageError, match="bias_rate is above 0 and finite"):
        Optimizer(bias_rate=value)


@pytest.mark.parametrize("scope", ["all", "all-but-norm", "kernels", "conv-kernels"])
@pytest.mark.parametrize("changes", [{}, {"bias_rate": 4.0}, {"momentum_form": "keras"}])
def test_weight_decay_is_the_gradient_of_the_penalty_that_is_told(
    scope: str, changes: dict[str, Any]
) -> None:
    """With no other gradient an update of plain sgd at rate 1 takes off what the penalty's gradient is."""
    model = small_model()
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.5)  # beta and biases begin at 0
    rates: Any = {"momentum": 0.0, "nesterov": False, "weight_decay": 0.25, "decay_scope": scope} | changes
    config = Optimizer(**rates)
    (told,) = penalty_row(model, config).values()
    optimizer = build_optimizer(model, config)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    for p in model.parameters():
        p.grad = torch.zeros_like(p)
    set_rate(optimizer, config, 1.0)
    optimizer.step()

    shares = {n: config.bias_rate if is_beta(model, n) else 1.0 for n in before}
    moved = {name: (before[name] - p.detach()) / shares[name] for name, p in model.named_parameters()}
    penalty = sum(float((moved[name].double() * before[name].double()).sum()) / 2 for name in before)
    assert told == pytest.approx(penalty, rel=1e-4)  # float32
    assert told > 0.1


def test_what_does_not_learn_or_decays_beside_the_loss_is_in_no_penalty() -> None:
    model = small_model()
    whole = penalty_row(model, Optimizer())["l2_loss"]
    frozen = next(iter(model.parameters()))
    frozen.requires_grad_(False)

    assert penalty_row(model, Optimizer())["l2_loss"] == pytest.approx(
        whole - 1e-4 / 2 * float(frozen.detach().square().sum())
    )
    assert penalty_row(model, Optimizer(weight_decay=0.0)) == {}
    for kind in ("adamw", "lamb", "muon"):
        assert penalty_row(model, Optimizer(optimizer=kind)) == {}
