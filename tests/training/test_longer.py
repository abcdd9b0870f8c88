"""Training for longer: a new run that goes on from another one, finished or not."""

import hashlib
import shutil
from pathlib import Path
from typing import Any

import pytest

import resnetlab
from resnetlab.cli import main
from resnetlab.errors import CheckpointError, DataError, Interrupted, UsageError
from resnetlab.reporting import report
from resnetlab.runs.checkpoint import load_checkpoint
from resnetlab.runs.directory import RunDirectory
from resnetlab.runs.journal import read_rows
from tests.kit.interrupted_runs import StopAt
from tests.kit.pictures import write_pictures
from tests.kit.small_runs import FILES


def train(out: Path, length: str, **changes: Any) -> RunDirectory:
    """100 made images less 20 for validation, 16 at a time: 5 steps an epoch; averages, mixup, Nesterov."""
    values = {
        "batch": 16, "val": 64, "ema_decay": 0.9, "mixup": 0.4, "log_every": 5, "checkpoint_every": 4,
        "keep_checkpoints": 2, "eval_every": "20st", "schedule": "constant", "warmup": "5st",
        "device": "cpu", "data": "digits", "length": length, "report": False,
    }  # fmt: skip
    spec = resnetlab.model_spec("resnet8").with_(width=0.125, classes=10)
    resnetlab.train(spec, out=out, **values | changes)
    return RunDirectory(out)


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    return train(tmp_path_factory.mktemp("short") / "run", "20st")


def contents(run: RunDirectory) -> dict[str, str]:
    """The hash of every file but the lock."""
    return {
        str(path.relative_to(run.path)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in run.path.rglob("*")
        if path.is_file() and path.name != "lock"
    }


def last_bytes(run: RunDirectory, step: int) -> dict[str, bytes]:
    folder = run.checkpoints / f"step-{step:08d}"
    return {name: (folder / name).read_bytes() for name in FILES if (folder / name).exists()} | {
        "metrics.jsonl": run.metrics.read_bytes()
    }


def test_with_a_constant_rate_it_is_the_run_that_was_planned_so_long(
    short: RunDirectory, tmp_path: Path
) -> None:
    """Weights, averages, optimizer and metrics, byte for byte: nothing began anew. The old run stays."""
    before = contents(short)

    result = resnetlab.resume(short.path, steps=40, out=tmp_path / "longer", device="cpu")

    whole, longer = train(tmp_path / "whole", "40st"), RunDirectory(tmp_path / "longer")
    assert last_bytes(longer, 40) == last_bytes(whole, 40)
    assert (result.step, result.run) == (40, str(tmp_path / "longer"))
    assert contents(short) == before
    assert longer.identity() != whole.identity()


def test_a_plateau_goes_on_where_it_was(tmp_path: Path) -> None:
    falling = {"schedule": "plateau", "plateau_delta": 9.0, "plateau_patience": 2, "eval_every": "5st"}
    first, whole = train(tmp_path / "first", "20st", **falling), train(tmp_path / "whole", "40st", **falling)

    resnetlab.resume(first.path, steps=40, out=tmp_path / "longer", device="cpu")

    assert last_bytes(RunDirectory(tmp_path / "longer"), 40) == last_bytes(whole, 40)
    text = RunDirectory(tmp_path / "longer").read("continues")["text"]
    assert text.endswith("its rate follows the validation loss as before")
    rates = {row["step"]: row["learning_rate"] for row in read_rows(whole.metrics) if row["kind"] == "val"}
    assert rates[40] < rates[20] < rates[5]


def test_the_schedule_is_that_of_the_whole_length(short: RunDirectory, tmp_path: Path) -> None:
    linear = {"schedule": "linear", "warmup": "2st"}
    first = train(tmp_path / "first", "20st", **linear)
    whole = train(tmp_path / "whole", "40st", **linear)

    resnetlab.resume(first.path, steps=40, out=tmp_path / "longer", device="cpu")

    rates = [
        {
            row["step"]: row["learning_rate"]
            for row in read_rows(run / "metrics.jsonl")
            if row["kind"] == "train"
        }
        for run in (tmp_path / "longer", whole.path, first.path)
    ]
    assert [rates[0][step] for step in (25, 30, 40)] == [rates[1][step] for step in (25, 30, 40)]
    assert rates[0][15] == rates[2][15] != rates[1][15]


@pytest.mark.parametrize("step", [21, 27, 39])
def test_interrupted_it_goes_on_byte_for_byte(short: RunDirectory, tmp_path: Path, step: int) -> None:
    resnetlab.resume(short.path, steps=40, out=tmp_path / "whole", device="cpu")
    with pytest.raises(Interrupted):
        resnetlab.resume(short.path, steps=40, out=tmp_path / "cut", device="cpu", observer=StopAt(step))

    resnetlab.resume(tmp_path / "cut", device="cpu")

    whole, cut = (RunDirectory(tmp_path / name) for name in ("whole", "cut"))
    assert last_bytes(cut, 40) == last_bytes(whole, 40)
    assert cut.identity() == whole.identity()


def test_it_is_told_where_it_comes_from(short: RunDirectory, tmp_path: Path) -> None:
    resnetlab.resume(short.path, steps=30, out=tmp_path / "once", device="cpu")
    resnetlab.resume(tmp_path / "once", steps=40, out=tmp_path / "twice", device="cpu")
    train(tmp_path / "whole", "40st")

    record = RunDirectory(tmp_path / "twice").read("continues")
    assert (record["from"], record["step"], record["length"]) == (str(tmp_path / "once"), 30, "30st")
    assert record["before"][0]["identity"] == short.identity()
    once = load_checkpoint(tmp_path / "twice/checkpoints/step-00000040")
    assert once.identity == RunDirectory(tmp_path / "twice").identity()
    rows = report(tmp_path).groups
    assert len(rows) == 3  # they are not runs of one experiment
    assert {" ".join(row.deviations).partition("on from")[2] for row in rows} == {
        "", " step 20 of 20st", " step 30 of 30st on from step 20 of 20st",
    }  # fmt: skip


def test_the_weights_that_were_best_come_along(short: RunDirectory, tmp_path: Path) -> None:
    early = train(tmp_path / "early", "8st", eval_every="4st", patience=1, lr=3.0, keep_checkpoints=1)
    state = load_checkpoint(max(early.checkpoints.iterdir())).state

    result = resnetlab.resume(early.path, steps=12, out=tmp_path / "longer", device="cpu")

    assert result.step > state["step"] or state["step"] == 8  # out of patience, it still goes on
    assert result.best_val_accuracy >= state["best_accuracy"]
    assert result.best_test_accuracy is not None


def test_an_unfinished_run_is_made_longer_too(tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        train(tmp_path / "cut", "20st", observer=StopAt(7))

    resnetlab.resume(tmp_path / "cut", steps=40, out=tmp_path / "longer", device="cpu")

    assert last_bytes(RunDirectory(tmp_path / "longer"), 40) == last_bytes(
        train(tmp_path / "whole", "40st"), 40
    )


def test_what_a_user_types(short: RunDirectory, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = shutil.copytree(short.path, tmp_path / "run")
    assert main(["resume", str(run)]) == 0
    assert f"resnetlab resume {run} --epochs N" in capsys.readouterr().out
    assert main(["train", "resnet8", "--data", "digits", "--out", str(run)]) == 2
    assert f"`resnetlab resume {run} --epochs N` trains on from it" in capsys.readouterr().err

    assert main(["resume", str(run), "--epochs", "1", "--device", "cpu"]) == 0

    said = capsys.readouterr().out
    assert f"goes on    {run} from step 20 of 20 (20st) on; its rate was 0.1 and is 0.1 now" in said
    assert RunDirectory(tmp_path / "run-1ep").read("RESULT")["step"] == 86
    assert main(["show", str(tmp_path / "run-1ep")]) == 0
    assert "goes on   " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--steps", "20"], "has made 20 steps, and 20st are 20 in all"),
        (["--steps", "5"], "give more than that"),
        (["--steps", "0"], "a length is at least 1"),
        (["--epochs", "x"], "not a duration"),
        (["--epochs", "3", "--steps", "40"], "the length is given twice: --epochs 3 and --steps 40"),
        (["--out", "x"], "out is of a run that trains for longer\nGive its epochs or steps too."),
        (["--steps", "40", "--out", "."], "not empty"),
    ],
)
def test_what_cannot_be_is_refused(
    short: RunDirectory, arguments: list[str], text: str, capsys: pytest.CaptureFixture[str],
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    (tmp_path / "something").write_text("mine")

    assert main(["resume", str(short.path), *arguments, "--device", "cpu"]) == 2

    assert text in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["something"]


def test_data_that_has_moved_is_named(tmp_path: Path) -> None:
    for part, count in (("train", 6), ("test", 2)):
        for name in ("fox", "owl"):
            write_pictures(tmp_path / "photos" / part / name, count, (70, 70))
    common = {"batch": 4, "workers": 0, "device": "cpu", "report": False}
    spec = resnetlab.model_spec("resnet8").with_(width=0.125, classes=2)
    resnetlab.train(
        spec, data=str(tmp_path / "photos"), out=tmp_path / "run", steps=2, image_size=24, **common
    )
    moved = (tmp_path / "photos").rename(tmp_path / "moved")
    with pytest.raises(DataError, match="--data"):
        resnetlab.resume(tmp_path / "run", steps=4, workers=0, device="cpu")

    resnetlab.resume(tmp_path / "run", steps=4, data=str(moved), workers=0, device="cpu")

    assert RunDirectory(tmp_path / "run-4st").read("data")["source"] == str(moved)
    assert resnetlab.evaluate(tmp_path / "run-4st", workers=0, device="cpu").scores.seen == 4


def test_killed_while_it_was_begun_it_does_not_begin_from_nothing(
    short: RunDirectory, tmp_path: Path
) -> None:
    resnetlab.resume(short.path, steps=40, out=tmp_path / "longer", device="cpu")
    (tmp_path / "longer/RESULT.json").unlink()
    shutil.rmtree(tmp_path / "longer/checkpoints")

    with pytest.raises(CheckpointError, match="goes on from another run, and has no checkpoint") as caught:
        resnetlab.resume(tmp_path / "longer", device="cpu")
    assert f"resnetlab resume {short.path} --epochs N" in caught.value.hint


def test_what_a_killed_beginning_left_is_no_part_of_the_next(short: RunDirectory, tmp_path: Path) -> None:
    out = tmp_path / "run"
    resnetlab.resume(short.path, steps=40, out=out, device="cpu")
    for path in out.iterdir():  # as if killed before recipe.json
        if path.name not in ("lock", "spec.json", "data.json", "environment.json", "continues.json"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    again = train(out, "20st")

    assert not again.continues and again.identity() == short.identity()


def test_a_run_without_a_checkpoint_is_refused(short: RunDirectory, tmp_path: Path) -> None:
    run = shutil.copytree(short.path, tmp_path / "run")
    shutil.rmtree(run / "checkpoints")

    with pytest.raises(CheckpointError, match="has no checkpoint to go on from"):
        resnetlab.resume(run, steps=40, device="cpu")
    assert not (tmp_path / "run-40st").exists()


def test_a_finished_run_of_0_1_0_goes_on(tmp_path: Path) -> None:
    old = shutil.copytree(Path(__file__).parents[1] / "old_files/0.1.0/run", tmp_path / "run")

    assert resnetlab.resume(old, steps=12, device="cpu").step == 12


def test_what_follows_a_fine_tuning_keeps_its_weights_record(tmp_path: Path, short: RunDirectory) -> None:
    tuned = resnetlab.finetune(
        short.path, data="digits", steps=2, batch=8, out=tmp_path / "tuned", device="cpu", report=False
    ).run

    resnetlab.resume(tuned, steps=4, device="cpu")

    longer = RunDirectory(tmp_path / "tuned-4st")
    assert longer.read("weights") == RunDirectory(Path(tuned)).read("weights")
    assert report(longer.path).groups[0].runs[0].first_weights


def test_a_home_directory_is_one_everywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`~` from Python, where no shell replaces it, and behind `=` on a command line."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    spec = resnetlab.model_spec("resnet8").with_(width=0.125, classes=10)
    common = {"batch": 8, "device": "cpu", "report": False}

    resnetlab.train(spec, data="digits", out="~/run", steps=1, **common)
    resnetlab.resume("~/run", steps=2, out="~/longer", device="cpu")
    resnetlab.study(spec, data="digits", out="~/study", steps=1, **common)
    resnetlab.resume_study("~/study", device="cpu")
    resnetlab.finetune("~/run", data="digits", out="~/tuned", steps=1, **common)
    assert resnetlab.evaluate("~/run", device="cpu").scores.seen == 359
    assert (
        main(["train", "resnet8", "--data=digits", "--out=~/cli", "--steps=1", "--batch=8", "--device=cpu"])
        == 0
    )
    assert main(["report", "~/study", "--csv=~/table.csv", "-o", "~/curves.svg"]) == 0
    assert main(["draw", "~/run", "-o", "~/net.svg"]) == 0
    assert main(["show", "~/run"]) == 0
    assert main(["export", "~/run", "--to", "folder", "-o", "~/folder"]) == 0
    with pytest.raises(UsageError, match="no such home directory"):
        resnetlab.evaluate("~nobody-of-this-name/run")

    assert {"run", "longer", "study", "tuned", "cli", "table.csv", "net.svg", "folder"} <= {
        path.name for path in tmp_path.iterdir()
    }
    assert not (tmp_path / "~").exists()


def test_a_place_without_a_length_is_refused_in_python_as_it_is_given_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^out is of a run that trains for longer\nGive its epochs"):
        resnetlab.resume(tmp_path / "none", out=tmp_path / "x")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--out", "x"], "the runs in STUDY go on where they are\nLeave it out."),
        (
            ["--epochs", "3", "--out", "x"],
            "STUDY holds several runs\nName the one that is to train",
        ),
    ],
)
def test_a_study_trains_no_longer_and_stays_where_it_is(
    arguments: list[str], text: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "study.json").write_text("{}")

    assert main(["resume", str(tmp_path), *arguments]) == 2

    assert text.replace("STUDY", str(tmp_path)) in capsys.readouterr().err


def test_what_was_typed_from_here_is_printed_as_from_here(
    short: RunDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The places of the new run are relative, and so are the commands that go on with it."""
    shutil.copytree(short.path, tmp_path / "runs/run")
    monkeypatch.chdir(tmp_path)

    assert main(["resume", "runs/run", "--steps", "21", "--device", "cpu"]) == 0

    said = capsys.readouterr()
    assert str(tmp_path) not in said.out + said.err
    assert "runs/run-21st" in said.out
    monkeypatch.chdir(tmp_path / "runs/run")
    assert main(["resume", ".", "--steps", "22", "--device", "cpu"]) == 0
    assert (tmp_path / "runs/run-22st/RESULT.json").is_file()
