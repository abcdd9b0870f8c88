"""A run on devices with round numbers, worked out by hand; what cannot be; where it stops to scale."""

from dataclasses import replace

import pytest

from resnetlab.base.units import Duration
from resnetlab.errors import UsageError
from resnetlab.forecast.datasets import KNOWN, DataFacts, made_up
from resnetlab.forecast.forecast import (
    Forecast,
    Machine,
    Work,
    count_scores,
    forecast,
    memory_problem,
    refuse_unequal,
)
from resnetlab.forecast.memory import Memory
from resnetlab.forecast.reduction import Fabric
from resnetlab.forecast.scaling import READING, REDUCTION, SHARING, SMALL, lost, scale, where_it_stops
from resnetlab.recipe.due import Due
from resnetlab.recipe.running import Run
from resnetlab.recipe.timeline import Timeline

FABRIC = Fabric(devices_per_host=4, link=100.0, network=40.0, begin=0.0, near=0.0, far=0.0)
MACHINE = Machine(
    title="a device",
    shard_seconds=lambda samples: 1.0 + 0.5 * samples,
    update_seconds=0.25,
    score_seconds=0.125,
    fabric=FABRIC,
    is_exact=False,
    memory=0.0,
    cores=12,
    decode=2.0,
    write=50.0,
)
DATA = DataFacts(name="data", train=1000, test=90, classes=10, side=32)


def _work(
    batch: int = 64, shards: int = 8, *, data: DataFacts = DATA, accumulate: int = 1, **run: object
) -> Work:
    return Work(
        data=data,
        run=Run(batch=batch, length=Duration(10, "ep"), **run),  # type: ignore[arg-type]
        reduced_bytes=200.0,
        saved_bytes=100.0,
        scored_at_once=20,
        shards=shards,
        accumulate=accumulate,
        passes=1.0,
        memory_of=lambda processes, parts: Memory(1.0, 2.0, float(processes > 1), batch / processes / parts),
    )


def test_the_parts_of_a_run_are_those_worked_out_by_hand() -> None:
    found = forecast(_work(), MACHINE, 8)

    assert (found.hosts, found.each) == (2, 8)
    assert found.compute == (1.0 + 0.5 * 8) + 0.25
    assert found.reduction == 2 * 7 / 8 * 200 / 40  # over the network
    assert found.waiting == 0
    assert found.step == found.compute + found.reduction
    assert found.images_per_second == 64 / found.step
    assert found.steps == 157  # of 64 samples in 10,000
    assert found.epochs == 157 * 64 / 1000
    assert (found.scores, found.score) == (10, 1 * 20 * 0.125)  # five batches of 20, one each
    assert (found.saves, found.save) == (1, 2.0)
    assert found.total == 157 * found.step + 10 * 2.5 + 2.0
    assert found.memory == Memory(1.0, 2.0, 1.0, 8.0)


def test_one_device_makes_all_shards_and_microbatches_one_after_the_other() -> None:
    one = forecast(_work(), MACHINE, 1)
    parts = forecast(_work(accumulate=2), MACHINE, 2)

    assert one.compute == 8 * (1.0 + 0.5 * 8) + 0.25
    assert one.reduction == 0
    assert parts.compute == 4 * 2 * (1.0 + 0.5 * 4) + 0.25
    assert forecast(replace(_work(shards=1), passes=2.0), MACHINE, 1).compute == 2 * (1.0 + 0.5 * 64) + 0.25


def test_an_exact_sum_goes_through_the_tree_and_bn_within_the_passes_adds_its_own() -> None:
    exact = replace(MACHINE, is_exact=True, fabric=replace(FABRIC, begin=0.5))

    assert forecast(_work(shards=4), exact, 4).reduction == 2 * 200 / 100 + 0.5
    synced = forecast(replace(_work(shards=4), norm_reductions={100: 30, 50: 8}), exact, 4)
    assert synced.reduction == pytest.approx(4.5 + 30 * (0.5 + 2 * 100 / 100) + 8 * (0.5 + 2 * 50 / 100))


def test_devices_wait_where_the_cores_of_their_host_decode_less_than_they_learn() -> None:
    files = replace(DATA, reads_files=True, file_bytes=1000.0)
    found = forecast(_work(batch=128, data=files), MACHINE, 8)

    alone = found.compute + found.reduction
    assert found.cores_free == 12 - 4
    a_core = 64 / 2.0  # seconds of one core for the images of one of two hosts
    assert found.cores_needed == pytest.approx(a_core / alone)
    assert found.waiting == 0
    slow = forecast(_work(batch=128, data=files), replace(MACHINE, decode=0.25), 8)
    assert slow.step == pytest.approx(64 / 0.25 / 8)
    assert slow.waiting == pytest.approx(32 - alone)
    assert slow.bytes_read == pytest.approx(1000 * 128 / 32)
    assert slow.score == pytest.approx(90 / 2 / 0.25 / 8)  # the test images are decoded too


@pytest.mark.parametrize("every", ["1ep", "3ep", "0ep", "7st", "157st", "40st", "400st"])
@pytest.mark.parametrize(("batch", "epochs", "cycle"), [(64, 10, 0), (700, 3, 0), (300, 4, 1), (1000, 5, 0)])
def test_evaluations_and_checkpoints_are_as_many_as_the_run_makes(
    every: str, batch: int, epochs: int, cycle: int
) -> None:
    run = Run(
        batch=batch, length=Duration(epochs, "ep"), cycle_epochs=cycle, eval_every=Duration.parse(every),
        checkpoint_every=3,
    )  # fmt: skip
    timeline = Timeline(num_samples=1000, batch=batch, length=run.length, cycle_epochs=cycle)
    due, steps = Due(run, timeline), range(1, timeline.num_steps + 1)

    assert count_scores(run, timeline) == sum(map(due.evaluation, steps))
    found = forecast(replace(_work(batch, 1), run=run), MACHINE, 1)
    assert found.saves == sum(due.save(step) or step == timeline.num_steps for step in steps)


def test_what_does_not_divide_is_refused_with_the_nearest_that_does() -> None:
    with pytest.raises(UsageError, match="256 cannot be cut into 48 equal shards: 240 and 288 can") as caught:
        refuse_unequal(256, 48, 48)
    assert "among 32 or 64 devices" in caught.value.hint
    with pytest.raises(UsageError, match="8 cannot be cut into 16 equal shards: 16 can"):
        refuse_unequal(8, 16, 16)
    with pytest.raises(UsageError, match="6 devices cannot share 8 shards equally") as caught:
        refuse_unequal(256, 8, 6)
    assert "4 or 8 can" in caught.value.hint


def test_too_little_memory_is_told_with_the_microbatches_that_fit() -> None:
    work, small = _work(shards=2), replace(MACHINE, memory=7.0)
    found = forecast(work, small, 2)  # 4 and 32 samples, a byte each

    assert memory_problem(found, work, replace(MACHINE, memory=36.0)) == ""
    told = memory_problem(found, work, small)
    assert (
        told == "36 B do not fit into the 7 B of a device: --set accumulate=16 does, with BN over 2 samples"
    )
    together = replace(work, norm_reductions={8: 2})
    assert memory_problem(found, together, small).endswith("with BN over 4 samples")  # 2 of each shard
    assert "however small" in memory_problem(found, work, replace(MACHINE, memory=4.0))


def _row(devices: int, *, compute: float, reduction: float = 0.0, waiting: float = 0.0) -> Forecast:
    found = forecast(_work(shards=1), MACHINE, 1)
    return replace(
        found, devices=devices, batch=64 * devices, each=64, compute=compute, reduction=reduction,
        waiting=waiting,
    )  # fmt: skip


def test_it_stops_where_less_than_half_of_each_is_used_and_the_largest_loss_is_why() -> None:
    rows = {
        1: _row(1, compute=10.0),
        2: _row(2, compute=10.0, reduction=2.0),
        4: _row(4, compute=16.0, reduction=2.0),
        8: _row(8, compute=10.0, reduction=2.0, waiting=9.0),
    }
    found = scale(rows.__getitem__, lambda row: "", [*rows])

    assert [row.efficiency for row in found] == pytest.approx([1.0, 10 / 12, 10 / 18, 10 / 21])
    assert [row.limit for row in found] == ["", REDUCTION, SMALL, READING]
    assert lost(rows[4], rows[1]) == {REDUCTION: 2.0, SMALL: 6.0, SHARING: 0.0, READING: 0.0}
    crowded = replace(rows[4], sharing=5.0)
    assert lost(crowded, rows[1]) == {REDUCTION: 2.0, SMALL: 1.0, SHARING: 5.0, READING: 0.0}
    assert where_it_stops(found) == (
        "It stops scaling before 8 devices, of which each makes 48 % of what one alone makes: the cores of "
        "its hosts decode no more images."
    )
    assert where_it_stops(found[:2]).startswith(
        "It scales to 2 devices: each makes 83 % of what one alone makes;"
    )


def test_a_number_of_devices_that_cannot_be_is_a_row_that_says_so() -> None:
    def on(devices: int) -> Forecast:
        return forecast(_work(shards=devices), MACHINE, devices)

    rows = scale(on, lambda found: "too large" if found.devices == 1 else "", [1, 2, 3])

    assert [bool(row.forecast) for row in rows] == [True, True, False]
    assert [row.problem for row in rows[:2]] == ["too large", ""]
    assert "64 cannot be cut into 3" in rows[2].problem
    assert rows[2].to_json() == {"devices": 3, "problem": rows[2].problem}
    with pytest.raises(UsageError, match="64 cannot be cut into 3"):
        scale(on, lambda found: "", [3, 5])


def test_known_and_made_up_data_say_where_their_numbers_come_from() -> None:
    assert all(facts.source and facts.train > facts.test > 0 for facts in KNOWN.values())
    made = made_up(1000, 7)
    assert (made.train, made.test, made.classes, made.reads_files) == (1000, 50, 7, True)
    assert not made_up(1000, 7, side=32).reads_files
    with pytest.raises(UsageError, match="--images 0"):
        made_up(0, 10)
