"""All, and only, what must survive a restart, as named tensors and JSON scalars.

The sample order, the augmentations and the learning rate are functions of the step, so they have
no state here. A test holds this list against the attributes of what trains.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from resnetlab.errors import CheckpointError
from resnetlab.evaluation.metrics import Scores, Tally
from resnetlab.models import ResNet
from resnetlab.recipe import Optimizer, Schedule
from resnetlab.recipe.schedule import Plateau
from resnetlab.training.step.averages import Lookahead, WeightAverage
from resnetlab.training.step.optim import (
    check_tensors,
    lacking,
    load_optimizer_tensors,
    optimizer_tensors,
    penalty_row,
)

_SCALARS = (
    "step", "evaluated", "best_step", "best_accuracy", "evaluations_since_best", "reached",
    "metrics_length", "metrics_digest", "seconds", "lowest_loss", "evaluations_since_lowest", "reductions",
)  # fmt: skip

_SUMS = ("loss", "correct", "seen")

_LATER: dict[str, Any] = {
    "evaluations_since_best": 0, "metrics_digest": "", "optimizer_lacks": [],
    "lowest_loss": -1.0, "evaluations_since_lowest": 0, "reductions": 0,
}  # fmt: skip
"""Scalars that runs of earlier versions did not save, and what they were then."""


@dataclass
class TrainState:
    """What a run is made of after some step."""

    model: ResNet
    optimizer: torch.optim.Optimizer
    config: Optimizer
    average: WeightAverage | None
    lookahead: Lookahead | None
    scaler: torch.amp.GradScaler | None
    interval: Tally
    """Sums since the last row of training loss."""

    epoch: Tally
    """Sums since the last evaluation."""

    step: int = 0
    """Updates made."""

    evaluated: int = 0
    """Step of the last evaluation."""

    best_step: int = 0
    """Step of the best validation accuracy; 0 before the first."""

    best_accuracy: float = 0.0
    """Best validation accuracy so far."""

    evaluations_since_best: int = 0
    """Evaluations on validation samples since the best one."""

    lowest_loss: float = -1.0
    """schedule=plateau: the lowest validation loss so far, in nats; -1 before the first."""

    evaluations_since_lowest: int = 0
    """schedule=plateau: evaluations on validation samples since then, or since the last reduction."""

    reductions: int = 0
    """schedule=plateau: how often the rate was lowered."""

    reached: bool = False
    """Whether an evaluation reached the accuracy to stop at."""

    metrics_length: int = 0
    """Bytes of metrics.jsonl when this state was saved."""

    metrics_digest: str = ""
    """SHA-256 of these bytes."""

    seconds: float = 0.0
    """Time spent on updates, over all restarts; evaluations and saves not counted."""

    def add_sums(self, mean_loss: Tensor, correct: Tensor, count: int) -> None:
        """Add a batch of `count` samples to the sums, where they lie; `count_samples` is the host's part."""
        for tally in (self.interval, self.epoch):
            tally.add(mean_loss, correct, count)

    def count_samples(self, updates: int, samples: int) -> None:
        """Count updates that were made, and their samples."""
        self.step += updates
        for tally in (self.interval, self.epoch):
            tally.seen += samples

    def average_weights(
        self, step: int | Tensor, share: float | Tensor | None, is_due: Tensor | None = None
    ) -> None:
        """Have the averages take in the weights, as they are after `step` updates.

        Args:
            step: An int, or an int64 scalar on the device.
            share: What lookahead's slow weights take in; None where they do not.
            is_due: Whether they do, a bool scalar on the device, where that alone knows.
        """
        if self.average:
            self.average.update(self.model, step)
        if self.lookahead and share is not None:
            self.lookahead.update(self.model, self.optimizer, share, is_due=is_due)

    def take_validation(self, scores: Scores, schedule: Schedule) -> bool:
        """Take note of what was scored on validation samples; return whether it is the best so far."""
        if schedule.schedule == "plateau":
            self._follow_plateau(scores.loss, schedule)
        is_best = scores.accuracy > self.best_accuracy
        self.evaluations_since_best = 0 if is_best else self.evaluations_since_best + 1
        if is_best:
            self.best_step, self.best_accuracy = self.step, scores.accuracy
        return is_best

    def _follow_plateau(self, loss: float, schedule: Schedule) -> None:
        before = Plateau(self.lowest_loss, self.evaluations_since_lowest, self.reductions)
        now = before.after(loss, schedule)
        self.lowest_loss, self.evaluations_since_lowest = now.lowest_loss, now.evaluations_since_lowest
        self.reductions = now.reductions

    def train_row(self) -> dict[str, float]:
        """Return what a row of training says of the updates since the last one, and of the weights now."""
        return self.interval.row() | penalty_row(self.model, self.config)

    def tensors(self) -> dict[str, dict[str, Tensor]]:
        """Return all tensors by group and name."""
        groups = {
            "model": dict(self.model.state_dict()),
            "optimizer": optimizer_tensors(self.model, self.optimizer, self.config),
        }
        if self.average:
            groups["ema"] = self.average.tensors
        if self.lookahead:
            groups["slow"] = self.lookahead.tensors
        return groups

    def scalars(self) -> dict[str, Any]:
        """Return everything else, as plain JSON data."""
        data: dict[str, Any] = {name: getattr(self, name) for name in _SCALARS}
        data["interval"], data["epoch"] = self.interval.to_json(), self.epoch.to_json()
        data["scaler"] = self.scaler.state_dict() if self.scaler else None
        data["optimizer_lacks"] = lacking(self.model, self.optimizer, self.config, step=self.step)
        return data

    def load(self, tensors: dict[str, dict[str, Tensor]], scalars: dict[str, Any]) -> None:
        """Become the state that was saved.

        Raises:
            CheckpointError: If a tensor or scalar is missing, unknown or of another shape.
        """
        saved, scalars = scalars, _LATER | scalars
        self._check_names(tensors, scalars)
        self._check_scalars(scalars)
        _copy_tensors("model", self.model.state_dict(), tensors["model"])
        load_optimizer_tensors(
            self.model,
            self.optimizer,
            self.config,
            tensors["optimizer"],
            # of earlier versions it is not known, as a scaler may have skipped every step
            has_moved=scalars["step"] > 0 and (self.scaler is None or "optimizer_lacks" in saved),
            lacks=scalars["optimizer_lacks"],
        )
        if self.average:
            _copy_tensors("ema", self.average.tensors, tensors["ema"])
        if self.lookahead:
            _copy_tensors("slow", self.lookahead.tensors, tensors["slow"])
        if self.scaler:
            self.scaler.load_state_dict(scalars["scaler"])
        self.interval.load(scalars["interval"])
        self.epoch.load(scalars["epoch"])
        for name in _SCALARS:
            setattr(self, name, scalars[name])

    def _check_names(self, tensors: dict[str, dict[str, Tensor]], scalars: dict[str, Any]) -> None:
        names = {*_SCALARS, "interval", "epoch", "scaler", "optimizer_lacks"}
        problems = [
            f"{kind} {relation}: {', '.join(sorted(difference))}"
            for kind, expected, found in (
                ("tensor groups", set(self.tensors()), set(tensors)),
                ("scalars", names, set(scalars)),
            )
            for relation, difference in (("missing", expected - found), ("unknown", found - expected))
            if difference
        ]
        if problems:
            raise CheckpointError("the checkpoint does not fit this run: " + "; ".join(problems))

    def _check_scalars(self, scalars: dict[str, Any]) -> None:
        """Raise unless every number is of its kind: a text in its place would fail much later."""
        sums = {
            f"{name}.{key}": (scalars[name], key)
            for name in ("interval", "epoch")
            for key in (*_SUMS, *_later_sums(scalars[name]))
        }
        found: dict[str, tuple[Any, type]] = {
            name: (scalars[name], type(getattr(self, name))) for name in _SCALARS
        }
        for name, (holder, key) in sums.items():
            value = holder.get(key) if isinstance(holder, dict) else None
            found[name] = (value, float if key == "loss" else int)
        lacks = scalars["optimizer_lacks"]
        if not isinstance(lacks, list) or not all(isinstance(name, str) for name in lacks):
            raise CheckpointError(f"state.json is damaged: optimizer_lacks is {lacks!r}")
        wrong = [f"{name} is {value!r}" for name, (value, kind) in found.items() if not _is_a(value, kind)]
        if wrong:
            raise CheckpointError("state.json is damaged: " + "; ".join(wrong))


def _later_sums(sums: object) -> list[str]:
    """Return which sums there are that runs of earlier versions did not save."""
    return [name for name in ("correct_top_5",) if isinstance(sums, dict) and name in sums]


def _is_a(value: object, kind: type) -> bool:
    if kind is str:
        return isinstance(value, str)
    if kind is bool or isinstance(value, bool):
        return kind is bool and isinstance(value, bool)
    is_count = isinstance(value, int) and 0 <= value < 2**63
    return is_count or (kind is float and isinstance(value, float) and math.isfinite(value))


def _copy_tensors(group: str, into: dict[str, Tensor], tensors: dict[str, Tensor]) -> None:
    check_tensors(group, tensors, {name: tensor.shape for name, tensor in into.items()})
    for name, tensor in into.items():
        if tensors[name].dtype != tensor.dtype:
            raise CheckpointError(f"{group} {name} is {tensors[name].dtype}, expected {tensor.dtype}")
    with torch.no_grad():
        for name, tensor in into.items():
            tensor.copy_(tensors[name])
