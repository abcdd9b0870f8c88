"""The step with no host in it: a function of what lies on the device, its own counter included."""

from collections.abc import Callable
from itertools import takewhile

import torch
from torch import Tensor

from resnetlab.data.batches.batches import Batches
from resnetlab.data.batches.device_batches import DeviceBatches
from resnetlab.data.batches.step_table import StepTable
from resnetlab.parallel.world import ALONE, World
from resnetlab.recipe.schedule import LearningRate
from resnetlab.training.recorded.capturing import is_small_step
from resnetlab.training.recorded.recording import Recorder, Work, nothing_recorded
from resnetlab.training.recorded.trial import try_recordings
from resnetlab.training.step.state import TrainState
from resnetlab.training.step.steps import TrainStep

_WARM_UP = 3
"""Steps made one operation after another before one is recorded: they compile, choose algorithms and
make the optimizer's buffers. They are steps of the run like any other."""

_STEPS_OF_A_LAUNCH = 10

_TRIED = 3
"""Steps over which recordings of a single one are tried."""


def steps_of_a_launch(operations: float) -> int:
    """Return how many steps of so many floating-point operations are recorded as one."""
    return _STEPS_OF_A_LAUNCH if is_small_step(operations) else 1


class DeviceSteps:
    """Makes the same updates as `HostSteps` from recordings of whole steps.

    The step's number lies on the device and counts itself; batch, augmentation, rate and the numbers
    of mixup are found by it. The host only sees to it that the next orders and rows of the tables are
    there, and starts recordings. A short batch, which has other shapes, is made without a recording.

    On the CPU it is the same program, done one operation after another, with the same bits as
    `HostSteps`. On CUDA the rate is a float32, because the fused optimizers read such a one from the
    device, where `HostSteps` hands them a float64: the two are not bit-equal there.

    Args:
        state: What is trained.
        batches: Its batches, in memory.
        rate: Its learning rates.
        step_function: The update.
        launch: Steps of one recording.
        note: Told when recording failed; without it, the error is raised.
        recorder: What records, if it is not to be the device's own.
        world: The processes that make the steps together: all of them from recordings, or none.

    Attributes:
        state: What is trained.
        recorder: What records; exchanged for one that only repeats where recording fails.
        longest: Steps of one recording.
    """

    def __init__(
        self,
        state: TrainState,
        batches: Batches,
        rate: LearningRate,
        step_function: TrainStep,
        *,
        launch: int = 1,
        note: Callable[[str], None] | None = None,
        recorder: Recorder | None = None,
        world: World = ALONE,
    ) -> None:
        device = step_function.device
        self.longest, self._tried = launch, max(_TRIED, launch)
        self.state, self._step_function, self._note, self._world = state, step_function, note, world
        self._timeline = batches.timeline
        compiled = step_function.compiler.compiled if step_function.compiler else None
        self._batches = DeviceBatches(batches, steps_ahead=self._tried, compiled=compiled)
        self._count = compiled(self._count_one) if compiled else self._count_one
        num_steps, lookahead = self._timeline.num_steps, state.lookahead
        self._rates = StepTable(lambda step: (rate.at(step),), num_steps, device)
        self._shares = StepTable(
            lambda step: lookahead.row_after(step + 1, num_steps) if lookahead else (0.0, 0.0),
            num_steps,
            device,
        )
        self._rate = torch.zeros(
            (), dtype=torch.float64 if device.type == "cpu" else torch.float32, device=device
        )
        self._step = torch.full((), state.step, dtype=torch.int64, device=device)
        self._counted = state.step
        self.recorder = recorder or Recorder(device)
        self._recordings: dict[int, Work] = {}
        self._warm_up, self._is_tried = _WARM_UP, False

    def run(self, count: int) -> None:
        """Make `count` updates; on CUDA, ask the device to."""
        end = self.state.step + count
        while (first := self.state.step) < end:
            if self._counted != first:
                self._step.fill_(first)
            made = self._make(range(first, min(end, first + self.longest)))
            samples = self._timeline.samples_seen(first + made) - self._timeline.samples_seen(first)
            self.state.count_samples(made, samples)
            self._counted = self.state.step

    def _make(self, steps: range) -> int:
        """Make some of these steps, from the first on; return how many."""
        self._prepare(steps)
        num_full = self._num_full(steps)
        if self._warm_up or not num_full:  # a short batch may be the first of its size
            self._warm_up -= self._warm_up > 0
            return self._make_by_itself(steps.start)
        if not self._recordings:
            self._prepare_recordings()
        if self.recorder.can_record and not self._is_tried:
            return self._try_recordings(steps.start)
        times = self.longest if num_full == self.longest and self.longest in self._recordings else 1
        self._recordings[times]()
        return times

    def _make_by_itself(self, step: int) -> int:
        with self.recorder.warming_up():
            self._make_one(len(self._timeline.positions(step)))
        return 1

    def _prepare(self, steps: range) -> None:
        """Have on the device what the host must know of these steps."""
        self._batches.prepare(steps)
        self._rates.prepare(steps)
        if self.state.lookahead:
            self._shares.prepare(steps)

    def _num_full(self, steps: range) -> int:
        """Return how many of these steps, from the first on, have a whole batch."""
        sizes = (len(self._timeline.positions(step)) for step in steps)
        return len(list(takewhile(lambda size: size == self._timeline.batch, sizes)))

    def _prepare_recordings(self) -> None:
        """Record all that will be needed at once, so that no run beside this one waits for it later."""
        optimizer = self._step_function.optimizer
        groups = [group for group in optimizer.param_groups if "capturable" in group]
        for group in groups:  # adam's word for it; its fused form computes the same with and without
            group["capturable"] = True
        problem = ""
        try:
            lengths = sorted({1, self.longest})
            self._recordings = {each: self.recorder.record(self._make_full, each) for each in lengths}
        except RuntimeError as error:
            problem = f"The step could not be captured and is made from the host: {error}"
        finally:
            for group in groups:
                group["capturable"] = False
        if problem := self._of_any(problem):
            self._repeat_instead(problem)

    def _of_any(self, problem: str) -> str:
        """Return the first problem of any process, "" if none has one; the same at each of them."""
        return next(filter(None, self._world.gather(problem)), "")

    def _try_recordings(self, first: int) -> int:
        """Make the next step both ways; if they differ, repeat no recordings. Return how many were made.

        Before that all recordings are tried over several steps at a rate of zero, from which nothing is
        kept: there a rounding does not grow from step to step, and what a recording wrongly kept of the
        host when it was made, a rate or a batch, shows.
        """
        left = self._timeline.num_steps - first
        ahead = self._num_full(range(first, first + min(self._tried, left)))
        if ahead < min(self._tried, left, self._timeline.whole_batches):
            return self._make_by_itself(first)  # and try where more whole batches follow
        self._is_tried = True
        self._prepare(range(first, first + ahead))
        self._recordings = {times: work for times, work in self._recordings.items() if times <= ahead}
        several = [self._recorded(ahead, times) for times in self._recordings]
        try:
            with self._rates.zeroed():
                problem = self._try(ahead, several, keeps=False)
            made = 0 if problem else 1
            problem = problem or self._try(1, [self._recordings[1]], keeps=True)
        except torch.OutOfMemoryError:
            if self._world.size > 1:  # the others are in the midst of a step
                raise
            self._repeat_instead("Steps are made from the host: recordings leave too little memory.")
            return 0
        if problem:
            self._repeat_instead(f"Steps are made from the host, because a recorded one is wrong: {problem}")
        return made

    def _try(self, count: int, recorded: list[Work], *, keeps: bool) -> str:
        first = self.state.step

        def steps() -> None:
            try:
                with self.recorder.warming_up():
                    for step in range(first, first + count):
                        self.state.step = step  # for whatever looks at it, as nothing should
                        self._make_full()
            finally:
                self.state.step = first

        is_exact = self._step_function.recipe.execution.deterministic
        return try_recordings(
            self._lasting_tensors(), steps, recorded, exactly=is_exact, keeps=keeps, agree=self._of_any
        )

    def _recorded(self, count: int, times: int) -> Work:
        """Return `count` steps by the recording of so many, the rest of them by the recording of one."""

        def work() -> None:
            for length in (times,) * (count // times) + (1,) * (count % times):
                self._recordings[length]()

        return work

    def _lasting_tensors(self) -> dict[str, Tensor]:
        """Return all that a step changes and that lasts, by name."""
        state = self.state
        found = {
            f"{group}/{name}": t for group, named in state.tensors().items() for name, t in named.items()
        }
        for title, tally in (("interval", state.interval), ("epoch", state.epoch)):
            found |= {f"{title}/{name}": tensor for name, tensor in tally.tensors().items()}
        return found | {"step": self._step, "bad step": self._step_function.bad_step}

    def _repeat_instead(self, why: str) -> None:
        """Make steps one operation after another from now on, and say why."""
        if self._note is None:
            raise RuntimeError(why)
        self._note(why)
        self._step_function.optimizer.zero_grad(set_to_none=True)
        with nothing_recorded():
            self._recordings, self.recorder = {}, Recorder(torch.device("cpu"))
        self._prepare_recordings()

    def _make_full(self) -> None:
        self._make_one(self._timeline.batch)

    def _make_one(self, count: int) -> None:
        """Make the step that the counter says, of `count` samples. All of it is done on the device."""
        state = self.state
        batch = self._batches.at(self._step, count)
        self._rate.copy_(self._rates.at(self._step)[0])
        loss, correct = self._step_function(batch, step=self._step, lr=self._rate)
        share, is_due = None, None
        if state.lookahead:
            row = self._shares.at(self._step)
            share, is_due = row[1].float(), row[0] > 0
        self._count(loss, correct, count)
        state.average_weights(self._step, share, is_due)

    def _count_one(self, loss: Tensor, correct: Tensor, count: int) -> None:
        """Count a step, and its loss and right answers."""
        self._step.add_(1)
        self.state.add_sums(loss, correct, count)
