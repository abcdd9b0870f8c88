"""The memory of a training step, against sums written out here."""

from resnetlab.forecast.memory import training_memory
from resnetlab.network.catalog import model_spec
from resnetlab.recipe.named import named_recipe
from resnetlab.recipe.settings import override

QUICK = override(named_recipe("quick"), {"precision": "fp32", "batch": 128})
RESNET20 = model_spec("resnet20")
MAPS = 2 * (7 * 16 * 32**2 + 6 * 32 * 16**2 + 6 * 64 * 8**2)
"""Numbers of one image that the outputs of its 19 convolutions and 19 BNs hold: 7, 6 and 6 at three sizes."""


def test_the_parts_are_those_of_a_sum_made_by_hand() -> None:
    memory = training_memory(RESNET20, QUICK, 32, 32)

    assert memory.state == 4 * 3 * RESNET20.num_parameters  # weights, gradients, momentum
    assert memory.activations == 4 * 128 * MAPS
    assert memory.reduction == 0
    assert memory.total == memory.process + memory.state + memory.activations


def test_a_process_holds_the_activations_of_one_shard_or_microbatch_at_a_time() -> None:
    def kept(batch: int, accumulate: int, shards: int, processes: int = 1) -> float:
        recipe = override(QUICK, {"batch": batch, "accumulate": accumulate, "shards": shards})
        return training_memory(RESNET20, recipe, 32, 32, processes=processes).activations

    assert kept(128, 1, shards=8) == kept(128, 1, shards=8, processes=8) == 4 * 16 * MAPS
    assert kept(128, 4, shards=8) == 4 * 4 * MAPS
    assert kept(126, 4, shards=8) == 4 * 4 * MAPS  # of 15 or 16 samples, at most 4 at a time
    bf16 = override(QUICK, {"precision": "bf16"})
    assert training_memory(RESNET20, bf16, 32, 32).activations == 2 * 128 * MAPS


def test_shards_wait_for_each_other_on_each_level_of_the_tree() -> None:
    def sums(shards: int, processes: int) -> float:
        recipe = override(QUICK, {"shards": shards})
        memory = training_memory(RESNET20, recipe, 32, 32, processes=processes)
        return memory.reduction / (4 * RESNET20.num_parameters)

    assert [sums(1, 1), sums(2, 1), sums(4, 1), sums(8, 1)] == [0, 1 + 1, 1 + 2, 1 + 3]
    assert [sums(8, 2), sums(8, 4), sums(8, 8)] == [1 + 2 + 1, 1 + 1 + 1, 1 + 0 + 1]


def test_shards_that_share_statistics_are_made_together_each_with_its_gradient() -> None:
    """BN keeps what it normalised in fp32, whatever the precision."""
    recipe = override(QUICK, {"shards": 8, "shard_bn": "sync", "precision": "bf16", "accumulate": 2})
    memory = training_memory(RESNET20, recipe, 32, 32, processes=2)

    assert memory.activations == (2 + 4) / 2 * 4 * 8 * MAPS  # of 4 shards, 8 of 16 samples each
    assert memory.reduction == 4 * RESNET20.num_parameters * (1 + 3 + 1)


def test_every_optimizer_has_an_estimate_of_its_memory() -> None:
    kinds = ("sgd", "adam", "adamw", "lamb", "muon", "lars")

    found = [training_memory(RESNET20, override(QUICK, {"optimizer": k}), 32, 32).total for k in kinds]

    assert found[0] < found[1] == found[2] == found[3] < found[4]
    assert found[5] == found[0]
    for more in ({"ema_decay": 0.9}, {"sam": 0.1}, {"lookahead": 5}):
        assert training_memory(RESNET20, override(QUICK, more), 32, 32).total > found[0], more
