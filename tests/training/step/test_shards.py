"""The gradient of a batch in shards: restated plainly, and made by processes, which are threads here."""

import copy
import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from resnetlab.base.share import Share
from resnetlab.base.units import Duration
from resnetlab.errors import DivergedError
from resnetlab.network.catalog import model_spec
from resnetlab.recipe import Recipe
from resnetlab.recipe.named import named_recipe
from resnetlab.recipe.schedule import LearningRate
from resnetlab.recipe.settings import override
from resnetlab.training.recorded.programs import HostSteps
from resnetlab.training.session import build_state
from resnetlab.training.step.batch import keep_mask
from resnetlab.training.step.optim import build_optimizer
from resnetlab.training.step.shards import Reduce, TreeSum, alone
from resnetlab.training.step.state import TrainState
from resnetlab.training.step.steps import TrainStep
from tests.kit.meeting import Meeting
from tests.kit.single_steps import Samples, samples, small_model, stepper
from tests.kit.small_batches import make_batches
from tests.kit.small_runs import CPU

KEPT = (1.0, 0.75, 0.5)  # of the units of the small network
SIZES = {1: [13], 3: [4, 4, 5], 4: [3, 3, 3, 4]}
"""Samples of each shard of 13."""


def exact_batch(count: int = 13) -> Samples:
    batch = samples(count)
    batch.images = batch.images.double()
    batch.labels_other, batch.weight = (batch.labels + 3) % 10, 0.7
    return batch


def plain_recipe(**changes: Any) -> Recipe:
    """One in which an update at rate 1 takes off the gradient."""
    plain = {
        "compile": "off",
        "momentum": 0.0,
        "nesterov": False,
        "weight_decay": 0.0,
        "label_smoothing": 0.1,
    }
    return override(named_recipe("quick"), plain | changes)


def restated_step(
    model: nn.Module, batch: Samples, sizes: list[int], parts: int, weights_K: Tensor, rule: str
) -> tuple[float, list[int]]:
    """One update at rate 1, shard by shard, microbatch by microbatch, each shard with BNs of its own."""
    total, ends = sum(sizes), np.cumsum(sizes)
    mask_UN = keep_mask(0, 5, torch.tensor(KEPT), total).double()
    labels_other = batch.labels_other
    assert labels_other is not None
    twins, gradients, losses, correct = [], [], 0.0, [0, 0]
    for size, end in zip(sizes, ends, strict=True):
        twin = copy.deepcopy(model).train()
        mean = torch.zeros((), dtype=torch.float64)
        counts = sorted(len(part) for part in np.array_split(np.arange(size), parts))
        for count, stop in zip(counts, end - size + np.cumsum(counts), strict=True):
            part = slice(stop - count, stop)
            logits = twin(batch.images[part], mask_UN[:, part])
            for labels, share in ((batch.labels, batch.weight), (labels_other, 1 - batch.weight)):
                loss = F.cross_entropy(logits, labels[part], reduction="none", label_smoothing=0.1)
                mean = mean + share * (weights_K[labels[part]] * loss).sum() / total
            for place, most in enumerate((1, 5)):
                answers = logits.topk(most, dim=1).indices
                correct[place] += int((answers == batch.labels[part, None]).any(1).sum())
        gradients.append(torch.autograd.grad(mean, list(twin.parameters())))
        twins.append(twin)
        losses += float(mean.detach())
    with torch.no_grad():
        for parameter, *of_shards in zip(model.parameters(), *gradients, strict=True):
            parameter.sub_(sum(of_shards, torch.zeros(())))
        for name, buffer in model.named_buffers():
            every = [dict(twin.named_buffers())[name] for twin in twins]
            is_mean = rule == "mean" and buffer.is_floating_point()
            buffer.copy_(torch.stack(every).mean(0) if is_mean else every[0])
    return losses, correct


@pytest.mark.parametrize(
    ("shards", "parts", "rule"),
    [(1, 1, "mean"), (3, 1, "mean"), (4, 1, "first"), (4, 2, "mean"), (3, 3, "first")],
)
def test_a_step_is_the_sum_over_shards_each_with_bn_of_its_own(shards: int, parts: int, rule: str) -> None:
    model, batch = small_model().double(), exact_batch()
    twin, start = copy.deepcopy(model), copy.deepcopy(model.state_dict())
    weights_K = torch.linspace(0.5, 1.5, 10)
    recipe = plain_recipe(shards=shards, shard_bn=rule, accumulate=parts)
    step = TrainStep(
        model, build_optimizer(model, recipe.optimizer), recipe, CPU, KEPT, class_weights_K=weights_K
    )

    loss, correct = step(batch, step=5, lr=1.0)

    told = restated_step(twin, batch, SIZES[shards], parts, weights_K, rule)
    assert float(loss) == pytest.approx(told[0], rel=1e-6)
    assert correct.tolist() == told[1]
    for name, expected in twin.state_dict().items():
        found = model.state_dict()[name]
        # the loss is computed in float32, of which 1e-7 stays
        torch.testing.assert_close(found, expected, rtol=0, atol=2e-7, msg=name)
        assert not torch.allclose(found.double(), start[name].double(), rtol=0, atol=1e-4), name
    counters = {int(t) for n, t in model.state_dict().items() if n.endswith("num_batches_tracked")}
    assert counters == {parts}


def in_levels(leaves: Sequence[npt.NDArray[np.float32]]) -> npt.NDArray[np.float32]:
    """The sum of a binary tree, level by level; what has no neighbour waits for the next."""
    while len(leaves) > 1:
        pairs = [leaves[place] + leaves[place + 1] for place in range(0, len(leaves) - 1, 2)]
        leaves = [*pairs, *leaves[2 * len(pairs) :]]
    return leaves[0]


@pytest.mark.parametrize("count", range(1, 18))
def test_leaves_that_come_one_by_one_are_added_in_the_tree_to_the_bit(count: int) -> None:
    noise = np.random.default_rng(count)
    size = np.float32(10.0) ** noise.uniform(-6, 6, (count, 500)).astype(np.float32)
    leaves = size * noise.standard_normal((count, 500)).astype(np.float32)
    tree = TreeSum()

    for leaf in leaves:
        tree.add(torch.tensor(leaf))

    found = tree.total().numpy()
    assert np.array_equal(found, in_levels(list(leaves)))
    if count > 3:  # so that this test can tell orders apart
        assert not np.array_equal(found, functools.reduce(np.add, leaves))


def test_few_sums_wait_at_a_time() -> None:
    tree = TreeSum()
    for number in range(1, 65):
        tree.add(torch.ones(1))
        assert len(tree._waiting) == number.bit_count()
    assert tree.total().item() == 64


def taken_step(share: Share, reduce: Reduce, rule: str = "mean") -> tuple[nn.Module, Tensor, Tensor]:
    """A step of some of the shards of a batch of 16, with its loss and right answers."""
    batch = samples(16)
    here = share.cut(16)
    local = Samples(batch.images[here], batch.labels[here], elsewhere=16 - (here.stop - here.start))
    model, recipe = small_model(), plain_recipe(shards=share.of, shard_bn=rule)
    step = TrainStep(
        model, build_optimizer(model, recipe.optimizer), recipe, CPU, KEPT, share=share, reduce=reduce
    )
    return model, *step(local, step=0, lr=1.0)


@pytest.mark.parametrize("rule", ["mean", "first"])
def test_what_is_added_up_is_the_tree_of_what_each_shard_makes_alone(rule: str) -> None:
    made: list[Tensor] = []

    def keep(total: Tensor) -> Tensor:
        made.append(total.clone())
        return total

    taken_step(Share.whole(8), keep, rule)
    for shard in range(8):
        taken_step(Share(shard, 1, 8), keep, rule)

    whole, *leaves = (each.numpy() for each in made)
    assert np.array_equal(whole, in_levels(leaves))
    assert not np.array_equal(whole, functools.reduce(np.add, leaves))
    assert whole[-1] == sum(leaf[-1] for leaf in leaves) == float(taken_step(Share.whole(8), alone)[2][1])


# Everything that looks at gradients, or at what they do.
WAYS: list[dict[str, Any]] = [
    {"mixup": 0.4, "accumulate": 2, "ema_decay": 0.9, "erasing": 0.3},
    {"sam": 0.5, "sam_form": "adaptive", "clip_norm": 0.5},
    {"sam": 0.5, "shard_bn": "first"},
    {"sam": 0.5, "shard_bn": "sync", "mixup": 0.4},
    {"shard_bn": "sync", "accumulate": 2, "precision": "bf16", "ema_decay": 0.9},
    {"shard_bn": "sync", "cycle_epochs": 1, "batch": 15, "checkpoint_activations": True},
    {"optimizer": "lamb", "weight_decay": 0.1, "loss": "binary", "cutmix": 1.0, "lookahead": 2},
    {"optimizer": "lars", "weight_decay": 0.1, "cycle_epochs": 1, "batch": 15},
    {"optimizer": "muon", "precision": "bf16", "bias_rate": 8.0},
    {"momentum_form": "keras", "nesterov": False, "precision": "fp16", "loss_scale": 128.0},
    {"optimizer": "adam", "precision": "fp16", "freeze": "stem"},
    {"bn": "frozen-statistics", "cutout": 3},
]


def trained(share: Share, reduce: Reduce, **changes: Any) -> dict[str, Tensor]:
    """All that lasts of four steps on batches of 16; those of 15 end with 5 in a cycle of 50 samples."""
    values = {"compile": "off", "batch": 16, "length": Duration(4, "st"), "shards": share.of} | changes
    recipe = override(named_recipe("quick"), {"crop_padding": 2, **values})
    run = recipe.run
    batches = make_batches(
        recipe.augmentation, length="4st", batch=run.batch, cycle_epochs=run.cycle_epochs, share=share
    )
    spec = model_spec("resnet8").with_(stochastic_depth=0.3, shortcut_dropout=0.3, width=0.5)
    weights = torch.linspace(0.5, 1.5, 10) if recipe.run.loss == "softmax" else None
    state, step = build_state(spec, recipe, CPU, class_weights=weights, share=share, reduce=reduce)
    HostSteps(state, batches, LearningRate(recipe.schedule, batches.timeline), step).run(4)
    return lasting(state)


def lasting(state: TrainState) -> dict[str, Tensor]:
    groups: dict[str, dict[str, Tensor]] = state.tensors() | {"interval": state.interval.tensors()}
    found = {f"{group}/{name}": tensor for group, named in groups.items() for name, tensor in named.items()}
    scale = state.scaler.get_scale() if state.scaler else 0.0
    return found | {"seen": torch.tensor(state.interval.seen), "scale": torch.tensor(scale)}


@pytest.mark.parametrize("changes", WAYS, ids=lambda way: " ".join(map(str, way)))
@pytest.mark.parametrize("processes", [2, 4])
def test_every_number_of_processes_makes_the_same_run_to_the_bit(
    changes: dict[str, Any], processes: int
) -> None:
    meeting, count = Meeting(processes), 4 // processes

    every = meeting.each(lambda rank: trained(Share(rank * count, count, 4), meeting.reduce(rank), **changes))

    whole = trained(Share.whole(4), alone, **changes)
    for found in every:
        assert found.keys() == whole.keys()
        assert [name for name, tensor in found.items() if not torch.equal(tensor, whole[name])] == []
    assert int(whole["seen"]) == (50 if "cycle_epochs" in changes else 64)


def test_shards_are_no_execution_detail() -> None:
    """Two and four shards are two runs, as BN says; of BN that does not move one, but for rounding."""
    for changes, tolerance in (({}, None), ({"bn": "frozen"}, 1e-5)):
        runs = [trained(Share.whole(shards), alone, **changes) for shards in (1, 2, 4)]
        for run in runs[1:]:
            difference = (run["model/fc.weight"] - runs[0]["model/fc.weight"]).abs().max()
            assert (difference < tolerance) if tolerance else (difference > 1e-4)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw", "lamb", "lars", "muon"])
def test_where_bn_is_still_shards_change_nothing_but_rounding(optimizer: str) -> None:
    found = [
        trained(Share.whole(shards), alone, optimizer=optimizer, bn="frozen-statistics", nesterov=False)
        for shards in (1, 4)
    ]

    for name, tensor in found[0].items():
        if name.startswith("model/"):
            # adam and muon make an update of rounding where a gradient is nothing but that
            torch.testing.assert_close(found[1][name], tensor, rtol=2e-2, atol=2e-3, msg=name)


def test_statistics_and_weights_that_stand_still_are_not_among_what_is_added() -> None:
    sizes = []

    def keep(total: Tensor) -> Tensor:
        sizes.append(total.numel())
        return total

    before = small_model().state_dict()
    after = trained(Share.whole(2), keep, bn="frozen", freeze="stage1", seed=3)
    names = {name for name in before if before[name].is_floating_point()}
    moved = {name for name in names if after[f"model/{name}"].ne(before[name]).any()}
    assert moved and not any("bn" in name for name in moved)
    assert {*sizes} == {sum(before[name].numel() for name in moved) + 3}


@pytest.mark.parametrize("looks_at_once", [True, False])
def test_a_number_that_is_not_finite_ends_all_processes_before_the_update(looks_at_once: bool) -> None:
    meeting, batch = Meeting(2), samples(12)
    batch.images[11, 0, 0, 0] = torch.inf  # in the last process's shard
    models = [small_model(), small_model()]
    before = models[0].get_parameter("fc.weight").detach().clone()

    def work(rank: int) -> str:
        here = Share(rank, 1, 2).cut(12)
        local = Samples(batch.images[here], batch.labels[here], elsewhere=6)
        step = stepper(models[rank], share=Share(rank, 1, 2), reduce=meeting.reduce(rank), shards=2)
        step._looks_at_once = looks_at_once
        with pytest.raises(DivergedError) as error:
            step(local, step=16, lr=0.1)
            step.refuse_bad_steps(lambda step: local)
        return str(error.value)

    told = meeting.each(work)

    assert "diverged at step 17: the loss is not finite; bn1.running_mean is not" in told[0]
    assert told[0] == told[1]
    assert all(torch.equal(model.get_parameter("fc.weight"), before) for model in models)


def test_bn_counts_the_microbatches_of_the_smallest_shard_as_every_process_can() -> None:
    for count, parts, expected in ((12, 2, 2), (5, 3, 1), (9, 3, 2)):
        counted = []
        for share in (Share.whole(4), Share(3, 1, 4)):
            batch, here = samples(count), share.cut(count)
            elsewhere = count - (here.stop - here.start)
            local = Samples(batch.images[here], batch.labels[here], elsewhere=elsewhere)
            model = small_model()
            stepper(model, share=share, shards=4, accumulate=parts)(local, step=0, lr=0.1)
            counted.append(int(model.get_buffer("bn1.num_batches_tracked")))
        assert counted == [expected, expected]
