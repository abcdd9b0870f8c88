"""Sharpness-aware minimisation against its definition, written out."""

import copy
import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from resnetlab.errors import DivergedError, UsageError
from resnetlab.recipe import Optimizer
from resnetlab.training.step.sharpness import uphill
from tests.kit.single_steps import Samples, samples, small_model, stepper
from tests.kit.small_runs import small_recipe

PLAIN: dict[str, Any] = {"momentum": 0.0, "nesterov": False, "weight_decay": 0.0}
RHO = 0.5


def gradient(model: nn.Module, batch: Samples, parts: int) -> list[Tensor]:
    """That of the mean loss, in microbatches of one size."""
    total: Tensor | float = 0.0
    for images, labels in zip(batch.images.chunk(parts), batch.labels.chunk(parts), strict=True):
        total = total + F.cross_entropy(model(images), labels) / parts
    assert isinstance(total, Tensor)
    return list(torch.autograd.grad(total, list(model.parameters())))


def restated(
    model: nn.Module, batch: Samples, form: str, parts: int, lr: float, clip: float = math.inf
) -> None:
    """One update of a model, and the running statistics of the first pass."""
    model.train()
    away = copy.deepcopy(model)
    slopes = gradient(model, batch, parts)  # moves the statistics
    scales = [
        p.detach().abs() + 0.01 if form == "adaptive" and name.endswith("weight") else torch.ones_like(p)
        for name, p in model.named_parameters()
    ]
    norm = sum(((s * g) ** 2).sum() for s, g in zip(scales, slopes, strict=True)) ** 0.5
    with torch.no_grad():
        for p, s, g in zip(away.parameters(), scales, slopes, strict=True):
            p.add_(RHO * s**2 * g / norm)
    slopes = gradient(away, batch, parts)
    share = min(1.0, clip / float(sum((g**2).sum() for g in slopes) ** 0.5))
    with torch.no_grad():
        for p, g in zip(model.parameters(), slopes, strict=True):
            p.sub_(lr * share * g)


def test_the_gradient_that_is_clipped_is_the_one_uphill() -> None:
    model = small_model()
    twin = copy.deepcopy(model)
    stepper(model, sam=RHO, clip_norm=0.3, **PLAIN)(samples(), step=0, lr=1.0)

    restated(twin, samples(), "sam", 1, 1.0, clip=0.3)

    for (name, p), expected in zip(model.named_parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(p, expected, rtol=1e-3, atol=1e-4, msg=name)


@pytest.mark.parametrize(("form", "parts"), [("sam", 1), ("adaptive", 1), ("sam", 3)])
def test_an_update_takes_the_gradient_uphill_and_the_statistics_below(form: str, parts: int) -> None:
    model = small_model()
    twin, still = copy.deepcopy(model), copy.deepcopy(model)
    stepper(model, sam=RHO, sam_form=form, accumulate=parts, **PLAIN)(samples(), step=0, lr=0.1)
    stepper(still, accumulate=parts, **PLAIN)(samples(), step=0, lr=0.1)

    restated(twin, samples(), form, parts, 0.1)

    tensors, without = model.state_dict(), still.state_dict()
    for name, expected in twin.state_dict().items():
        # float32 sums in another order, whose differences the second pass enlarges
        torch.testing.assert_close(tensors[name], expected, rtol=1e-3, atol=1e-5, msg=name)
        if name.endswith(("running_mean", "running_var", "num_batches_tracked")):
            assert torch.equal(tensors[name], without[name]), name
    assert not torch.allclose(tensors["fc.weight"], without["fc.weight"], rtol=1e-2)


@pytest.mark.parametrize("form", ["sam", "adaptive"])
def test_the_weights_come_back_to_the_bit_and_loss_and_answers_are_those_of_the_first_pass(form: str) -> None:
    model = small_model()
    twin, before = copy.deepcopy(model), copy.deepcopy(model.state_dict())
    loss, correct = stepper(model, sam=RHO, sam_form=form, **PLAIN)(samples(), step=0, lr=0.0)

    plain_loss, plain_correct = stepper(twin, **PLAIN)(samples(), step=0, lr=0.0)

    assert torch.equal(loss, plain_loss)
    assert torch.equal(correct, plain_correct)
    assert all(torch.equal(tensor, twin.state_dict()[name]) for name, tensor in model.state_dict().items())
    assert not torch.equal(before["bn1.running_mean"], model.state_dict()["bn1.running_mean"])
    assert model.state_dict()["bn1.num_batches_tracked"] == before["bn1.num_batches_tracked"] + 1


def test_both_passes_are_one_function_of_the_same_batch_and_mask() -> None:
    """So that what was compiled for the first serves the second."""
    model = small_model()
    step = stepper(model, sam=RHO)
    step._keep_U = torch.full((3,), 0.5)
    forward, seen = step._forward, []

    def note(*inputs: Any) -> Any:
        seen.append(inputs)
        return forward(*inputs)

    step._forward = note
    step(samples(), step=0, lr=0.1)

    first, second = seen
    assert len(first) == 6
    assert first[4].shape == (3, 12) and first[5] is None  # no dropout
    assert all(a is b or torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_the_way_uphill_has_the_length_that_was_asked_for() -> None:
    model = small_model()
    F.cross_entropy(model(samples().images), samples().labels).backward()
    before = [p.detach().clone() for p in model.parameters()]

    with uphill(model, Optimizer(sam=RHO)):
        assert all(p.grad is None for p in model.parameters())
        moved = torch.cat(
            [(p - b).detach().flatten() for p, b in zip(model.parameters(), before, strict=True)]
        )

    assert float(moved.norm()) == pytest.approx(RHO, rel=1e-5)
    assert all(torch.equal(p, b) for p, b in zip(model.parameters(), before, strict=True))


def test_a_number_that_is_not_finite_uphill_stops_before_the_update_with_the_weights_where_they_were() -> (
    None
):
    model, batch = small_model(), samples()
    batch.images[0, 0, 0, 0] = torch.inf
    before = [p.detach().clone() for p in model.parameters()]

    with pytest.raises(DivergedError, match="the loss is not finite"):
        stepper(model, sam=RHO)(batch, step=0, lr=0.1)

    assert all(torch.equal(p, b) for p, b in zip(model.parameters(), before, strict=True))


def test_an_adapted_loss_scale_is_refused_and_a_fixed_one_changes_nothing() -> None:
    with pytest.raises(UsageError, match="sam takes two gradients"):
        small_recipe(sam=0.1, precision="fp16")

    models = [small_model(), small_model()]
    for model, scale in zip(models, (1.0, 128.0), strict=True):
        stepper(model, sam=RHO, precision="fp16", loss_scale=scale, **PLAIN)(samples(), step=0, lr=0.1)
    for a, b in zip(models[0].parameters(), models[1].parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0.1, atol=2e-3)  # fp16 has 11 bits
