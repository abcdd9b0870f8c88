"""eval --all and --watch: each checkpoint of a run is scored once, as `eval` does, also while it is made."""

import json
import shutil
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import resnetlab
from resnetlab.data.folders.table import open_csv
from resnetlab.errors import CheckpointError, DataError, LockedError, UsageError
from resnetlab.trained.checkpoint_curve import Asked, Row, best_so_far, score_checkpoints
from resnetlab.trained.evaluate import evaluate
from resnetlab.training.observer import Observer
from resnetlab.training.run import train_plan
from tests.kit.commands import run as command
from tests.kit.doctored_runs import as_of_this_run
from tests.kit.photographs import photograph_plan, write_photographs
from tests.kit.reported_runs import edit, read

STEPS = (4, 8, 12)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with 12 steps on noise in three brightnesses, `run`, its images, and `another` of 4 steps."""
    folder = tmp_path_factory.mktemp("curve")
    rng = np.random.default_rng(0)
    for part, count in (("train", 12), ("test", 7)):
        for label, name in enumerate(("dark", "grey", "light")):
            (folder / "data" / part / name).mkdir(parents=True)
            for number in range(count):
                pixels = rng.integers(60 * label, 60 * label + 120, (24, 24, 3)).astype(np.uint8)
                Image.fromarray(pixels).save(folder / "data" / part / name / f"{number}.png")
    for name, steps in (("run", 12), ("another", 4)):
        resnetlab.train(
            resnetlab.model_spec("resnet8").with_(width=0.5, classes=3), data=str(folder / "data"),
            out=folder / name, steps=steps, batch=12, compile="off", eval_every="0ep", workers=0,
            report=False, checkpoint_every=4, keep_checkpoints=9, lr=0.05, ema_decay=0.5,
            observer=resnetlab.Silence(),
        )  # fmt: skip
    return folder


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    """The run for this test alone."""
    shutil.copytree(made / "run", tmp_path / "run")
    return tmp_path / "run"


def rows_of(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "eval/curve-test/scores.jsonl").read_text().splitlines()]


def test_all_checkpoints_are_scored_as_eval_does_and_each_once(run: Path) -> None:
    shutil.move(run / "checkpoints/step-00000012", run.parent)
    first = command("eval", str(run), "--all", "--workers", "0")
    shutil.move(run.parent / "step-00000012", run / "checkpoints")
    content = (run / "eval/curve-test/scores.jsonl").read_bytes()
    told = json.loads(command("eval", str(run), "--all", "--json", "--workers", "0").stdout)

    assert [line.split()[1] for line in first.stdout.splitlines() if line.startswith("step ")] == ["4", "8"]
    assert (run / "eval/curve-test/scores.jsonl").read_bytes().startswith(content)
    assert [row["step"] for row in rows_of(run)] == [*STEPS]
    for step, row in zip(STEPS, told["rows"], strict=True):
        own = evaluate(run / f"checkpoints/step-{step:08d}", workers=0, insights=0, writes=False)
        assert {name: row[name] for name in own.scores.row()} == own.scores.row()
    best = [row["best_accuracy"] for row in told["rows"]]
    assert best == [max(row["accuracy"] for row in told["rows"][: end + 1]) for end in range(3)]
    assert told["rows"][STEPS.index(told["best_step"])]["accuracy"] == best[-1]


def test_tensorboard_gets_every_row_and_the_best_so_far(run: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    for _ in range(2):  # the second call shows them anew, and not twice
        curve = score_checkpoints(run, Asked(workers=0))

    events = accumulator.EventAccumulator(str(Path(curve.out) / "tensorboard"))
    events.Reload()
    for name in ("accuracy", "best_accuracy", "loss"):
        found = [(event.step, event.value) for event in events.Scalars(f"test/{name}")]
        assert found == [(row["step"], pytest.approx(row[name])) for row in curve.rows]


def test_a_run_is_followed_until_it_is_finished(run: Path) -> None:
    """What training does is done here in its order: the last checkpoint, then RESULT.json."""
    aside = run.parent
    for name in ("checkpoints/step-00000008", "checkpoints/step-00000012", "RESULT.json"):
        shutil.move(run / name, aside)
    rows: list[Row] = []
    has_come = {step: threading.Event() for step in STEPS}

    def tell(row: Row) -> None:
        rows.append(row)
        has_come[row["step"]].set()

    follower = threading.Thread(
        target=score_checkpoints,
        args=(run, Asked(workers=0)),
        kwargs={"watches": True, "told": tell, "pause": 0.02},
    )
    follower.start()
    for step in STEPS:
        if step > 4:
            shutil.move(aside / f"step-{step:08d}", run / "checkpoints")
        assert has_come[step].wait(60)
    assert follower.is_alive()
    shutil.move(aside / "RESULT.json", run)
    follower.join(60)

    assert not follower.is_alive()
    assert [row["step"] for row in rows] == [*STEPS]


def test_two_do_not_score_the_same_checkpoints(run: Path) -> None:
    (run / "RESULT.json").unlink()
    has_begun, others = threading.Event(), list[Row]()

    def tell(row: Row) -> None:
        has_begun.set()

    follower = threading.Thread(
        target=lambda: score_checkpoints(run, Asked(workers=0), told=tell, watches=True, pause=0.02)
    )
    follower.start()
    assert has_begun.wait(60)

    with pytest.raises(LockedError, match=r"in use by process .*, which scores checkpoints"):
        score_checkpoints(run, Asked(workers=0), told=others.append)

    assert others == []
    (run / "RESULT.json").write_text("{}")
    follower.join(60)
    assert not follower.is_alive()
    assert [row["step"] for row in rows_of(run)] == [*STEPS]
    score_checkpoints(run, Asked(workers=0))  # which frees it


def test_a_damaged_checkpoint_is_noted_and_the_others_are_scored(run: Path) -> None:
    (run / "checkpoints/step-00000008/model.safetensors").write_bytes(b"damaged")

    done = command("eval", str(run), "--all", "--workers", "0")

    assert [row["step"] for row in rows_of(run)] == [4, 12]
    assert done.stderr.count("step-00000008") == 1
    assert "chosen on the test images that it is scored on" in done.stdout


def test_other_data_has_a_curve_of_its_own(run: Path, made: Path) -> None:
    other = made / "other"
    if not other.exists():
        shutil.copytree(made / "data/test", other)

    curve = score_checkpoints(run, Asked(data=str(other), workers=0))

    assert Path(curve.out).name.startswith("curve-all-")
    assert curve.split == "all"
    assert {row["seen"] for row in curve.rows} == {21}


def test_a_folder_is_refused_to_other_scores(run: Path, made: Path, tmp_path: Path) -> None:
    fewer, out = tmp_path / "fewer", tmp_path / "curve"
    shutil.copytree(made / "data/test", fewer / "test")
    (fewer / "test/dark/0.png").unlink()
    score_checkpoints(run, Asked(out=str(out), workers=0))
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}

    refused = command("eval", str(made / "another"), "--all", "-o", str(out), "--workers", "0", code=2)
    assert f"{out} is for the scores of {run} (" in refused.stderr
    assert f"those of {made / 'another'} (" in refused.stderr
    assert "differ in the run\nName another folder with --out" in refused.stderr
    assert "step " not in refused.stdout
    for asked, differing in (
        (Asked(out=str(out), workers=0, weights="plain"), "the weights"),
        (Asked(out=str(out), workers=0, data=str(fewer)), "the data"),
        (Asked(out=str(out), workers=0, split="train"), "the split"),
        (Asked(out=str(out), workers=0, by_order=True), "how classes are matched"),
    ):
        with pytest.raises(UsageError, match=f"differ in {differing}\n"):
            score_checkpoints(run, asked)
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before

    moved = shutil.move(run, tmp_path / "moved")  # is the same run, and the data the same in another place
    data = shutil.copytree(made / "data", tmp_path / "data")
    score_checkpoints(moved, Asked(out=str(out), workers=0, data=str(data), weights="averaged", split="test"))
    assert (out / "scores.jsonl").read_bytes() == before[out / "scores.jsonl"]


def test_a_curve_has_the_fingerprint_that_the_run_recorded(tmp_path: Path) -> None:
    """As evaluations do: a run of 0.1.0 on a table recorded another one than this version."""
    images = sorted(write_photographs(tmp_path / "photos").glob("*/*/*.jpg"))
    rows = [f"{path},{path.parent.name},{path.parent.parent.name}\n" for path in images]
    (tmp_path / "list.csv").write_text("".join(rows))
    run, source = tmp_path / "run", open_csv(tmp_path / "list.csv")
    train_plan(photograph_plan(source, length="2st"), run, Observer())
    then = source.train.earlier_fingerprint(source.class_names, [*source.parts.values()])
    edit(run / "data.json", fingerprint=then)
    as_of_this_run(run)

    curve = score_checkpoints(run, Asked(workers=0))

    about = Path(curve.out) / "curve.json"
    assert read(about)["fingerprint"] == evaluate(run, insights=0).fingerprint == then != source.fingerprint
    edit(about, fingerprint=source.fingerprint)
    assert score_checkpoints(run, Asked(workers=0)).rows == curve.rows, "the same data, said by this version"
    edit(about, fingerprint="0" * 64)
    with pytest.raises(UsageError, match="differ in the data"):
        score_checkpoints(run, Asked(workers=0))


def test_a_folder_that_does_not_say_of_what_is_taken_only_without_rows(run: Path) -> None:
    (out := run / "eval/curve-test").mkdir(parents=True)
    (out / "scores.jsonl").write_text("")
    score_checkpoints(run, Asked(workers=0))
    assert [row["step"] for row in rows_of(run)] == [*STEPS]

    (out / "curve.json").write_text("[]")
    with pytest.raises(DataError, match=r"curve\.json is damaged"):
        score_checkpoints(run, Asked(workers=0))
    (out / "curve.json").unlink()
    with pytest.raises(UsageError, match=r"holds scores, and no curve\.json that says of what"):
        score_checkpoints(run, Asked(workers=0))


def test_runs_of_one_name_do_not_share_a_folder_in_the_working_directory(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    first, second = tmp_path / "a/run", tmp_path / "b/run"
    for name, copy in (("run", first), ("another", second)):
        shutil.copytree(made / name, copy)
        (copy / "eval").mkdir(exist_ok=True)
        (copy / "eval/curve-test").write_text("nothing can be written below a file")

    curve = score_checkpoints(first, Asked(workers=0))

    assert curve.out == str(Path("run-eval/curve-test"))
    with pytest.raises(UsageError, match="differ in the run"):
        score_checkpoints(second, Asked(workers=0))


def test_what_has_no_checkpoints_is_refused(run: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no run's directory"):
        score_checkpoints(run / "checkpoints/step-00000004", Asked())
    shutil.move(run / "checkpoints", tmp_path / "elsewhere")
    with pytest.raises(CheckpointError, match="can be scored: none was written yet"):
        score_checkpoints(run, Asked())
    assert "not allowed with" in command("eval", str(run), "--all", "--watch", code=2).stderr


def test_the_best_is_the_best_up_to_a_step() -> None:
    rows: list[Row] = [{"step": step, "accuracy": value} for step, value in ((30, 0.4), (10, 0.3), (20, 0.5))]

    assert [row["best_accuracy"] for row in best_so_far(rows)] == [0.3, 0.5, 0.5]


def test_two_runs_of_one_identity_do_not_share_a_folder(run: Path, tmp_path: Path) -> None:
    """The same command once on a CPU and once on a GPU: the same recipe, and other weights."""
    out = str(tmp_path / "curve")
    command("eval", str(run), "--all", "--workers", "0", "--out", out)
    moved = shutil.move(run, tmp_path / "moved")
    command("eval", str(moved), "--all", "--workers", "0", "--out", out)
    first, *others = (moved / "events.jsonl").read_text().splitlines(keepends=True)
    row = json.loads(first)
    twin = json.dumps(row | {"time": row["time"] + 60})
    (moved / "events.jsonl").write_text("".join([f"{twin}\n", *others]))

    done = command("eval", str(moved), "--all", "--workers", "0", "--out", out, code=2)

    assert "which differ in the moment at which it began" in " ".join(done.stderr.split())
