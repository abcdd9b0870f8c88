"""Processes that cannot meet say why, within the time that is stated."""

import contextlib
import platform
import signal
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tests.kit.processes import Command
from tests.kit.worlds import PROGRAMS, free_port, place

pytestmark = pytest.mark.processes

HOST = platform.node()
MEETING = {"RESNETLAB_MEETING_SECONDS": "1"}
SECONDS = 8.0
"""In which all must have ended: what a process takes to start, to wait for one second, and to end."""
ANSWER_SECONDS = 0.2
"""Of a store to which the way is slow."""


def refusals(*places: dict[str, str], **environment: str) -> list[str]:
    """Return what processes at these places say, all of which are refused."""
    members = [Command("talk", module=PROGRAMS, environment=each | MEETING | environment) for each in places]
    started = time.monotonic()
    try:
        texts = [member.finish(2) for member in members]
    finally:
        for member in members:
            member.kill()
    assert time.monotonic() - started < SECONDS
    assert not [text for text in texts if "Traceback" in text or "frame #" in text]
    return texts


@contextlib.contextmanager
def listener() -> Iterator[int]:
    """A port on which a program listens that says nothing."""
    with socket.socket() as server:
        server.bind(("", 0))
        server.listen()
        yield server.getsockname()[1]


@contextlib.contextmanager
def slow_way(port: int) -> Iterator[int]:
    """A port that leads to another, from which every answer takes a moment."""

    def carry(source: socket.socket, target: socket.socket, seconds: float) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                time.sleep(seconds)
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = server.accept()
                try:
                    far = socket.create_connection(("127.0.0.1", port))
                except OSError:
                    near.close()
                    continue
                for way in ((near, far, 0.0), (far, near, ANSWER_SECONDS)):
                    threading.Thread(target=carry, args=way, daemon=True).start()

    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        threading.Thread(target=accept, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


def test_who_is_missing_is_said_once() -> None:
    port = free_port()

    text = "".join(refusals(place(0, 4, port), place(2, 4, port)))

    assert text.count("program: ") == 1
    assert f"program: 2 of 4 processes came to 127.0.0.1 port {port} in 1 s; missing: RANK 1, 3" in text
    assert "RESNETLAB_MEETING_SECONDS" in text


def test_a_port_that_is_taken_is_named() -> None:
    with listener() as port:
        first, second = refusals(place(0, 2, port), place(1, 2, port))

    assert (
        f"process 0 of 2 ({HOST}) cannot open the meeting place: port {port} (MASTER_PORT) is taken" in first
    )
    assert f"process 1 of 2 ({HOST}) reached 127.0.0.1 port {port}, but" in second
    assert "choose another MASTER_PORT" in second


@pytest.mark.parametrize("address", ["127.0.0.1", "no-such-host.invalid"])
def test_a_meeting_place_that_cannot_be_reached_is_named(address: str) -> None:
    port = free_port()

    (text,) = refusals(place(1, 2, port, address))

    assert f"process 1 of 2 ({HOST}) could not reach the meeting place {address} port {port} in 1 s:" in text
    assert "MASTER_ADDR" in text


@pytest.mark.parametrize("number", [0, signal.SIGTERM])
def test_a_meeting_place_that_falls_silent_is_not_waited_for(number: int) -> None:
    """And a signal is heard meanwhile."""
    port, patience = free_port(), {"RESNETLAB_MEETING_SECONDS": "60" if number else "2"}
    places = [place(0, 3, port) | {"RESNETLAB_MEETING_SECONDS": "60"}, place(1, 3, port) | patience]
    first, second = (Command("hindered", "slow", module=PROGRAMS, environment=each) for each in places)
    try:
        assert second.wait_until(lambda: "it tarries" in second.output())
        first.send(signal.SIGSTOP)
        started = time.monotonic()
        if number:
            time.sleep(1.5)  # it asks what nobody answers
            second.send(number)
        code = second.end()
        assert time.monotonic() - started < SECONDS
    finally:
        first.kill()
        second.kill()

    said = "lost the meeting place 127.0.0.1 port" if not number else "program: stopped"
    assert (code, said in second.output()) == (128 + number if number else 2, True), second.output()


def test_a_signal_while_others_are_missing_ends_a_process_as_it_should() -> None:
    """Also where it finds the process amidst a question to the store, as it mostly does on a slow way."""
    port, numbers = free_port(), [signal.SIGTERM, signal.SIGHUP] * 2
    patience = {"RESNETLAB_MEETING_SECONDS": "60"}
    with slow_way(port) as slow:
        places = [place(0, 6, port), *(place(rank, 6, slow) for rank in range(1, 5))]
        members = [
            Command("hindered", "told", module=PROGRAMS, environment=each | patience) for each in places
        ]
        try:
            for count, (member, number) in enumerate(zip(members[1:], numbers, strict=True)):
                assert member.wait_until(lambda member=member: "it comes" in member.output())
                time.sleep(1.5 + 0.07 * count)  # it asks who is missing
                member.send(number)
            ends = [(member.end(), member.output()) for member in members[1:]]
        finally:
            for member in members:
                member.kill()

    assert [code for code, _ in ends] == [128 + number for number in numbers], ends
    assert not [text for _, text in ends if "terminate called" in text]


def test_a_network_interface_that_is_not_there_is_named_once_with_those_that_are() -> None:
    port = free_port()

    text = "".join(refusals(place(0, 2, port), place(1, 2, port), GLOO_SOCKET_IFNAME="nosuch7"))

    assert text.count("GLOO_SOCKET_IFNAME is nosuch7") == 1
    assert f"{HOST} has no interface nosuch7" in text
    assert "It has lo" in text


def test_processes_that_count_differently_are_refused() -> None:
    port = free_port()

    text = "".join(refusals(place(0, 2, port), place(1, 3, port)))

    assert text.count("program: ") == 1
    assert "WORLD_SIZE is" in text


def test_two_processes_of_one_rank_are_refused() -> None:
    port = free_port()

    texts = refusals(place(0, 3, port), place(1, 3, port), place(1, 3, port))

    assert "two processes have RANK 1: number" in "".join(texts)
