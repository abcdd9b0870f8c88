"""What this project wants to know of a GPU, in one command and a fixed time.

    python benchmarks/gpu.py --budget 540 --out gpu.json
    python benchmarks/gpu.py --budget 540 --out gpu.json --data CIFAR   # and what recipes reach
    python benchmarks/gpu.py --device cpu --smoke --out smoke.json        # whether it runs

First it checks that recorded steps are the steps, a resumed run the whole one, and runs at once the runs
alone, to the bit. Then come training and inference, ours and others' side by side in turns, in order of
importance; with --data the rows of gpu_accuracy.py in the time that is left. What no time is left for is
skipped, and said. The JSON file is written after each measurement; the tables come last.
Images per second are medians over the turns, of whole steps with augmentation, without compilation.
"""

import argparse
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
from gpu_work import Contestant, Group, groups
from resnetlab import files
from resnetlab.machine import peak_memory, synchronise
from resnetlab.runs.environment import describe_environment
from resnetlab.runs.manifest import to_json_bytes
from resnetlab.tables.align import table
from resnetlab.training.device import describe_device


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


@dataclass
class Session:
    """The measurements of one call, and the time they may take."""

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
        measured = [asdict(each) | {"images_per_second": each.median} for each in self.measured]
        content = {
            "environment": environment, "checks": self.checked, "measurements": measured,
            "outcomes": [asdict(each) for each in self.accuracy.outcomes] if self.accuracy else [],
        }  # fmt: skip
        files.write_file(self.out, to_json_bytes(content))

    def run_checks(self) -> None:
        """Find out whether this device keeps the promises of docs/gpu.md."""
        for name, check in checks(self.device).items():
            started, differing = time.monotonic(), list[str]()
            problem = _problem_of(lambda check=check, found=differing: found.extend(check()))
            self.checked[name] = {
                "holds": not (differing or problem), "differing": differing, "problem": problem,
                "seconds": time.monotonic() - started,
            }  # fmt: skip
            print(f"{name}: {problem or differing or 'yes'}", flush=True)
            self.write()
        torch.use_deterministic_algorithms(False)

    def run_group(self, group: Group) -> None:
        """Make each contestant that there is time for, then time them in turns."""
        ready: list[tuple[Measurement, Steps]] = []
        for contestant in group.contestants:
            one = Measurement(group.title, contestant.name, contestant.batch, contestant.target)
            self.measured.append(one)
            if steps := self._make(one, contestant):
                ready.append((one, steps))
        for _ in range(self.turns):
            for one, steps in ready:
                if one.problem or (self.left < self.turn_seconds and one.rates):
                    continue
                one.problem = _problem_of(lambda one=one, steps=steps: self._take_turn(one, steps))
        for one, _ in ready:
            one.peak_memory_bytes = peak_memory(self.device)
        self.write()
        del ready
        torch._dynamo.reset()  # else the compiler gives up on the networks to come: 8 of a kind are its limit
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def _make(self, one: Measurement, contestant: Contestant) -> Steps | None:
        if contestant.seconds > self.left:
            one.problem = f"skipped: {self.left:.0f} s left, needs about {contestant.seconds:.0f}"
            return None
        started, made = time.monotonic(), []

        def make() -> None:
            made.append(contestant.make())
            made[0](contestant.first_steps)
            synchronise(self.device)

        one.problem = _problem_of(make)
        one.first_seconds = time.monotonic() - started
        print(
            f"{one.group}: {one.program}: {one.problem or f'ready in {one.first_seconds:.1f} s'}", flush=True
        )
        return None if one.problem else made[0]

    def _take_turn(self, one: Measurement, steps: Steps) -> None:
        number, seconds = 1, self._time(steps, 1)
        while seconds < self.turn_seconds:
            number = max(number + 1, round(1.2 * number * self.turn_seconds / max(seconds, 1e-3)))
            seconds = self._time(steps, number)
        one.rates.append(number * one.batch / seconds)

    def _time(self, steps: Steps, number: int) -> float:
        synchronise(self.device)
        started = time.perf_counter()
        steps(number)
        synchronise(self.device)
        return time.perf_counter() - started


def _problem_of(work: Callable[[], None]) -> str:
    """Return what went wrong, or "": one program that fails must not cost the others their turn."""
    try:
        work()
    except Exception as error:
        return _in_words(error)
    return ""


def _in_words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0][:300]


def report(session: Session) -> str:
    """Return the table."""
    rows = []
    for one in session.measured:
        spread = f"{min(one.rates):,.0f} to {max(one.rates):,.0f}" if one.rates else ""
        share = f"{one.median / one.target:.2f} of {one.target:,.0f}" if one.target and one.rates else ""
        rows.append(
            (one.group, one.program, f"{one.median:,.0f}" if one.rates else one.problem, spread, share)
        )
    return table(("measurement", "program", "images/s", "range", "target"), rows, left=2)


def main() -> None:
    """Measure, write, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--budget", type=float, default=540.0, help="seconds in all (default: 540)")
    parser.add_argument("--out", type=Path, default=Path("gpu.json"))
    parser.add_argument("--data", help="CIFAR-10: its name or path; left out, nothing is trained to its end")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--smoke", action="store_true", help="tiny networks, nothing compiled")
    options = parser.parse_args()
    device = torch.device(options.device)
    turns, turn_seconds = (1, 0.01) if options.smoke else (5, 0.6)
    session = Session(device, options.out, options.budget, turns, turn_seconds)
    session.run_checks()
    for group in groups(device, is_smoke=options.smoke):
        session.run_group(group)
    if options.data:
        session.accuracy = Accuracy(options.data, device, session.left, is_smoke=options.smoke)
        session.accuracy.make_all(ROWS, after_each=session.write)
    print(report(session))
    if session.accuracy:
        print(f"\n{session.accuracy.report()}")


if __name__ == "__main__":
    main()
