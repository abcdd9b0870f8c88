"""A forger who sets every hash right is named by what does not add up: each hash is made anew in the copy."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file, save_file

from resnetlab.auditing import audit_run
from resnetlab.runs.directory import RunDirectory
from resnetlab.runs.manifest import list_checkpoints
from resnetlab.training.observer import Observer
from resnetlab.training.run import train_plan
from tests.kit.doctored_runs import (
    Rows,
    edit_rows,
    evaluation,
    last_checkpoint,
    metrics,
    of,
    with_hashes_that_fit,
)
from tests.kit.reported_runs import edit, read
from tests.kit.small_runs import two_stage_plan


def broken(run: Path) -> dict[str, str]:
    """Return what breaks a promise, by its name."""
    return {each.name: each.found for each in audit_run(RunDirectory(run)) if each.verdict == "fail"}


def smoother(rows: Rows) -> None:
    """Have one loss of training between its neighbours."""
    trained = of(rows, "train")
    trained[1]["train_loss"] = (trained[0]["train_loss"] + trained[2]["train_loss"]) / 2


def one_more_right_in_training(rows: Rows) -> None:
    """Have one image more right in a row of training, which a count can have."""
    row = of(rows, "train")[0]
    for name in ("train_accuracy", "train_accuracy_top_5"):
        row[name] = 1.0 - row[name]


def other_weights(run: Path) -> None:
    """Have the last weights a little larger."""
    _change_weights(last_checkpoint(run), lambda name, tensor: tensor * 1.01 if tensor.ndim == 4 else tensor)


def _change_weights(path: Path, change: Callable[[str, Any], Any]) -> None:
    tensors = load_file(path / "model.safetensors")
    save_file(
        {name: change(name, each).astype(each.dtype) for name, each in tensors.items()},
        path / "model.safetensors",
    )


def half_the_decay(run: Path) -> None:
    """Have had half the weight decay, by recipe and events."""
    group = read(run / "recipe.json")["optimizer"]
    edit(run / "recipe.json", optimizer=group | {"weight_decay": group["weight_decay"] / 2})
    begun = read(run / "recipe.json")
    edit_rows(run / "events.jsonl", lambda rows: rows[0]["begun"].update(recipe=begun))


def a_twentieth_of_the_seconds(run: Path) -> None:
    """Have taken a twentieth of the time, in the result and in every checkpoint."""
    result = read(run / "RESULT.json")
    seconds, speed = result["train_seconds"] / 20, result["images_per_second"] * 20
    edit(run / "RESULT.json", train_seconds=seconds, images_per_second=speed)
    for _, path in list_checkpoints(run / "checkpoints"):
        edit(path / "state.json", seconds=read(path / "state.json")["seconds"] / 20)


def a_class_recognised(run: Path) -> None:
    """Have a class recognised better in the scores."""
    path = evaluation(run) / "scores.json"
    classes = read(path)["per_class"]
    classes[0] |= {"recall": 0.123, "f1": 0.123}
    edit(path, per_class=classes)


def a_class_in_the_table(run: Path) -> None:
    """Have a class recognised better in the table alone."""
    _cell(evaluation(run) / "per_class.csv", "recall", "0.123")


def an_answer_in_the_table(run: Path) -> None:
    """Have an image answered otherwise in the table alone."""
    _cell(evaluation(run) / "answers.csv", "answer", "z")


def _cell(path: Path, column: str, value: str) -> None:
    head, *lines = [*csv.reader(path.read_text().splitlines())]
    lines[0][head.index(column)] = value
    path.write_text("\n".join(map(",".join, [head, *lines])) + "\n")


def better_calibrated(run: Path) -> None:
    """Have probabilities that can be believed."""
    edit(evaluation(run) / "calibration.json", ece=0.9)


MUTANTS: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "a smoother curve": (metrics(smoother), "training sums", "train_loss of the rows and of the evaluations"),
    "more right in training": (
        metrics(one_more_right_in_training), "training sums", "train_accuracy of the rows",
    ),
    "other weights": (other_weights, "weights then", "of the weights"),
    "half the weight decay": (half_the_decay, "weights then", "of the weights"),
    "a twentieth of the seconds": (a_twentieth_of_the_seconds, "speeds", "on the way"),
    "a class recognised better": (a_class_recognised, "by class", "recall 0.123, and"),
    "a class recognised better in the table": (a_class_in_the_table, "by class", "per_class.csv has other"),
    "another answer in the table": (an_answer_in_the_table, "each image once", "answers.csv has other"),
    "a smaller error of the probabilities": (better_calibrated, "each image once", "has an error of 0.9"),
}  # fmt: skip


@pytest.mark.parametrize("name", MUTANTS)
def test_a_careful_forger_is_named(name: str, copy: Path) -> None:
    change, promise, told = MUTANTS[name]
    change(copy)
    with_hashes_that_fit(copy)

    found = broken(copy)

    assert told in found.get(promise, ""), found
    assert not {"checkpoints", "identity", "rows then"} & {*found}, "the hashes fit"


def test_weights_of_another_step_are_named_by_the_batches_that_they_have_seen(tmp_path: Path) -> None:
    run = tmp_path / "run"
    short = {"length": "12st", "checkpoint_every": 5, "accumulate": 1}
    train_plan(two_stage_plan(**short, ema_decay=0.0), run, Observer())
    assert broken(run) == {}
    first = list_checkpoints(run / "checkpoints")[0][1]
    (last_checkpoint(run) / "model.safetensors").write_bytes((first / "model.safetensors").read_bytes())
    with_hashes_that_fit(run)

    assert "BN has counted 5 batches" in broken(run)["weights then"]


def test_hashes_that_fit_break_nothing(copy: Path) -> None:
    with_hashes_that_fit(copy)

    assert broken(copy) == {}
