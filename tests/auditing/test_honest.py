"""An honest run breaks no promise, however it came to its end."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from resnetlab.auditing import PROMISES, audit_run
from resnetlab.base.units import Duration
from resnetlab.recipe.due import Due
from resnetlab.recipe.running import Run
from resnetlab.recipe.timeline import Timeline
from resnetlab.runs.directory import RunDirectory, claim_new
from resnetlab.runs.records import read_records
from resnetlab.trained.transfer import open_trained
from resnetlab.training.longer import newest_checkpoint, plan_longer, write_longer
from resnetlab.training.observer import Observer
from resnetlab.training.run import resume_plan, train_plan
from tests.kit.audited import found, told
from tests.kit.doctored_runs import flip
from tests.kit.interrupted_runs import run_until
from tests.kit.photographs import open_photographs, photograph_plan, write_photographs
from tests.kit.reported_runs import edit
from tests.kit.small_finetunings import tuned
from tests.kit.small_runs import CPU, small_source, two_stage_plan

OLD = Path(__file__).parents[1] / "old_files" / "0.1.0"
NONE: Mapping[str, Any] = {"milestones": (), "factors": (), "warmup": Duration(0, "ep")}
WAYS: dict[str, Mapping[str, Any]] = {
    "evaluated only at the end": {"eval_every": Duration(0, "ep"), "length": "1ep"},
    "batches cut at epochs": {"cycle_epochs": 1, "length": "2ep"},
    "cycles of two epochs, cut": {"cycle_epochs": 2, "length": "3ep"},
    "cosine with warm-up": {"schedule": "cosine", **NONE, "warmup": Duration(1, "ep"), "length": "2ep"},
    "a plateau of validation losses": {
        "schedule": "plateau", **NONE, "plateau_patience": 1, "plateau_delta": 1.0, "val": 12,
        "eval_every": Duration(2, "st"),
    },
    "stopped by the test images": {"stop_at": 0.1, "eval_every": Duration(3, "st")},
    "stopped early": {"patience": 1, "val": 12, "eval_every": Duration(1, "st"), "ema_decay": 0.0},
    "four shards": {"shards": 4, "accumulate": 1, "ema_decay": 0.0},
    "lookahead in bf16": {"lookahead": 3, "ema_decay": 0.0, "precision": "bf16"},
}  # fmt: skip


def test_every_promise_of_a_finished_run_is_looked_at_and_kept(honest: Path) -> None:
    verdicts = {each.name: each.verdict for each in found(honest).values()}

    assert len({promise.name for promise in PROMISES}) == len(PROMISES)
    assert {promise.name for promise in PROMISES} - {*verdicts} == {
        "first weights",
        "goes on from",
        "dataset",
    }
    assert {*verdicts.values()} == {"pass"}
    for each in found(honest).values():
        assert each.expected and each.why and each.found


def test_with_validation_images(with_val: Path) -> None:
    assert told(with_val) == []


@pytest.mark.parametrize("way", WAYS)
def test_an_honest_run_breaks_none(way: str, tmp_path: Path) -> None:
    plan = two_stage_plan(**{"length": "12st", "checkpoint_every": 5, **WAYS[way]})
    result = train_plan(plan, tmp_path / "run", Observer())

    assert told(tmp_path / "run") == []
    if "stopped" in way:
        assert result.step < 12


def test_a_run_that_was_trained_for_longer_breaks_none(honest: Path, tmp_path: Path) -> None:
    small, old = small_source(), RunDirectory(honest)
    plan = plan_longer(read_records(old), 16, Duration(4, "ep"), small, None, CPU, 0)
    new = RunDirectory(tmp_path / "longer", claim_new(tmp_path / "longer"))
    write_longer(old, newest_checkpoint(old), plan, new)
    resume_plan(plan, new, Observer())
    assert new.lock is not None
    new.lock.release()

    assert told(new.path) == []
    assert found(new.path)["goes on from"].found == "from step 16 of 16st"
    edit(new.path / "continues.json", step=15)
    assert {"goes on from", "identity"} <= {text.partition(":")[0] for text in told(new.path)}


def test_a_fine_tuned_run_breaks_none(copy: Path, tmp_path: Path) -> None:
    run = tmp_path / "tuned"
    train_plan(tuned(open_trained(copy)), run, Observer())

    assert told(run) == []
    assert found(run)["first weights"].verdict == "pass"
    flip(run / "initial.safetensors")
    assert found(run)["first weights"].verdict == "fail"
    (run / "weights.json").unlink()
    assert found(run)["first weights"].verdict == "fail"


def test_a_run_on_files_breaks_none(tmp_path: Path) -> None:
    """With an image that is broken, and left out, so that its batch has one fewer."""
    photographs = write_photographs(tmp_path / "photos")
    broken = sorted(photographs.glob("train/*/*"))[0]
    broken.write_bytes(broken.read_bytes()[:40])
    plan = photograph_plan(open_photographs(photographs), bad_samples=0.2)
    train_plan(plan, tmp_path / "run", Observer())

    assert told(tmp_path / "run") == []
    assert found(tmp_path / "run")["training counts"].verdict == "unknown"
    (tmp_path / "run" / "events.jsonl").write_bytes(b"")  # after a power cut
    assert found(tmp_path / "run")["broken images"].verdict == "unknown"


@pytest.mark.parametrize("stop", [1, 6, 8])
def test_an_interrupted_run_breaks_none(stop: int, tmp_path: Path) -> None:
    run = run_until(tmp_path / "run", stop, length="16st", checkpoint_every=5)

    assert told(run.path) == []


@pytest.mark.parametrize("name", ["run", "interrupted", "run-on-files"])
def test_what_version_0_1_0_wrote_breaks_none(name: str) -> None:
    verdicts = found(OLD / name)

    assert told(OLD / name) == []
    assert verdicts["as it began"].verdict == "unknown"
    assert verdicts["rows then"].verdict == "unknown"


def test_code_that_nobody_has_is_not_known(copy: Path) -> None:
    edit(copy / "environment.json", revision="0123456789ab+", source="0" * 64)

    assert found(copy)["code"].verdict == "unknown"
    assert "changes that nothing keeps" in found(copy)["code"].found


def test_weights_are_not_read_where_that_is_not_asked_for(copy: Path) -> None:
    shutil.rmtree(copy / "checkpoints")
    names = {each.name for each in audit_run(RunDirectory(copy), reads_all=False)}

    assert "checkpoints" not in names
    assert found(copy)["last checkpoint"].verdict == "unknown"


@pytest.mark.parametrize("cycle", [0, 1, 3])
@pytest.mark.parametrize("every", ["0ep", "1ep", "2ep", "5st"])
@pytest.mark.parametrize("length", ["7ep", "40st"])
def test_what_is_due_within_some_steps_is_what_is_due_at_each(cycle: int, every: str, length: str) -> None:
    run = Run(length=Duration.parse(length), batch=8, log_every=3, eval_every=Duration.parse(every))
    timeline = Timeline(num_samples=21, batch=8, length=run.length, cycle_epochs=cycle)
    due, steps = Due(run, timeline), range(1, timeline.num_steps + 1)

    for after, last in ((0, timeline.num_steps), (4, 11), (6, 6)):
        within = [step for step in steps if after < step <= last]
        assert due.rows_within(after, last) == [step for step in within if due.row(step)]
        assert due.evaluations_within(after, last) == [step for step in within if due.evaluation(step)]
