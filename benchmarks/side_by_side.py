"""Our training speed beside that of other programs, on one machine, a few seconds at a time in turn.

    python benchmarks/side_by_side.py --rounds 20 \
        --program "eager=python benchmarks/train_steps.py resnet20 --set compile=off" \
        --program "peer=COMMAND"

Each program trains for ever and prints one line per step: the number of its images. All are
started and warmed up; then each gets the machine to itself for a few seconds in turn, while the
others and their workers are stopped (SIGSTOP), so that a drift of the machine's speed meets all of
them alike. Printed are images per second of each, and the ratio of the first to each, of all rounds
together and of halves, quarters of them. The peers' code is not part of this project;
docs/results.md says which were measured and how.
"""

import argparse
import contextlib
import os
import shlex
import signal
import statistics
import subprocess
import threading
import time


class Program:
    """A process group that trains; it runs only while it is told to."""

    def __init__(self, name: str, command: str) -> None:
        self.name, self.images, self.steps = name, 0, 0
        self.process = subprocess.Popen(
            shlex.split(command),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        self.rates: list[float] = []
        threading.Thread(target=self._count, daemon=True).start()

    def _count(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            if line.strip().isdigit():
                self.images += int(line)
                self.steps += 1

    def send(self, number: int) -> None:
        """Send a signal to the process and its workers."""
        os.killpg(self.process.pid, number)

    def run_for(self, seconds: float) -> float:
        """Let it run; return its images per second. It is stopped before and after."""
        images, started = self.images, time.perf_counter()
        self.send(signal.SIGCONT)
        time.sleep(seconds)
        self.send(signal.SIGSTOP)
        passed = time.perf_counter() - started
        if self.process.poll() is not None:
            raise SystemExit(f"{self.name} ended with {self.process.returncode}; try its command alone")
        return (self.images - images) / passed


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each turn")
    parser.add_argument("--warmup", type=int, default=10, help="steps of each before the first turn")
    parser.add_argument("--program", action="append", required=True, metavar="NAME=COMMAND")
    options = parser.parse_args()
    programs = []
    try:
        for text in options.program:
            name, _, command = text.partition("=")
            programs.append(Program(name, command))
            while programs[-1].steps < options.warmup:
                programs[-1].run_for(0.5)
            print(f"{name} is warm", flush=True)
        for _ in range(options.rounds):
            for program in programs:
                program.rates.append(program.run_for(options.seconds))
        report(programs)
    finally:
        for program in programs:
            with contextlib.suppress(ProcessLookupError):
                program.send(signal.SIGKILL)


def report(programs: list[Program]) -> None:
    """Print a line for each program."""
    first, rounds = programs[0], len(programs[0].rates)
    quarter = max(rounds // 4, 1)
    for program in programs:
        total = sum(first.rates) / sum(program.rates)
        parts = [
            sum(first.rates[at : at + quarter]) / sum(program.rates[at : at + quarter])
            for at in range(0, rounds - quarter + 1, quarter)
        ]
        print(
            f"{program.name:<12} {statistics.mean(program.rates):7.1f} images/s; {first.name} is"
            f" {total:.2f} times that ({min(parts):.2f} to {max(parts):.2f} in parts of {quarter} rounds)"
        )


if __name__ == "__main__":
    main()
