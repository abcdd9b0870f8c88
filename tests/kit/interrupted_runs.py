"""Runs that a signal stops after a step, as a user would stop them."""

import signal
from pathlib import Path
from typing import Any

import pytest

from resnetlab.errors import Interrupted
from resnetlab.runs.directory import RunDirectory, claim_new
from resnetlab.training.observer import Observer
from resnetlab.training.session import start
from resnetlab.training.trainer import Trainer
from tests.kit.small_runs import train, two_stage_plan


class StopAt(Observer):
    """Sends the signal a user would send, in the middle of the run, after a given step."""

    def __init__(self, step: int) -> None:
        self.step, self.fired = step, False

    def progress(self, step: int, *, samples: int, seconds: float) -> None:
        if step == self.step:
            self.fired = True
            signal.raise_signal(signal.SIGTERM)


def run_until(out: Path, stop: "int | StopAt", **changes: Any) -> RunDirectory:
    observer = StopAt(stop) if isinstance(stop, int) else stop
    with claim_new(out):
        interrupt(start(two_stage_plan(**changes), RunDirectory(out), observer), observer)
    return RunDirectory(out)


def interrupt(trainer: Trainer, observer: StopAt) -> None:
    """Train until the observer sends its signal."""
    trainer.observer = observer
    with pytest.raises(Interrupted):
        train(trainer)
    trainer.close()
    assert observer.fired
