"""The table over seeds: each number computed another way, each caveat said."""

import csv
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import resnetlab
from resnetlab.base.units import Duration
from resnetlab.cli import main
from resnetlab.errors import DataError, UsageError
from resnetlab.network.catalog import model_spec
from resnetlab.reporting import report
from resnetlab.reporting.groups import PUBLISHED
from resnetlab.runs.directory import RunDirectory
from resnetlab.trained.transfer import open_trained
from resnetlab.training.observer import Observer
from resnetlab.training.run import read_result, train_plan
from tests.kit.reported_runs import as_cifar, copied, edit, read, test_row
from tests.kit.small_finetunings import tuned


def test_three_seeds_are_one_row_with_mean_and_sample_deviation(real_runs: Path) -> None:
    (group,) = resnetlab.report(real_runs).groups

    accuracies = [read(real_runs / f"seed{seed}" / "RESULT.json")["accuracy"] for seed in range(3)]
    errors = 100 * (1 - np.array(accuracies))
    assert group.errors == pytest.approx(errors)
    assert group.mean == pytest.approx(errors.mean())
    assert group.std == pytest.approx(errors.std(ddof=1))
    assert (group.best.error, group.worst.error) == pytest.approx((errors.min(), errors.max()))  # type: ignore[union-attr]
    seconds = [read(real_runs / f"seed{seed}" / "RESULT.json")["train_seconds"] for seed in range(3)]
    assert group.seconds == pytest.approx(sum(seconds) / 3)
    assert f"{errors.mean():.2f} ± {errors.std(ddof=1):.2f}" in str(report(real_runs))
    assert group.published is None  # this data is no CIFAR


def test_deviations_from_the_named_recipe_are_told(real_runs: Path) -> None:
    text = " ".join(str(report(real_runs)).split())

    assert "[1] quick, but length=40st (15ep), batch=8 (128)" in text
    assert "ema_decay=0.9" in text
    assert "seed=" not in str(report(real_runs / "seed1"))  # which the recipe of that name does not have
    assert "averaged weights; the plain ones have" in text


def test_one_run_has_no_deviation_best_or_worst(real_runs: Path) -> None:
    (group,) = report(real_runs / "seed1").groups

    assert (len(group.finished), group.std, group.best, group.worst) == (1, None, None, None)
    assert "±" not in str(report(real_runs / "seed1"))


def test_anything_but_the_seed_makes_another_row(real_runs: Path, tmp_path: Path) -> None:
    real = real_runs / "seed0"
    as_cifar(real, tmp_path / "a", "resnet20")
    as_cifar(real, tmp_path / "b", "resnet20", seed=1)
    as_cifar(real, tmp_path / "lr", "resnet20", lr=0.2)
    as_cifar(real, tmp_path / "compiled", "resnet20", seed=2, compile="on")
    other = as_cifar(real, tmp_path / "data", "resnet20")
    edit(other / "data.json", fingerprint="another")
    weights = as_cifar(real, tmp_path / "weights", "resnet20")
    (weights / "weights.json").write_text(json.dumps({"from": "a file", "sha256": "0123456789"}))
    wide = as_cifar(real, tmp_path / "wide", "resnet20")
    (wide / "spec.json").write_text(json.dumps(model_spec("resnet20").with_(width=2).to_json()))

    found = report(tmp_path).groups
    rows = [(group.network, group.recipe, group.deviations, group.data) for group in found]
    assert sorted(len(group.runs) for group in found) == [1, 1, 1, 1, 1, 2]
    assert len(set(rows)) == len(rows)  # a reader can tell them apart
    assert "lr=0.2 (0.1)" in str(report(tmp_path))
    assert [group.network for group in found][-1] == "resnet20 width=2"


def test_several_rows_say_which_runs_they_are_of(real_runs: Path, tmp_path: Path) -> None:
    for seed in range(2):
        as_cifar(real_runs / "seed0", tmp_path / "both" / f"resnet20-seed{seed}", "resnet20", seed=seed)
    as_cifar(real_runs / "seed0", tmp_path / "lr", "resnet20", lr=0.2)

    found = report(tmp_path)
    places = {f"{tmp_path}/both/resnet20-seed*", f"{tmp_path}/lr"}

    head, *rows = found.text().splitlines()[:3]
    assert head.endswith("  runs") and {row.split()[-1] for row in rows} == places
    narrow = " ".join(found.text(60).split())
    assert f"runs: resnet20, he2015, cifar10: {tmp_path}/both/resnet20-seed*" in narrow
    assert f"runs: resnet20, he2015, lr=0.2 (0.1), cifar10: {tmp_path}/lr" in narrow
    assert str(tmp_path) not in found.markdown() + found.latex()  # which are for others to read
    assert "runs:" not in report(tmp_path / "lr").text(60)  # the one that was named


def test_rows_are_sorted_by_family_depth_and_recipe(real_runs: Path, tmp_path: Path) -> None:
    names = ("preresnet110", "resnet110", "resnet20", "plain56", "plain20", "resnet56")
    for name in names:
        as_cifar(real_runs / "seed0", tmp_path / name, name)
    as_cifar(real_runs / "seed0", tmp_path / "first", "resnet20", recipe="quick")

    rows = [(group.network, group.recipe) for group in report(tmp_path).groups]
    assert rows == [
        ("plain20", "he2015"), ("plain56", "he2015"), ("resnet20", "quick"), ("resnet20", "he2015"),
        ("resnet56", "he2015"), ("resnet110", "he2015"), ("preresnet110", "he2015"),
    ]  # fmt: skip


def test_every_published_error_is_of_a_network_of_the_catalog() -> None:
    assert {model_spec(name).name for _, name in PUBLISHED} == {name for _, name in PUBLISHED}
    table_6 = {20: 8.75, 32: 7.51, 44: 7.17, 56: 6.97, 110: 6.43, 1202: 7.93}
    assert {depth: PUBLISHED["cifar10", f"resnet{depth}"].error for depth in table_6} == table_6
    pre = {110: 6.37, 164: 5.46, 1001: 4.92}
    assert {depth: PUBLISHED["cifar10", f"preresnet{depth}"].error for depth in pre} == pre


def test_published_errors_stand_beside_their_network_on_cifar_alone(real_runs: Path, tmp_path: Path) -> None:
    real = real_runs / "seed0"
    as_cifar(real, tmp_path / "110", "resnet110")
    as_cifar(real, tmp_path / "c100", "preresnet164", data="cifar100")
    assert [g.published.cell for g in report(tmp_path).groups if g.published] == ["6.61 ± 0.16", "24.33"]
    assert "resnet110 6.43 (best of 5, mean 6.61 ± 0.16)" in " ".join(str(report(tmp_path)).split())

    part = as_cifar(real, tmp_path / "not" / "part", "resnet20", seen=1000, correct=900)
    digits = as_cifar(real, tmp_path / "not" / "digits", "resnet20", data="digits")
    changed = as_cifar(real, tmp_path / "not" / "changed", "resnet20")
    spec = model_spec("resnet20").with_(shortcut="B")
    (changed / "spec.json").write_text(json.dumps(spec.to_json()))
    on_100 = as_cifar(real, tmp_path / "not" / "on100", "resnet20", data="cifar100")
    for run in (part, digits, changed, on_100):
        assert report(run).groups[0].published is None, run
    assert "published" not in report(tmp_path / "not").markdown()  # the table alone: no path


def test_unfinished_runs_are_counted_beside_and_named_with_their_step(
    real_runs: Path, tmp_path: Path
) -> None:
    real = real_runs / "seed0"
    as_cifar(real, tmp_path / "done", "resnet20")
    events = (
        {"event": "interrupted", "signal": "SIGTERM", "step": 3000},
        {"event": "stopped", "error": "diverged at step 7\nhint", "step": 7},
        {"event": "stopped", "error": "", "step": 7},
    )
    for seed, event in enumerate(events, start=1):
        run = as_cifar(real, tmp_path / f"part{seed}", "resnet20", seed=seed, rows=[test_row(391, 0.5)])
        (run / "RESULT.json").unlink()
        (run / "events.jsonl").write_text(json.dumps({"event": "start"}) + "\n" + json.dumps(event) + "\n")

    (group,) = report(tmp_path).groups
    text = " ".join(str(report(tmp_path)).split())
    assert (len(group.finished), len(group.unfinished), group.errors) == (1, 3, (10.0,))
    assert " 1 (+3) " in text
    assert f"unfinished: {tmp_path}/part1, step 3,000 of 64,000, interrupted by SIGTERM" in text
    assert f"{tmp_path}/part2, step 391 of 64,000: diverged at step 7" in text


@pytest.mark.parametrize(
    ("recipe", "batch", "step", "epoch", "steps"),
    (
        ("quick", 128, 391, 391 * 128 / 50_000, 5860),
        ("keras", 32, 1563, 1.0, 200 * 1563),
        ("tfofficial-cifar", 128, 3907, 10.0, 20 * 3907),  # a short batch every ten epochs
    ),
)
def test_the_length_of_a_run_in_epochs_is_known_from_its_evaluations(
    real_runs: Path, tmp_path: Path, recipe: str, batch: int, step: int, epoch: float, steps: int
) -> None:
    rows = [test_row(step, 0.5) | {"epoch": epoch}]
    values: dict[str, Any] = {"batch": batch} | ({} if recipe == "quick" else {"length": Duration(200, "ep")})
    run = as_cifar(real_runs / "seed0", tmp_path / "run", "resnet20", recipe=recipe, rows=rows, **values)
    (run / "RESULT.json").unlink()

    (group,) = report(run).groups
    assert group.runs[0].num_steps == steps
    (run / "metrics.jsonl").write_text("")
    assert "epochs" in report(run).groups[0].runs[0].progress


def test_selection_and_other_caveats_are_said(real_runs: Path, tmp_path: Path) -> None:
    real = real_runs / "seed0"
    honest = as_cifar(real, tmp_path / "a", "resnet20")
    assert "no selection on the test set" in str(report(honest))

    edit(as_cifar(real, tmp_path / "b", "resnet20", seed=1) / "RESULT.json", stopped_on_test=True)
    edit(as_cifar(real, tmp_path / "c", "resnet20", seed=2) / "RESULT.json", best_test_accuracy=0.9125)
    same = as_cifar(real, tmp_path / "d", "resnet20", seed=2)
    edit(
        same / "RESULT.json",
        stopped_early=True,
        bad_samples=["x.jpg: broken"],
        seen=9999,
        accuracy=9000 / 9999,
    )

    text = " ".join(str(report(tmp_path)).split())
    assert "no selection on the test set" not in text
    assert "1 of 4 runs ended when the test accuracy reached 0: a selection on the test set" in text
    assert "the weights best on the validation images have 8.75 % test error" in text
    assert "1 of 4 runs ended as the validation accuracy rose no more" in text
    assert "1 of 4 runs left broken images out" in text
    assert "tested on 9,999 and 10,000 images" in text
    assert "seed 2 more than once" in text


def test_a_copied_run_is_no_second_seed(real_runs: Path, tmp_path: Path) -> None:
    real = real_runs / "seed0"
    as_cifar(real, tmp_path / "a", "resnet20", correct=9000)
    as_cifar(real, tmp_path / "copy", "resnet20", correct=9000)

    (group,) = report(tmp_path).groups
    assert (len(group.errors), group.mean, group.std) == (1, pytest.approx(10.0), None)
    assert "±" not in str(report(tmp_path)).replace("mean ±", "")

    as_cifar(real, tmp_path / "other", "resnet20", seed=1, correct=9200)
    (group,) = report(tmp_path).groups
    assert group.errors == pytest.approx((10.0, 8.0))
    assert group.mean == pytest.approx(9.0)
    assert report(tmp_path).to_json()["groups"][0]["n"] == 2


def test_an_unfinished_run_beside_its_finished_rerun_is_no_seed_twice(
    real_runs: Path, tmp_path: Path
) -> None:
    as_cifar(real_runs / "seed0", tmp_path / "a", "resnet20")
    killed = as_cifar(real_runs / "seed0", tmp_path / "killed", "resnet20")
    (killed / "RESULT.json").unlink()

    assert "more than once" not in str(report(tmp_path))


def test_times_of_different_machines_are_not_averaged(real_runs: Path, tmp_path: Path) -> None:
    as_cifar(real_runs / "seed0", tmp_path / "a", "resnet20")
    other = as_cifar(real_runs / "seed0", tmp_path / "b", "resnet20", seed=1)
    (group,) = report(tmp_path).groups
    assert group.seconds is not None
    events = [json.loads(line) for line in (other / "events.jsonl").read_text().splitlines()]
    events[0]["environment"]["device"] = "cuda: NVIDIA H200"
    (other / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))

    (group,) = report(tmp_path).groups
    assert group.seconds is None
    text = " ".join(str(report(tmp_path)).split())
    assert "and cuda: NVIDIA H200: no time of training stands for all" in text


def test_seeds_of_a_fine_tuning_are_one_row_though_their_classifiers_differ(
    real_runs: Path, tmp_path: Path
) -> None:
    trained = open_trained(real_runs / "seed0")
    for seed in (0, 1):
        train_plan(tuned(trained, seed=seed), tmp_path / f"seed{seed}", Observer())
    train_plan(tuned(open_trained(real_runs / "seed1"), seed=2), tmp_path / "of-another", Observer())
    hashes = {read(tmp_path / name / "weights.json")["sha256"] for name in ("seed0", "seed1")}
    assert len(hashes) == 2

    groups = report(tmp_path).groups

    assert sorted(len(group.runs) for group in groups) == [1, 2]
    assert all("weights " in group.deviations[-1] for group in groups)


def test_a_fine_tuned_run_without_its_weights_record_is_damaged(real_runs: Path, tmp_path: Path) -> None:
    run = as_cifar(real_runs / "seed0", tmp_path / "run", "resnet20")
    edit(run / "data.json", begins_trained=True)

    with pytest.raises(DataError, match=r"weights\.json is gone or damaged") as refused:
        report(run)
    assert refused.value.hint == "Moved away, what is damaged leaves a report of the others."


def test_an_epoch_that_is_no_number_is_damage(real_runs: Path, tmp_path: Path) -> None:
    run = copied(real_runs / "seed0", tmp_path / "run")
    (run / "metrics.jsonl").write_text(json.dumps(test_row(8, 0.5) | {"epoch": math.nan}) + "\n")

    with pytest.raises(DataError, match=r"metrics\.jsonl, line 1: not JSON \(NaN is no number"):
        report(run)


def test_an_empty_result_is_damaged_and_no_unfinished_run(real_runs: Path, tmp_path: Path) -> None:
    run = copied(real_runs / "seed0", tmp_path / "run")
    (run / "RESULT.json").write_text("{}")

    with pytest.raises(DataError, match=r"RESULT\.json is damaged"):
        report(run)
    with pytest.raises(DataError, match=r"RESULT\.json is damaged: 'interval'"):
        read_result(RunDirectory(run))


def test_json_markdown_and_csv_say_the_same(
    real_runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(real_runs), "--json", "--csv", str(tmp_path / "x.csv")]) == 0
    (row,) = json.loads(capsys.readouterr().out)["groups"]
    assert main(["report", str(real_runs), "--markdown"]) == 0
    markdown = capsys.readouterr().out.splitlines()
    with (tmp_path / "x.csv").open() as stream:
        (line,) = csv.DictReader(stream)

    assert row["n"] == int(line["n"]) == 3
    assert row["error_mean"] == float(line["error_mean"])
    assert math.isclose(row["error_mean"], sum(run["error"] for run in row["runs"]) / 3)
    assert [float(error) for error in line["errors"].split("; ")] == [run["error"] for run in row["runs"]]
    cells = [cell.strip() for cell in markdown[2].strip("|").split("|")]
    assert cells[3:5] == ["3", f"{row['error_mean']:.2f} ± {row['error_std']:.2f}"]
    assert {line.count("|") for line in markdown[:3]} == {len(cells) + 1}


def test_a_run_named_twice_counts_once_and_is_not_searched(real_runs: Path, tmp_path: Path) -> None:
    copied(real_runs / "seed0", tmp_path / "seed0")
    copied(real_runs / "seed1", tmp_path / "seed0" / "within")
    copied(real_runs / "seed1", tmp_path / ".hidden")

    found = report([tmp_path, tmp_path / "seed0", tmp_path / "." / "seed0"])
    assert [run.path for group in found.groups for run in group.runs] == [tmp_path / "seed0"]


def test_all_problems_are_told_at_once(real_runs: Path, tmp_path: Path) -> None:
    real = real_runs / "seed0"
    (copied(real, tmp_path / "a") / "spec.json").write_text("{")
    (copied(real, tmp_path / "b") / "RESULT.json").write_text("[]")
    edit(copied(real, tmp_path / "c") / "data.json", class_names=list("abcdefgh"))
    edit(copied(real, tmp_path / "d") / "RESULT.json", correct=1)
    (copied(real, tmp_path / "e") / "metrics.jsonl").write_text(
        '{"kind": "test", "step": 1, "accuracy": 2}\n'
    )
    edit(copied(real, tmp_path / "f") / "recipe.json", unheard_of={})

    with pytest.raises(DataError) as caught:
        report(tmp_path)
    text = str(caught.value)
    assert [name for name in "abcdef" if f"{tmp_path / name}" not in text] == []
    assert "8 classes, the network of spec.json 3" in text
    assert "metrics.jsonl, line 1: accuracy is 2, not a number in [0, 1]" in text
    with pytest.raises(UsageError) as both:
        report([tmp_path, tmp_path / "nowhere"])
    assert f"no run at {tmp_path}/nowhere" in str(both.value)
    assert "RESULT.json is damaged" in str(both.value)


@pytest.mark.parametrize("name", ("data.json", "RESULT.json", "metrics.jsonl", "events.jsonl"))
def test_no_damaged_value_ends_in_anything_but_a_message(real_runs: Path, tmp_path: Path, name: str) -> None:
    """Each value of the file in turn is what it cannot be: the report is made, or says which file it is."""
    run = copied(real_runs / "seed0", tmp_path / "run")
    if name in ("metrics.jsonl", "events.jsonl"):
        (run / "RESULT.json").unlink()
    lines = [json.loads(line) for line in (run / name).read_text().splitlines()] if name[-1] == "l" else []
    whole = lines[-1] if lines else read(run / name)
    told = 0
    for key in whole:
        for value in (None, "x", -1, 1e9, [], {}, float("nan")):
            changed = json.dumps(whole | {key: value})
            (run / name).write_text("".join(json.dumps(line) + "\n" for line in lines[:-1]) + changed + "\n")
            try:
                str(report(run))
            except DataError as error:
                assert name in str(error), (key, value)
                told += 1
    assert told > 0 or name == "events.jsonl"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    (
        (["nowhere"], 2, "no run at nowhere: there is no such directory"),
        (["."], 2, "no run at . or below it"),
        (["run", "-o", "x.jpg"], 2, "no such kind of report: .jpg"),
        (["run", "-o", "no/x.svg"], 74, "no is no directory"),
        (["run", "--json", "--markdown"], 2, "exclude each other"),
        (["run", "--title", "x"], 2, "--title is of the picture"),
        (["damaged"], 3, "recipe.json is damaged"),
    ),
)
def test_bad_input_is_told(
    arguments: list[str], code: int, words: str, real_runs: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    if arguments != ["."]:
        copied(real_runs / "seed0", tmp_path / "run")
        (copied(real_runs / "seed0", tmp_path / "damaged") / "recipe.json").write_text("{")
    monkeypatch.chdir(tmp_path)

    assert (main(["report", *arguments]), words in capsys.readouterr().err) == (code, True)


@pytest.mark.parametrize("columns", [80, 100])
def test_the_table_fits_a_terminal_and_keeps_its_errors(columns: int, real_runs: Path) -> None:
    whole, fitted = report(real_runs), report(real_runs).text(columns)

    assert max(map(len, fitted.splitlines())) <= columns
    group = whole.groups[0]
    assert f"{group.mean:.2f} ± {group.std:.2f}" in fitted
    assert whole.text(200) == str(whole)
