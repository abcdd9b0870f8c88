"""One command becomes many processes by torchrun, and is answerable for all of them."""

import os
import platform
import re
import signal
import sys
import time
import uuid
from pathlib import Path

import pytest

from resnetlab.base.machine.signals import COMING_AGAIN
from resnetlab.errors import UsageError
from resnetlab.parallel.launch import count_cores, count_gpus, note_on, resolve_devices
from resnetlab.parallel.processes import Process
from tests.kit.processes import Command
from tests.kit.worlds import PROGRAMS, launched, processes_with

HOST = platform.node()
pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(sys.platform != "linux", reason="looks through /proc"),
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files lie."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


def test_the_first_prints_the_others_warn_by_number_and_their_last_words_arrive(folder: Path) -> None:
    """The arguments come through as they are, and a process that dies is told."""
    given = ("--a", "$$HOME ${local_rank}", "", "b c")

    with launched(2, "speak", *given, OMP_NUM_THREADS="3") as launch:
        text = launch.command.finish(75)
        launch.wait_until_all_have_left(2)

    lines = text.splitlines()
    assert [line for line in lines if "output" in line] == [f"output of 0: {given} 3 threads"]
    assert {line for line in lines if "warning" in line} == {"a warning of 0", "[process 1] a warning of 1"}
    assert "[process 1] the beginning of aFatal Python error: Aborted" in lines
    assert re.search(r"^\[process 1\]   File .* in speak$", text, re.MULTILINE)
    (message,) = re.findall(r"^(?:program|resnetlab): (.*)", text, re.MULTILINE)
    assert message.startswith(f"process 1 of 2 ({HOST}) is gone")
    assert not re.search("torchelastic|ChildFailedError|elastic", text), "torchrun's own words are hidden"
    assert [*folder.iterdir()] == []


@pytest.mark.faults  # tests/cli/test_devices.py does it with a command as it is typed
def test_a_signal_to_the_command_stops_all_and_it_returns_their_exit_code() -> None:
    with launched(2, "work", "-1", "nothing") as launch:
        launch.wait_until_it_works()
        launch.command.send(signal.SIGTERM)
        text = launch.command.finish(75)
        launch.wait_until_all_have_left(2)

    assert re.fullmatch(r"works\nprogram: stopped by SIGTERM after round \d+; all is saved\n", text)


def test_if_the_command_is_killed_its_processes_end_by_themselves() -> None:
    with launched(2, "work", "-1", "nothing") as launch:
        launch.wait_until_it_works()
        launch.command.kill()
        launch.wait_until_all_have_left(15)

    assert "program: the command that launched this run is gone: it was killed\n" in launch.command.output()
    assert launch.command.output().count("program: ") == 1


@pytest.mark.faults
@pytest.mark.parametrize(
    ("whom", "number", "code", "told"),
    [
        ("torchrun", signal.SIGTERM, 75, "stopped by SIGTERM after round"),
        ("torchrun", signal.SIGKILL, 75, "torchrun is gone"),
        ("torchrun", signal.SIGSTOP, 75, "torchrun at localhost, where the processes met, has not answered"),
        ("process 0", signal.SIGKILL, 75, f"process 0 of 2 ({HOST}) is gone"),
        ("process 1", signal.SIGKILL, 75, f"process 1 of 2 ({HOST}) is gone"),
        ("process 0", signal.SIGSTOP, 75, f"process 0 of 2 ({HOST}) is lost"),
        ("process 1", signal.SIGSTOP, 75, f"process 1 of 2 ({HOST}) is lost"),
        ("process 1", signal.SIGINT, 75, "stopped by SIGINT after round"),
    ],
)
def test_whatever_is_hit_all_end_in_time_with_one_message(
    whom: str, number: signal.Signals, code: int, told: str
) -> None:
    with launched(2, "work", "-1", "nothing") as launch:
        hit = launch.wait_until_it_works()[whom]
        started = time.monotonic()
        os.kill(hit, number)
        assert launch.ends_within(60), f"still stopped: {Process.of(hit).is_stopped}"  # else it was continued
        text = launch.command.finish(code)
        launch.wait_until_all_have_left(2)
        took = time.monotonic() - started

    assert took < 30
    (message,) = re.findall(r"^(?:program|resnetlab): (.*)", text, re.MULTILINE)
    assert message.startswith(told)


@pytest.mark.parametrize("where", ["0", "1"])
def test_a_process_that_is_stopped_when_the_others_have_nothing_left_to_do_ends_all(where: str) -> None:
    with launched(2, "end", where, "stopped", RESNETLAB_SILENCE_SECONDS="4") as launch:
        launch.wait_until_stopped(f"process {where}")
        assert launch.ends_within(30)
        text = launch.command.finish(75)
        launch.wait_until_all_have_left(2)

    (message,) = re.findall(r"^(?:program|resnetlab): (.*)", text, re.MULTILINE)
    assert message.startswith(f"process {where} of 2 ({HOST}) is lost")


@pytest.mark.parametrize(
    "how",
    ["killed", pytest.param("stopped when left", marks=pytest.mark.faults)],  # the second takes 25 s
)
def test_a_loss_after_the_run_is_finished_sends_nobody_to_resume(tmp_path: Path, how: str) -> None:
    out = tmp_path / "run"

    with launched(2, "train_and_end", str(out), "1", how) as launch:
        assert launch.ends_within(90)
        text = launch.command.finish(75)

    assert (out / "RESULT.json").exists()
    assert re.search(rf"(?:program|resnetlab): process 1 of 2 \({HOST}\) is (gone|lost)", text)
    assert "All was done before; there is nothing to go on with." in text
    assert "goes on from its last checkpoint" not in text


@pytest.mark.faults
@pytest.mark.parametrize("whom", ["process 1", "torchrun"])
def test_who_is_stopped_before_all_have_met_ends_all(whom: str) -> None:
    """Nobody watches over the others yet; the command does."""
    with launched(2, "hindered", f"{whom} stopped") as launch:
        launch.wait_until_stopped(whom)
        assert launch.ends_within(45)
        text = launch.command.finish(75)
        launch.wait_until_all_have_left(2)

    assert re.search(rf"^resnetlab: {whom}.* is lost: it stood stopped for 25 s$", text, re.MULTILINE)


@pytest.mark.faults
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_torchrun_as_a_user_starts_it_ends_with_one_message_of_ours(
    number: signal.Signals, folder: Path
) -> None:
    """What it says itself comes too, and its exit code is its own."""
    torchrun = ["--standalone", "--nproc-per-node", "2", "-m", PROGRAMS, "work", "-1", "nothing"]
    mark = str(uuid.uuid4())
    command = Command(*torchrun, module="torch.distributed.run", starts_anew=True, RESNETLAB_TEST=mark)
    try:
        assert command.wait_until(lambda: "works" in command.output())
        os.kill(processes_with(f"RESNETLAB_TEST={mark}")["process 1"], number)
        text = command.finish(1)
        assert processes_with(f"RESNETLAB_TEST={mark}") == {}
    finally:
        command.kill()

    (message,) = re.findall(r"^(?:program|resnetlab): (.*)", text, re.MULTILINE)
    told = f"process 1 of 2 ({HOST}) is gone" if number == signal.SIGKILL else "stopped by SIGTERM after"
    assert message.startswith(told)


@pytest.mark.faults
def test_a_second_signal_kills_all() -> None:
    with launched(2, "stay") as launch:
        launch.wait_until_it_works()
        launch.command.send(signal.SIGTERM)
        time.sleep(1)
        for _ in range(3):  # a third comes while all are killed
            launch.command.send(signal.SIGTERM)
            time.sleep(0.001)
        text = launch.command.finish(128 + signal.SIGTERM)
        launch.wait_until_all_have_left(2)

    assert "resnetlab: stopped; nothing was saved since the last checkpoint" in text


@pytest.mark.faults
@pytest.mark.parametrize("again", COMING_AGAIN)
def test_what_comes_again_by_itself_is_no_second_signal(again: int) -> None:
    with launched(2, "work", "-1", "nothing") as launch:
        launch.wait_until_it_works()
        for number in (signal.SIGTERM, again, again):
            launch.command.send(number)
            time.sleep(0.001)  # each for itself
        text = launch.command.finish(75)

    assert "program: stopped by SIGTERM after round" in text


@pytest.mark.faults
def test_a_process_that_ends_before_all_have_met_ends_all() -> None:
    with launched(2, "no such program") as launch:
        text = launch.command.finish(1)

    assert "KeyError" in text


def test_devices_are_a_number_or_auto(monkeypatch: pytest.MonkeyPatch) -> None:
    from resnetlab.parallel import launch

    assert resolve_devices("auto") == max(count_gpus(), 1)
    assert (resolve_devices(3, "cpu"), resolve_devices("2", "cpu")) == (3, 2)
    for asked in (0, "-1", "many", "1.5"):
        with pytest.raises(UsageError, match="auto or a number from 1 on"):
            resolve_devices(asked)
    assert note_on(count_cores(), "cpu") == ""
    monkeypatch.setattr(launch, "count_cores", lambda: 4)
    assert note_on(5, "cpu").startswith("5 processes share the 4 cores of this machine")
    monkeypatch.setattr(launch, "count_cores", lambda: 1)
    assert note_on(2, "cpu").endswith("share the core of this machine: that is slower than one")


def test_more_devices_than_gpus_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from resnetlab.parallel import launch

    monkeypatch.setattr(launch, "count_gpus", lambda: 2)

    assert resolve_devices("auto") == resolve_devices(2) == 2
    assert resolve_devices(4, "cpu") == 4
    with pytest.raises(UsageError, match="--devices 3: this machine has 2 GPUs"):
        resolve_devices(3)
