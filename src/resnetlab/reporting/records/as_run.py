"""A record as a run, so that tables and curves are made of it as of a run's directory."""

import calendar
import time
from pathlib import Path
from typing import Any

from resnetlab.reporting.reading import US, RecordedRun
from resnetlab.reporting.records.record import DATE, Record, Scores

READERS = "readers"
"""The folder of records that others sent in: readers/WHO/, with what they like below, or readers/WHO.json."""


def run_of(record: Record, path: Path) -> RecordedRun:
    """Return what a run's directory would tell, as far as its record at `path` does."""
    spec, scores = record.spec, _result(record)
    kind, curve = ("val", record.val_curve) if record.val else ("test", record.test_curve)
    seen = record.val.seen if record.val else record.test.seen
    rows: list[dict[str, Any]] = [
        {"kind": kind, "step": round(step), "accuracy": 1 - error / 100, "seen": seen}
        for step, error in curve.points
    ]
    if rows:
        rows[-1]["epoch"] = record.epochs
    before = 0.0
    for middle, error in record.train_curve.points:  # of a window of steps: see `curves_of`
        before = max(before, 2 * middle - before)
        rows.append({"kind": "train", "step": round(before), "train_accuracy": 1 - error / 100})
    continues: dict[str, Any] = {}
    for run in reversed(record.continued):
        continues = {"step": run.step, "length": run.length, "before": [continues] if continues else []}
    begun, ended = _seconds(record.begun), _seconds(record.ended)
    return RecordedRun(
        path=path,
        spec=spec,
        recipe=record.settings,
        data={
            "name": record.data.name,
            "fingerprint": record.data.fingerprint,
            "class_names": [str(index) for index in range(record.data.classes)],
            "image_shape": [*record.data.image_shape] or [spec.input_size, spec.input_size, spec.in_channels],
            "val_indices": [],
        },
        weights={"sha256": record.first_weights} if record.first_weights else {},
        continues=continues,
        rows=sorted(rows, key=lambda row: (row["step"], row["kind"] != "train")),
        events=[
            *(
                {"event": "start", "time": begun, "environment": {"device": at.device, "cpu": at.cpu}}
                for at in record.made
            ),
            {"event": "end", "time": ended, "step": record.steps},
        ],
        result=scores,
        made_by=maker_of(path),
    )


def _result(record: Record) -> dict[str, Any]:
    test: Scores = record.test
    ending = record.ending
    return {
        "step": record.steps,
        "epochs": record.epochs,
        "seen": test.seen,
        "correct": test.seen - test.wrong,
        "accuracy": (test.seen - test.wrong) / test.seen,
        "loss": test.loss,
        "train_seconds": record.seconds,
        "weights": ending.weights,
        "plain_accuracy": _accuracy(ending.plain_error),
        "best_test_accuracy": _accuracy(ending.best_val_test_error),
        "stopped_on_test": ending.stopped_on_test,
        "stopped_early": ending.stopped_early,
        "bad_samples": [""] * ending.bad_samples,
    }


def _accuracy(error: float | None) -> float | None:
    return None if error is None else 1 - error / 100


def _seconds(date: str) -> int:
    return calendar.timegm(time.strptime(date, DATE))


def maker_of(path: Path) -> str:
    """Return who made the run, by where its record lies; a link does not lead out of it."""
    *folders, name = path.absolute().parts
    if READERS not in folders:
        return US
    below = folders[len(folders) - folders[::-1].index(READERS) :]
    return f"reader {(below or [Path(name).stem])[0]}"
