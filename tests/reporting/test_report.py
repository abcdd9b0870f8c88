"""The table and the curves of a set of runs, against runs whose numbers are known."""

import csv
import io
import json
import statistics
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import resnetlab
from resnetlab.catalog import model_spec
from resnetlab.cli import main
from resnetlab.errors import DataError, UsageError
from resnetlab.plaindata import to_plain
from resnetlab.recipes import named_recipe
from resnetlab.reporting import draw_curves, find_runs, group_runs, report
from resnetlab.reporting.curves import _training_curve, spread
from resnetlab.reporting.groups import labels
from resnetlab.reporting.published import _ERRORS
from resnetlab.settings import override


def write_run(
    path: Path, model: str = "resnet20", *, recipe: str = "he2015", accuracy: float = 0.9, steps: int = 2000,
    is_finished: bool = True, data: str = "cifar10", knobs: dict[str, Any] | None = None,
    result: dict[str, Any] | None = None, **changes: Any,
) -> Path:  # fmt: skip
    """Write what a report reads of a run whose error falls to its last in a line; nothing was trained."""
    path.mkdir(parents=True)
    spec = model_spec(model).with_(**knobs or {})
    made = override(named_recipe(recipe, spec.depth), changes)
    rows: list[dict[str, Any]] = []
    for step in range(50, steps + 1, 50):
        now = accuracy * step / steps
        rows.append({"kind": "train", "step": step, "train_accuracy": now / 2})
        if step % 400 == 0:
            rows.append({"kind": "test", "step": step, "accuracy": now})
    contents = {"spec": spec.to_json(), "recipe": to_plain(made), "data": {"name": data, "fingerprint": data}}
    if is_finished:
        contents["RESULT"] = {"accuracy": accuracy, "train_seconds": 90.0, "stopped_on_test": False}
        contents["RESULT"] |= result or {}
    for name, content in contents.items():
        (path / f"{name}.json").write_text(json.dumps(content))
    (path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Three seeds of ResNet-20, one of them unfinished with ResNet-110's, and a plain one."""
    for seed, accuracy in enumerate((0.91, 0.915, 0.92)):
        write_run(tmp_path / f"resnet20-seed{seed}", accuracy=accuracy, seed=seed)
    write_run(tmp_path / "resnet110-seed0", "resnet110", accuracy=0.934)
    write_run(tmp_path / "resnet110-seed1", "resnet110", seed=1, is_finished=False, steps=1200)
    write_run(tmp_path / "plain20-seed0", "plain20", accuracy=0.905)
    (tmp_path / "resnet20-seed0" / "checkpoints" / "recipe.json").parent.mkdir()
    (tmp_path / "resnet20-seed0" / "checkpoints" / "recipe.json").write_text("not looked at")
    return tmp_path


def test_runs_that_differ_in_the_seed_alone_are_one_row(study: Path) -> None:
    rows = report(study).to_json()

    assert [(row["network"], row["n"], row["unfinished"]) for row in rows] == [
        ("plain20", 1, 0), ("resnet20", 3, 0), ("resnet110", 1, 1),
    ]  # fmt: skip
    errors = [9.0, 8.5, 8.0]
    assert rows[1]["mean_error"] == pytest.approx(8.5)
    assert rows[1]["std_error"] == pytest.approx(statistics.stdev(errors)) == pytest.approx(0.5)
    assert (rows[1]["best_error"], rows[1]["worst_error"]) == (pytest.approx(8.0), pytest.approx(9.0))
    assert rows[0]["std_error"] is None
    assert rows[2]["mean_error"] == pytest.approx(6.6)


def test_the_table_says_the_published_errors_and_what_is_not_counted(study: Path) -> None:
    text = str(report([study]))

    row = next(line for line in text.splitlines() if line.startswith("resnet20"))
    assert row.split() == ["resnet20", "he2015", "cifar10", "3", "8.50", "±", "0.50", "8.00", "9.00", "8.75",
                           "1:30"]  # fmt: skip
    assert "6.61 ± 0.16" in text
    assert "Unfinished, not counted: resnet110-seed1, after step 1,200." in text
    assert "Published: He et al., 2015, Table 6." in text
    assert "Selected" not in text


def test_what_deviates_makes_a_row_of_its_own_and_is_told(tmp_path: Path) -> None:
    write_run(tmp_path / "a")
    write_run(tmp_path / "b", lr=0.2, seed=3)
    write_run(tmp_path / "c", knobs={"width": 2.0})
    write_run(tmp_path / "d", compile="on", capture="on", checkpoint_every=7, seed=4)
    write_run(tmp_path / "e", data="other")

    found = report(tmp_path)

    wide = "resnet20 stem_width=32 widths=32,64,128 out_channels=32,64,128"
    assert [(row["network"], row["recipe"], row["data"], row["n"]) for row in found.to_json()] == [
        ("resnet20", "he2015", "cifar10", 2),
        ("resnet20", "he2015", "other", 1),
        ("resnet20", "he2015 lr=0.2", "cifar10", 1),
        (wide, "he2015", "cifar10", 1),
    ]
    published = {
        row["network"] + row["recipe"] + row["data"]: row["published_error"] for row in found.to_json()
    }
    assert published["resnet20he2015cifar10"] == "8.75"
    assert published["resnet20he2015other"] == ""
    assert published[wide + "he2015cifar10"] == ""
    shown = labels(group_runs(find_runs([tmp_path / "a", tmp_path / "b"])))
    assert shown == ["resnet20", "resnet20 lr=0.2"]


def test_a_run_that_its_test_accuracy_ended_is_said(tmp_path: Path) -> None:
    write_run(tmp_path / "run", result={"stopped_on_test": True})

    assert "Selected on the test set, because its accuracy ended runs: resnet20." in str(report(tmp_path))


def test_csv_and_markdown_hold_the_same_numbers(study: Path) -> None:
    found = report(study)

    rows = list(csv.DictReader(io.StringIO(found.csv())))
    assert [float(row["mean_error"]) for row in rows] == pytest.approx([9.5, 8.5, 6.6])
    assert [row["std_error"] != "" for row in rows] == [False, True, False]
    assert "| resnet20 | he2015 | cifar10 | 3 | 8.50 ± 0.50 | 8.00 | 9.00 | 8.75 | 1:30 |" in found.markdown()


def test_published_errors_are_of_networks_that_the_catalog_has() -> None:
    for data, name in _ERRORS:
        assert model_spec(name).name == name
        assert data in ("cifar10", "cifar100")


def test_what_cannot_be_reported_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError) as refused:
        report([tmp_path / "empty", tmp_path / "nowhere"])
    assert f"no run at or below {tmp_path / 'empty'}; no run at or below" in str(refused.value)
    assert "there is no such path" in str(refused.value)

    run = write_run(tmp_path / "run")
    (run / "spec.json").write_text("{")
    with pytest.raises(DataError, match=r"spec\.json is damaged"):
        report(run)
    assert main(["report", str(run)]) == 3
    assert main(["show", str(tmp_path)]) == 2
    assert f"resnetlab report {tmp_path}" in capsys.readouterr().err
    assert main(["report", str(tmp_path / "nowhere")]) == 2
    assert main(["report", str(run), "-o", str(tmp_path / "x.gif")]) == 2
    assert "no such kind of picture" in capsys.readouterr().err


def test_the_command_prints_and_draws(
    study: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    picture, numbers = tmp_path / "curves.svg", tmp_path / "table.csv"

    assert main(["report", str(study), "-o", str(picture), "--csv", str(numbers), "--title", "Both"]) == 0

    assert capsys.readouterr().out.endswith(f"written: {numbers}, {picture}\n")
    assert numbers.read_text() == report(study).csv()
    text = picture.read_text()
    for shown in (
        "resnet20  8.50",
        "resnet110  6.60",
        "plain20  9.50",
        "plain<",
        "residual<",
        "Both",
        "steps<",
    ):
        assert shown in text, shown
    assert main(["report", str(study), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == report(study).to_json()


@pytest.mark.parametrize("theme", ["light", "dark", "print"])
def test_the_same_runs_give_the_same_bytes(theme: Any, study: Path) -> None:
    groups = report(study).groups

    first = draw_curves(groups, "svg", theme=theme)
    assert first == draw_curves(report(study).groups, "svg", theme=theme)
    assert draw_curves(groups, "png", theme=theme).startswith(b"\x89PNG")
    assert draw_curves(groups, "pdf", theme=theme).startswith(b"%PDF")


def test_a_training_curve_is_means_of_rows(tmp_path: Path) -> None:
    write_run(tmp_path / "run", accuracy=0.8, steps=64_000)
    (record,) = find_runs([tmp_path])

    steps, errors = _training_curve(record)

    rows = [row for row in record.rows if row["kind"] == "train"]
    assert len(rows) == 1280
    assert len(steps) == 160
    assert steps[0] == rows[7]["step"]
    assert errors[0] == pytest.approx(statistics.mean(100 - 100 * row["train_accuracy"] for row in rows[:8]))
    assert errors[-1] == pytest.approx(
        statistics.mean(100 - 100 * row["train_accuracy"] for row in rows[-8:])
    )


def test_labels_keep_their_distance_and_their_order() -> None:
    assert spread([8.0, 3.0], 1.0, 20.0) == [8.0, 3.0]
    placed = spread([7.1, 7.0, 7.2, 19.9, 20.5], 1.0, 20.0)
    ordered = sorted(placed)
    assert [placed.index(height) for height in ordered] == [1, 0, 2, 3, 4]
    assert all(b - a >= 1 - 1e-9 for a, b in pairwise(ordered))
    assert max(placed) <= 20.0


def test_a_real_study_is_reported(tmp_path: Path) -> None:
    spec = model_spec("resnet8").with_(width=0.25)
    results = resnetlab.study(
        [spec],
        seeds=2,
        data="digits",
        out=tmp_path / "study",
        steps=6,
        batch=16,
        eval_every="3st",
        compile="off",
    )

    (row,) = resnetlab.report(tmp_path / "study").to_json()

    errors = [100 * (1 - result.accuracy) for result in results.values()]
    assert row["mean_error"] == pytest.approx(statistics.mean(errors))
    assert list(row["errors"].values()) == pytest.approx(errors)
    assert (row["data"], row["n"]) == ("digits", 2)
    assert row["recipe"] == "digits length=6st batch=16 eval_every=3st"
