"""Evaluations that were made anew, elsewhere or by another version, break no promise."""

from collections.abc import Callable
from pathlib import Path

import pytest

from resnetlab.data.folders.table import open_csv
from resnetlab.trained.evaluate import evaluate
from resnetlab.training.observer import Observer
from resnetlab.training.run import train_plan
from tests.kit.audited import found
from tests.kit.doctored_runs import as_of_this_run, edit_rows, evaluation, of
from tests.kit.photographs import photograph_plan, write_photographs
from tests.kit.reported_runs import edit, read

AGAIN: dict[str, tuple[Callable[[Path], object], str]] = {
    "here": (lambda run: None, "fail"),
    "on a GPU": (lambda run: scores(run, device="cuda: NVIDIA H200", threads=0), "unknown"),
    "on another processor": (lambda run: scores(run, cpu="a newer one"), "unknown"),
    "by another torch": (lambda run: scores(run, torch="99.0"), "unknown"),
    "by an engine": (lambda run: scores(run, engine="native"), "unknown"),
    "by a version that did not say where": (lambda run: scores(run, device=None, cpu=None), "unknown"),
    "without an image that is broken now": (lambda run: scores(run, bad_samples=["a.png"]), "unknown"),
    "on the GPU that it was trained on": (lambda run: on_gpu(run), "unknown"),
    "far off, wherever": (lambda run: scores(run, cpu="a newer one", correct=1), "fail"),
}


def scores(run: Path, **changes: object) -> None:
    edit(evaluation(run) / "scores.json", **changes)


def on_gpu(run: Path) -> None:
    scores(run, device="cuda: NVIDIA H200", threads=0)
    for row in of(rows := read_events(run), "start") + of(rows, "resume"):
        row["environment"].update(device="cuda: NVIDIA H200", threads=0)
    edit_rows(run / "events.jsonl", lambda old: old.__setitem__(slice(None), rows))


def read_events(run: Path) -> list:
    rows: list = []
    edit_rows(run / "events.jsonl", rows.extend)
    return rows


@pytest.mark.parametrize("where", AGAIN)
def test_one_image_that_is_rounded_otherwise_is_of_this_machine_or_not_known(where: str, copy: Path) -> None:
    change, verdict = AGAIN[where]
    correct = read(evaluation(copy) / "scores.json")["correct"]
    scores(copy, correct=correct - 1)
    change(copy)

    assert found(copy)["result"].verdict == verdict


def test_an_evaluation_has_the_fingerprint_that_the_run_recorded(tmp_path: Path) -> None:
    """A run of 0.1.0 on a table, into whose fingerprint the paths went as they were written."""
    images = sorted(write_photographs(tmp_path / "photos").glob("*/*/*.jpg"))
    rows = [f"{path},{path.parent.name},{path.parent.parent.name}\n" for path in images]
    (tmp_path / "list.csv").write_text("".join(rows))
    run, source = tmp_path / "run", open_csv(tmp_path / "list.csv")
    train_plan(photograph_plan(source, length="2st"), run, Observer())
    then = source.train.earlier_fingerprint(source.class_names, [*source.parts.values()])
    assert then != source.fingerprint
    edit(run / "data.json", fingerprint=then)
    as_of_this_run(run)

    again = evaluate(run, insights=0)

    assert again.fingerprint == read(evaluation(run) / "scores.json")["fingerprint"] == then
    assert found(run)["its own data"].verdict == "pass"


def test_another_fingerprint_in_a_run_of_the_first_version_is_not_known(copy: Path) -> None:
    scores(copy, fingerprint="f" * 64)
    assert found(copy)["its own data"].verdict == "fail"
    packages = read(copy / "environment.json")["packages"] | {"resnetlab": "0.1.0"}
    edit(copy / "environment.json", packages=packages)

    assert found(copy)["its own data"].verdict == "unknown"


def test_confusions_larger_than_the_classes_need_are_not_read(copy: Path) -> None:
    path = evaluation(copy) / "confusion.csv"
    path.write_text(path.read_text() + "\n" * 100_000)

    assert "more than can be" in found(copy)["scores"].found
