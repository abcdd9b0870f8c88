"""The fuzzing itself: whatever a parser may not do is found."""

import mmap
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from resnetlab.errors import DataError
from tests.fuzz.fuzzing import Report, again, fuzz, shortened
from tests.fuzz.target import Target

pytestmark = pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux")


def parser(does: Callable[[], object], **more: bool) -> Target:
    """A parser of texts that does this with any that begins with a number below 128."""

    def call(content: bytes, folder: Path) -> None:
        if content[:1] == b"\xff":
            return
        if content[:1] < b"\x80":
            does()
        raise DataError("no text")

    return Target(make=lambda folder: [b"\xff text"], call=call, **more)


def fuzzed(target: Target, folder: Path, executions: int = 3000) -> Report:
    return fuzz("toy", target, folder, seed=7, seconds=60.0, executions=executions)


def test_errors_that_are_not_ours_are_found_and_shortened(tmp_path: Path) -> None:
    target = parser(lambda: {}["x"])

    report = fuzzed(target, tmp_path)

    assert [*report.found] == ["KeyError at ?"]
    assert report.executions == 3000
    short = shortened(report.found["KeyError at ?"], target, tmp_path)
    assert len(short.content) == 1
    assert [*again("toy", target, tmp_path, short.content).found] == ["KeyError at ?"]
    assert again("toy", target, tmp_path, b"\xff").found == {}


def take_anew(size: int) -> None:
    """Use so many bytes that this process does not hold already: what tests before it freed is kept."""
    with mmap.mmap(-1, size) as memory:
        for at in range(0, size, mmap.PAGESIZE):
            memory[at] = 1


@pytest.mark.parametrize(
    ("does", "kind"),
    [
        (lambda: take_anew(400 << 20), "memory"),
        (lambda: bytearray(4 << 30), "MemoryError at ?"),
        (lambda: os.abort(), "the process died: SIGABRT"),
        (lambda: os._exit(3), "the process died: exit code 3"),
    ],
    ids=["much memory", "too much memory", "a death", "an end"],
)
def test_memory_and_deaths_are_found(tmp_path: Path, does: Callable[[], object], kind: str) -> None:
    assert kind in fuzzed(parser(does), tmp_path, 12).found


def test_what_never_ends_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.fuzz.fuzzing._GIVEN_UP_SECONDS", 0.5)

    assert [*again("toy", parser(lambda: time.sleep(60)), tmp_path, b"a").found] == ["no end within 0.5 s"]


def test_what_takes_long_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.fuzz.fuzzing.MOST_SECONDS", 0.05)

    assert [*again("toy", parser(lambda: sum(range(10**7))), tmp_path, b"a").found] == ["slow"]


def test_deaths_of_a_guarded_parser_are_counted(tmp_path: Path) -> None:
    report = fuzzed(parser(os.abort, is_guarded=True), tmp_path, 20)

    assert report.deaths
    assert report.found == {}


def test_a_seed_gives_the_same_inputs(tmp_path: Path) -> None:
    seen = []

    def call(content: bytes, folder: Path) -> None:
        with (folder / "seen").open("ab") as stream:
            stream.write(content + b"\n")

    for _ in range(2):
        fuzzed(Target(make=lambda folder: [b"text"], call=call), tmp_path, 50)
        seen.append((tmp_path / "seen").read_bytes())
        (tmp_path / "seen").unlink()

    assert seen[0] == seen[1]
    assert len(set(seen[0].splitlines())) > 20
