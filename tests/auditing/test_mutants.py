"""A doctored run is named by the promise that it breaks: one thing at a time is changed in a copy."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from resnetlab.auditing import audit_run
from resnetlab.evaluation.significance import wilson_interval
from resnetlab.runs.directory import RunDirectory
from resnetlab.runs.manifest import list_checkpoints
from tests.kit.doctored_runs import (
    answers,
    as_of_this_run,
    edit_rows,
    evaluation,
    events,
    flip,
    gone,
    last_checkpoint,
    metrics,
    of,
    refit,
    scores,
    setting,
    state,
    values,
)
from tests.kit.reported_runs import edit, read

Edit = Callable[[Path], object]


def broken(run: Path) -> set[str]:
    """Return the names of the promises that a run breaks."""
    return {finding.name for finding in audit_run(RunDirectory(run)) if finding.verdict == "fail"}


def one_more_right(run: Path, *, rows: bool = False) -> None:
    """Have one more image right, and every number of the result fit it."""
    result = read(run / "RESULT.json")
    correct, seen = result["correct"] + 1, result["seen"]
    told = {"correct": correct, "accuracy": correct / seen, "accuracy_top_5": 1.0}
    edit(run / "RESULT.json", **told, interval=wilson_interval(correct, seen))
    if rows:
        edit_rows(run / "metrics.jsonl", lambda all_rows: all_rows[-1].update(told))


def slower_clock(run: Path) -> None:
    """Halve the seconds of training, and have the speed fit them."""
    result = read(run / "RESULT.json")
    seconds, speed = result["train_seconds"] / 2, result["images_per_second"] * 2
    edit(run / "RESULT.json", train_seconds=seconds, images_per_second=speed)


def forged_recipe(run: Path) -> None:
    """Change the recipe, and what the events and checkpoints keep of it."""
    setting("schedule", lr=0.3)(run)
    begun = read(run / "recipe.json")
    edit_rows(run / "events.jsonl", lambda rows: rows[0]["begun"].update(recipe=begun))
    as_of_this_run(run)


def swapped_checkpoint(run: Path) -> None:
    """Have another run's checkpoint, whose own hashes are right, in the place of the last one."""
    other = run.parent / "other"
    shutil.copytree(run, other)
    setting("run", seed=7)(other)
    as_of_this_run(other)
    shutil.rmtree(last_checkpoint(run))
    shutil.copytree(last_checkpoint(other), run / "checkpoints" / last_checkpoint(other).name)
    shutil.rmtree(other)


def lower_epoch(run: Path) -> None:
    """Tell of half the epochs everywhere but in one row."""
    edit_rows(run / "metrics.jsonl", lambda rows: of(rows, "test")[0].update(epoch=0.5))


def fewer_classes(run: Path) -> None:
    """Leave a class out of the scores."""
    path = evaluation(run) / "scores.json"
    edit(path, per_class=read(path)["per_class"][1:])


def other_class(arrays: dict[str, np.ndarray]) -> None:
    """Have an image that was answered right be of another class, and answered right."""
    index = int(arrays["correct"].argmax())
    arrays["truth"][index] = arrays["answer"][index] = (arrays["truth"][index] + 1) % 3


def behind_the_end(run: Path) -> None:
    """Have a checkpoint of a step that was never made, whose own hashes are right."""
    later = shutil.copytree(last_checkpoint(run), run / "checkpoints" / "step-00000020")
    edit(later / "state.json", step=20)
    refit(later, step=20)


def renamed(run: Path) -> None:
    """Give the last checkpoint the name of another step."""
    last_checkpoint(run).rename(run / "checkpoints" / "step-00000014")


def restate(run: Path) -> None:
    """Have another row of training loss, with hashes in all checkpoints that fit it."""
    edit_rows(run / "metrics.jsonl", lambda rows: of(rows, "train")[0].update(train_accuracy=0.9))


def confusion(run: Path) -> None:
    """Have one image more on the diagonal of the confusions."""
    path = evaluation(run) / "confusion.csv"
    head, first, *rest = path.read_text().splitlines()
    name, count, *others = first.split(",")
    path.write_text("\n".join([head, ",".join([name, str(int(count) + 1), *others]), *rest]) + "\n")


def first_save(rows: list[dict[str, object]]) -> None:
    """Leave out the event of the first save."""
    rows.remove(of(rows, "save")[0])


def swap(rows: list[dict[str, object]]) -> None:
    """Exchange two rows."""
    rows[1], rows[4] = rows[4], rows[1]


def scale(rows: list[dict[str, object]]) -> None:
    """Have twice the rate at every row."""
    for row in rows:
        row["learning_rate"] = 2 * float(str(row["learning_rate"]))


def slow_speeds(rows: list[dict[str, object]]) -> None:
    """Have been a hundred times slower on the way."""
    for row in of(rows, "speed"):
        row["average_images_per_second"] = float(str(row["average_images_per_second"])) / 100


def elsewhere(rows: list[dict[str, object]]) -> None:
    """Have gone on with another torch, without a word."""
    for row in of(rows, "resume"):
        row["environment"] = {**dict(row["environment"]), "torch": "1.0"}  # type: ignore[call-overload]


MUTANTS: dict[str, tuple[Edit, str]] = {
    # the 31 of the first trial were not written down; these are of the kinds that were, and more
    "an accuracy raised": (metrics(lambda rows: rows[-1].update(accuracy=0.99)), "accuracies"),
    "a count raised": (metrics(lambda rows: of(rows, "test")[0].update(correct=29)), "accuracies"),
    "an accuracy without its count": (metrics(lambda rows: rows[-1].pop("correct")), "rows are whole"),
    "a top-5 accuracy below the accuracy": (
        metrics(lambda rows: rows[-1].update(accuracy_top_5=0.0)), "accuracies",
    ),
    "fewer images in an evaluation": (
        metrics(lambda rows: of(rows, "test")[0].update(correct=10, seen=20, accuracy=0.5)), "whole sets",
    ),
    "a row of training left out": (
        metrics(lambda rows: rows.remove(of(rows, "train")[1])), "no row is missing",
    ),
    "an evaluation left out": (metrics(lambda rows: rows.remove(of(rows, "test")[0])), "no row is missing"),
    "the last rows left out": (metrics(lambda rows: rows.__delitem__(slice(-2, None))), "no row is missing"),
    "a row that was never due": (
        metrics(lambda rows: rows.insert(1, rows[0] | {"step": 4})), "no row is missing",
    ),
    "rows exchanged": (metrics(swap), "rows are in order"),
    "a row twice": (metrics(lambda rows: rows.insert(1, rows[0])), "rows are in order"),
    "a step that goes back": (metrics(lambda rows: rows[3].update(step=2)), "rows are in order"),
    "a rate off the schedule": (metrics(lambda rows: rows[2].update(learning_rate=0.0123)), "learning rate"),
    "a rate off in its ninth digit": (
        metrics(lambda rows: rows[2].update(learning_rate=rows[2]["learning_rate"] * (1 + 5e-9))),
        "learning rate",
    ),
    "twice the rate": (metrics(scale), "learning rate"),
    "a training accuracy that no count has": (restate, "training counts"),
    "a lower training loss": (metrics(lambda rows: rows[0].update(train_loss=0.01)), "rows then"),
    "another epoch": (lower_epoch, "images seen"),
    "a loss that is none": (metrics(lambda rows: rows[-1].update(loss=None)), "rows are whole"),
    "no metrics.jsonl": (gone("metrics.jsonl"), "rows are whole"),
    "an evaluation said to be on validation images": (
        metrics(lambda rows: of(rows, "test")[0].update(kind="val")), "what is watched",
    ),
    "a journal cut in its midst": (lambda run: _cut(run / "metrics.jsonl"), "files"),
    "another rate in the recipe": (setting("schedule", lr=0.3), "as it began"),
    "another batch in the recipe": (setting("run", batch=16), "as it began"),
    "another seed in the recipe": (setting("run", seed=1), "identity"),
    "another recipe, forged in events and checkpoints": (forged_recipe, "learning rate"),
    "a longer recipe": (setting("run", length="32st"), "length"),
    "another network": (values("spec", blocks=[2, 1]), "parameters"),
    "other data": (values("data", fingerprint="0" * 64), "its own data"),
    "no fingerprint": (values("data", fingerprint=""), "fingerprint"),
    "classes exchanged": (values("data", class_names=["b", "a", "c"]), "its own data"),
    "a class twice": (values("data", class_names=["a", "a", "c"]), "class names"),
    "grey images": (values("data", image_shape=[16, 16, 1]), "images"),
    "held out, though the recipe holds out none": (values("data", val_indices=[1, 2]), "held out"),
    "an accuracy of the result raised": (values("RESULT", accuracy=0.999), "accuracies"),
    "one more right in the result": (one_more_right, "last row"),
    "one more right in the result and its row": (lambda run: one_more_right(run, rows=True), "rows then"),
    "a narrower interval": (values("RESULT", interval=[0.5, 0.51]), "interval"),
    "more epochs in the result": (values("RESULT", epochs=200.0), "images seen"),
    "a result of an earlier step": (values("RESULT", step=15), "end"),
    "a result of a step that nobody could count to": (values("RESULT", step=10**12), "no row is missing"),
    "a batch that nobody could count to": (setting("run", batch=10**9, cycle_epochs=1), "as it began"),
    "half the seconds": (slower_clock, "seconds"),
    "seconds that never passed": (values("RESULT", train_seconds=1e6), "time of training"),
    "twice the speed": (values("RESULT", images_per_second=1e9), "images per second"),
    "a lower loss in the result": (values("RESULT", loss=0.001), "last row"),
    "averaged weights said to be plain": (values("RESULT", weights="weights"), "weights scored"),
    "no accuracy of the plain weights": (values("RESULT", plain_accuracy=None), "weights scored"),
    "a best one on validation images that are not there": (
        values("RESULT", best_val_step=8, best_val_accuracy=0.9), "best on validation",
    ),
    "the best weights' accuracy, and there are none": (
        values("RESULT", best_test_accuracy=0.5), "best on validation",
    ),
    "an accuracy of the plain weights that no count has": (
        values("RESULT", plain_accuracy=0.1234), "weights scored",
    ),
    "another majority": (values("RESULT", majority_accuracy=0.1), "result"),
    "a broken image that nobody met": (values("RESULT", bad_samples=["a.png: cut"]), "broken images"),
    "selected on the test images, it says": (values("RESULT", stopped_on_test=True), "selection"),
    "a selection on the test images not said": (setting("run", stop_at=0.01), "selection"),
    "an end that is none": (values("RESULT", stopped_early=True), "selection"),
    "a bit of the weights": (lambda run: flip(last_checkpoint(run) / "model.safetensors"), "checkpoints"),
    "no optimizer": (lambda run: gone("optimizer.safetensors")(last_checkpoint(run)), "checkpoints"),
    "another run's checkpoint": (swapped_checkpoint, "identity"),
    "a checkpoint by the name of another step": (renamed, "identity"),
    "no last checkpoint": (lambda run: shutil.rmtree(last_checkpoint(run)), "last checkpoint"),
    "more seconds in the checkpoint": (state(seconds=100.0), "seconds"),
    "another best step in the checkpoint": (state(best_step=8, best_accuracy=0.9), "states"),
    "a hash of the rows that is none": (state(metrics_digest="0" * 64), "rows then"),
    "no time": (events(lambda rows: rows[2].pop("time")), "times"),
    "no start": (events(lambda rows: rows.pop(0)), "starts"),
    "two starts": (events(lambda rows: rows.insert(1, rows[0])), "starts"),
    "gone on at a step that was never saved": (
        events(lambda rows: of(rows, "resume")[0].update(step=6)), "starts",
    ),
    "another end": (events(lambda rows: of(rows, "end")[0].update(step=15)), "end"),
    "a save that nobody made": (events(first_save), "saves"),
    "slower on the way than in all": (events(slow_speeds), "speeds"),
    "gone on with another torch, and not said": (events(elsewhere), "restarts"),
    "another machine": (values("environment", cpu="a faster one"), "environment then"),
    "no threads": (values("environment", threads=0), "environment"),
    "no environment": (gone("environment.json"), "files"),
    "a recipe that is none": (lambda run: (run / "recipe.json").write_text("["), "files"),
    "begun with trained weights, it says": (values("data", begins_trained=True), "first weights"),
    "trained weights that nothing says it began with": (
        lambda run: (run / "weights.json").write_text('{"sha256": "0"}'), "first weights",
    ),
    "no class": (values("data", class_names=[]), "class names"),
    "more classes than the network has": (values("data", class_names=["a", "b", "c", "d"]), "class names"),
    "most images of no class": (values("RESULT", majority_class="z"), "class names"),
    "a mean that is none": (values("data", preprocessing={"mean": ["grey"]}), "images"),
    "a deviation below 0": (values("data", preprocessing={"std": [-1.0]}), "images"),
    "a dataset that everybody knows, it says": (
        values("data", name="cifar10", source="cifar10", choices={}), "dataset",
    ),
    "no processor": (values("environment", cpu=""), "environment"),
    "no versions": (values("environment", packages={}), "environment"),
    "two torches": (values("environment", torch="9.9"), "environment"),
    "gone on nowhere": (events(lambda rows: of(rows, "resume")[0].pop("environment")), "restarts"),
    "training behind its evaluation": (
        metrics(lambda rows: rows.append(rows.pop(-2))), "rows are in order",
    ),
    "more right than there are": (metrics(lambda rows: rows[-1].update(correct=31)), "accuracies"),
    "a save of an earlier step": (events(lambda rows: of(rows, "save")[-1].update(step=1)), "starts"),
    "a manifest that is none": (
        lambda run: (last_checkpoint(run) / "MANIFEST.json").write_text("["), "identity",
    ),
    "seconds that fall": (state(seconds=0.0), "states"),
    "another evaluation in the checkpoint": (state(evaluated=3), "states"),
    "a reduction in the checkpoint": (state(reductions=3), "states"),
    "a state that is none": (lambda run: (last_checkpoint(run) / "state.json").write_text("["), "states"),
    "more right in the scores than there are": (scores(correct=31), "scores"),
    "an accuracy of the scores raised": (scores(accuracy=0.999), "scores"),
    "a narrower interval of the scores": (scores(interval=[0.5, 0.51]), "scores"),
    "a class less in the scores": (fewer_classes, "scores"),
    "another class in the confusions": (
        lambda run: _replace(evaluation(run) / "confusion.csv", "\nb,", "\nz,"), "scores",
    ),
    "a gap in the answers": (answers(lambda each: each["sample"].__setitem__(-1, 40)), "each image once"),
    "no loss in the answers": (answers(lambda each: each["loss"].fill(0.0)), "each image once"),
    "an answer of another class": (answers(other_class), "each image once"),
    "a checkpoint behind the end": (behind_the_end, "identity"),
    "one more right in the scores": (scores(correct=30, accuracy=1.0), "scores"),
    "one more right in the confusions": (confusion, "scores"),
    "scores of training images": (scores(split="train"), "its own data"),
    "scores of other data": (scores(fingerprint="f" * 64), "its own data"),
    "scores of another step": (scores(step=8), "its own data"),
    "an image twice": (answers(lambda each: each["sample"].__setitem__(1, 0)), "each image once"),
    "images left out": (
        answers(lambda each: each.update({k: v[:20] for k, v in each.items() if k != "class_names"})),
        "each image once",
    ),
    "an answer made right": (
        answers(lambda each: each.update(answer=each["truth"], correct=np.ones_like(each["correct"]))),
        "each image once",
    ),
}  # fmt: skip


def _replace(path: Path, old: str, new: str) -> None:
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def _cut(path: Path) -> None:
    path.write_text(path.read_text().replace("\n{", "\n", 1))


@pytest.mark.parametrize("name", MUTANTS)
def test_a_doctored_run_is_named(name: str, copy: Path) -> None:
    change, promise = MUTANTS[name]
    change(copy)

    assert promise in broken(copy)


def on_val(rows: list[dict[str, object]]) -> None:
    """Say of all evaluations that they were on the test images."""
    for row in of(rows, "val"):
        row["kind"] = "test"


def fewer(rows: list[dict[str, object]]) -> None:
    """Have scored eleven of the twelve images each time."""
    for row in of(rows, "val"):
        row["seen"] = 11


OF_VALIDATION: dict[str, tuple[Edit, str]] = {
    "an image held out twice": (lambda run: _held_out(run, [0, 0]), "held out"),
    "fewer images held out": (lambda run: _held_out(run, [0]), "held out"),
    "another best step": (values("RESULT", best_val_step=1), "best on validation"),
    "the best on the test images": (metrics(on_val), "what is watched"),
    "ended early, it says": (values("RESULT", stopped_early=True), "selection"),
    "a share of test images that no count has": (
        values("RESULT", best_test_accuracy=0.1234), "best on validation",
    ),
    "one more right in the result": (one_more_right, "result"),
    "images held out in another order": (
        lambda run: _held_out(run, read(run / "data.json")["val_indices"][::-1]), "held out",
    ),
    "an image held out that is not there": (
        lambda run: _held_out(run, [*read(run / "data.json")["val_indices"][:-1], 10**6]), "held out",
    ),
    "every validation on fewer images": (metrics(fewer), "whole sets"),
    "validation on fewer images": (
        metrics(lambda rows: of(rows, "val")[0].update(correct=2, seen=4, accuracy=0.5)), "whole sets",
    ),
}  # fmt: skip


def _held_out(run: Path, indices: list[int]) -> None:
    edit(run / "data.json", val_indices=indices)


@pytest.mark.parametrize("name", OF_VALIDATION)
def test_a_doctored_run_with_validation_images_is_named(name: str, copy_with_val: Path) -> None:
    change, promise = OF_VALIDATION[name]
    change(copy_with_val)

    assert promise in broken(copy_with_val)


def test_a_forged_row_with_hashes_that_fit_is_named_by_its_count(copy: Path) -> None:
    restate(copy)
    content = (copy / "metrics.jsonl").read_bytes()
    for _, path in list_checkpoints(copy / "checkpoints"):
        import hashlib

        length = read(path / "state.json")["metrics_length"]
        edit(path / "state.json", metrics_digest=hashlib.sha256(content[:length]).hexdigest())
        refit(path)

    assert "training counts" in broken(copy)


@pytest.mark.parametrize("value", [None, [], 1e400, {"a": [1]}], ids=json.dumps)
@pytest.mark.parametrize("name", ["RESULT", "data", "environment", "recipe", "spec", "continues", "weights"])
def test_whatever_stands_in_a_file_is_a_finding(name: str, value: object, copy: Path) -> None:
    path = copy / f"{name}.json"
    content = read(path) if path.exists() else {"step": 1}
    path.write_text(json.dumps(dict.fromkeys(content, value)))

    assert broken(copy)


@pytest.mark.parametrize("value", [None, "text", {}, -1], ids=json.dumps)
def test_whatever_stands_in_a_row_is_a_finding(value: object, copy: Path) -> None:
    edit_rows(copy / "metrics.jsonl", lambda rows: rows[-1].update(dict.fromkeys(rows[-1], value)))
    edit_rows(copy / "events.jsonl", lambda rows: rows[-1].update(dict.fromkeys(rows[-1], value)))
    edit(evaluation(copy) / "scores.json", **dict.fromkeys(read(evaluation(copy) / "scores.json"), value))

    assert broken(copy)
