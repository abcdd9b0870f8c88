"""What is to be written down after which step: a function of the recipe."""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass

from resnetlab.base.units import Duration
from resnetlab.recipe.running import Run
from resnetlab.recipe.timeline import Timeline


@dataclass(frozen=True)
class Due:
    """Says of a number of updates what they call for."""

    run: Run
    timeline: Timeline

    def row(self, step: int) -> bool:
        """Whether a row of training loss is due after `step` updates."""
        return step % self.run.log_every == 0 or step == self.timeline.num_steps

    def save(self, step: int) -> bool:
        """Whether a checkpoint is due; the one at the end is made anyway."""
        return self.run.checkpoint_every > 0 and step % self.run.checkpoint_every == 0

    def evaluation(self, step: int) -> bool:
        """Whether an evaluation is due."""
        return step == self.timeline.num_steps or self._ends(self.run.eval_every, step)

    def rows_within(self, after: int, last: int) -> list[int]:
        """Return the steps behind `after`, up to `last`, with a row of training loss."""
        every = self.run.log_every
        return self._with_the_end(range(after - after % every + every, last + 1, every), after, last)

    def evaluations_within(self, after: int, last: int) -> list[int]:
        """Return the steps behind `after`, up to `last`, with an evaluation."""
        every, unit = self.run.eval_every.count, self.run.eval_every.unit
        steps: list[int] = []
        if every:
            multiples = (Duration(every * number, unit) for number in itertools.count(1))
            ends = map(self.timeline.steps_in, multiples)
            steps = [*itertools.takewhile(lambda step: step <= last, ends)]
        return self._with_the_end(dict.fromkeys(step for step in steps if step > after), after, last)

    def most_within(self, after: int, last: int) -> int:
        """Return how many rows of training and evaluations there are within these steps, or some more."""
        every, steps = self.run.eval_every, max(last - after, 0)
        in_steps = every.count if every.unit == "st" else self.timeline.boundary(every)
        return steps // self.run.log_every + (steps // max(in_steps, 1) if every.count else 0)

    def _with_the_end(self, steps: Iterable[int], after: int, last: int) -> list[int]:
        end = self.timeline.num_steps
        return sorted({*steps, *([end] if after < end <= last else [])})

    def histograms(self, step: int) -> bool:
        """Whether histograms are due."""
        return self._ends(self.run.histogram_every, step)

    def anything(self, step: int) -> bool:
        """Whether any of these is due."""
        return self.row(step) or self.save(step) or self.evaluation(step) or self.histograms(step)

    def steps_to_next(self, step: int, most: int) -> int:
        """Return how many updates after the first `step` there are until something is due, up to `most`."""
        return next((n for n in range(1, most) if self.anything(step + n)), most)

    def _ends(self, every: Duration, step: int) -> bool:
        """Whether a multiple of `every` ends with the last of `step` updates."""
        if every.count == 0 or step == 0:
            return False
        if every.unit == "st":
            return step % every.count == 0
        ended, before = self.timeline.epochs_ended(step), self.timeline.epochs_ended(step - 1)
        return ended // every.count > before // every.count
