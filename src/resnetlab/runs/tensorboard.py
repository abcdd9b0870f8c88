"""TensorBoard event files, written record by record through files.py.

Needs the package `tensorboard` (extra of the same name); without it nothing is written.
"""

import importlib.util
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from resnetlab.base import files


class EventFile:
    """One event file; a resumed run adds another, whose start tells TensorBoard what to drop."""

    def __init__(self, directory: Path, *, step: int) -> None:
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog
        from tensorboard.summary.writer.record_writer import RecordWriter

        files.make_directory(directory, within=directory.parent)
        self._event_type = Event
        index = sum(1 for _ in directory.glob("events.out.tfevents.*"))
        path = directory / f"events.out.tfevents.{int(time.time())}.{index:04d}"
        self._appender = files.Appender(path)
        self._records = RecordWriter(self._appender)
        self._add(Event(wall_time=time.time(), step=step, file_version="brain.Event:2"))
        start = SessionLog(status=SessionLog.START)  # drops events of this step and later ones
        self._add(Event(wall_time=time.time(), step=step + 1, session_log=start))

    def _add(self, event: object) -> None:
        self._records.write(event.SerializeToString())  # type: ignore[attr-defined]

    def add_row(self, row: Mapping[str, Any]) -> None:
        """Write the scalars of a row of metrics.jsonl: train_loss, learning_rate, ...; test/loss, ..."""
        event = self._event_type(wall_time=time.time(), step=row["step"])
        for tag, value in _scalars(row).items():
            event.summary.value.add(tag=tag, simple_value=value)
        self._add(event)

    def add_histograms(self, step: int, arrays: Mapping[str, np.ndarray], bins: int = 30) -> None:
        """Write histograms of arrays of numbers."""
        event = self._event_type(wall_time=time.time(), step=step)
        for tag, array in arrays.items():
            numbers = array.astype(np.float64).ravel()
            counts, edges = np.histogram(numbers, bins=bins)
            histogram = event.summary.value.add(tag=tag).histo
            histogram.min, histogram.max = float(numbers.min()), float(numbers.max())
            histogram.num, histogram.sum = numbers.size, float(numbers.sum())
            histogram.sum_squares = float((numbers**2).sum())
            histogram.bucket_limit.extend(edges[1:].tolist())
            histogram.bucket.extend(counts.tolist())
        self._add(event)

    def close(self) -> None:
        """Close the file."""
        self._appender.flush()
        self._appender.close()


def open_events(directory: Path, *, step: int) -> EventFile | None:
    """Return a new event file, or None if the tensorboard package is not installed."""
    if importlib.util.find_spec("tensorboard") is None:
        return None
    return EventFile(directory, step=step)


def _scalars(row: Mapping[str, Any]) -> dict[str, float]:
    if row["kind"] == "train":
        names = ("train_loss", "train_accuracy", "learning_rate")
        return {name: row[name] for name in names}
    return {f"{row['kind']}/{name}": row[name] for name in ("loss", "accuracy", "accuracy_top_5")}
