"""What a run writes of itself as it goes: rows, events, TensorBoard's files, checkpoints, its end."""

import contextlib
import itertools
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from resnetlab.base.files import make_directory
from resnetlab.errors import WriteError
from resnetlab.runs.checkpoint import Tensors, checkpoint_name, load_checkpoint, retain, save_checkpoint
from resnetlab.runs.directory import SPEED, RunDirectory, broken_images
from resnetlab.runs.hyper_parameters import hyper_parameters
from resnetlab.runs.journal import Journal, read_parts
from resnetlab.runs.retrying import try_again
from resnetlab.runs.tensorboard import EventFile, open_events


class Record:
    """What a run keeps of itself in its directory; this one keeps nothing, for a process that does not write.

    Args:
        path: The run's directory.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def metrics_length(self) -> int:
        """Bytes of metrics.jsonl so far."""
        return 0

    @property
    def metrics_digest(self) -> str:
        """SHA-256 of these bytes."""
        return ""

    def add_row(self, row: dict[str, Any]) -> None:
        """Write a row of training or evaluation: of the step alone, without a clock."""

    def add_histograms(self, step: int, tensors: Mapping[str, Tensor]) -> None:
        """Write histograms of these tensors."""

    def add_picture(self, step: int, name: str, png: bytes) -> None:
        """Write a picture."""

    def add_speed(self, step: int, lately: float, average: float) -> None:
        """Note the images per second since the last such note, and since the first steps of this start."""

    def add_event(self, kind: str, **facts: Any) -> None:
        """Note what happened, and when."""

    def save(
        self,
        step: int,
        tensors: Mapping[str, Tensors],
        scalars: Mapping[str, Any],
        spare: Collection[int] = (),
    ) -> list[str]:
        """Write a checkpoint, and remove superseded ones but those of the steps to spare.

        Returns:
            What could not be removed, and is tried again at each save, when it first could not; and what was
            written only at another try since the last save.
        """
        return []

    def find_row(self, kind: str, step: int) -> dict[str, Any] | None:
        """Return the last row of this kind and step."""
        return None

    def tensors_of(self, step: int, group: str) -> Tensors | None:
        """Return a group of tensors of a checkpoint, if it is still there."""
        return None

    def broken_images(self) -> dict[tuple[str, int], str]:
        """Return the broken images that the run has met so far, by part and sample."""
        return {}

    def finish(self, result: dict[str, Any]) -> None:
        """Write how the run ended."""

    def close(self) -> None:
        """Close the files."""


class RunRecord(Record):
    """A `Record` that is kept, by the process that holds the run's lock.

    Args:
        run: Its directory, which is there.
        keep: How many checkpoints stay.
        step: Updates that the run has made.
        metrics_length: The bytes of metrics.jsonl that are of these; what is behind them is cut off.
    """

    def __init__(self, run: RunDirectory, *, keep: int, step: int, metrics_length: int) -> None:
        super().__init__(run.path)
        self._run, self._keep, self._identity = run, keep, run.identity()
        # Rows of the step alone, so that a resumed run writes the same bytes; events are never cut back.
        self._metrics = Journal(run.metrics, length=metrics_length)
        self._events = Journal(run.events)
        self._told: set[str] = set()
        self._passed: list[str] = []
        self._event_file = open_events(run.tensorboard, step=step)
        if self._event_file and self._event_file.is_first:
            asked = hyper_parameters(run)
            self._to_tensorboard(lambda file: file.add_hyper_parameters(asked))

    @property
    def metrics_length(self) -> int:
        """Bytes of metrics.jsonl so far."""
        return self._metrics.length

    @property
    def metrics_digest(self) -> str:
        """SHA-256 of these bytes."""
        return self._metrics.digest

    def add_row(self, row: dict[str, Any]) -> None:
        """Write a row to metrics.jsonl and TensorBoard."""
        try_again(lambda: self._metrics.add(row), self._pass_over)
        self._to_tensorboard(lambda file: file.add_row(row))

    def _to_tensorboard(self, write: Callable[[EventFile], None]) -> None:
        """Write a record to the event file, if TensorBoard is installed."""
        if event_file := self._event_file:
            try_again(lambda: write(event_file), self._pass_over)

    def add_histograms(self, step: int, tensors: Mapping[str, Tensor]) -> None:
        """Write histograms for TensorBoard, if it is installed."""
        if self._event_file:
            arrays = {name: tensor.float().cpu().numpy() for name, tensor in tensors.items()}
            self._to_tensorboard(lambda file: file.add_histograms(step, arrays))

    def add_picture(self, step: int, name: str, png: bytes) -> None:
        """Write a picture for TensorBoard, if it is installed."""
        self._to_tensorboard(lambda file: file.add_picture(step, name, png))

    def add_speed(self, step: int, lately: float, average: float) -> None:
        """Note the images per second in events.jsonl and TensorBoard: they are clock times, and in no row."""
        numbers = {"images_per_second": lately, "average_images_per_second": average}
        self.add_event(SPEED, step=step, **numbers)
        self._to_tensorboard(lambda file: file.add_numbers(step, numbers))

    def add_event(self, kind: str, **facts: Any) -> None:
        """Note in events.jsonl what happened, and when."""
        event = {"time": time.time(), "event": kind, **facts}
        try_again(lambda: self._events.add(event), self._passed.append)

    def _pass_over(self, problem: str) -> None:
        """Take note of an error after which something is written again."""
        self._passed.append(problem)
        with contextlib.suppress(WriteError):  # what is tried again matters more
            self.add_event("tried-again", problem=problem)

    def save(
        self,
        step: int,
        tensors: Mapping[str, Tensors],
        scalars: Mapping[str, Any],
        spare: Collection[int] = (),
    ) -> list[str]:
        """Write a checkpoint whole or not at all; see `Record.save`.

        Raises:
            WriteError: If it cannot be written, or the directory is not the run's any more.
        """
        run, identity, tries = self._run, self._identity, itertools.count()

        def write() -> Path:
            run.check()
            make_directory(run.checkpoints)  # somebody may have moved them away
            self._metrics.flush()  # on the disk before the checkpoint that counts on them
            return save_checkpoint(
                run.checkpoints, step=step, identity=identity, tensors=tensors, state=scalars,
                is_first_try=next(tries) == 0,
            )  # fmt: skip

        path = try_again(write, self._pass_over)
        self.add_event("save", step=step, checkpoint=path.name)
        problems = retain(run.checkpoints, keep=self._keep, identity=identity, spare=spare)
        new = [problem for problem in problems if problem not in self._told]
        for problem in new:
            self.add_event("not-removed", problem=problem)
        self._told |= {*new}
        passed, self._passed = self._passed, []
        return [*passed, *new]

    def find_row(self, kind: str, step: int) -> dict[str, Any] | None:
        """Return the last row of this kind and step, if metrics.jsonl has one."""
        found = None
        for part in read_parts(self._run.metrics):
            rows = [row for row in part.rows if (row["kind"], row["step"]) == (kind, step)]
            found = rows[-1] if rows else found
        return found

    def tensors_of(self, step: int, group: str) -> Tensors | None:
        """Return a group of tensors of a checkpoint, if it is still there."""
        path = self._run.checkpoints / checkpoint_name(step)
        return load_checkpoint(path).tensors[group] if path.exists() else None

    def broken_images(self) -> dict[tuple[str, int], str]:
        """Return the broken images that events.jsonl notes, by part and sample."""
        return broken_images(self._run)

    def finish(self, result: dict[str, Any]) -> None:
        """Write RESULT.json, after a last try at what could not be removed on the way."""
        self._run.remove_leftovers()  # what stays all the same was told when it first did
        try_again(lambda: self._run.write("RESULT", result), self._pass_over)
        with contextlib.suppress(WriteError):  # the run has come to its end all the same
            self._to_tensorboard(lambda file: file.add_end())

    def close(self) -> None:
        """Close the journals and the event file."""
        self._metrics.close()
        self._events.close()
        if self._event_file:
            self._event_file.close()
