"""From a finished run's directory to its record, of whatever version the directory is."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from resnetlab.base import files
from resnetlab.base.plaindata import to_plain
from resnetlab.errors import DataError, ResnetlabError, UsageError
from resnetlab.recipe.epoch_size import epoch_sizes
from resnetlab.reporting.curves import Points, curves_of, training_rows
from resnetlab.reporting.groups import group_runs
from resnetlab.reporting.growing import Row
from resnetlab.reporting.reading import RecordedRun, refuse
from resnetlab.reporting.records.record import (
    MOST_BYTES,
    Before,
    Best,
    Data,
    Ending,
    Record,
    Scores,
    Series,
    Where,
    digest,
    read_record,
)
from resnetlab.reporting.values import is_count, is_number, is_share

_POINTS, _DIGITS = 240, 4
"""Of a curve: the papers' 164 epochs have as many evaluations; more digits are less than a test image."""

_EPOCHS = 2
"""Where evaluations are as far apart, the last epoch's rows tell the training error at the end."""


def record_of(
    run: RecordedRun,
    *,
    reproduction: str = "",
    row: str = "",
    budget: str = "",
    train_images: int | None = None,
    content: str = "",
) -> Record:
    """Return the record of a finished run.

    Args:
        run: The run.
        reproduction: The name of what it is a part of, if of anything.
        row: Its row's name; "" takes the name of its directory.
        budget: The budget's name.
        train_images: How many images it draws from, where that is known beside the run.
        content: The data's `content_digest`, where it is known.

    Raises:
        DataError: If its directory tells too little: no evaluation with a training error, no environment.
    """
    trained = [row for row in run.evaluations if _tells_training(row)]
    made = _made(run.events)
    _refuse_too_little(run, trained, made)
    (curve,) = curves_of(group_runs([run]))
    result, size = run.result, train_images or _train_images(run)
    best, points = _best(run.evaluations, _error), _series(curve.test.points[0])
    train_error, train_loss, train_steps = _train_end(run, trained)
    record = Record(
        reproduction=reproduction,
        row=row or run.path.resolve().name,
        budget=budget,
        seed=run.seed,
        network=run.spec.to_json(),
        network_sha256=digest(run.spec.to_json()),
        recipe=to_plain(run.recipe),
        recipe_sha256=digest(to_plain(run.recipe)),
        data=_data(run, size, content),
        steps=run.step,
        epochs=round(float(result["epochs"]), 6),
        images=size and round(float(result["epochs"]) * size),
        seconds=round(float(result["train_seconds"]), 1),
        test=_scores(result),
        ending=_ending(result),
        train_error=train_error,
        train_loss=train_loss,
        train_steps=train_steps,
        best_test=best,
        best_train=_best(trained, _train_error),
        test_curve=points,
        train_curve=_series(curve.train.mean),
        first_weights=run.first_weights,
        continued=tuple(Before(step=int(step), length=str(length)) for step, length in run.before),
        begun=date_of(run.events[0]["time"]),
        ended=date_of(run.events[-1]["time"]),
        made=made,
    )
    return _fitting(_of_validation(record, run.evaluations[-1]), run.path)


def _of_validation(record: Record, last: Row) -> Record:
    """Return the record with what the evaluations were of where it belongs."""
    if last["kind"] != "val":
        return record
    return replace(
        record,
        val=_scores(last),
        best_val=record.best_test,
        best_test=None,
        val_curve=record.test_curve,
        test_curve=Series(),
    )


def _tells_training(row: Row) -> bool:
    return is_share(row.get("train_accuracy")) and is_number(row.get("train_loss"))


def _has_counts(row: Row) -> bool:
    return is_count(row.get("correct")) and is_count(row.get("seen")) and is_number(row.get("loss"))


def _refuse_too_little(run: RecordedRun, trained: Sequence[Row], made: Sequence[Where]) -> None:
    missing = [
        text
        for text, is_there in {
            "no end": run.is_finished,
            "RESULT.json has no loss and epochs": not run.is_finished
            or (is_number(run.result.get("loss")) and is_number(run.result.get("epochs"))),
            "no evaluation with a training error": bool(trained),
            "its last evaluation has no counts": not run.evaluations or _has_counts(run.evaluations[-1]),
            "events.jsonl has no environment": bool(made),
            "events.jsonl has no times": all(is_number(event.get("time")) for event in run.events),
        }.items()
        if not is_there
    ]
    if missing:
        raise DataError(f"{run.path} tells too little for a record: {', '.join(missing)}")


def _data(run: RecordedRun, size: int | None, content: str) -> Data:
    return Data(
        name=str(run.data["name"]),
        fingerprint=str(run.data["fingerprint"]),
        content=content,
        train=size,
        val=len(run.data.get("val_indices") or []),
        test=run.result["seen"],
        classes=len(run.data["class_names"]),
        image_shape=tuple(run.data["image_shape"]),
    )


def _ending(result: Row) -> Ending:
    return Ending(
        weights=str(result.get("weights", "weights")),
        plain_error=_error_of(result.get("plain_accuracy")),
        best_val_test_error=_error_of(result.get("best_test_accuracy")),
        stopped_on_test=bool(result.get("stopped_on_test")),
        stopped_early=bool(result.get("stopped_early")),
        bad_samples=len(result.get("bad_samples") or []),
    )


def _fitting(record: Record, path: Path) -> Record:
    """Return the record with curves as fine as fit into a file."""
    points = _POINTS
    while len(record.content()) > MOST_BYTES:
        points //= 2
        if not points:
            raise DataError(
                f"{path}: its record would have {len(record.content()):,} bytes, more than {MOST_BYTES:,}"
            )
        record = replace(
            record,
            test_curve=_series(record.test_curve.points, points),
            val_curve=_series(record.val_curve.points, points),
            train_curve=_series(record.train_curve.points, points),
        )
    return record


def _scores(row: Row) -> Scores:
    return Scores(wrong=row["seen"] - row["correct"], seen=row["seen"], loss=_short(row["loss"]))


def _error(row: Row) -> float:
    return 100 * (1 - float(row["accuracy"]))


def _train_error(row: Row) -> float:
    return 100 * (1 - float(row["train_accuracy"]))


def _error_of(accuracy: float | None) -> float | None:
    return None if accuracy is None else _short(100 * (1 - accuracy))


def _short(value: float) -> float:
    """Return six significant digits of a number."""
    return float(f"{value:.6g}")


def _best(rows: Sequence[Row], error: Callable[[Row], float]) -> Best:
    least = min(rows, key=error)
    return Best(error=_short(error(least)), step=int(least["step"]))


def _train_end(run: RecordedRun, trained: Sequence[Row]) -> tuple[float, float, int]:
    """Return error in %, loss and steps of the end of training."""
    last, before = trained[-1], trained[-2]["step"] if len(trained) > 1 else 0
    epoch, rows = run.step / float(run.result["epochs"]), training_rows(run.rows)
    if last["step"] - before < _EPOCHS * epoch or not rows or rows[-1]["kind"] != "train":
        return _short(_train_error(last)), _short(last["train_loss"]), last["step"] - before
    starts = [0, *(row["step"] for row in rows)]
    error = loss = steps = 0.0
    for start, row in zip(starts[-2::-1], rows[::-1], strict=True):
        if steps < epoch:
            error += (row["step"] - start) * _train_error(row)
            loss += (row["step"] - start) * float(row["train_loss"])
            steps += row["step"] - start
    return _short(error / steps), _short(loss / steps), int(steps)


def _train_images(run: RecordedRun) -> int | None:
    """Return how many images an epoch has, by its steps and epochs; none if several numbers fit."""
    step, epochs, recipe = run.step, float(run.result["epochs"]), run.recipe.run
    if not recipe.cycle_epochs:
        return round(step * recipe.batch / epochs)
    fits = epoch_sizes(recipe, step, epochs)
    return fits[0] if len(fits) == 1 else None


def _series(points: Points, most: int = _POINTS) -> Series:
    every = -(-len(points) // most)
    kept = points[::-1][::every][::-1] if points else ()  # the last one too; of all seeds the same
    return Series(
        step=tuple(float(step) for step, _ in kept),
        error=tuple(float(f"{error:.{_DIGITS}g}") for _, error in kept),
    )


def date_of(seconds: float) -> str:
    """Return a time since 1970 as a date and time of the world: 2026-11-30T20:15:00Z."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def _made(events: Sequence[Row]) -> tuple[Where, ...]:
    """Return each different environment that the run was made in, in their order."""
    found: dict[Where, None] = {}
    for event in events:
        told = event.get("environment")
        if isinstance(told, Mapping):
            packages = told.get("packages") or {}
            where = Where(
                device=str(told.get("device", "")),
                cpu=str(told.get("cpu", "")),
                cores=int(told.get("cores") or 0),
                threads=int(told.get("threads") or 0),
                system=str(told.get("platform", "")),
                python=str(told.get("python", "")),
                torch=str(told.get("torch", "")),
                resnetlab=str(packages.get("resnetlab", "")),
                revision=str(told.get("revision", "")),
                source=str(told.get("source", "")),
            )
            found[where] = None
    return tuple(found)


def write_records(runs: Iterable[RecordedRun], folder: Path) -> list[Path]:
    """Write the records of finished runs into a folder, each as the run's directory is called.

    All of them are made before the first one is written. A file that holds the same run is replaced.

    Raises:
        UsageError: If two runs would have one file, or a file there is of another run; nothing is written.
        DataError: If a run tells too little, or what lies there is none of ours; nothing is written.
        WriteError: If a file could not be written.
    """
    made: dict[Path, tuple[RecordedRun, Record]] = {}
    problems: list[ResnetlabError] = []
    for run in runs:
        try:
            record = record_of(run)
            path = folder / f"{record.name}.json"
            if path in made:
                raise UsageError(f"{made[path][0].path} and {run.path} would both be {path}", hint=_APART)
            if path.exists() and read_record(path).key != record.key:
                raise UsageError(f"{path} is the record of another run than {run.path}", hint=_APART)
            made[path] = run, record
        except ResnetlabError as error:
            problems.append(error)
    refuse(problems)
    files.make_directory(folder)
    for path, (_, record) in made.items():
        write_record_to(path, record)
    return [*made]


def write_record_to(path: Path, record: Record) -> None:
    """Write a record, whole or not at all; a file of the same bytes stays as it is.

    Raises:
        WriteError: If the file could not be written.
    """
    content = record.content()
    if not path.is_file() or path.stat().st_size != len(content) or path.read_bytes() != content:
        files.write_file(path, content)


_APART = "Write them into folders of their own."
