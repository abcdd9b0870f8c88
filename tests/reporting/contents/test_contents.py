"""report.json: what a run's files say, all of it, and what is missing or damaged, said."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from resnetlab.base.plaindata import to_json_bytes
from resnetlab.cli import main
from resnetlab.reporting import report
from resnetlab.reporting.contents.thinning import thinned
from resnetlab.reporting.in_lines import run_text
from resnetlab.reporting.page import render
from resnetlab.reporting.reading import read_run
from resnetlab.runs.directory import lock_run
from tests.kit.kept_evaluations import write_evaluation, write_picture
from tests.kit.reported_runs import as_cifar, copied, edit, read

NAMES = ["cat", "dog", "a > b"]


def contents(*runs: Path) -> dict[str, Any]:
    return report(list(runs)).contents()


@pytest.fixture
def run(real_runs: Path, tmp_path: Path) -> Path:
    """A copy of a real run without its own evaluation."""
    run = copied(real_runs / "seed0", tmp_path / "run")
    shutil.rmtree(run / "eval")
    return run


def named(run: Path, **changes: Any) -> Path:
    """Write an evaluation of the run and return its folder."""
    return write_evaluation(run, NAMES, each=6, wrong=2, pictures=5, **changes)


def test_a_finished_run_s_verdict_is_that_of_its_result(run: Path) -> None:
    result = read(run / "RESULT.json")

    row = contents(run)["runs"][0]

    assert (row["correct"], row["seen"], row["state"]) == (result["correct"], result["seen"], "finished")
    assert row["interval"] == pytest.approx(result["interval"])
    assert f"{result['correct']:,} of {result['seen']:,} test images are right" in row["sentence"]
    assert row["notes"][0].endswith("nothing was selected on the test set.")


def test_a_selection_on_the_test_set_is_said_and_not_denied(run: Path) -> None:
    edit(run / "RESULT.json", stopped_on_test=True)

    notes = " ".join(contents(run)["runs"][0]["notes"])

    assert "selected on the test set, and the accuracy flatters" in notes
    assert "nothing was selected" not in notes


@pytest.mark.parametrize(
    ("events", "state", "said"),
    [
        (
            [{"event": "interrupted", "step": 3, "signal": "SIGTERM"}, {"event": "stopped", "error": "x"}],
            "interrupted",
            "SIGTERM",
        ),
        (
            [{"event": "stopped", "step": 3, "error": "diverged at step 3\nhint"}],
            "stopped",
            "diverged at step 3",
        ),
        ([{"event": "stopped", "error": "x"}, {"event": "resume", "step": 3}], "killed", "It was killed at"),
    ],
)
def test_an_unfinished_run_says_how_far_it_is_and_why(
    run: Path, events: list[dict[str, Any]], state: str, said: str
) -> None:
    (run / "RESULT.json").unlink()
    start = [json.dumps({"time": 1.7e9, "event": "start"})]
    (run / "events.jsonl").write_text("".join(f"{line}\n" for line in [*start, *map(json.dumps, events)]))

    found = contents(run)

    row = found["runs"][0]
    assert row["state"] == state
    assert said in " ".join(row["notes"])
    assert "unfinished run" in row["sentence"]
    assert found["detail"]["usage"]["commands"][0][0].startswith("resnetlab resume ")


def test_a_run_whose_directory_is_locked_is_training(run: Path) -> None:
    (run / "RESULT.json").unlink()
    (run / "events.jsonl").write_text('{"event": "start", "time": 1.0}\n')

    with lock_run(run):
        assert contents(run)["runs"][0]["state"] == "running"
    assert contents(run)["runs"][0]["state"] == "killed"


def test_the_published_error_stands_beside(real_runs: Path, tmp_path: Path) -> None:
    row = contents(as_cifar(real_runs / "seed0", tmp_path / "run", "resnet20"))["runs"][0]

    assert row["published"]["error"] == 8.75
    assert "Table 6" in row["published"]["source"]


def test_every_value_of_the_recipe_has_its_origin(real_runs: Path, tmp_path: Path) -> None:
    run = as_cifar(real_runs / "seed0", tmp_path / "run", "resnet20", lr=0.3)

    values = {each["name"]: each for each in contents(run)["detail"]["recipe"]["values"]}

    assert (values["lr"]["value"], values["lr"]["origin"]) == ("0.3", "given (0.1)")
    assert values["mixup"]["origin"] == "default"
    assert values["weight_decay"]["origin"] in ("recipe he2015", "default")
    assert all(each["help"] for each in values.values())


def test_rates_that_fall_at_once_are_marked(real_runs: Path, tmp_path: Path) -> None:
    rows = [
        {
            "kind": "train",
            "step": step,
            "learning_rate": 0.1 if step <= 32_000 else 0.01,
            "train_loss": 1.0,
            "train_accuracy": 0.5,
        }
        for step in range(1000, 64_001, 1000)
    ]
    run = as_cifar(real_runs / "seed0", tmp_path / "run", "resnet20", rows=rows)

    panel = contents(run)["curves"][0]

    assert panel["drops"] == [[32_000, 0.01]]
    assert {each["of"] for each in panel["series"]} == {"error", "loss", "rate"}


def test_an_evaluation_is_told_with_its_answers_and_pictures(run: Path) -> None:
    folder = named(run)

    detail = contents(run)["detail"]

    evaluation, insights = detail["evaluation"], detail["insights"]
    assert evaluation["folder"] == folder.name
    assert sum(count for *_, count in evaluation["confusion"]) == 18
    wrong = sum(count for truth, answer, count in evaluation["confusion"] if truth != answer)
    assert wrong == 6 == len(evaluation["worst"]) == sum(map(len, evaluation["examples"].values()))
    losses = [row["loss"] for row in evaluation["worst"]]
    assert losses == sorted(losses, reverse=True)
    assert evaluation["calibration"]["temperature"] == 1.34
    assert len(insights["worst"]) == 5
    assert all(uri.startswith("data:image/png;base64,") for uri in insights["pictures"])
    assert detail["missing"] == []


def test_confusions_are_found_by_the_numbers_of_classes_whatever_these_are_called(run: Path) -> None:
    """Classes that are called 1, 2 and 0 have the numbers 0, 1 and 2."""
    folder = write_evaluation(run, ["1", "2", "0"], each=6, wrong=2, pictures=5) / "insights"
    rows = [{"image": write_picture(folder / "extra.png", 5), "place": "x", "probability": 0.75}]
    edit(folder / "insights.json", confusions={"2>0": rows, "0>-1": rows, "3>0": rows, "1>x": rows})

    cells = contents(run)["detail"]["insights"]["cells"]

    assert set(cells) == {"2>0", "0>3"}
    assert [(row["place"], row["probability"]) for row in cells["2>0"]] == [("x", 0.75)]


def test_no_picture_is_read_from_elsewhere_and_nothing_but_pictures(run: Path, tmp_path: Path) -> None:
    folder = named(run) / "insights"
    (tmp_path / "secret.png").write_bytes((folder / "worst-000.png").read_bytes())
    (folder / "page.png").write_text("<svg onload=alert(1)>")
    worst = read(folder / "insights.json")["worst"]
    for row, name in zip(
        worst, ("../../../../secret.png", "page.png", "/etc/hostname", "gone.png", ".."), strict=True
    ):
        row |= {"image": name, "cam": None}
    edit(folder / "insights.json", worst=worst, doubtful=[], confusions={}, filters=None)

    detail = contents(run)["detail"]

    assert detail["insights"]["pictures"] == []
    told = " ".join(each["what"] for each in detail["missing"])
    assert "secret.png' is no name of a picture" in told
    assert "page.png is no PNG or JPEG" in told


def test_pictures_stay_below_what_a_page_may_weigh(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resnetlab.reporting.contents.insights_told._MOST_OF_ALL", 30_000)
    folder = named(run)

    insights = contents(run)["detail"]["insights"]

    sizes = [len(uri) * 3 // 4 for uri in insights["pictures"]]
    assert 0 < sum(sizes) < 31_000
    assert any("to keep the page below 5 MB" in why for why in insights["left_out"])
    assert len([*(folder / "insights").glob("*.png")]) > len(sizes)


DAMAGES = {
    "scores.json": "is damaged, or of another version",
    "confusion.csv": "is not of these 3 classes",
    "answers.npz": "is damaged",
    "calibration.json": "is damaged, or of another version",
    "insights/insights.json": "cannot be read",
}


@pytest.mark.parametrize("name", DAMAGES)
def test_what_is_damaged_costs_its_part_alone_and_is_said(run: Path, name: str) -> None:
    folder = named(run)
    (folder / name).write_bytes(b'{"half": ')

    found = contents(run)

    assert DAMAGES[name] in " ".join(each["what"] for each in found["detail"]["missing"])
    assert found["runs"][0]["state"] == "finished"


STRANGE = {
    "data.json": ("notes",),
    "RESULT.json": ("images_per_second", "wait_share", "bad_samples"),
    "scores.json": ("step", "notes", "bad_samples", "per_class"),
    "calibration.json": ("bins", "ece"),
    "insights/insights.json": ("worst", "left_out", "seconds"),
}


@pytest.mark.parametrize("name", STRANGE)
def test_values_of_another_kind_than_ours_leave_a_page_without_them(run: Path, name: str) -> None:
    folder = named(run)
    path = (run if (run / name).exists() else folder) / name
    sound = path.read_bytes()

    for field in STRANGE[name]:
        for value in (1.5, "<b>", True, [], {"a": 1}, [{"taken_for": 1}]):
            edit(path, **{field: value})
            assert "<html" in render(contents(run)), f"{field} = {value!r}"
            assert run_text(read_run(run)), f"{field} = {value!r}"
    path.write_bytes(sound)

    (run / "events.jsonl").write_text('{"event": "save", "time": 1, "step": "x"}\n' * 3)
    assert "<html" in render(contents(run))


def test_what_no_evaluation_has_kept_is_named_with_its_command(run: Path) -> None:
    folder = named(run)
    before = contents(run)["detail"]["missing"]
    shutil.rmtree(folder / "insights")
    (folder / "answers.npz").unlink()
    (folder / "calibration.json").unlink()

    after = contents(run)["detail"]["missing"]

    shutil.rmtree(run / "eval")
    without = contents(run)["detail"]["missing"]
    assert (before, len(after), len(without)) == ([], 1, 1)
    assert after[0]["command"] == without[0]["command"] == f"resnetlab eval {run}"


def test_the_newest_evaluation_of_the_test_split_is_shown(run: Path) -> None:
    named(run, step=100)
    named(run, step=300, split="val")
    shown = named(run, step=200)

    detail = contents(run)["detail"]

    assert detail["evaluation"]["folder"] == shown.name
    assert detail["other_evaluations"] == ["step-00000100-test", "step-00000300-val"]


def test_an_evaluation_of_several_views_is_shown_behind_those_of_one_and_called_so(run: Path) -> None:
    folder = named(run, step=300)
    scores = json.loads((folder / "scores.json").read_text())
    (folder / "scores.json").write_text(json.dumps(scores | {"views": "10crop"}))
    shown = named(run, step=200)

    assert contents(run)["detail"]["evaluation"]["folder"] == shown.name
    assert contents(run)["detail"]["evaluation"]["views"] == "single"
    shutil.rmtree(shown)
    assert contents(run)["detail"]["evaluation"]["views"] == "10crop"
    assert "test images of digits, 10crop" in render(contents(run))


def test_several_runs_have_a_row_each_their_groups_and_one_panel(real_runs: Path) -> None:
    found = contents(real_runs)

    assert [row["seed"] for row in found["runs"]] == [0, 1, 2]
    assert [group["n"] for group in found["groups"]] == [3]
    assert found["detail"] is None
    assert len(found["curves"]) == 1
    assert any(each["band"] for each in found["curves"][0]["series"])


def test_runs_on_different_data_have_panels_of_their_own(real_runs: Path, tmp_path: Path) -> None:
    other = as_cifar(real_runs / "seed0", tmp_path / "cifar", "resnet20")

    panels = contents(real_runs / "seed0", other)["curves"]

    assert sorted(panel["data"] for panel in panels) == sorted(
        {"cifar10", read(real_runs / "seed0" / "data.json")["name"]}
    )


def test_a_long_curve_keeps_its_ends_and_its_peaks() -> None:
    points = [(float(step), 1.0) for step in range(100_000)]
    points[31_234], points[77_777] = (31_234.0, 9.0), (77_777.0, -5.0)

    found = thinned(points, 400)

    assert len(found) <= 400
    assert found == sorted(found)
    assert {points[0], points[-1], points[31_234], points[77_777]} <= {*found}


def test_the_same_run_gives_the_same_report_and_without_torch(run: Path, tmp_path: Path) -> None:
    named(run)
    code = (
        "import sys; from resnetlab.reporting import report; a, b = sys.argv[1:]\n"
        "report(a).page(b + '.json'); report(a).page(b + '.html'); sys.exit('torch' in sys.modules)"
    )
    for name in ("first", "second"):
        done = subprocess.run([sys.executable, "-c", code, str(run), str(tmp_path / name)], check=False)
        assert done.returncode == 0

    for suffix in (".json", ".html"):
        first, second = (tmp_path / f"{name}{suffix}" for name in ("first", "second"))
        assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("suffix", [".html", ".json"])
def test_the_command_writes_the_page_or_its_data(
    run: Path, tmp_path: Path, suffix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / f"report{suffix}"

    assert main(["report", str(run), "-o", str(target), "--title", "Mine"]) == 0

    assert f"written: {target}" in capsys.readouterr().out
    wanted = report(run).contents(title="Mine")
    assert target.read_text() == (to_json_bytes(wanted).decode() if suffix == ".json" else render(wanted))
