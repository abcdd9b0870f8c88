"""Reading damaged files in a fork, which is watched: what it raises, how long it takes, and its memory."""

import os
import re
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from resnetlab.errors import ResnetlabError
from tests.kit.damage import Damage

MOST_SECONDS, MOST_GROWTH = 2.0, 256 << 20
_GIVEN_UP_SECONDS, _GIVEN_UP_GROWTH = 8.0, 1 << 30
_PEAK, _FORGET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass(frozen=True)
class Fault:
    """What is wrong with the answer to a damage."""

    damage: str
    problem: str


def faults_of(
    damages: Sequence[Damage], prepare: Callable[[Damage], Path], read: Callable[[], object], about: str
) -> list[Fault]:
    """Return the damages after which `read` neither reads nor raises an error of ours that names the file.

    Args:
        damages: What is done, one after another.
        prepare: Makes all whole, does the damage, and returns the file.
        read: Reads it.
        about: A pattern of what an error names at least.
    """
    faults: list[Fault] = []
    start = 0
    while start < len(damages):
        done, problem = _in_a_fork(damages[start:], prepare, read, about, faults)
        start += done
        if problem:
            faults.append(Fault(damages[start].name, problem))
            start += 1
    return faults


def _in_a_fork(
    damages: Sequence[Damage], prepare: Callable[[Damage], Path], read: Callable[[], object], about: str,
    faults: list[Fault],
) -> tuple[int, str]:  # fmt: skip
    """Try damages until one kills the fork, or it is ended; return how many came through, and what it was."""
    answers, said = os.pipe()
    process = os.fork()
    if process == 0:
        os.close(answers)
        _answer(damages, prepare, read, about, said)
    os.close(said)
    try:
        return _watch(process, answers, faults)
    finally:
        os.close(answers)


def _watch(process: int, answers: int, faults: list[Fault]) -> tuple[int, str]:
    done, told, began, before = 0, b"", time.monotonic(), _resident(process)
    while True:
        if select.select([answers], [], [], 0.02)[0]:
            piece = os.read(answers, 65536)
            if not piece:
                status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
                return done, f"the process died: {status}" if status else ""
            *lines, told = (told + piece).split(b"\n")
            for line in lines:
                name, _, problem = line.decode().partition("\t")
                faults += [Fault(name, problem)] if problem else []
            done += len(lines)
            began = time.monotonic()
        growth = _resident(process) - before
        why = f"{growth >> 20} MiB" if growth > _GIVEN_UP_GROWTH else ""
        why = why or ("no end" if time.monotonic() - began > _GIVEN_UP_SECONDS else "")
        if why:
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
            return done, why


def _resident(process: int) -> int:
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _answer(
    damages: Sequence[Damage], prepare: Callable[[Damage], Path], read: Callable[[], object], about: str,
    said: int,
) -> None:  # fmt: skip
    """Try the damages, a line for each; never returns."""
    code = 1
    try:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        for damage in damages:
            path = prepare(damage)
            problem = _problem(path, read, about)
            line = f"{damage.name}\t{problem}".replace("\n", " ")
            os.write(said, line.encode("utf-8", "backslashreplace")[:4000] + b"\n")
        code = 0
    finally:
        if code:
            traceback.print_exc()
            sys.stderr.flush()
        os._exit(code)


def _problem(path: Path, read: Callable[[], object], about: str) -> str:
    _FORGET.write_text("5")  # the peak is from here on
    before, began = _peak(), time.monotonic()
    problem = ""
    try:
        read()
    except ResnetlabError as error:
        if not re.search(about, str(error)):
            problem = f"does not name {path.name}: {error}"
    except BaseException as error:
        places = [each for each in traceback.extract_tb(error.__traceback__) if "resnetlab" in each.filename]
        where = f"{Path(places[-1].filename).name}:{places[-1].lineno}" if places else "?"
        problem = f"{type(error).__name__} at {where}: {str(error)[:200]}"
    seconds, growth = time.monotonic() - began, _peak() - before
    if seconds > MOST_SECONDS:
        problem += f" {seconds:.1f} s"
    if growth > MOST_GROWTH:
        problem += f" {growth >> 20} MiB"
    return problem


def _peak() -> int:
    line = next(line for line in _PEAK.read_text().splitlines() if line.startswith("VmHWM"))
    return 1024 * int(line.split()[1])
