"""TensorBoard event files, written record by record through files.py.

Needs the package `tensorboard` (extra of the same name); without it nothing is written. Of it only the
messages are imported: what writes and sums up there brings a tenth of a second of flags and file systems.
"""

import hashlib
import importlib.util
import json
import struct
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from resnetlab.base import files
from resnetlab.base.wire import framed
from resnetlab.runs.hyper_parameters import HyperParameters

_CHANNELS = {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}
"""Of a PNG by its type of colour. Source: PNG, third edition, 11.2.1."""


_HPARAMS = "hparams"
_START, _END = "_hparams_/session_start_info", "_hparams_/session_end_info"
"""Plugin and tags of the table of runs. Source: TensorBoard 2.21, plugins/hparams/metadata.py."""


class EventFile:
    """One event file; a resumed run adds another, whose start tells TensorBoard what to drop."""

    def __init__(self, directory: Path, *, step: int) -> None:
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog

        files.make_directory(directory, within=directory.parent)
        self._event_type = Event
        index = sum(1 for _ in directory.glob("events.out.tfevents.*"))
        self.is_first = index == 0
        path = directory / f"events.out.tfevents.{int(time.time())}.{index:04d}"
        self._appender = files.Appender(path)
        self._add(Event(wall_time=time.time(), step=step, file_version="brain.Event:2"))
        start = SessionLog(status=SessionLog.START)  # drops events of this step and later ones
        self._add(Event(wall_time=time.time(), step=step + 1, session_log=start))

    def add_hyper_parameters(self, values: HyperParameters) -> None:
        """Write what the run was asked for, for TensorBoard's table of runs (its tab HParams).

        Runs of equal values are one group there, named by these as TensorBoard itself does.
        """
        from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

        content = HParamsPluginData()
        start = content.session_start_info
        start.group_name = hashlib.sha256(
            json.dumps(values, sort_keys=True, separators=(",", ":")).encode()
        ).hexdigest()
        start.start_time_secs = time.time()
        for name, value in values.items():
            kind = {bool: "bool_value", str: "string_value"}.get(type(value), "number_value")
            setattr(start.hparams[name], kind, value)
        self._add_of_table(_START, content)

    def add_end(self) -> None:
        """Write that the run came to its end, for the same table."""
        from tensorboard.plugins.hparams.api_pb2 import STATUS_SUCCESS
        from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

        content = HParamsPluginData()
        content.session_end_info.status = STATUS_SUCCESS
        content.session_end_info.end_time_secs = time.time()
        self._add_of_table(_END, content)

    def _add_of_table(self, tag: str, content: Any) -> None:
        from tensorboard.compat.proto.types_pb2 import DT_FLOAT

        event = self._event_type(wall_time=time.time(), step=0)
        value = event.summary.value.add(tag=tag)
        value.metadata.plugin_data.plugin_name = _HPARAMS
        value.metadata.plugin_data.content = content.SerializeToString()
        value.tensor.dtype = DT_FLOAT  # of no numbers: what counts is beside it
        value.tensor.tensor_shape.dim.add(size=0)
        self._add(event)

    def add_picture(self, step: int, tag: str, png: bytes) -> None:
        """Write a picture."""
        width, height = struct.unpack(">II", png[16:24])  # where every PNG says it
        event = self._event_type(wall_time=time.time(), step=step)
        image = event.summary.value.add(tag=tag).image
        image.width, image.height, image.colorspace = width, height, _CHANNELS[png[25]]
        image.encoded_image_string = png
        self._add(event)

    def _add(self, event: object) -> None:
        self._appender.write(framed(event.SerializeToString()))  # type: ignore[attr-defined]

    def add_row(self, row: Mapping[str, Any]) -> None:
        """Write the scalars of a row of metrics.jsonl: train_loss, learning_rate, ...; test/loss, ..."""
        self.add_numbers(row["step"], scalars(row))

    def add_numbers(self, step: int, numbers: Mapping[str, float]) -> None:
        """Write numbers by their names."""
        event = self._event_type(wall_time=time.time(), step=step)
        for tag, value in numbers.items():
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


def scalars(row: Mapping[str, Any]) -> dict[str, float]:
    """Return the numbers of a row of metrics.jsonl by the names that TensorBoard has for them."""
    if row["kind"] == "train":
        names = ("train_loss", "train_accuracy", "train_accuracy_top_5", "learning_rate", "l2_loss")
        found = {name: row[name] for name in names if name in row}
        cost = {"cost": row["train_loss"] + row["l2_loss"]} if "l2_loss" in row else {}
        return found | cost
    scores = [name for name in ("loss", "accuracy", "accuracy_top_5", "best_accuracy") if name in row]
    return {f"{row['kind']}/{name}": row[name] for name in scores}
