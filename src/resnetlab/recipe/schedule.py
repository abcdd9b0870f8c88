"""The learning rate as a pure function of the step, and of a plateau's reductions: no scheduler, no state."""

import math
from dataclasses import dataclass

from resnetlab.base.units import Duration
from resnetlab.recipe import Schedule
from resnetlab.recipe.timeline import Timeline


@dataclass(frozen=True)
class LearningRate:
    """The learning rate of each step of a run."""

    schedule: Schedule
    timeline: Timeline

    @property
    def peak(self) -> float:
        """The peak rate for this run's batch."""
        scale = self.timeline.batch / self.schedule.lr_batch if self.schedule.lr_batch else 1.0
        return self.schedule.lr * scale

    def at(self, step: int, reductions: int = 0) -> float:
        """Return the rate of the update that follows `step` updates (0 is the first update).

        Args:
            step: These updates.
            reductions: How often schedule=plateau has lowered it, which is in the state of the run.
        """
        warmup = self.timeline.boundary(self.schedule.warmup)
        if step < warmup:
            return self.peak * self._share_in_warmup(step / warmup)
        return self.peak * self._share_after_warmup(step, warmup, reductions)

    def _share_in_warmup(self, passed: float) -> float:
        start, form = self.schedule.warmup_from, self.schedule.warmup_form
        if form == "exponential":
            return math.pow(start, 1 - passed)
        return start + (1 - start) * (passed if form == "linear" else 0.0)

    def _share_after_warmup(self, step: int, warmup: int, reductions: int) -> float:
        kind, end = self.schedule.schedule, self.schedule.lr_end
        if kind == "constant":
            return 1.0
        if kind == "plateau":
            return lowered(self.schedule, reductions)
        if kind == "pieces":
            share = 1.0
            for milestone, factor in zip(self.schedule.milestones, self.schedule.factors, strict=True):
                if step >= self._start(milestone):
                    share = factor
            return share
        passed = (step - warmup) / max(self.timeline.num_steps - warmup, 1)
        return end + (1 - end) * self._falling(kind, passed)

    def _falling(self, kind: str, passed: float) -> float:
        """Return what is left of the way from the peak to the end when this share of it has passed."""
        if kind == "cosine":
            return (1 + math.cos(math.pi * passed)) / 2
        return (1 - passed) ** self.schedule.lr_power if kind == "polynomial" else 1 - passed

    def _start(self, milestone: Duration) -> int:
        if self.schedule.whole_epochs:
            return self.timeline.steps_in(milestone)
        return self.timeline.boundary(milestone)

    def unreached(self) -> str:
        """Return which part of the schedule the run is too short for, in words; "" if it reaches all."""
        schedule, end = self.schedule, self.timeline.num_steps
        if schedule.warmup.count and self.timeline.boundary(schedule.warmup) >= end - 1:
            return f"the run ends within its warm-up of {schedule.warmup}; --set warmup=0ep leaves that out"
        late = [at for at in schedule.milestones if self._start(at) >= end]
        if schedule.schedule != "pieces" or not late:
            return ""
        return (
            f"the run ends before {' and '.join(map(str, late))}; --set milestones moves what lies behind it"
        )

    def describe(self) -> str:
        """Return the schedule in words."""
        schedule, peak = self.schedule, f"{self.peak:g}"
        warmup = ""
        if schedule.warmup.count:
            start = f"{self.peak * schedule.warmup_from:g}"
            by = " by equal factors" if schedule.warmup_form == "exponential" else ""
            how = f"at {start}" if schedule.warmup_form == "constant" else f"from {start}{by}"
            warmup = f"{schedule.warmup} warm-up {how}, then "
        if schedule.schedule == "constant" or not (schedule.milestones or schedule.schedule != "pieces"):
            return f"{warmup}{peak} throughout"
        if schedule.schedule == "pieces":
            pairs = zip(schedule.milestones, schedule.factors, strict=True)
            later = ", ".join(f"{self.peak * factor:g} from {at}" for at, factor in pairs)
            return f"{warmup}{peak}, {later}"
        if schedule.schedule == "plateau":
            least = f", to {self.peak * schedule.lr_end:g} at least" if schedule.lr_end else ""
            count = schedule.plateau_patience
            evaluations = f"{count} evaluations" if count > 1 else "one evaluation"
            return (
                f"{warmup}{peak}, times {schedule.plateau_factor:.3g} whenever the validation loss has not "
                f"fallen by {schedule.plateau_delta:g} in {evaluations}{least}"
            )
        power = f" of power {schedule.lr_power:g}" if schedule.schedule == "polynomial" else ""
        return f"{warmup}{peak}, {schedule.schedule}{power} to {self.peak * schedule.lr_end:g}"


def lowered(schedule: Schedule, reductions: int) -> float:
    """Return the share of the peak that schedule=plateau has left after so many reductions."""
    return max(schedule.plateau_factor**reductions, schedule.lr_end)


@dataclass(frozen=True)
class Plateau:
    """What schedule=plateau has seen of the validation losses so far.

    The rate is lowered where the loss has stopped falling, as by Keras' ReduceLROnPlateau without cooldown.
    Source: keras/src/callbacks/reduce_lr_on_plateau.py, on_epoch_end.
    """

    lowest_loss: float = -1.0
    """In nats; -1 before the first."""

    evaluations_since_lowest: int = 0
    """Or since the last reduction."""

    reductions: int = 0

    def after(self, loss: float, schedule: Schedule) -> "Plateau":
        """Return what is known after one more validation loss, in nats."""
        if self.lowest_loss < 0 or loss < self.lowest_loss - schedule.plateau_delta:
            return Plateau(loss, 0, self.reductions)
        since = self.evaluations_since_lowest + 1
        is_least = lowered(schedule, self.reductions) == schedule.lr_end
        if since >= schedule.plateau_patience and not is_least:
            return Plateau(self.lowest_loss, 0, self.reductions + 1)
        return Plateau(self.lowest_loss, since, self.reductions)
