"""A long run that is disturbed in every way at random, beside one that is not: `make soak MINUTES=30`."""

import json
import os
import random
import resource
import signal
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from resnetlab.runs.directory import RunDirectory
from tests.kit.processes import Command
from tests.kit.rounds import drawn
from tests.kit.small_jobs import litter
from tests.kit.small_runs import small_source

pytestmark = pytest.mark.soak

MINUTES = float(os.environ.get("MINUTES", "30"))
SHARE = 0.25
"""Of the time that the undisturbed run takes."""
SAVE_SECONDS = 2.0
TRIED_STEPS = 2000
FLAT_BYTES = 8 << 20
KEPT = 2
ENDS = {"SIGTERM": {75, 0}, "SIGKILL": {-signal.SIGKILL, 0}, "full": {74, 0}, "SIGSTOP": {0}}
"""What may end a command's process, and with which exit codes; after SIGSTOP and SIGCONT it goes on."""


@dataclass
class Used:
    """What a process used, looked at again and again."""

    pid: int
    memory: list[int] = field(default_factory=list)
    threads: list[int] = field(default_factory=list)
    files: list[int] = field(default_factory=list)

    def look(self) -> None:
        """Look once, if it is still there."""
        try:
            status = Path(f"/proc/{self.pid}/status").read_text()
            files = len(os.listdir(f"/proc/{self.pid}/fd"))
        except OSError:
            return
        told = dict(line.split(":", 1) for line in status.splitlines())
        if "VmRSS" in told:
            self.memory.append(int(told["VmRSS"].split()[0]) << 10)
            self.threads.append(int(told["Threads"]))
            self.files.append(files)

    def growth(self) -> tuple[int, int, int]:
        """Return by how much bytes, threads and open files grew from the second quarter to the third.

        In the first it warms up, in the last the run's end is made.
        """
        part = len(self.memory) // 4
        assert part >= 3, "too few looks"
        parts = [
            (found[part : 2 * part], found[2 * part : 3 * part])
            for found in (self.memory, self.threads, self.files)
        ]
        memory, threads, files = (max(late) - max(early) for early, late in parts)
        return memory, threads, files

    def __str__(self) -> str:
        memory, threads, files = self.growth()
        now = f"{self.memory[-1] / 2**20:.1f} MiB, {self.threads[-1]} threads, {self.files[-1]} files"
        return f"{now}; grown by {memory / 2**20:+.1f} MiB, {threads:+d}, {files:+d}"


def write_data(path: Path) -> Path:
    source = small_source()
    arrays = {"x_train": source.train.images, "y_train": source.train.labels}
    np.savez(path, **arrays, x_test=source.test.images, y_test=source.test.labels)
    return path


def train(data: Path, out: Path, steps: int, every: int) -> Command:
    return Command(
        "train", "resnet8", "--data", str(data), "--recipe", "digits", "--steps", f"{steps}", "--batch", "8",
        "--set", "width=0.25", "--set", "compile=off", "--set", "ema_decay=0.9", "--set", "eval_every=50ep",
        "--set", "stochastic_depth=0.3", "--set", "log_every=100", "--set", f"keep_checkpoints={KEPT}",
        "--checkpoint-every", f"{every}", "--no-report", "--out", str(out), "--resume-if-begun",
        module="tests.kit.soaked",
    )  # fmt: skip


def undisturbed(data: Path, out: Path, steps: int, every: int) -> Used:
    """Train in one go; return what it used."""
    command = train(data, out, steps, every)
    used = Used(command.pid)
    while command.poll() is None:
        used.look()
        time.sleep(0.2)
    command.finish()
    return used


def steps_per_second(data: Path, out: Path) -> float:
    """Return the rate of training, as a short run tells it: to start takes as long as it likes."""
    undisturbed(data, out, TRIED_STEPS, 100)
    return TRIED_STEPS / float(json.loads((out / "RESULT.json").read_bytes())["train_seconds"])


def strike(command: Command, what: str, out: Path) -> None:
    """Do something bad to a process that trains."""
    if what == "SIGSTOP":
        command.send(signal.SIGSTOP)
        time.sleep(0.5)
        command.send(signal.SIGCONT)
    elif what == "full":  # from now on no file grows beyond what the journal has
        size = (out / "metrics.jsonl").stat().st_size if (out / "metrics.jsonl").exists() else 0
        if command.poll() is None:
            resource.prlimit(command.pid, resource.RLIMIT_FSIZE, (min(size, 4096), resource.RLIM_INFINITY))
    else:
        command.send(signal.Signals[what])


def disturbed(data: Path, out: Path, steps: int, every: int, rng: random.Random) -> tuple[Counter[str], Used]:
    """Train the same, disturbed until it has ended; return what struck how often, and the watcher's use."""
    struck, watcher, used = Counter[str](), None, Used(0)
    command = train(data, out, steps, every)
    while not (out / "RESULT.json").exists():
        if watcher is None and (out / "recipe.json").exists():
            watcher = Command("eval", str(out), "--watch")
            used = Used(watcher.pid)
        until, what = time.monotonic() + rng.uniform(0.5, 3 * SAVE_SECONDS), rng.choice([*ENDS])
        while time.monotonic() < until and command.poll() is None:
            used.look()
            time.sleep(0.1)
        if command.poll() is None:
            strike(command, what, out)
            struck[what] += 1
            if what == "SIGSTOP":
                continue
        code, is_over = command.end(), (out / "RESULT.json").exists()
        late = {-signal.SIGTERM, 128 + signal.SIGTERM} if is_over else set()  # when all was written and said
        assert code in ENDS[what] | late, f"{what}: {code}\n{command.output()}"
        assert "Traceback" not in command.output(), command.output()
        command = train(data, out, steps, every)
    assert "there is nothing to resume" in command.finish()
    assert watcher is not None
    assert "Traceback" not in watcher.finish()
    return struck, used


def final(out: Path, steps: int) -> dict[str, bytes]:
    folder = out / "checkpoints" / f"step-{steps:08d}"
    found = {path.name: path.read_bytes() for path in folder.glob("*.safetensors")}
    return found | {"metrics.jsonl": (out / "metrics.jsonl").read_bytes()}


def names(out: Path) -> set[str]:
    return {path.name for path in out.iterdir()} - {"eval"}


def kept(out: Path, steps: int) -> list[bool]:
    """Return of each checkpoint whether it is the last step's; the others are where signals saved last."""
    return sorted(path.name == f"step-{steps:08d}" for path in RunDirectory(out).checkpoints.iterdir())


def test_a_long_run_that_is_disturbed_again_and_again_ends_as_if_it_was_not(tmp_path: Path) -> None:
    rng = drawn()
    data = write_data(tmp_path / "tiny.npz")
    rate = steps_per_second(data, tmp_path / "tried")
    every = max(int(rate * SAVE_SECONDS), 1)
    steps = max(int(rate * MINUTES * 60 * SHARE), 4 * every)

    whole = undisturbed(data, tmp_path / "whole", steps, every)
    struck, watcher = disturbed(data, tmp_path / "run", steps, every, rng)

    result = json.loads((tmp_path / "run" / "RESULT.json").read_bytes())
    print(f"{steps:,} steps, {result['epochs']:,.0f} epochs, saved every {every:,}; struck: {dict(struck)}")
    print(f"training: {whole}\nwatching: {watcher}")
    assert result["step"] == steps
    assert final(tmp_path / "run", steps) == final(tmp_path / "whole", steps)
    assert litter(tmp_path / "run") == []
    assert names(tmp_path / "run") == names(tmp_path / "whole")
    assert kept(tmp_path / "run", steps) == kept(tmp_path / "whole", steps) == [False] * (KEPT - 1) + [True]
    assert struck.total() >= MINUTES
    for used in (whole, watcher):
        memory, threads, files = used.growth()
        assert (memory < FLAT_BYTES, threads <= 0, files <= 1) == (True, True, True), str(used)
