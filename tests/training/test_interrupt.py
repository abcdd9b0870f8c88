"""What a signal does while a run trains, and that every handler is back afterwards."""

import signal
import time
from collections.abc import Iterator

import pytest

from resnetlab.base.machine.signals import ENDING_SIGNALS
from resnetlab.training.observer import Interrupt

KILLS = [number for number in ENDING_SIGNALS if number != signal.SIGINT]


class Ended(BaseException):
    """Stands for the end of the process."""


def end(number: int, frame: object) -> None:
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


@pytest.mark.parametrize("second", KILLS)
def test_any_second_signal_does_what_it_did_before_but_for_the_closed_terminals(second: int) -> None:
    with Interrupt() as interrupt:
        signal.raise_signal(second)

        if second == signal.SIGHUP:  # the kernel sends it, and the shell again
            signal.raise_signal(second)
        else:
            with pytest.raises(Ended):
                signal.raise_signal(second)
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
