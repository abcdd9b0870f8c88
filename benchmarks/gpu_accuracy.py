"""What the recipes reach on CIFAR-10 on one GPU, and in which time: means over seeds, last step, single view.

    python benchmarks/gpu_accuracy.py --data cifar-10-batches-bin --budget 300 --out accuracy.json
    python benchmarks/gpu_accuracy.py --data digits --device cpu --smoke --out smoke.json

Rows are made in order of importance. One that there is no time for, by its estimate, is skipped, but for
the first; one that time runs out on is stopped and told as far as it is. `--skip 3` leaves out the first
three rows.
The JSON file is written after each row; the table comes last.

Before a row its networks are trained for some steps that do not count, so that they are compiled. Then the
seconds of a run are those between the first and the last line of its events.jsonl: they include its
evaluations, recording and checkpoints, and neither reading the data from the disk nor compilation. Rows with
several runs at once tell how long each took beside the others.
"""

import argparse
import contextlib
import os
import signal
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

import resnetlab
from resnetlab.base import files
from resnetlab.base.plaindata import to_json_bytes
from resnetlab.errors import ResnetlabError
from resnetlab.network.spec import ModelSpec
from resnetlab.recipe.named import named_recipe
from resnetlab.runs.directory import RunDirectory
from resnetlab.runs.environment import describe_environment
from resnetlab.runs.journal import read_rows
from resnetlab.show.tables.align import table
from resnetlab.training.run import read_result
from resnetlab.training.step.device import describe_device

HEADER = ("recipe", "network", "n", "accuracy, %", "wanted", "seconds", "at once")
PLAIN = ("plain20", "plain32", "plain44", "plain56")
TARGETS = {  # accuracy in %, seconds
    ("paper-fast", "resnet20"): (91.25, 10), ("paper-fast", "resnet56"): (93.03, 45),
    ("paper-fast", "resnet110"): (93.39, 90), ("standard", "resnet20"): (92.6, 0),
    ("standard", "resnet56"): (94.2, 0), ("max", "resnet20"): (94.0, 0),
    ("he2015", "resnet20"): (91.25, 0), ("he2015", "resnet32"): (92.49, 0),
    ("he2015", "resnet44"): (92.83, 0), ("he2015", "resnet56"): (93.03, 0),
    ("he2015", "resnet110"): (93.39, 0),
}  # fmt: skip
"""He et al., 2015, Table 6, and what this project wants (docs/gpu.md)."""


@dataclass(frozen=True)
class Row:
    """Networks that are trained by one recipe, each with some seeds."""

    recipe: str
    models: tuple[str, ...]
    seeds: int
    at_once: int = 1
    """Runs at once; 1 where the seconds of a run alone are asked for."""


ROWS = (
    Row("he2015", ("plain20", "resnet20"), 3, at_once=6),
    Row("paper-fast", ("resnet20",), 5),
    Row("he2015", ("plain56", "resnet56"), 3, at_once=6),
    Row("he2015", ("resnet32", "resnet44", "resnet110", "plain32", "plain44"), 3, at_once=8),
    Row("paper-fast", ("resnet56", "resnet110"), 3),
    Row("standard", ("resnet20", "resnet56"), 5, at_once=8),
    Row("max", ("resnet20",), 3, at_once=3),
    Row("paper-fast", ("resnet32", "resnet44", *PLAIN[::3]), 3, at_once=8),
    Row("standard", ("resnet32", "resnet44", "resnet110", *PLAIN[::3]), 3, at_once=8),
)


@dataclass
class Outcome:
    """What a network reached by a recipe."""

    recipe: str
    network: str
    at_once: int
    accuracies: list[float] = field(default_factory=list)
    """In %, of the runs that came to their ends."""
    seconds: list[float] = field(default_factory=list)
    unfinished: int = 0
    problem: str = ""

    def cells(self) -> tuple[str, ...]:
        """The outcome as a line of the table."""
        target, limit = TARGETS.get((self.recipe, self.network), (0.0, 0))
        spread = f" ± {statistics.stdev(self.accuracies):.2f}" if len(self.accuracies) > 1 else ""
        reached = f"{statistics.mean(self.accuracies):.2f}{spread}" if self.accuracies else self.problem
        took = f"{statistics.median(self.seconds):.1f}" if self.seconds else ""
        wanted = f"{target:.2f}" + (f" in {limit} s" if limit else "") if target else ""
        unfinished = f" (and {self.unfinished} unfinished)" if self.unfinished else ""
        return (self.recipe, self.network, f"{len(self.accuracies)}{unfinished}", reached, wanted, took,
                str(self.at_once))  # fmt: skip


@dataclass
class Accuracy:
    """Rows that are trained in a given time, and what became of them."""

    data: str
    device: torch.device
    budget: float
    """Seconds in all."""
    is_smoke: bool = False
    started: float = field(default_factory=time.monotonic)
    outcomes: list[Outcome] = field(default_factory=list)
    operations_per_second: float = 1e14
    """A first guess, for the estimates; then what the last row made."""

    @property
    def left(self) -> float:
        """Seconds left of the budget."""
        return self.budget - (time.monotonic() - self.started)

    def make_all(self, rows: Sequence[Row], after_each: Callable[[], None]) -> None:
        """Train the rows that there is time for."""
        with tempfile.TemporaryDirectory() as work:
            for number, row in enumerate(rows):
                self.make(row, Path(work) / f"row-{number}")
                after_each()
                print(table_of(self.outcomes[-len(row.models) :]), flush=True)

    def make(self, row: Row, out: Path) -> None:
        """Train a row's networks, if there is time, and keep what they reached."""
        specs = [spec_of(name, is_small=self.is_smoke) for name in row.models]
        operations = row.seeds * sum(operations_of(spec, row.recipe, self.is_smoke) for spec in specs)
        needed = operations / self.operations_per_second
        if self.outcomes and needed > self.left:
            problem = f"skipped: {self.left:.0f} s left, needs about {needed:.0f}"
            self.outcomes += [Outcome(row.recipe, name, row.at_once, problem=problem) for name in row.models]
            return
        problem = self._train(row, specs, 0, out.with_suffix(".first"))
        begun = time.monotonic()
        problem = problem or self._train(row, specs, row.seeds, out)
        for spec, name in zip(specs, row.models, strict=True):
            self.outcomes.append(self._outcome(row, name, out, spec, problem))
        if not problem:
            self.operations_per_second = operations / (time.monotonic() - begun)

    def _train(self, row: Row, specs: list[ModelSpec], seeds: int, out: Path) -> str:
        """Make a study; without seeds a short one that compiles. Return what went wrong, or ""."""
        values: dict[str, Any] = {"precision": "bf16", "compile": "on", "capture": "on"}
        if self.is_smoke:
            values |= {"compile": "off", "batch": 16, "steps": 12}
        if not seeds:
            values |= {"steps": 20}
        with stopped_after(self.left):
            try:
                resnetlab.study(
                    specs, seeds=seeds or 1, data=self.data, recipe=row.recipe, out=out,
                    device=str(self.device), at_once=row.at_once, **values,
                )  # fmt: skip
            except Exception as error:  # one row that fails must not cost the others their turn
                return str(error) if isinstance(error, ResnetlabError) else f"{type(error).__name__}: {error}"
        return ""

    def _outcome(self, row: Row, name: str, out: Path, spec: ModelSpec, problem: str) -> Outcome:
        outcome = Outcome(row.recipe, name, row.at_once, problem=problem)
        for seed in range(row.seeds):
            run = RunDirectory(out / f"{spec.name}-seed{seed}")
            if not run.is_finished:
                outcome.unfinished += 1
                continue
            times = [event["time"] for event in read_rows(run.events)]
            outcome.accuracies.append(100 * read_result(run).accuracy)
            outcome.seconds.append(times[-1] - times[0])
        return outcome


def table_of(outcomes: Sequence[Outcome]) -> str:
    """Return the table."""
    return table(HEADER, [each.cells() for each in outcomes], left=2)


@contextlib.contextmanager
def stopped_after(seconds: float) -> Any:
    """Send this process the signal to save and stop when the time is over, once it listens to it."""
    is_over = threading.Event()

    def nobody_listens(number: int, frame: Any) -> None:
        pass

    def stop() -> None:
        is_over.wait(max(seconds, 0.0))
        while not is_over.is_set():
            if signal.getsignal(signal.SIGTERM) is not nobody_listens:
                os.kill(os.getpid(), signal.SIGTERM)
            is_over.wait(0.05)

    before = signal.signal(signal.SIGTERM, nobody_listens)
    thread = threading.Thread(target=stop, daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()
        signal.signal(signal.SIGTERM, before)


def spec_of(name: str, *, is_small: bool) -> ModelSpec:
    """Return the network, or for a smoke test a tiny one of its name."""
    if is_small:
        return replace(resnetlab.model_spec("resnet8").with_(width=0.25), name=name)
    return resnetlab.model_spec(name)


def operations_of(spec: ModelSpec, recipe: str, is_small: bool) -> float:
    """Return about the floating-point operations of a run of this recipe on CIFAR-10."""
    run = named_recipe(recipe, spec.depth).run
    samples = run.length.count * (run.batch if run.length.unit == "st" else 50_000)
    return 6.0 * spec.num_multiply_adds() * (200 if is_small else samples)


def main() -> None:
    """Train, write, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", required=True, help="CIFAR-10: its name or path")
    parser.add_argument("--budget", type=float, default=540.0, help="seconds in all (default: 540)")
    parser.add_argument("--out", type=Path, default=Path("accuracy.json"))
    parser.add_argument("--skip", type=int, default=0, help="rows to leave out at the beginning")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--smoke", action="store_true", help="tiny networks, some steps, nothing compiled")
    options = parser.parse_args()
    device = torch.device(options.device)
    accuracy = Accuracy(options.data, device, options.budget, is_smoke=options.smoke)

    def write() -> None:
        environment = describe_environment(device=describe_device(device), threads=torch.get_num_threads())
        content = {"environment": environment, "outcomes": [asdict(each) for each in accuracy.outcomes]}
        files.write_file(options.out, to_json_bytes(content))

    accuracy.make_all(ROWS[options.skip :], after_each=write)
    print(f"\n{table_of(accuracy.outcomes)}")


if __name__ == "__main__":
    main()
