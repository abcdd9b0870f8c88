"""One run made by several processes: the bytes of one process, whoever dies and however many go on."""

import contextlib
import json
import platform
import random
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from resnetlab.runs.directory import RunDirectory, broken_images
from resnetlab.runs.journal import read_rows
from tests.kit.commands import run as run_here
from tests.kit.photographs import write_photographs
from tests.kit.processes import Command
from tests.kit.remains import what_remains
from tests.kit.worlds import each_its_own, world

pytestmark = pytest.mark.processes

STEPS, SHARDS = 24, 4
SHORT = (
    "--data", "digits", "--recipe", "digits", "--steps", f"{STEPS}", "--batch", "16", "--device", "cpu",
    "--set", "width=0.25", "--set", "compile=off", "--set", "log_every=5", "--checkpoint-every", "8",
    "--set", "keep_checkpoints=100", "--no-report",
)  # fmt: skip
TRAIN = (
    "train", "resnet8", *SHORT, "--set", f"shards={SHARDS}", "--set", "stochastic_depth=0.3",
    "--set", "ema_decay=0.9", "--set", "mixup=0.4", "--set", "accumulate=2", "--set", "eval_every=10st",
    "--val", "40", "--set", "shortcut_dropout=0.2",
)  # fmt: skip


@contextlib.contextmanager
def together(count: int, *arguments: str) -> Iterator[list[Command]]:
    """The processes of a command that so many carry out."""
    with world(count, *arguments, module="resnetlab") as members:
        yield members


def carried_out(count: int, *arguments: str, code: int = 0) -> list[str]:
    """Have so many processes carry out a command; return what each printed."""
    with together(count, *arguments) as members:
        return [member.finish(code) for member in members]


@pytest.fixture(scope="module")
def run_alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of one process, undisturbed."""
    run = tmp_path_factory.mktemp("alone") / "run"
    Command(*TRAIN, "--out", str(run)).finish()
    return run


@pytest.fixture(scope="module")
def alone(run_alone: Path) -> dict[str, bytes]:
    """The truth."""
    return what_remains(run_alone)


def has_saved(run: Path, step: int) -> Callable[[], bool]:
    return (run / "checkpoints" / f"step-{step:08d}").exists


def assert_as(alone: dict[str, bytes], run: Path) -> None:
    """Check a run that was interrupted: a signal may have saved other steps, or one before its evaluation."""
    found, last = what_remains(run), f"step-{STEPS:08d}"
    for name, content in alone.items():
        if name == f"{last}/state.json" and json.loads(found[name])["evaluated"] < STEPS:
            continue  # the signal came in the last evaluation; what was saved then stays
        if name.endswith((".safetensors", ".jsonl")) or "/" not in name or name.startswith(last):
            assert found[name] == content, name


@pytest.mark.parametrize("count", [2, 4])
def test_several_processes_leave_the_bytes_of_one(
    count: int, alone: dict[str, bytes], tmp_path: Path
) -> None:
    first, *others = carried_out(count, *TRAIN, "--out", str(tmp_path / "run"))

    assert what_remains(tmp_path / "run") == alone
    assert "test images right" in first
    assert others == [""] * (count - 1)


def test_recorded_steps_leave_the_same_bytes(alone: dict[str, bytes], tmp_path: Path) -> None:
    carried_out(2, *TRAIN, "--set", "capture=on", "--out", str(tmp_path / "run"))

    found = what_remains(tmp_path / "run")
    tensors = {name: content for name, content in alone.items() if "MANIFEST" not in name}
    assert {name: found[name] for name in tensors} == tensors


def test_killed_and_resumed_by_other_numbers_of_processes_a_run_ends_with_the_same_bytes(
    alone: dict[str, bytes], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    with together(4, *TRAIN, "--out", str(run)) as members:
        assert members[0].wait_until(has_saved(run, 8))
        assert members[2].kill() == -signal.SIGKILL
        assert [members[rank].end() for rank in (0, 1, 3)] == [75, 75, 75]
        told = "".join(member.output() for member in members)
    assert told.count("process 2 of 4") == 1
    assert not (run / "RESULT.json").exists()

    with together(2, "resume", str(run)) as members:
        assert members[0].wait_until(has_saved(run, 16))
        members[1].send(signal.SIGTERM)
        first, second = (member.finish(code=75) for member in members)
    assert (first + second).count("stopped by SIGTERM after step") == 1
    (last,) = [row for row in read_rows(RunDirectory(run).events) if row["event"] == "interrupted"]
    assert last["signal"] == "SIGTERM"
    assert has_saved(run, last["step"])()

    run_here("resume", str(run))

    assert_as(alone, run)


@pytest.mark.faults
def test_killed_and_stopped_twenty_times_a_run_ends_with_the_same_bytes(
    alone: dict[str, bytes], tmp_path: Path
) -> None:
    """Any process, by SIGKILL or SIGTERM, at any moment after the first step is written down."""
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    rng = random.Random(seed)
    for number in range(20):
        run = tmp_path / f"run{number}"
        command, count, disturbed = [*TRAIN, "--out", str(run)], rng.choice([2, 4]), 0
        while not (run / "RESULT.json").exists():
            rows = has_more_rows(run)
            with together(count, *command) as members:
                begins = members[0].wait_until(rows)
                time.sleep(rng.random() * 0.2)
                if begins and disturbed < 4:
                    disturbed, victim = disturbed + 1, rng.randrange(count)
                    members[victim].send(how := rng.choice([signal.SIGKILL, signal.SIGTERM]))
                    codes = {rank: member.end() for rank, member in enumerate(members)}
                    if how == signal.SIGKILL:
                        assert codes.pop(victim) in (-signal.SIGKILL, 0)
                    assert {*codes.values()} <= {75, 0}
            command, count = ["resume", str(run)], rng.choice([1, 2, 4])
        assert_as(alone, run)


def has_more_rows(run: Path) -> Callable[[], bool]:
    now = len(read_rows(run / "metrics.jsonl"))
    return lambda: len(read_rows(run / "metrics.jsonl")) > now


@pytest.mark.parametrize("rank", [0, 1])
def test_a_signal_to_any_process_saves_and_ends_all(rank: int, tmp_path: Path) -> None:
    run = tmp_path / "run"
    with together(2, *TRAIN, "--steps", "4000", "--out", str(run)) as members:
        assert members[0].wait_until(has_saved(run, 8))
        sent = time.monotonic()
        members[rank].send(signal.SIGINT)
        assert [member.end() for member in members] == [75, 75]
        assert time.monotonic() - sent < 30

    events = [row["event"] for row in read_rows(RunDirectory(run).events)]
    assert events[-3:] == ["save", "interrupted", "stopped"]


def test_only_the_first_process_needs_the_directory(alone: dict[str, bytes], tmp_path: Path) -> None:
    """As on hosts that share no file system."""
    folders = [tmp_path / "first", tmp_path / "second"]
    for folder in folders:
        folder.mkdir()
    with each_its_own([[*TRAIN, "--out", "run"]] * 2, folders) as members:
        assert members[0].wait_until(has_saved(folders[0] / "run", 8))
        members[0].send(signal.SIGTERM)
        assert [member.end() for member in members] == [75, 75]
    with each_its_own([["resume", "run"]] * 2, folders) as members:
        for member in members:
            member.finish()

    assert_as(alone, folders[0] / "run")
    assert [*folders[1].iterdir()] == []


def test_a_folder_of_images_named_without_a_flag_that_one_process_lacks_is_refused_as_data(
    tmp_path: Path,
) -> None:
    """The first process tells images from networks: the others would see a network of an unknown name."""
    folders = [tmp_path / "first", tmp_path / "second"]
    for folder in folders:
        folder.mkdir()
    write_photographs(folders[0] / "photos")
    with each_its_own([("train", "resnet8", "photos/", "--batch", "8", "--dry-run")] * 2, folders) as members:
        codes, printed = [member.end() for member in members], "".join(each.output() for each in members)

    assert codes == [3, 3]
    assert printed == f"resnetlab: process 1 of 2 ({platform.node()}): photos/: no such file or folder\n"


def test_what_is_begun_is_gone_on_with_on_other_devices(tmp_path: Path) -> None:
    """Nobody gave the shards, so that they are those of the devices on which it began."""
    command = ("train", "resnet8", *SHORT, "--resume-if-begun", "--out", str(tmp_path / "run"))
    with together(2, *command, "--steps", "4000") as members:
        assert members[0].wait_until(has_saved(tmp_path / "run", 8))
        members[0].send(signal.SIGTERM)
        assert [member.end() for member in members] == [75, 75]
    recipe = json.loads((tmp_path / "run" / "recipe.json").read_text())
    assert recipe["execution"]["shards"] == 2

    job = Command(*command, "--steps", "4000")
    last = max((tmp_path / "run" / "checkpoints").iterdir()).name
    assert job.wait_until(lambda: max((tmp_path / "run" / "checkpoints").glob("step-*")).name > last)
    job.kill()


@pytest.mark.parametrize("command", ["train", "resume"])
def test_shards_that_cannot_be_divided_are_refused(command: str, run_alone: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    if command == "train":
        told = "".join(carried_out(3, *TRAIN, "--out", str(out), code=2))
        assert not out.exists()
    else:
        shutil.copytree(run_alone, out)
        (out / "RESULT.json").unlink()
        told = "".join(carried_out(3, "resume", str(out), code=2))
        assert "--devices 1 or 2 or 4" in told
    assert told.count("3 processes do not divide the 4 shards of a batch") == 1


@pytest.mark.parametrize(("shards", "is_told"), [(3, True), (2, False)])
def test_shards_that_other_processes_add_in_another_order_are_told(
    shards: int, is_told: bool, tmp_path: Path
) -> None:
    run, short = tmp_path / "run", ("--steps", "2", "--batch", "24", "--set", f"shards={shards}")
    Command("train", "resnet8", *SHORT, *short, "--out", str(run)).finish()

    for differs in (is_told, False):
        (run / "RESULT.json").unlink()
        told = "".join(carried_out(shards, "resume", str(run)))
        assert told.count("not bit for bit") == differs
        assert (f"{shards} shards, no power of two" in told) == differs
    rows = read_rows(RunDirectory(run).events)
    first, second = (row["differing"] for row in rows if row["event"] == "resume")
    assert bool(first) == is_told
    assert not second


DIFFERENT: dict[str, tuple[Sequence[str], Sequence[str], str]] = {
    "recipe": ((), ("--lr", "1"), "process 1 of 2 ({host}): the recipe's lr is 1, and 0.1 at process 0"),
    "data": ((), ("--data", "synthetic"), "the data is synthetic, fingerprint"),
    "no data": ((), ("--data", "nowhere/"), "process 1 of 2"),
}


@pytest.mark.parametrize("difference", DIFFERENT)
def test_processes_that_differ_are_refused_and_named(difference: str, tmp_path: Path) -> None:
    own, others, told = DIFFERENT[difference]
    out = tmp_path / "run"
    commands = [[*TRAIN, "--out", str(out), *more] for more in (own, others)]
    with each_its_own(commands) as members:
        codes = {member.end() for member in members}
        printed = "".join(member.output() for member in members)

    assert codes in ({2}, {3})
    assert printed.count(told.format(host=platform.node())) == 1
    assert not out.exists()


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        (("--seeds", "2"), (), "--seeds is not given, and 2 at"),
        ((), ("--resume-if-begun",), "--resume-if-begun is True, and False at"),
        (None, (), "the verb is train, and resume at"),
    ],
    ids=["a study", "resume-if-begun", "resume"],
)
def test_processes_with_commands_that_do_not_match_are_refused_at_the_start(
    first: Sequence[str] | None, second: Sequence[str], told: str, tmp_path: Path
) -> None:
    """They would wait for each other without end: each lives, and none comes to what the others do."""
    out = tmp_path / "run"
    own = ("resume", str(out)) if first is None else (*TRAIN, "--out", str(out), *first)
    with each_its_own([own, (*TRAIN, "--out", str(out), *second)]) as members:
        assert [member.end() for member in members] == [2, 2]
        printed = "".join(member.output() for member in members)

    assert printed.count("the processes of this run differ") == printed.count(told) == 1
    assert not out.exists()


def test_a_loss_that_is_not_finite_ends_all_with_one_message(tmp_path: Path) -> None:
    printed = carried_out(2, *TRAIN, "--lr", "1e9", "--out", str(tmp_path / "run"), code=4)

    assert "".join(printed).count("diverged at step") == 1


def test_broken_images_of_all_processes_are_recorded_by_the_first(tmp_path: Path) -> None:
    photographs = write_photographs(tmp_path / "photographs")
    broken = ["train/cat/3.jpg", "train/dog/6.jpg", "val/owl/1.jpg"]
    for name in broken:
        (photographs / name).write_bytes(b"no picture")
    values = (
        "batch=8", "shards=2", "image_size=32", "train_size=24", "train_crop=random-resized", "width=0.5",
        "log_every=2", "mixup=0.4", "compile=off", "eval_every=6st",
    )  # fmt: skip
    command = ["train", "resnet8", "--data", str(photographs), "--steps", "12", "--bad-samples", "50%"]
    command += [word for value in values for word in ("--set", value)]
    Command(*command, "--out", str(tmp_path / "one"), "--workers", "0").finish()

    carried_out(2, *command, "--out", str(tmp_path / "two"), "--workers", "2")

    assert what_remains(tmp_path / "two") == what_remains(tmp_path / "one")
    found, expected = (broken_images(RunDirectory(tmp_path / name)) for name in ("two", "one"))
    assert found == expected
    assert sorted(problem.partition(":")[0] for problem in found.values()) == broken
    results = [json.loads((tmp_path / name / "RESULT.json").read_text()) for name in ("two", "one")]
    assert results[0]["bad_samples"] == results[1]["bad_samples"] == [*found.values()]


def test_a_study_is_made_run_by_run(tmp_path: Path) -> None:
    command = ("train", "resnet8", "plain8", *SHORT, "--steps", "8", "--set", "shards=2")
    Command(*command, "--out", str(tmp_path / "one")).finish()

    first, second = carried_out(2, *command, "--out", str(tmp_path / "two"))

    for name in ("resnet8-seed0", "plain8-seed0"):
        assert what_remains(tmp_path / "two" / name) == what_remains(tmp_path / "one" / name)
    assert "What to type next" in first
    assert second == ""
    again, _ = carried_out(2, "resume", str(tmp_path / "two"))
    assert "nothing to resume" in again


def test_a_signal_ends_a_study_with_one_message_of_how_the_study_goes_on(tmp_path: Path) -> None:
    command = ("train", "resnet8", "plain8", *SHORT, "--steps", "4000", "--set", "shards=2")
    with together(2, *command, "--out", str(tmp_path)) as members:
        assert members[0].wait_until(has_saved(tmp_path / "resnet8-seed0", 8))
        members[1].send(signal.SIGTERM)
        told = "".join(member.finish(code=75) for member in members)

    assert (
        "resnetlab: stopped by SIGTERM: of 2 runs 0 are finished, 1 saved on their way, 1 not begun here\n"
        f"Go on with: resnetlab resume {tmp_path}\n"
    ) in told
    assert told.count("Go on with") == 1


def test_a_run_of_a_study_that_diverges_does_not_end_the_others(tmp_path: Path) -> None:
    command = ("train", "resnet8", "plain8", *SHORT, "--steps", "8", "--lr", "1e9", "--set", "shards=2")

    printed = "".join(carried_out(2, *command, "--out", str(tmp_path / "study"), code=4))

    assert printed.count("2 of 2 runs failed") == 1


def test_a_finetuning_by_two_processes_has_the_bytes_of_one(tmp_path: Path) -> None:
    Command("train", "resnet8", *SHORT, "--steps", "8", "--out", str(tmp_path / "first")).finish()
    command = (
        "finetune", "--weights", str(tmp_path / "first"), "--data", "digits", "--steps", "8", "--batch", "16",
        "--set", "shards=2", "--set", "compile=off", "--freeze", "stage1", "--device", "cpu",
    )  # fmt: skip
    Command(*command, "--out", str(tmp_path / "one")).finish()

    carried_out(2, *command, "--out", str(tmp_path / "two"))

    assert what_remains(tmp_path / "two") == what_remains(tmp_path / "one")
    assert (tmp_path / "two" / "weights.json").exists()


def test_a_run_that_goes_on_for_longer_is_made_together_too(tmp_path: Path) -> None:
    Command(
        "train", "resnet8", *SHORT, "--steps", "8", "--set", "shards=2", "--out", str(tmp_path / "run")
    ).finish()
    Command("resume", str(tmp_path / "run"), "--steps", "12", "--out", str(tmp_path / "one")).finish()

    carried_out(2, "resume", str(tmp_path / "run"), "--steps", "12", "--out", str(tmp_path / "two"))

    assert what_remains(tmp_path / "two") == what_remains(tmp_path / "one")
