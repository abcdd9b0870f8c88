"""A process that reads gets no more memory and time than reading can take, whatever a file does to it."""

import signal
import sys
from pathlib import Path

import pytest

from resnetlab.base.reading import process
from resnetlab.base.reading.process import UnreadError, read_apart

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="where the system has such limits")
GREEDY = "tests.kit.greedy_reader"


def test_a_reader_has_so_much_memory_and_no_more(tmp_path: Path) -> None:
    assert read_apart(GREEDY, tmp_path, str(2**28)) == 2**28
    with pytest.raises(UnreadError, match=r"the process that read it died \(MemoryError\)"):
        read_apart(GREEDY, tmp_path, str(2**30))


def test_where_the_system_does_not_say_what_is_used_memory_has_no_limit(tmp_path: Path) -> None:
    assert read_apart(GREEDY, tmp_path, "without a word of its memory") == 2**30


def test_a_slow_machine_has_twenty_seconds_for_the_smallest_file(tmp_path: Path) -> None:
    assert read_apart(GREEDY, tmp_path, "its seconds") > 19


def test_a_reader_that_says_nothing_has_died(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnreadError, match="died \\(\ufffd\ufffd\\)"):
        read_apart(GREEDY, tmp_path, "no text")
    monkeypatch.delattr(signal, "SIGPROF")  # as on Windows
    with pytest.raises(UnreadError, match=r"died \(exit code 0\)"):
        read_apart(GREEDY, tmp_path, "nothing")


def test_a_reader_that_never_ends_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "FREE_SECONDS", 0.2)
    with pytest.raises(UnreadError, match="reading it does not come to an end"):
        read_apart(GREEDY, tmp_path, "for ever")


@pytest.mark.starts_anew
def test_the_limits_hold_in_a_process_that_is_started_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", ":".join(path for path in sys.path if path))

    with pytest.raises(UnreadError, match="MemoryError"):
        read_apart(GREEDY, tmp_path, str(2**30))
