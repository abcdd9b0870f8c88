"""What a dry run and `doctor` measure stays small, whatever the network and the processor."""

import re
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from resnetlab.base.machine.yardstick import Work
from resnetlab.base.units import format_seconds
from resnetlab.cli import main
from resnetlab.native.measured import rating
from resnetlab.native.measured.rating import machine_peak
from resnetlab.network.catalog import model_spec
from resnetlab.recipe.named import named_recipe
from resnetlab.recipe.settings import override
from resnetlab.training.budget.estimating import estimate
from resnetlab.training.choosing import choosing
from resnetlab.training.planning import make_plan
from resnetlab.training.speed import measure_speed
from resnetlab.training.timing import benched
from tests.kit.photographs import open_photographs, photograph_plan, write_photographs
from tests.kit.small_runs import CPU, small_recipe, small_source


def _operations(call: Any) -> int:
    with FlopCounterMode(display=False) as counter:
        call()
    return counter.get_total_flops()


@pytest.mark.parametrize("width", [1, 4])
def test_an_estimate_is_made_of_three_small_steps_alone(width: int) -> None:
    """It once measured the bf16 matrix product too: 150 s where the processor has none."""
    spec = model_spec("resnet8").with_(width=width)
    plan = make_plan(spec, small_source(), "small", small_recipe(batch=60), CPU)
    step = min(6 * plan.spec.num_multiply_adds(*max(plan.training_sizes)) * 32, 2e10)
    machine_peak(CPU, "fp32")  # once for a machine, and kept
    told: dict[str, str] = {}
    spent = _operations(lambda: told.update(estimate(plan)))
    assert 0.3 * step < spent < 3.3 * step
    assert "images/s" in told["estimate"]
    share = float(re.findall(r"([\d.]+) % of the best seen here in fp32", told["computing"])[0])
    assert 0 < share <= 100


def test_an_estimate_counts_steps_on_smaller_images_by_what_they_compute() -> None:
    plan = make_plan(
        model_spec("resnet8"), small_source(), "small", small_recipe(shrink=0.5, shrink_until=0.6), CPU
    )
    small, large = plan.spec.num_multiply_adds(8, 8), plan.spec.num_multiply_adds(16, 16)

    told = estimate(plan)["estimate"]

    mean, largest = (
        float(rate.replace(",", "")) for rate in re.findall(r"([\d,]+) (?:images/s|at 16x16)", told)
    )
    assert mean / largest == pytest.approx(large / (0.6 * small + 0.4 * large), rel=0.01), told
    samples = plan.timeline.samples_seen(plan.timeline.num_steps)
    assert told.startswith(f"{format_seconds(samples / mean)} at"), told


def test_memory_is_estimated_for_the_largest_images_that_a_run_ever_has(tmp_path: Path) -> None:
    source = open_photographs(write_photographs(tmp_path))
    grows, throughout = (
        photograph_plan(source, train_size=size, grow_to=320, image_size=320) for size in (24, 320)
    )

    assert estimate(grows)["memory"].split(";")[0] == estimate(throughout)["memory"].split(";")[0]


def test_a_workload_that_is_faster_than_the_yardstick_becomes_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What libraries are asked for may be slower than they can: no share is above 100 %."""
    monkeypatch.setenv("RESNETLAB_CACHE", str(tmp_path))
    slow = Work("a slow work", (1,), lambda size: (1.0, lambda: time.sleep(1e-3)))
    monkeypatch.setattr(rating, "_of", lambda device, dtype: (dtype, [slow], {}))
    spec = model_spec("resnet8").with_(width=0.25)
    recipe = override(named_recipe("quick"), {"batch": 4, "compile": "off"})

    first = measure_speed("eval", spec, recipe, CPU, steps=3, warmup=1)
    again = rating.machine_peak(CPU, "fp32")

    assert first.machine_rate_by == "evaluating resnet8, batch 4"
    assert 0 < first.share_of_machine <= 1
    assert again.by == first.machine_rate_by
    assert again.rate == pytest.approx(1e9 * first.machine_gflops_per_second)  # which was divided by 1e9


def test_a_workload_that_is_faster_counts_though_nothing_can_be_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("RESNETLAB_CACHE", str(tmp_path / "file"))
    slow = Work("a slow work", (1,), lambda size: (1.0, lambda: time.sleep(1e-3)))
    monkeypatch.setattr(rating, "_of", lambda device, dtype: (dtype, [slow], {}))

    peak = rating.seen_faster(CPU, "fp32", rate=1e12, by="a workload")

    assert (peak.rate, peak.by) == (1e12, "a workload")


def test_measuring_the_machine_leaves_torchs_random_numbers_as_they_are() -> None:
    before = torch.get_rng_state()
    _, works, _ = rating._of(CPU, torch.float32)
    for work in works:
        operations, call = work.of_size(work.sizes[0])
        call()
        assert operations > 0

    assert torch.equal(torch.get_rng_state(), before)


def test_a_trace_that_cannot_be_written_is_refused_before_seconds_are_spent(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def measured(*given: Any, **named: Any) -> None:
        pytest.fail("something was measured")

    monkeypatch.setattr(benched, "measure_speed", measured)
    monkeypatch.setattr(choosing, "try_here", measured)

    trace = str(tmp_path / "nosuch/trace.json")
    assert main(["bench", "train", "resnet8", "--profile", "--trace", trace]) == 74
    assert f"could not write {trace}" in capsys.readouterr().err
