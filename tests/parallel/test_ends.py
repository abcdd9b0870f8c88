"""However a run of several processes ends, all end, with one exit code and one message of the cause."""

import platform
import re
import signal
import time
import uuid

import pytest

from tests.kit.processes import CAN_FORK, Command
from tests.kit.worlds import processes_with, world

pytestmark = pytest.mark.processes

HOST = platform.node()
SECONDS = 15.0
"""In which all must have ended; 30 are promised."""


def ends(members: list[Command]) -> tuple[list[int], str]:
    """Return how all ended, and what they printed together."""
    started = time.monotonic()
    codes = [member.end() for member in members]
    assert time.monotonic() - started < SECONDS, "all end in time"
    return codes, "".join(member.output() for member in members)


def messages(text: str) -> list[str]:
    """Return what was said of the end."""
    return re.findall(r"^(?:\[process \d\] )?(?:program|resnetlab): (.*)", text, re.MULTILINE)


@pytest.mark.parametrize("where", [0, 1])
def test_a_killed_process_ends_all_and_is_named(where: int) -> None:
    """Also the first one, at which all meet."""
    with world(3, "work", str(where), "killed") as members:
        codes, text = ends(members)

    assert codes.pop(where) == -signal.SIGKILL
    assert codes == [75, 75]
    (message,) = messages(text)
    assert f"process {where} of 3 ({HOST}) is gone: its process {members[where].pid} was killed" in message
    assert "`resnetlab resume`" in text


def test_a_process_that_leaves_without_a_word_is_gone() -> None:
    with world(2, "work", "1", "left") as members:
        codes, text = ends(members)

    assert codes == [75, 0]
    assert [f"process 1 of 2 ({HOST}) is gone" in message for message in messages(text)] == [True]


def test_a_process_that_hangs_is_lost_and_killed() -> None:
    with world(2, "work", "1", "stopped", RESNETLAB_SILENCE_SECONDS="4") as members:
        codes, text = ends(members)

    assert codes == [75, -signal.SIGKILL]
    (message,) = messages(text)
    assert f"process 1 of 2 ({HOST}) is lost: no sign of life from it for" in message


@pytest.mark.faults
@pytest.mark.parametrize("where", [0, 1])
def test_a_process_that_hangs_is_lost_after_twenty_seconds(where: int) -> None:
    """The first one too, at which all meet: then nobody can say who was first, and one speaks."""
    with world(3, "work", str(where), "stopped") as members:
        members[where].wait_until(lambda: "works" in members[2 - where].output() or time.sleep(1))
        started = time.monotonic()
        codes = [member.end() for member in members]
        took = time.monotonic() - started

    assert codes.pop(where) == -signal.SIGKILL
    assert codes == [75, 75]
    assert took < 30
    text = "".join(member.output() for member in members)
    (message,) = messages(text)
    assert f"process {where} of 3 ({HOST})" in message


@pytest.mark.parametrize("where", [0, 1])
def test_one_that_works_on_when_the_others_have_left_is_let_alone(where: int) -> None:
    """The silence of who has said that it leaves is none."""
    with world(2, "end", str(where), "busy", RESNETLAB_SILENCE_SECONDS="4") as members:
        texts = [member.finish() for member in members]

    assert texts == ['"fine"', '"fine"']


@pytest.mark.parametrize("where", [0, 1])
def test_a_signal_to_one_that_has_left_the_others_ends_it(where: int) -> None:
    """Nobody is there any more who could say what all end with."""
    with world(2, "end", str(where), "terminated") as members:
        codes, _ = ends(members)

    assert (codes.pop(where), codes) == (128 + signal.SIGTERM, [0])
    assert [messages(member.output()) == ["stopped"] for member in members] == [where == 0, where == 1]


def test_an_error_of_one_process_ends_all_with_its_exit_code_and_names_it() -> None:
    with world(3, "work", "1", "refused") as members:
        codes, text = ends(members)

    assert codes == [3, 3, 3]
    assert messages(text) == [f"process 1 of 3 ({HOST}): it is torn"]
    assert "\nFetch it again.\n" in text


def test_a_mistake_of_ours_is_shown_once_and_names_the_process() -> None:
    with world(3, "work", "1", "crashed") as members:
        codes, text = ends(members)

    assert codes == [1, 1, 1]
    assert text.count("Traceback") == 1
    assert text.endswith(f"LookupError: a mistake of ours\nThis was process 1 of 3 ({HOST}).\n")


def test_an_error_that_all_processes_have_is_shown_once_and_names_none() -> None:
    with world(3, "fail") as members:
        codes, text = ends(members)

    assert codes == [3, 3, 3]
    assert messages(text) == ["it is torn"]


@pytest.mark.faults
@pytest.mark.parametrize("where", [0, 1])
def test_a_process_that_comes_late_to_its_end_tells_nothing_again(where: int) -> None:
    """As on a busy machine; also where the one that told before is the one at which all met."""
    with world(2, "fail_late", str(where), "8") as members:
        codes, text = ends(members)

    assert codes == [3, 3]
    (message,) = messages(text)
    assert message.endswith("it is torn")


def test_a_script_that_says_nothing_of_its_end_ends_all_with_its_mistake() -> None:
    with world(2, "script", "fault") as members:
        codes, text = ends(members)

    assert codes == [1, 1]
    assert "LookupError: a mistake of theirs" in members[0].output()
    assert members[0].output().endswith(f"This was process 0 of 2 ({HOST}).\n")
    assert f"ResnetlabError: process 0 of 2 ({HOST}): LookupError: a mistake of theirs" in text


def test_a_script_that_says_nothing_of_its_end_ends_well() -> None:
    with world(2, "script") as members:
        codes, text = ends(members)

    assert (codes, text) == ([0, 0], '"fine""fine"')


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_one_process_stops_all_at_the_same_round(number: signal.Signals) -> None:
    with world(2, "work", "-1", "nothing") as members:
        assert members[0].wait_until(lambda: "works" in members[0].output())
        members[1].send(number)
        codes, text = ends(members)

    assert codes == [75, 75]
    (message,) = messages(text)
    assert re.fullmatch(rf"stopped by {number.name} after round \d+; all is saved", message)


@pytest.mark.skipif(not CAN_FORK, reason="looks through /proc")
def test_what_marks_the_lines_of_a_process_ends_with_it() -> None:
    mark = str(uuid.uuid4())
    with world(2, "work", "-1", "nothing", RESNETLAB_TEST=mark) as members:
        members[0].wait_until(lambda: "works" in members[0].output())
        assert [*processes_with(f"RESNETLAB_TEST={mark}")] == ["marker"]  # forks have the environment before
        for member in members:
            member.kill()
        until = time.monotonic() + 5
        while processes_with(f"RESNETLAB_TEST={mark}") and time.monotonic() < until:
            time.sleep(0.01)

    assert processes_with(f"RESNETLAB_TEST={mark}") == {}
