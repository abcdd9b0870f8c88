"""The timeline of a run: which positions of the sample stream each step reads, in integers.

A run reads a stream of samples: epoch after epoch, each a new order of the same samples. A batch
takes the next `batch` positions, across the end of an epoch too, so that 64,000 steps of 128
samples out of 50,000 are 163.84 epochs of full batches. Where an original keeps a short batch
(Keras: at the end of every epoch; TensorFlow's official CIFAR trainer: at the end of every cycle
of ten epochs), `cycle_epochs` cuts the stream there.

Step s is the update that is made after s updates; the first is 0. Everything here is a function of the
step, so a resumed run needs no state but its step.
"""

from dataclasses import dataclass
from typing import Any

from resnetlab.base.units import Duration
from resnetlab.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """The sample stream of a run, cut into steps."""

    num_samples: int
    """Training samples per epoch."""

    batch: int
    """Samples per step, over all devices."""

    length: Duration
    """Length of the whole run."""

    cycle_epochs: int = 0
    """Epochs after which a short batch closes a cycle; 0 lets batches run across epochs."""

    def __post_init__(self) -> None:
        problems = [
            f"{name} must be at least {least}, got {value}"
            for name, value, least in (
                ("num_samples", self.num_samples, 1),
                ("batch", self.batch, 1),
                ("length", self.length.count, 1),
                ("cycle_epochs", self.cycle_epochs, 0),
            )
            if value < least
        ]
        if problems:
            raise UsageError("; ".join(problems))

    @property
    def num_steps(self) -> int:
        """Steps in the whole run."""
        return self.steps_in(self.length)

    def steps_in(self, duration: Duration) -> int:
        """Return the first step after which at least `duration` has passed."""
        if duration.unit == "st":
            return duration.count
        if not self.cycle_epochs:
            return _divide_up(duration.count * self.num_samples, self.batch)
        cycles, rest = divmod(duration.count, self.cycle_epochs)
        return cycles * self._steps_per_cycle + _divide_up(rest * self.num_samples, self.batch)

    def boundary(self, duration: Duration) -> int:
        """Return the last step before which no more than `duration` has passed (rounded down).

        A learning rate that changes "at epoch 91" changes here: int(91 * 50000 / 128) = 35,546,
        as the original trainers count it.
        """
        if duration.unit == "st":
            return duration.count
        return duration.count * self.num_samples // self.batch

    def start_of_last(self, duration: Duration) -> int:
        """Return the step with which the last `duration` of the run begins, rounded up to whole steps."""
        return max(self.num_steps - self.steps_in(duration), 0)

    @property
    def whole_batches(self) -> int:
        """The most whole batches in a row: those of a cycle, or of the run."""
        cycle = self.cycle_epochs * self.num_samples // self.batch
        return min(cycle, self.num_steps) if self.cycle_epochs else self.num_steps

    @property
    def batch_sizes(self) -> set[int]:
        """How many samples the batches of the run have: the full ones, and short ones that close a cycle."""
        last = self.num_steps - 1
        steps = {0, min(self._steps_per_cycle - 1, last), last} if self.cycle_epochs else {0}
        return {len(self.positions(step)) for step in steps}

    def positions(self, step: int) -> range:
        """Return the positions in the sample stream that the update after `step` updates reads."""
        if not 0 <= step < self.num_steps:
            raise UsageError(f"step {step} is outside the run of {self.num_steps} steps")
        start, stop = self.first_position(step), None
        if self.cycle_epochs:
            stop = (step // self._steps_per_cycle + 1) * self.cycle_epochs * self.num_samples
            if self.length.unit == "ep":
                stop = min(stop, self.length.count * self.num_samples)
        return range(start, min(start + self.batch, stop) if stop is not None else start + self.batch)

    def first_position(self, step: Any) -> Any:
        """Return the first of the positions that a step reads; `step` is an int or an int64 tensor."""
        if not self.cycle_epochs:
            return step * self.batch
        cycle, within = step // self._steps_per_cycle, step % self._steps_per_cycle
        return cycle * self.cycle_epochs * self.num_samples + within * self.batch

    def samples_seen(self, step: int) -> int:
        """Return how many samples the first `step` updates read."""
        return self.positions(step - 1).stop if step else 0

    def epochs_ended(self, step: int) -> int:
        """Return how many epochs the first `step` updates have ended."""
        return self.samples_seen(step) // self.num_samples

    @property
    def _steps_per_cycle(self) -> int:
        return _divide_up(self.cycle_epochs * self.num_samples, self.batch)


def _divide_up(dividend: int, divisor: int) -> int:
    return -(-dividend // divisor)
