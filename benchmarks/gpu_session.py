"""A part of what gpu.py measures, in a process of its own: its contestants in turns, written as they come."""

import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from gpu_accuracy import ROWS, Accuracy
from gpu_check import checks
from gpu_ways import Steps
from gpu_work import Contestant, Group
from resnetlab.base import files
from resnetlab.base.machine.rates import peak_memory, synchronise
from resnetlab.base.plaindata import to_json_bytes
from resnetlab.runs.environment import describe_environment
from resnetlab.training.step.device import describe_device


@dataclass
class Measurement:
    """What became of one contestant."""

    group: str
    program: str
    batch: int
    target: float
    """Images per second that the project wants of its own program, 0 for none."""
    first_seconds: float = 0.0
    """Making it and its first steps, compilation included."""
    rates: list[float] = field(default_factory=list)
    """Images per second of each turn."""
    peak_memory_bytes: int = 0
    """Of the whole process, so far."""
    problem: str = ""

    @property
    def median(self) -> float:
        """The median rate, 0 if there is none."""
        return statistics.median(self.rates) if self.rates else 0.0

    def cells(self) -> tuple[str, ...]:
        """The measurement as a line of the table."""
        spread = f"{min(self.rates):,.0f} to {max(self.rates):,.0f}" if self.rates else ""
        share = f"{self.median / self.target:.2f} of {self.target:,.0f}" if self.target and self.rates else ""
        rate = f"{self.median:,.0f}" if self.rates else ""
        return (self.group, self.program, rate, spread, share, self.problem)


@dataclass
class Session:
    """The measurements of one process, and the time they may take."""

    device: torch.device
    out: Path
    budget: float
    turns: int
    turn_seconds: float
    started: float = field(default_factory=time.monotonic)
    measured: list[Measurement] = field(default_factory=list)
    accuracy: Accuracy | None = None
    checked: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def left(self) -> float:
        """Seconds left of the budget."""
        return self.budget - (time.monotonic() - self.started)

    def write(self) -> None:
        """Write everything so far."""
        environment = describe_environment(
            device=describe_device(self.device), threads=torch.get_num_threads()
        )
        content = {
            "environment": environment, "checks": self.checked,
            "measurements": [asdict(each) for each in self.measured],
            "outcomes": [asdict(each) for each in self.accuracy.outcomes] if self.accuracy else [],
        }  # fmt: skip
        files.write_file(self.out, to_json_bytes(content))

    def run_checks(self) -> None:
        """Find out whether this device keeps the promises of docs/gpu.md."""
        for name, check in checks(self.device).items():
            started, differing = time.monotonic(), list[str]()

            def find(check: Callable[[], list[str]] = check, found: list[str] = differing) -> None:
                found.extend(check())

            problem = problem_of(find)
            self.checked[name] = {
                "holds": not (differing or problem), "differing": differing, "problem": problem,
                "seconds": time.monotonic() - started,
            }  # fmt: skip
            print(f"{name}: {problem or differing or 'yes'}", flush=True)
            self.write()

    def run_group(self, group: Group) -> None:
        """Make each contestant that there is time for and time it once; then time all in turns."""
        ready: list[tuple[Measurement, Steps]] = []
        for contestant in group.contestants:
            one = Measurement(group.title, contestant.name, contestant.batch, contestant.target)
            self.measured.append(one)
            if steps := self._make(one, contestant):
                self._take_turn(one, steps)
                ready.append((one, steps))
            self.write()
        for _ in range(self.turns - 1):
            for one, steps in ready:
                if not one.problem and self.left > self.turn_seconds:
                    self._take_turn(one, steps)
            self.write()

    def run_accuracy(self, data: str, *, is_smoke: bool) -> None:
        """Train the rows of gpu_accuracy.py that there is time for."""
        self.accuracy = Accuracy(data, self.device, self.left, is_smoke=is_smoke)
        self.accuracy.make_all(ROWS, after_each=self.write)

    def _make(self, one: Measurement, contestant: Contestant) -> Steps | None:
        if contestant.seconds > self.left:
            one.problem = f"skipped: {self.left:.0f} s left, needs about {contestant.seconds:.0f}"
            return None
        started, made = time.monotonic(), list[Steps]()

        def make() -> None:
            made.append(contestant.make())
            made[0](contestant.first_steps)
            synchronise(self.device)

        one.problem = problem_of(make)
        one.first_seconds = time.monotonic() - started
        print(
            f"{one.group}: {one.program}: {one.problem or f'ready in {one.first_seconds:.1f} s'}", flush=True
        )
        return None if one.problem else made[0]

    def _take_turn(self, one: Measurement, steps: Steps) -> None:
        def turn() -> None:
            number, seconds = 1, self._time(steps, 1)
            while seconds < self.turn_seconds:
                number = max(number + 1, round(1.2 * number * self.turn_seconds / max(seconds, 1e-3)))
                seconds = self._time(steps, number)
            one.rates.append(number * one.batch / seconds)
            one.peak_memory_bytes = peak_memory(self.device)

        one.problem = problem_of(turn)

    def _time(self, steps: Steps, number: int) -> float:
        synchronise(self.device)
        started = time.perf_counter()
        steps(number)
        synchronise(self.device)
        return time.perf_counter() - started


def problem_of(work: Callable[[], None]) -> str:
    """Return what went wrong, or "": one program that fails must not cost the others their turn."""
    try:
        work()
    except Exception as error:
        return f"{type(error).__name__}: {error}".splitlines()[0][:300]
    return ""
