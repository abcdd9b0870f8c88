"""The loop, on one screen, and what it writes down when."""

import contextlib
import copy
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

import torch
from torch import Tensor, nn

from resnetlab.base.machine.rates import peak_memory, synchronise
from resnetlab.base.paths import as_word
from resnetlab.base.units import format_seconds
from resnetlab.data.batches.loaded import WaitShare
from resnetlab.errors import DataError, Interrupted
from resnetlab.evaluation.collecting import Collecting, LastEvaluation
from resnetlab.evaluation.metrics import Scores
from resnetlab.evaluation.scoring import EvaluationSet, score
from resnetlab.models import put_tensors
from resnetlab.parallel.world import ALONE, World
from resnetlab.recipe import Recipe
from resnetlab.recipe.due import Due
from resnetlab.recipe.schedule import LearningRate
from resnetlab.recipe.timeline import Timeline
from resnetlab.runs.checkpoint import checkpoint_name
from resnetlab.runs.finite import first_non_finite
from resnetlab.runs.record import Record
from resnetlab.training.observer import Interrupt, Observer
from resnetlab.training.recorded.programs import BatchSource, StepProgram
from resnetlab.training.step.guard import diverged
from resnetlab.training.step.state import TrainState
from resnetlab.training.step.steps import TrainStep
from resnetlab.training.telling.telling import Telling


@dataclass
class Trainer:
    """A run in progress: what is trained, on what, and where it is written down."""

    record: Record
    recipe: Recipe
    num_classes: int
    device: torch.device
    timeline: Timeline
    rate: LearningRate
    batches: BatchSource
    watched: EvaluationSet
    """What the curve is drawn from: the validation samples if there are any, else the test set."""
    test: Callable[[], EvaluationSet]
    """Returns the test set, the same at each call."""
    step_function: TrainStep
    program: StepProgram
    state: TrainState
    observer: Observer
    telling: Telling
    interrupt: Interrupt = field(default_factory=Interrupt)
    last_saved: int = -1
    """Step of the newest checkpoint on the disk."""
    waiting: WaitShare | None = None
    """For batches that are read from files."""
    world: World = ALONE
    """The processes that make the run together. All do and decide the same at the same step, from equal
    numbers; what one alone knows, of a signal or a broken image, it tells the others. The first writes."""
    last: LastEvaluation | None = None

    def __post_init__(self) -> None:
        self._due = Due(self.recipe.run, self.timeline)

    @property
    def is_out_of_patience(self) -> bool:
        """Whether the validation accuracy has not risen for as long as the recipe waits for it."""
        return 0 < self.recipe.run.patience <= self.state.evaluations_since_best

    def train(self) -> None:
        """Make every update that is left; save at the end.

        Raises:
            Interrupted: If a signal came; everything is saved then.
            DivergedError: If a number stopped being finite; the last checkpoint is from before.
        """
        state = self.state
        self._evaluate_if_due()
        while state.step < self.timeline.num_steps and not (state.reached or self.is_out_of_patience):
            if self.world.pulse(self.interrupt.is_requested):
                self.leave()
            started = time.monotonic()
            with self._leaving_if_asked():
                self.program.run(self._due.steps_to_next(state.step, self.program.longest))
            self._write_rows()
            state.seconds += time.monotonic() - started
            if recent := state.interval.recent():
                self.observer.lately(**recent)
            self._evaluate_if_due()
            if self._due.save(state.step):
                self.save()
            samples = self.timeline.samples_seen(state.step)
            self.observer.progress(state.step, samples=samples, seconds=state.seconds)
            self.telling.progress(state.step, samples, state.seconds)
        self.save()

    @contextlib.contextmanager
    def _leaving_if_asked(self) -> Iterator[None]:
        """Save and leave where data cannot be read because a signal to all processes ended its readers."""
        try:
            yield
        except DataError as error:
            if not self.interrupt.is_requested:
                raise
            if self.world.size > 1:  # the others are in the midst of a step, which this one cannot end
                saved = f"no images came; it goes on from step {max(self.last_saved, 0):,}"
                raise self._interrupted(saved) from error
            self.leave()

    def _write_rows(self) -> None:
        """Write the training rows that are due after this step, and clear their sums."""
        state = self.state
        wants_row, wants_histograms = self._due.row(state.step), self._due.histograms(state.step)
        if wants_row or wants_histograms:
            self._look_back()
        if wants_row:
            lr = self.rate.at(state.step - 1, state.reductions)
            row = {"kind": "train", "step": state.step, "learning_rate": lr, **state.train_row()}
            self._add_row(row)
            self.observer.train_row(row)
            state.interval.clear()
        if wants_histograms:
            self.record.add_histograms(state.step, state.model.state_dict())

    def _evaluate_if_due(self) -> None:
        """Evaluate if this step calls for it and it was not done before a restart."""
        state = self.state
        if state.evaluated == state.step or not self._due.evaluation(state.step):
            return
        scores = self.evaluate(self.watched)
        samples = self.timeline.samples_seen(state.step)
        row: dict[str, Any] = {
            "kind": self.watched.name,
            "step": state.step,
            "epoch": samples / self.timeline.num_samples,
            "learning_rate": self.rate.at(max(state.step - 1, 0), state.reductions),
            **scores.row(),
            **(state.epoch.row() if state.epoch.seen else {}),
        }
        self._add_row(row)
        state.epoch.clear()
        state.evaluated = state.step
        state.reached = 0 < self.recipe.run.stop_at <= scores.accuracy
        is_best = self.watched.name == "val" and state.take_validation(scores, self.recipe.schedule)
        spent = {"samples": samples, "seconds": state.seconds, "peak_memory": peak_memory(self.device)}
        waited = {"wait": self.waiting.since_last(state.seconds)} if self.waiting else {}
        self.observer.row(row | spent | waited | {"is_best": is_best})
        if is_best:
            self.save()

    def evaluate(self, on: EvaluationSet, model: nn.Module | None = None) -> Scores:
        """Score a network, by default this one with its averaged weights, if there are any.

        Raises:
            Interrupted: If a signal came; everything is saved then.
            DivergedError: If the loss is not finite.
        """
        self._wait_for_device()
        self._look_back()

        def after_batch(seen: int) -> bool:
            self.observer.evaluating(seen, on.size)
            return not self.interrupt.is_requested

        collecting = Collecting(self.num_classes, on.size, on.batch)
        with self._leaving_if_asked():
            scores = score(
                model or self.scored_model(),
                on,
                num_classes=self.num_classes,
                device=self.device,
                world=self.world,
                collecting=collecting if model is None else None,
                after_batch=after_batch,
            )
        if scores is None:
            self.leave()
        assert scores.seen + on.left_out() == on.size, "every sample counts exactly once"
        if not math.isfinite(scores.loss):
            raise diverged(f"the loss on {on.name}", self.state.step - 1, self.state.model)
        if model is None:
            self.last = LastEvaluation(on.name, self.state.step, scores, collecting)
        return scores

    def scored_model(self) -> nn.Module:
        """Return the network as it is scored: with its averaged weights, if there are any."""
        average = self.state.average
        return self._copy_with(average.tensors, "the averaged weights") if average else self.state.model

    def _copy_with(self, tensors: Mapping[str, Tensor], origin: str) -> nn.Module:
        return put_tensors(copy.deepcopy(self.state.model), tensors, origin)

    def best_model(self) -> nn.Module | None:
        """Return the network as it was best on the validation samples, if its checkpoint is still there."""
        step, group = self.state.best_step, "ema" if self.state.average else "model"
        tensors = self.world.from_first(lambda: self.record.tensors_of(step, group)) if step else None
        if tensors is None:
            return None
        return self._copy_with(tensors, str(self.record.path / "checkpoints" / checkpoint_name(step)))

    def _add_row(self, row: dict[str, Any]) -> None:
        if not all(math.isfinite(v) for v in row.values() if isinstance(v, float)):
            raise diverged("the training loss", self.state.step - 1, self.state.model)
        self.record.add_row(row)

    def _look_back(self) -> None:
        """Refuse what was wrong since the last look: a step that was not finite, too many broken images."""
        self.step_function.refuse_bad_steps(self.batches.at)
        self.batches.share_broken(self.world)

    def save(self) -> None:
        """Write a checkpoint of this step, if there is none yet, and remove superseded ones."""
        if self.last_saved == self.state.step:
            return
        self._look_back()
        state, tensors = self.state, self.state.tensors()
        for group, named in tensors.items():
            if bad := first_non_finite(named):
                raise diverged(f"{group} {bad}", state.step - 1, state.model)
        sums = (state.interval.to_json()["loss"], state.epoch.to_json()["loss"])
        if not all(map(math.isfinite, sums)):
            raise diverged("the training loss", state.step - 1, state.model)
        self._wait_for_device()
        state.metrics_length, state.metrics_digest = self.record.metrics_length, self.record.metrics_digest
        spare = {state.best_step} if state.best_step else set()
        problems = self.record.save(state.step, tensors, state.scalars(), spare)
        self.last_saved = state.step
        for problem in problems:
            self.observer.note(problem)

    def _wait_for_device(self) -> None:
        """Wait for what the device has yet to do, as part of the training time."""
        started = time.monotonic()
        synchronise(self.device)
        self.state.seconds += time.monotonic() - started

    def leave(self) -> NoReturn:
        """Save and raise Interrupted, which says how to go on; all processes do so at the same step."""
        self.save()
        self.interrupt.share(self.world)  # which the first process does when it has saved
        self.record.add_event("interrupted", step=self.state.step, signal=self.interrupt.signal_name)
        raise self._interrupted("all is saved")

    def _interrupted(self, what_is_left: str) -> Interrupted:
        return Interrupted(
            f"stopped by {self.interrupt.signal_name} after step {self.state.step:,} of "
            f"{self.timeline.num_steps:,} ({format_seconds(self.state.seconds)} of training); {what_is_left}",
            hint=f"Go on with: resnetlab resume {as_word(self.record.path)}",
        )

    def close(self) -> None:
        """Close the files, and end the loading of batches."""
        self.batches.close()
        self.record.close()
