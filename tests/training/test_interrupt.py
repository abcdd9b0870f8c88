"""What a signal does while a run trains, and that every handler is back afterwards."""

import resource
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from resnetlab.base.machine.signals import COMING_AGAIN, ENDING_SIGNALS, giving_way
from resnetlab.training.observer import Interrupt
from tests.kit.processes import Command

KILLS = [number for number in ENDING_SIGNALS if number != signal.SIGINT]


class Ended(BaseException):
    """Stands for the end of the process."""


@giving_way
def end(number: int, frame: object) -> None:
    raise Ended


def theirs(number: int, frame: object) -> None:
    raise Ended


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Signals end this process by an exception, as those of a user's own program may."""
    before = {number: signal.getsignal(number) for number in ENDING_SIGNALS}
    for number in KILLS:
        signal.signal(number, end)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in a background job of a shell
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("first", ENDING_SIGNALS)
def test_the_first_signal_is_noted_and_a_ctrl_c_after_it_stops_at_once(first: int) -> None:
    with Interrupt() as interrupt:
        signal.raise_signal(first)
        assert interrupt.signal_name == signal.Signals(first).name

        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("second", [number for number in KILLS if number not in COMING_AGAIN])
def test_any_second_signal_does_what_it_did_before(second: int) -> None:
    with Interrupt() as interrupt:
        signal.raise_signal(second)

        with pytest.raises(Ended):
            signal.raise_signal(second)
        assert interrupt.is_requested


@pytest.mark.parametrize("again", COMING_AGAIN)
@pytest.mark.parametrize("is_first", [True, False])
def test_what_comes_again_by_itself_is_no_second_signal(
    again: int, is_first: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    with Interrupt() as interrupt:
        signal.raise_signal(again if is_first else signal.SIGTERM)
        for _ in range(3):
            now[0] += 60
            signal.raise_signal(again)

        assert interrupt.is_requested


def test_in_one_of_several_processes_a_signal_that_comes_again_soon_is_the_same_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What ends a service or a job sends it to all processes, torchrun among them, which hands it on."""
    monkeypatch.setenv("RANK", "1")
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    with Interrupt() as interrupt:
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
        assert interrupt.is_requested

        now[0] += 6
        with pytest.raises(Ended):
            signal.raise_signal(signal.SIGTERM)


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGUSR2, signal.SIGXCPU])
def test_a_signal_to_which_a_program_gave_its_own_meaning_stays_its_own(number: int) -> None:
    signal.signal(number, theirs)

    with Interrupt() as interrupt:
        with pytest.raises(Ended):
            signal.raise_signal(number)

        assert not interrupt.is_requested
    assert signal.getsignal(number) is theirs


LONG = (
    "train", "resnet8", "--data", "digits", "--recipe", "digits", "--epochs", "1000", "--batch", "16",
    "--set", "width=0.25", "--set", "compile=off", "--set", "eval_every=1000ep", "--no-report",
)  # fmt: skip


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere no limit of another process can be set")
def test_at_its_limit_of_cpu_time_a_run_saves_though_it_is_told_again_and_again(tmp_path: Path) -> None:
    """From then on Linux tells it every second; here the limit is put back as soon as that has happened."""
    command = Command(*LONG, "--out", str(tmp_path / "run"))
    command.wait_until((tmp_path / "run" / "recipe.json").exists)
    told = 0

    def tell_again() -> None:
        nonlocal told
        try:
            soft, hard = resource.prlimit(command.pid, resource.RLIMIT_CPU)
            if soft != 1:
                resource.prlimit(command.pid, resource.RLIMIT_CPU, (1, hard))
                told += 1
        except ProcessLookupError:
            return

    command.wait_until(tell_again)

    said = command.finish(75)
    assert "SIGXCPU" in said
    assert told > 2, "the first was the limit itself"
    saved = sorted(int(each.name.removeprefix("step-")) for each in (tmp_path / "run/checkpoints").iterdir())
    assert saved
    assert len([step for step in saved if step % 100]) <= 1, "and those that the recipe saves"


@pytest.mark.parametrize("comes", [False, True])
def test_afterwards_every_handler_is_as_it_was(comes: bool) -> None:
    before = {number: signal.getsignal(number) for number in ENDING_SIGNALS}

    with Interrupt() as interrupt, interrupt:
        if comes:
            signal.raise_signal(signal.SIGTERM)

    assert {number: signal.getsignal(number) for number in ENDING_SIGNALS} == before


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="a terminal of Unix")
def test_under_nohup_a_closed_terminal_does_not_count() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)

    with Interrupt() as interrupt:
        signal.raise_signal(signal.SIGHUP)

        assert not interrupt.is_requested


def test_a_handler_from_outside_python_stays_and_its_signal_is_not_taken_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Python cannot name such a handler, and `signal.signal` refuses what it calls it."""
    genuine = signal.getsignal
    monkeypatch.setattr(signal, "getsignal", lambda n: None if n == signal.SIGTERM else genuine(n))

    with Interrupt() as interrupt:
        with pytest.raises(Ended):
            signal.raise_signal(signal.SIGTERM)

        assert not interrupt.is_requested
