"""BN statistics of the whole batch, whose shards are made apart: the step of a batch that is not cut."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from resnetlab import create_model
from resnetlab.base.share import Share
from resnetlab.errors import UsageError
from resnetlab.recipe.named import named_recipe
from resnetlab.recipe.settings import override
from resnetlab.training.recorded.capturing import obstacle_to_capture
from resnetlab.training.step.optim import build_optimizer
from resnetlab.training.step.steps import TrainStep
from resnetlab.training.step.whole_batch import Shards, Sharing, aliases
from tests.kit.meeting import Meeting
from tests.kit.single_steps import Samples, samples
from tests.kit.small_runs import CPU

KEPT = (1.0, 0.75, 0.5)

NETWORKS = [
    ("resnet8", {"width": 0.5}, 16),
    ("resnet8", {"width": 0.5, "shortcut": "B"}, 16),
    ("preresnet8", {}, 16),
    ("tfresearch_resnet32", {"blocks": (1, 1, 1)}, 16),  # leaky, running variances of biased ones
    ("tfofficial_cifar_resnet8v1", {}, 16),
    ("keras_resnet20v1", {"blocks": (1, 1, 1)}, 16),  # biases before BN
    ("resnet18", {"width": 0.125}, 64),
]


def exact_batch(count: int, side: int) -> Samples:
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(count, 3, side, side, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, 10, (count,), generator=generator)
    return Samples(images, labels, labels_other=(labels + 3) % 10, weight=0.7)


def stepped(
    model: nn.Module,
    batch: Samples,
    share: Share,
    kept: tuple[float, ...] = (),
    num_dropouts: int = 0,
    **changes: Any,
) -> tuple[float, list[int]]:
    """A plain update at rate 1, in place: it takes off the gradient."""
    plain = {"compile": "off", "momentum": 0.0, "nesterov": False, "weight_decay": 0.0, "shard_bn": "sync"}
    recipe = override(named_recipe("quick"), plain | changes | {"shards": share.of})
    weights_K = torch.linspace(0.5, 1.5, 10)
    optimizer = build_optimizer(model, recipe.optimizer)
    step = TrainStep(
        model, optimizer, recipe, CPU, kept, num_dropouts=num_dropouts, class_weights_K=weights_K, share=share
    )
    loss, correct = step(batch, step=5, lr=1.0)
    return float(loss), correct.tolist()


@pytest.mark.parametrize(("name", "fields", "side"), NETWORKS, ids=lambda each: str(each))
@pytest.mark.parametrize("shards", [2, 3])
def test_a_step_in_shards_is_the_step_of_a_batch_that_is_not_cut(
    name: str, fields: dict[str, Any], side: int, shards: int
) -> None:
    model, batch = create_model(name, seed=3, classes=10, **fields).double(), exact_batch(7, side)
    start, twin = copy.deepcopy(model.state_dict()), copy.deepcopy(model)

    found = stepped(model, batch, Share.whole(shards))

    told = stepped(twin, batch, Share.whole(1))
    assert found[0] == pytest.approx(told[0], rel=1e-6)
    assert found[1] == told[1]
    moved = 0
    for key, expected in twin.state_dict().items():
        # the loss is computed in float32, of which 1e-7 stays
        torch.testing.assert_close(model.state_dict()[key], expected, rtol=2e-6, atol=2e-6, msg=key)
        moved += not torch.allclose(expected.double(), start[key].double(), rtol=0, atol=1e-4)
    assert moved > 0.7 * len(start)


def test_masks_microbatches_and_recomputed_units_go_the_same_way() -> None:
    """Two microbatches of each of two shards are the two halves of a batch that lies otherwise."""
    batch = exact_batch(8, 16)
    batch.labels_other = None
    order = [0, 1, 4, 5, 2, 3, 6, 7]
    other = Samples(batch.images[order], batch.labels[order])
    models = [create_model("resnet8", seed=3, width=0.5).double() for _ in range(3)]
    models[2].checkpoint_activations = True

    stepped(models[0], other, Share.whole(1), accumulate=2)
    stepped(models[1], batch, Share.whole(2), accumulate=2)
    stepped(models[2], batch, Share.whole(2), accumulate=2)

    for key, expected in models[0].state_dict().items():
        for model in models[1:]:
            torch.testing.assert_close(model.state_dict()[key], expected, rtol=2e-6, atol=2e-6, msg=key)


@pytest.mark.parametrize("knobs", [{}, {"shortcut_gate": "exclusive"}, {"shortcut_dropout": 0.5}], ids=str)
def test_chance_draws_by_the_position_in_the_whole_batch(knobs: dict[str, Any]) -> None:
    batch = exact_batch(9, 16)
    models = [create_model("resnet8", seed=3, width=0.5, **knobs).double() for _ in range(2)]

    for model, shards in zip(models, (1, 3), strict=True):
        dropouts = 3 if "shortcut_dropout" in knobs else 0
        stepped(model, batch, Share.whole(shards), KEPT, num_dropouts=dropouts)

    for key, expected in models[0].state_dict().items():
        torch.testing.assert_close(models[1].state_dict()[key], expected, rtol=2e-6, atol=2e-6, msg=key)


def test_what_is_frozen_has_no_gradient_and_statistics_that_stand_still() -> None:
    batch, model = exact_batch(8, 16), create_model("resnet8", seed=3, width=0.5).double()
    start = copy.deepcopy(model.state_dict())
    model.get_submodule("conv1").requires_grad_(False)

    stepped(model, batch, Share.whole(2))

    after = model.state_dict()
    same = {key for key in start if torch.equal(start[key], after[key])}
    assert same == {"conv1.weight"}


def test_a_function_of_torch_is_done_for_each_shard_with_its_own_parameters() -> None:
    layer = nn.Linear(3, 2)
    own = [aliases(list(layer.parameters())) for _ in range(2)]
    parts = [torch.randn(4, 3), torch.randn(5, 3)]

    out = layer(Shards(parts, Sharing(own, [4, 5], lambda rows: rows)))

    for found, part in zip(out.parts, parts, strict=True):
        assert torch.equal(found, layer(part))
    out.parts[1].sum().backward()
    assert own[0][layer.weight].grad is None and layer.weight.grad is None
    assert torch.equal(own[1][layer.bias].grad, torch.full((2,), 5.0))  # type: ignore[arg-type]
    assert len(out) == 9 and out.numel() == 18


def test_rows_of_others_come_to_the_bit_zeros_of_either_sign_too() -> None:
    meeting = Meeting(2)
    rows = torch.tensor([[0.0, -0.0, 1e-40], [-0.0, 0.0, torch.inf]])
    from resnetlab.training.step.whole_batch import WholeBatchGradient

    def gathered(rank: int) -> Tensor:
        whole = WholeBatchGradient(
            nn.Identity(), Share(rank, 1, 2), accumulate=1, reduce=meeting.reduce(rank)
        )
        return whole._gathered(rows[rank : rank + 1])

    for found in meeting.each(gathered):
        assert torch.equal(found.view(torch.int32), rows.view(torch.int32))


def test_what_cannot_be_recorded_or_compiled_is_told() -> None:
    recipe = override(named_recipe("quick"), {"shards": 2, "shard_bn": "sync"})

    assert "at every BN" in obstacle_to_capture(recipe, CPU, reads_files=False)
    alone = override(recipe, {"shards": 1})
    assert obstacle_to_capture(alone, CPU, reads_files=False) == ""
    from resnetlab.training.recorded.deciding import decide_compile

    with pytest.raises(UsageError, match="compile=on is not possible: for all at once"):
        decide_compile("on", operations=1e20, device=CPU, obstacle="for all at once")
    assert decide_compile("auto", operations=1e20, device=CPU, obstacle="no") == ("off", "no")


def test_bf16_maps_keep_their_type() -> None:
    model, batch = create_model("resnet8", seed=3, width=0.5), samples(8)
    twin = copy.deepcopy(model)

    stepped(model, batch, Share.whole(2), precision="bf16")
    stepped(twin, batch, Share.whole(1), precision="bf16")

    for key, expected in twin.state_dict().items():
        torch.testing.assert_close(model.state_dict()[key], expected, rtol=0.05, atol=0.05, msg=key)
