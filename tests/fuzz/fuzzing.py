"""A parser fuzzed in a fork, which is watched: what it raises, how long it takes, its memory, its death.

New inputs are changes of whole ones, and of those that came upon an error at another place than any before.
"""

import ctypes
import faulthandler
import hashlib
import mmap
import os
import pickle
import random
import re
import resource
import signal
import struct
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.fuzz import guided
from tests.fuzz.target import MOST_BYTES, Opened, Target

MOST_SECONDS = 2.0
_GIVEN_UP_SECONDS, _PATIENCE = 10.0, 6.0
"""Of the processor's time; and how many times as much by the clock, for other work may take most of it."""
_ROOM = 1 << 30
"""Of memory, above what a parser may take: more is refused at once, and twice as much ends it."""
_MOST_DEATHS = 12
"""Of a parser whose process has no limits: no more is learnt from the next one."""
_FAILED = 70
_MOST_CORPUS = 400
_HEAD = struct.Struct("<QQdq")
"""Executions, number of the one that goes on, the slowest's seconds, the greatest growth."""
_FORGET = Path("/proc/self/clear_refs")


def slug(target: str) -> str:
    """Return a parser's name as the beginning of files' names."""
    return re.sub(r"[^A-Za-z0-9]+", "-", target).strip("-")


@dataclass(frozen=True)
class Found:
    """An input to which a parser gave none of its answers."""

    target: str
    kind: str
    """What happened, and where."""
    content: bytes
    told: str = ""

    @property
    def name(self) -> str:
        """What its file is called."""
        return f"{slug(self.target)}.{hashlib.sha256(self.content).hexdigest()[:12]}"


@dataclass
class Report:
    """What came of fuzzing a parser."""

    target: str
    executions: int = 0
    seconds: float = 0.0
    slowest: float = 0.0
    growth: int = 0
    deaths: int = 0
    """Of a guarded one: those are no findings."""
    places: int = 0
    """Different places of errors that were come upon."""
    found: dict[str, Found] = field(default_factory=dict)
    """By kind."""

    def add(self, found: Found) -> None:
        """Keep the shortest input of each kind."""
        before = self.found.get(found.kind)
        if before is None or len(found.content) < len(before.content):
            self.found[found.kind] = found


class _Shared:
    """What the fork writes and the parent reads, even after it died."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _HEAD.size + 8 + MOST_BYTES)

    def begin(self, executions: int, content: bytes, slowest: float, growth: int) -> None:
        memory = self._memory
        memory[_HEAD.size : _HEAD.size + 8] = len(content).to_bytes(8, "little")
        memory[_HEAD.size + 8 : _HEAD.size + 8 + len(content)] = content
        _HEAD.pack_into(memory, 0, executions, executions + 1, slowest, growth)

    def end(self, executions: int, slowest: float, growth: int) -> None:
        _HEAD.pack_into(self._memory, 0, executions, 0, slowest, growth)

    def head(self) -> tuple[int, int, float, int]:
        return _HEAD.unpack_from(self._memory, 0)

    def content(self) -> bytes:
        length = int.from_bytes(self._memory[_HEAD.size : _HEAD.size + 8], "little")
        return self._memory[_HEAD.size + 8 : _HEAD.size + 8 + length]


def fuzz(
    name: str,
    target: Target,
    folder: Path,
    *,
    seed: int,
    seconds: float,
    executions: int | None = None,
    is_guided: bool = False,
) -> Report:
    """Fuzz a parser for so long, or so often.

    Args:
        name: What it is called.
        target: It.
        folder: An empty one, best in memory.
        seed: Of all that is drawn; with `executions` the same again.
        seconds: How long, at most.
        executions: How often, at most.
        is_guided: Whether atheris leads it by the code that inputs reach, which it has to have instrumented.
    """
    opened = target.open(folder)
    way = {"seed": seed, "seconds": seconds, "executions": executions}
    return _fuzz(name, target, opened, **way, is_guided=is_guided)


def again(name: str, target: Target, folder: Path, content: bytes) -> Report:
    """Give a parser one input, watched in the same way."""
    opened = replace(target.open(folder), change=lambda *_: content)
    return _fuzz(name, target, opened, seed=0, seconds=60.0, executions=1)


def _fuzz(
    name: str,
    target: Target,
    opened: Opened,
    *,
    seed: int,
    seconds: float,
    executions: int | None,
    is_guided: bool = False,
) -> Report:
    report, shared, began, ended = Report(name), _Shared(), time.monotonic(), 0
    while ended < _MOST_DEATHS:
        left = max(began + seconds - time.monotonic(), 0.0)
        if not left and report.executions:
            break
        rest = None if executions is None else executions - report.executions
        if rest is not None and rest <= 0:
            break
        rng = random.Random(f"{seed} {name} {report.executions}")
        work = _Work(name, target, opened, rng, left, rest, is_guided)
        problem = _in_a_fork(work, shared, report)
        done, goes_on, slowest, growth = shared.head()
        report.executions += done + bool(goes_on)
        report.slowest, report.growth = max(report.slowest, slowest), max(report.growth, growth)
        if problem and target.is_guarded:
            report.deaths += 1
        elif problem:
            ended += 1
            report.add(Found(name, problem, shared.content()))
    report.seconds = time.monotonic() - began
    return report


@dataclass
class _Work:
    """What a fork does."""

    name: str
    target: Target
    opened: Opened
    rng: random.Random
    seconds: float
    executions: int | None
    is_guided: bool

    def inputs(self, corpus: list[bytes]) -> Iterator[bytes]:
        """Yield changed inputs without end, the first ones of the seeds alone."""
        seeds, rng, change = [*self.opened.seeds], self.rng, self.opened.change
        while True:
            from_corpus = corpus and rng.random() < 0.5
            content = rng.choice(corpus if from_corpus else seeds)
            if len(made := change(content, rng)) <= MOST_BYTES:
                yield made


def _in_a_fork(work: _Work, shared: _Shared, report: Report) -> str:
    """Fuzz in a fork until the time is over or it dies; return of what."""
    shared.end(0, 0.0, 0)
    said = os.memfd_create("found")
    sys.stdout.flush()
    process = os.fork()
    if process == 0:
        _answer(work, shared, said)
    try:
        problem = _watched(process, shared, work.target.most_growth + 2 * _ROOM)
        told = os.pread(said, os.fstat(said).st_size, 0)
    finally:
        os.close(said)
    for found, places in _unpickled(told):
        report.places = max(report.places, places)
        if found is not None:
            report.add(found)
    return problem


def _unpickled(told: bytes) -> Iterator[tuple[Found | None, int]]:
    at = 0
    while at + 4 <= len(told):
        length = int.from_bytes(told[at : at + 4], "little")
        yield pickle.loads(told[at + 4 : at + 4 + length])
        at += 4 + length


def _watched(process: int, shared: _Shared, most_growth: int) -> str:
    before, waited, last, seen, used = _resident(process), 0.0, time.monotonic(), 0, 0.0
    while True:
        done, status = os.waitpid(process, os.WNOHANG)
        if done:
            code = os.waitstatus_to_exitcode(status)
            if code == _FAILED:
                raise RuntimeError("the fuzzing itself failed, as is told above")
            return "" if not code else f"the process died: {_signal_name(code)}"
        number, now = shared.head()[1], time.monotonic()
        # Of the time in which this process was stopped as well, as by Ctrl-Z, little is counted.
        if number and number == seen:
            waited += min(now - last, 0.2)
        else:
            waited, used = 0.0, _processor_seconds(process)
        last, seen = now, number
        growth = _resident(process) - before
        problem = f"more than {most_growth >> 20} MiB" if growth > most_growth else ""
        is_at_work = waited and _processor_seconds(process) - used > _GIVEN_UP_SECONDS
        if is_at_work or waited > _PATIENCE * _GIVEN_UP_SECONDS:
            problem = f"no end within {_GIVEN_UP_SECONDS:g} s"
        if problem:
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
            return problem
        time.sleep(0.02)


def _signal_name(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def _resident(process: int) -> int:
    try:
        return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * mmap.PAGESIZE
    except (OSError, IndexError):  # it has just ended
        return 0


def _processor_seconds(process: int) -> float:
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except (OSError, IndexError):  # it has just ended
        return 0.0


def _answer(work: _Work, shared: _Shared, said: int) -> None:
    """Give the parser inputs, and write down what is found; never returns."""
    code, own = _FAILED, 2
    try:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        faulthandler.disable()  # pytest's, which would tell of each death
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: with the parent
        sink, own = os.open(os.devnull, os.O_WRONLY), os.dup(2)
        os.dup2(sink, 1)  # libraries say much of damaged files
        os.dup2(sink, 2)
        size = int(Path("/proc/self/statm").read_text().split()[0]) * mmap.PAGESIZE
        resource.setrlimit(
            resource.RLIMIT_AS, (size + work.target.most_growth + _ROOM, resource.RLIM_INFINITY)
        )
        _go(work, shared, lambda told: _say(said, told))
        code = 0
    finally:
        if code:
            os.write(own, traceback.format_exc().encode(errors="replace"))
        os._exit(code)


def _say(said: int, told: Any) -> None:
    content = pickle.dumps(told)
    with os.fdopen(said, "wb", closefd=False) as stream:
        stream.write(len(content).to_bytes(4, "little") + content)


def _go(work: _Work, shared: _Shared, say: Callable[[Any], None]) -> None:
    course = Course(work, shared, say)
    if work.is_guided:
        guided.go(course, work.opened, work.rng)
    else:
        for content in work.inputs(course.corpus):
            if course.is_over:
                break
            course.take(content)
    course.close()


class Course:
    """Inputs given to a parser one after another, and what came of it."""

    def __init__(self, work: _Work, shared: _Shared, say: Callable[[Any], None]) -> None:
        self.corpus: list[bytes] = []
        """Inputs that came upon errors at other places than those before."""
        self._work, self._shared, self._say = work, shared, say
        self._places: set[int] = set()
        self._kinds: set[str] = set()
        self._slowest, self._growth, self._done = 0.0, 0, 0
        _FORGET.write_text("5")  # the peak of whoever it was forked from
        self._until, self._floor = time.monotonic() + work.seconds, _peak()

    @property
    def is_over(self) -> bool:
        """Whether there is no more time, once at least, or it was often enough."""
        is_late = self._done > 0 and time.monotonic() > self._until
        return is_late or self._done == self._work.executions

    def take(self, content: bytes) -> None:
        """Give the parser an input."""
        target = self._work.target
        self._shared.begin(self._done, content, self._slowest, self._growth)
        before = time.thread_time()
        problem, place = attempt(self._work.opened.call, content, target.allowed)
        seconds, growth = time.thread_time() - before, _peak() - self._floor
        self._done += 1
        self._slowest, self._growth = max(self._slowest, seconds), max(self._growth, growth)
        if not target.is_guarded:
            problem = problem or ("slow" if seconds > MOST_SECONDS else "")
            problem = problem or ("memory" if growth > target.most_growth else "")
        if growth > target.most_growth:  # of the next ones it is to be seen too
            _FORGET.write_text("5")
            self._floor = max(self._floor, _peak())
        if place not in self._places:
            self._places.add(place)
            if len(self.corpus) < _MOST_CORPUS and not problem:
                self.corpus.append(content)
        if problem and problem not in self._kinds:
            self._kinds.add(problem)
            told = f"{seconds:.2f} s, {growth >> 20} MiB"
            self._say((Found(self._work.name, problem, content, told), len(self._places)))

    def close(self) -> None:
        """Write down what there is to say at the end."""
        self._shared.end(self._done, self._slowest, self._growth)
        self._say((None, len(self._places)))


def attempt(
    call: Callable[[bytes], object], content: bytes, allowed: tuple[type[BaseException], ...]
) -> tuple[str, int]:
    """Give the parser an input; return what it raised that it may not, and a number for where it raised."""
    try:
        call(content)
    except allowed as error:
        return "", _place_of(error)
    except BaseException as error:
        lines = [each for each in traceback.extract_tb(error.__traceback__) if "/resnetlab/" in each.filename]
        where = f"{Path(lines[-1].filename).name}:{lines[-1].lineno}" if lines else "?"
        return f"{type(error).__name__} at {where}", _place_of(error)
    return "", 0


def _place_of(error: BaseException | None) -> int:
    """Return a number that errors from the same lines share, by the same ways and causes."""
    lines: list[Any] = []
    while error is not None and len(lines) < 100:
        lines.append(type(error))
        step = error.__traceback__
        while step is not None and len(lines) < 100:
            lines.append((step.tb_frame.f_code, step.tb_lineno))
            step = step.tb_next
        error = error.__cause__ or error.__context__
    return hash(tuple(lines)) or 1


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def shortened(found: Found, target: Target, folder: Path, *, seconds: float = 10.0) -> Found:
    """Return the input without what it does not need for the same to happen, as far as is quickly found."""
    if " at " not in found.kind:  # it would take its time, or die, again and again
        return found
    until, content = time.monotonic() + seconds, found.content
    opened = target.open(folder)
    piece = max(1, len(content) // 2)
    while piece and time.monotonic() < until:
        at = 0
        while at < len(content) and time.monotonic() < until:
            shorter = content[:at] + content[at + piece :]
            if shorter and attempt(opened.call, shorter, target.allowed)[0] == found.kind:
                content = shorter
            else:
                at += piece
        piece //= 2
    return Found(found.target, found.kind, content, found.told)
