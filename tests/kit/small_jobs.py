"""A run as a job that is typed again until it has ended, so small that each operation can be its last."""

import contextlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from resnetlab.errors import Interrupted
from resnetlab.runs.directory import RunDirectory
from resnetlab.training.observer import Observer
from resnetlab.training.planning import RunPlan
from resnetlab.training.run import Result, train_or_resume
from tests.kit.disks import Operation
from tests.kit.interrupted_runs import StopAt
from tests.kit.small_runs import final_bytes, two_stage_plan

STEPS = 4


def job_plan(**changes: Any) -> RunPlan:
    """Four steps, each of which is saved and supersedes the one before."""
    values = {"length": f"{STEPS}st", "checkpoint_every": 1, "keep_checkpoints": 1, "log_every": 1}
    return two_stage_plan(**(values | changes))


def do_job(out: Path, **changes: Any) -> Result:
    """Begin the run, or go on with it; it is stopped by a signal after two steps, and gone on with."""
    with contextlib.suppress(Interrupted):
        train_or_resume(job_plan(**changes), out, StopAt(2))
    return train_or_resume(job_plan(**changes), out, Observer())


def go_on_with_job(out: Path) -> Result:
    """Begin the run, or go on with it, to its end."""
    return train_or_resume(job_plan(), out, Observer())


def job_bytes(out: Path) -> dict[str, bytes]:
    """What the job has made that must not depend on faults."""
    return final_bytes(RunDirectory(out), STEPS)


def litter(out: Path) -> list[str]:
    """What lies in the run's directory under a name that begins with a dot, at whatever depth."""
    return sorted(str(path.relative_to(out)) for path in out.rglob(".*"))


def said_to_be_saved(operations: Sequence[Operation]) -> int:
    """Return the last step that the run has noted as saved; 0 if there is none."""
    lines = [each.data for each in operations if each.kind == "write" and each.path.endswith("events.jsonl")]
    events = [json.loads(line) for line in lines]
    return max((event["step"] for event in events if event["event"] == "save"), default=0)
