"""Who starts the steps: the host one by one, or the device many at once, from a recording (a CUDA graph)."""

from collections.abc import Callable
from typing import Protocol

from resnetlab.data.batches.batches import Batches
from resnetlab.data.batches.loaded import LoadedBatches
from resnetlab.network.spec import ModelSpec
from resnetlab.parallel.world import ALONE, World
from resnetlab.recipe.schedule import LearningRate
from resnetlab.training.recorded.capturing import step_operations
from resnetlab.training.recorded.device_steps import DeviceSteps, steps_of_a_launch
from resnetlab.training.step.batch import LabelledBatch
from resnetlab.training.step.state import TrainState
from resnetlab.training.step.steps import TrainStep


class BatchSource(Protocol):
    """The training batches, by step."""

    def at(self, step: int) -> LabelledBatch:
        """Return the batch of the update after `step` updates."""

    def share_broken(self, world: World) -> None:
        """Make known to all processes which images each has found broken."""

    def close(self) -> None:
        """End whatever prepares batches."""


class StepProgram(Protocol):
    """Makes the next updates of a run: batch, update, averaged weights, sums of loss and right answers."""

    @property
    def longest(self) -> int:
        """The most updates worth asking for at once; a signal is heard between two requests."""

    def run(self, count: int) -> None:
        """Make `count` updates after those of the state.

        Raises:
            DivergedError: As `TrainStep` does.
        """


class HostSteps:
    """Every step's batch, rate and update are started from the host."""

    longest = 1

    def __init__(
        self, state: TrainState, batches: BatchSource, rate: LearningRate, step_function: TrainStep
    ) -> None:
        self._state, self._batches, self._rate, self._step_function = state, batches, rate, step_function

    def run(self, count: int) -> None:
        """Make `count` updates."""
        state = self._state
        for step in range(state.step, state.step + count):
            batch = self._batches.at(step)
            loss, correct = self._step_function(batch, step=step, lr=self._rate.at(step, state.reductions))
            state.add_sums(loss, correct, batch.num_samples)
            state.count_samples(1, batch.num_samples)
            num_steps = self._rate.timeline.num_steps
            share = state.lookahead.share_after(state.step, num_steps) if state.lookahead else None
            state.average_weights(state.step, share)


def step_program(
    spec: ModelSpec,
    batches: Batches | LoadedBatches,
    rate: LearningRate,
    state: TrainState,
    step_function: TrainStep,
    note: Callable[[str], None] | None = None,
    world: World = ALONE,
) -> StepProgram:
    """Return who makes the steps of a state that was loaded: a recording knows tensors by their address.

    `note` is told what the device cannot do; without it, that is an error. `world` is who makes them.
    """
    if step_function.recipe.execution.capture != "on" or isinstance(batches, LoadedBatches):
        return HostSteps(state, batches, rate, step_function)
    height, width = batches.images.shape[1:3]
    launch = steps_of_a_launch(step_operations(spec, height, width, batches.timeline.batch))
    return DeviceSteps(state, batches, rate, step_function, launch=launch, note=note, world=world)
