"""The update's arithmetic against plain restatements of it."""

import copy
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from resnetlab import create_model
from resnetlab.errors import DivergedError
from resnetlab.recipe import Optimizer
from resnetlab.recipe.named import named_recipe
from resnetlab.recipe.settings import override
from resnetlab.training.step.averages import WeightAverage
from resnetlab.training.step.batch import cuts, dropout_keys, keep_mask
from resnetlab.training.step.optim import build_optimizer, decaying_names, optimizer_tensors
from resnetlab.training.step.steps import TrainStep
from tests.kit.single_steps import Samples, samples, small_model, stepper

CPU = torch.device("cpu")


def restated_sgd(
    model: nn.Module,
    batches: list[Samples],
    rates: list[float],
    *,
    decay: float,
    momentum: float,
    form: str,
    nesterov: bool = False,
) -> None:
    """SGD written out, for one parameter after another; weight decay on kernels."""
    velocities = {name: torch.zeros_like(p) for name, p in model.named_parameters()}
    model.train()
    for batch, lr in zip(batches, rates, strict=True):
        loss = F.cross_entropy(model(batch.images), batch.labels)
        gradients = torch.autograd.grad(loss, list(model.parameters()))
        with torch.no_grad():
            for (name, p), gradient in zip(model.named_parameters(), gradients, strict=True):
                gradient = gradient + decay * p if p.ndim > 1 else gradient
                v = velocities[name]
                if form == "keras":
                    v.copy_(momentum * v - lr * gradient)
                    p += momentum * v - lr * gradient if nesterov else v
                else:
                    v.copy_(momentum * v + gradient)
                    p -= lr * (gradient + momentum * v if nesterov else v)


@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("form", ["torch", "keras"])
def test_sgd_is_the_update_written_out_even_where_the_rate_changes(form: str, nesterov: bool) -> None:
    model = small_model()
    twin = copy.deepcopy(model)
    batches, rates = [samples(seed=s) for s in range(5)], [0.0, 0.1, 0.02, 0.02, 0.05]
    step = stepper(model, weight_decay=0.01, nesterov=nesterov, momentum_form=form, decay_scope="kernels")
    for index, batch in enumerate(batches):
        step(batch, step=index, lr=rates[index])

    restated_sgd(twin, batches, rates, decay=0.01, momentum=0.9, form=form, nesterov=nesterov)

    for (name, p), q in zip(model.named_parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(p, q, rtol=2e-4, atol=2e-6, msg=name)  # float32 sums in another order


def test_the_two_momentum_forms_differ_after_a_change_of_rate() -> None:
    """So that the test above can tell them apart."""
    models = [small_model(), small_model()]
    for model, form in zip(models, ("torch", "keras"), strict=True):
        restated_sgd(model, [samples(), samples()], [0.1, 0.01], decay=0.0, momentum=0.9, form=form)

    assert not torch.allclose(next(models[0].parameters()), next(models[1].parameters()), rtol=1e-3)


def gradient_of(changes: dict[str, Any], batch: Samples) -> tuple[list[Tensor], float, list[int]]:
    """One update with rate 1, no momentum, no decay: the weights' difference is the gradient."""
    model = small_model()
    for module in model.modules():  # batch statistics of a part are not those of the whole
        if isinstance(module, nn.BatchNorm2d):
            module.train = lambda mode=True: module  # type: ignore[method-assign, assignment] # noqa: B023
            module.training = False
    before = [p.detach().clone() for p in model.parameters()]
    plain = {"momentum": 0.0, "nesterov": False, "weight_decay": 0.0}
    loss, correct = stepper(model, **(plain | changes))(batch, step=0, lr=1.0)
    return [b - p for b, p in zip(before, model.parameters(), strict=True)], float(loss), correct.tolist()


def test_accumulated_microbatches_of_unequal_size_give_the_whole_batchs_gradient() -> None:
    whole, whole_loss, whole_correct = gradient_of({}, samples(13))
    parts, loss, correct = gradient_of({"accumulate": 4}, samples(13))

    assert loss == pytest.approx(whole_loss, rel=1e-5)
    assert correct == whole_correct
    for a, b in zip(whole, parts, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-5)  # float32 sums in another order


def test_clipping_bounds_the_norm_of_the_whole_gradient() -> None:
    free, *_ = gradient_of({}, samples())
    clipped, *_ = gradient_of({"clip_norm": 0.05}, samples())

    norms = [torch.cat([g.flatten() for g in gradient]).norm().item() for gradient in (free, clipped)]
    assert norms[0] > 0.1
    assert norms[1] == pytest.approx(0.05, rel=1e-3)


def test_a_fixed_loss_scale_changes_nothing_but_the_range() -> None:
    scaled, loss, _ = gradient_of({"precision": "fp16", "loss_scale": 128.0}, samples())
    plain, plain_loss, _ = gradient_of({"precision": "fp16", "loss_scale": 1.0}, samples())

    assert loss == pytest.approx(plain_loss, rel=1e-3)
    for a, b in zip(scaled, plain, strict=True):
        torch.testing.assert_close(a, b, rtol=0.1, atol=2e-3)  # fp16 has 11 bits


def test_a_step_that_overflows_fp16_is_left_out_and_leaves_no_state() -> None:
    model, batch = small_model(), samples()
    step = stepper(model, precision="fp16")
    assert step.scaler is not None
    step.scaler._init_scale = 2.0**40  # the first scaled loss overflows
    before = [p.detach().clone() for p in model.parameters()]

    step(batch, step=0, lr=0.1)

    assert all(torch.equal(p, b) for p, b in zip(model.parameters(), before, strict=True))
    assert not any(slot.get("momentum_buffer") is not None for slot in step.optimizer.state.values())
    assert step.scaler.get_scale() == 2.0**39


def test_mixed_labels_and_smoothing_are_the_weighted_mean_of_two_losses() -> None:
    batch = samples()
    batch.labels_other, batch.weight = (batch.labels + 3) % 10, 0.7
    model = small_model()
    logits = copy.deepcopy(model).train()(batch.images)

    loss, correct = stepper(model, label_smoothing=0.1)(batch, step=0, lr=0.1)

    def smoothed(labels: Tensor) -> Tensor:
        target = torch.full_like(logits, 0.1 / 10)
        target[torch.arange(len(labels)), labels] += 0.9
        return -(target * logits.log_softmax(1)).sum(1).mean()

    expected = 0.7 * smoothed(batch.labels) + 0.3 * smoothed(batch.labels_other)
    assert float(loss) == pytest.approx(float(expected.detach()), rel=1e-5)
    five = logits.topk(5, dim=1).indices
    assert correct.tolist() == [
        int((logits.argmax(1) == batch.labels).sum()),
        int((five == batch.labels[:, None]).any(1).sum()),
    ]


def names_by_kind(model: nn.Module) -> dict[str, set[str]]:
    kinds: dict[str, set[str]] = {"conv": set(), "linear": set(), "norm": set(), "bias": set()}
    for name, p in model.named_parameters():
        owner = model.get_submodule(name.rpartition(".")[0])
        is_norm = isinstance(owner, nn.BatchNorm2d)
        kind = "norm" if is_norm else "bias" if p.ndim == 1 else "conv" if p.ndim == 4 else "linear"
        kinds[kind].add(name)
    return kinds


@pytest.mark.parametrize(
    ("scope", "kinds"),
    [
        ("all", {"conv", "linear", "norm", "bias"}),
        ("all-but-norm", {"conv", "linear", "bias"}),
        ("kernels", {"conv", "linear"}),
        ("conv-kernels", {"conv"}),
    ],
)
def test_weight_decay_covers_its_scope_and_nothing_else(scope: str, kinds: set[str]) -> None:
    model = create_model("keras_resnet20v1", seed=0)  # has biases everywhere
    by_kind = names_by_kind(model)
    assert all(by_kind.values())

    assert decaying_names(model, scope) == set().union(*(by_kind[kind] for kind in kinds))
    optimizer = build_optimizer(model, Optimizer(weight_decay=0.5, decay_scope=scope))  # type: ignore[arg-type]
    decaying = {id(p) for g in optimizer.param_groups if g["weight_decay"] for p in g["params"]}
    assert decaying == {id(p) for n, p in model.named_parameters() if n in decaying_names(model, scope)}
    assert sum(len(g["params"]) for g in optimizer.param_groups) == len(list(model.parameters()))


def test_adamw_decays_beside_the_gradient_and_adam_inside_it() -> None:
    """With a zero gradient adamw shrinks the weights by lr * decay; adam moves them by about lr."""
    for kind, expected in (("adamw", 1 - 0.1 * 0.5), ("adam", 1 - 0.1)):
        model = nn.Linear(2, 2, bias=False)
        nn.init.ones_(model.weight)
        optimizer = build_optimizer(model, Optimizer(optimizer=kind, weight_decay=0.5, decay_scope="all"))  # type: ignore[arg-type]
        optimizer.param_groups[0]["lr"] = 0.1
        model.weight.grad = torch.zeros_like(model.weight)
        optimizer.step()
        torch.testing.assert_close(model.weight.detach(), torch.full((2, 2), expected))


def test_the_average_is_a_recursion_with_a_warm_up_and_covers_bn_statistics() -> None:
    model = small_model()
    average = WeightAverage(model, decay=0.9)
    expected = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    step_function = stepper(model)
    for step in range(1, 15):
        step_function(samples(seed=step), step=step - 1, lr=0.1)
        average.update(model, step)
        keep = min(0.9, (1 + step) / (10 + step))
        for name, tensor in model.state_dict().items():
            expected[name] = (
                keep * expected[name] + (1 - keep) * tensor if tensor.is_floating_point() else tensor.clone()
            )

    for name, tensor in average.tensors.items():
        torch.testing.assert_close(tensor, expected[name], msg=name)
    assert not torch.equal(average.tensors["bn1.running_mean"], model.state_dict()["bn1.running_mean"])


def test_the_stochastic_depth_mask_depends_on_seed_step_and_position_alone() -> None:
    keep = torch.tensor([1.0, 0.75, 0.5])
    mask = keep_mask(7, 3, keep, 4000)

    assert torch.equal(mask, keep_mask(7, 3, keep, 4000))
    assert torch.equal(mask[:, :10], keep_mask(7, 3, keep, 10))
    assert not torch.equal(mask, keep_mask(7, 4, keep, 4000))
    assert not torch.equal(mask, keep_mask(8, 3, keep, 4000))
    assert sorted(set(mask[1].tolist())) == pytest.approx([0.0, 1 / 0.75])
    shares = (mask > 0).float().mean(1)
    torch.testing.assert_close(shares, keep, rtol=0, atol=0.04)  # 5 standard deviations of 4,000 draws


def test_what_dropout_chooses_by_depends_on_seed_step_and_position_alone() -> None:
    keys = dropout_keys(7, 3, 2, 40, CPU)

    assert keys.shape == (2, 40) and len(set(keys.flatten().tolist())) == 80
    assert torch.equal(keys[:, 10:20], dropout_keys(7, torch.tensor(3), 2, 10, CPU, first=10))
    assert not torch.equal(keys, dropout_keys(7, 4, 2, 40, CPU))
    assert not torch.equal(keys, dropout_keys(8, 3, 2, 40, CPU))


@pytest.mark.parametrize("where", ["images", "weight"])
def test_a_number_that_is_not_finite_stops_before_the_update_and_is_named(where: str) -> None:
    model, batch = small_model(), samples()
    if where == "images":
        batch.images[0, 0, 0, 0] = torch.inf
    else:
        with torch.no_grad():
            model.get_parameter("layer2.0.conv1.weight")[0, 0, 0, 0] = torch.nan
    before = model.get_parameter("fc.weight").detach().clone()

    with pytest.raises(DivergedError) as error:
        stepper(model)(batch, step=16, lr=0.1)

    assert "diverged at step 17" in str(error.value)
    assert ("layer2.0.conv1.weight" if where == "weight" else "running_mean") in str(error.value)
    assert torch.equal(model.get_parameter("fc.weight"), before)


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "lamb", "lars", "muon"])
def test_where_nothing_waits_a_bad_step_is_named_later_and_changes_no_weight(optimizer: str) -> None:
    """As on a GPU, whose answers are looked at only now and then."""
    model = small_model()
    step_function = stepper(model, optimizer=optimizer, weight_decay=0.1, nesterov=optimizer == "sgd")
    step_function._looks_at_once = False
    bad = samples(seed=2)
    bad.images[0, 0, 0, 0] = torch.inf
    step_function(samples(seed=1), step=0, lr=0.1)
    step_function.refuse_bad_steps(lambda step: bad)

    def learned() -> dict[str, Tensor]:
        config = step_function.recipe.optimizer
        kept = optimizer_tensors(model, step_function.optimizer, config)
        return {name: t.detach().clone() for name, t in [*model.named_parameters(), *kept.items()]}

    before = learned()
    assert len(before) > len(list(model.parameters()))

    for step, batch in enumerate((bad, samples(seed=3), bad), 1):
        step_function(batch, step=step, lr=0.1)

    for name, tensor in learned().items():
        assert torch.equal(tensor, before[name]), name
    asked = []
    with pytest.raises(DivergedError, match="diverged at step 2: the loss is not finite"):
        step_function.refuse_bad_steps(lambda step: asked.append(step) or bad)
    assert asked == [1]


def test_microbatches_are_as_many_as_were_asked_for_and_as_equal_as_can_be() -> None:
    for count, parts in [(6, 4), (10, 8), (128, 48), (128, 1), (3, 5), (60, 7)]:
        found = cuts(count, parts)
        sizes = [cut.stop - cut.start for cut in found]
        assert [i for cut in found for i in range(count)[cut]] == list(range(count))
        assert len(sizes) == min(parts, count)
        assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize(("asked", "parts"), [(2, 2), (20, 12)], ids=["two", "one for each of 12 samples"])
def test_every_bn_has_counted_each_microbatch_once_and_a_still_one_none(asked: int, parts: int) -> None:
    def counted(model: nn.Module) -> dict[str, int]:
        return {n: int(t) for n, t in model.state_dict().items() if n.endswith("num_batches_tracked")}

    model = small_model()
    by_itself = copy.deepcopy(model).train()
    for _ in range(3 * parts):
        by_itself(samples().images)
    recipe = override(named_recipe("quick"), {"compile": "off", "accumulate": asked})
    still = model.get_submodule("layer2.0.bn1")
    step_function = TrainStep(model, build_optimizer(model, recipe.optimizer), recipe, CPU, still=(still,))

    for step in range(3):
        step_function(samples(), step=step, lr=0.1)

    assert set(counted(by_itself).values()) == {3 * parts}
    assert counted(model) == counted(by_itself) | {"layer2.0.bn1.num_batches_tracked": 0}


def test_an_adapted_loss_scale_that_no_gradient_fits_ends_the_run() -> None:
    model = small_model()
    step = stepper(model, precision="fp16")
    assert step.scaler is not None
    model.get_parameter("fc.weight").register_hook(lambda gradient: gradient * torch.inf)

    for number in range(30):  # from 2**16 down to 2**-14
        step(samples(), step=number, lr=0.1)
    step.refuse_bad_steps(lambda step: samples())
    step(samples(), step=30, lr=0.1)

    with pytest.raises(DivergedError, match="overflow fp16 at every loss scale"):
        step.refuse_bad_steps(lambda step: samples())


def test_a_fixed_loss_scale_that_is_too_large_is_named() -> None:
    step = stepper(small_model(), precision="fp16", loss_scale=2.0**40)

    with pytest.raises(DivergedError, match="the gradient, times the loss_scale") as error:
        step(samples(), step=0, lr=0.1)
    assert error.value.hint.startswith("A smaller loss_scale")


@pytest.mark.parametrize("optimizer", ["lamb", "lars", "muon"])
def test_our_own_optimizers_are_left_out_too_where_fp16_overflows(optimizer: str) -> None:
    model = small_model()
    step = stepper(model, precision="fp16", optimizer=optimizer, nesterov=False)
    assert step.scaler is not None
    step.scaler._init_scale = 2.0**40
    before = [p.detach().clone() for p in model.parameters()]

    step(samples(), step=0, lr=0.1)

    assert all(torch.equal(p, b) for p, b in zip(model.parameters(), before, strict=True))
    assert not step.optimizer.state
    step.scaler.update(1.0)
    step(samples(), step=1, lr=0.1)
    assert not any(torch.equal(p, b) for p, b in zip(model.parameters(), before, strict=True))
