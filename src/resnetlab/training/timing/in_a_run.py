"""Some steps of a run profiled as it goes; what it trains is the same, and nothing of it is recorded."""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

from resnetlab.base.files import write_file
from resnetlab.base.plaindata import to_json_bytes
from resnetlab.errors import ResnetlabError
from resnetlab.native.measured.rating import machine_peak
from resnetlab.training.planning import RunPlan
from resnetlab.training.recorded.programs import StepProgram
from resnetlab.training.timing.profile import Profiler
from resnetlab.training.timing.scopes import named_kernels, parts_told
from resnetlab.training.timing.words import lines_of
from resnetlab.training.trainer import Trainer

TEXT, NUMBERS, TRACE = "profile.txt", "profile.json", "trace.json"
"""What is written into the run's directory."""

_BEFORE = 5
"""Steps that are left alone first, if there are so many: they compile and load."""


@contextlib.contextmanager
def leaving_a_profile(trainer: Trainer, plan: RunPlan) -> Iterator[None]:
    """Have the first process profile as many of the steps inside as the plan says."""
    if not plan.profile_steps or not trainer.world.is_first:
        yield
        return
    with named_kernels(plan.recipe.execution.compile == "on"):
        trainer.program = steps = ProfiledSteps(trainer, plan)
        try:
            yield
        finally:
            steps.finish()


class ProfiledSteps:
    """Makes steps as another program does, and profiles some of them."""

    def __init__(self, trainer: Trainer, plan: RunPlan) -> None:
        self._trainer, self._execution = trainer, plan.recipe.execution
        self._program: StepProgram = trainer.program
        left = trainer.timeline.num_steps - trainer.state.step
        self._wanted, self._made = plan.profile_steps, 0
        self._before = min(_BEFORE, max(0, left - self._wanted))
        self._profiler: Profiler | None = None
        self._is_over = False

    @property
    def longest(self) -> int:
        """The most updates worth asking for at once."""
        return self._program.longest if self._is_over else 1

    def run(self, count: int) -> None:
        """Make `count` updates."""
        for _ in range(count):
            if self._is_over or self._before:
                self._before -= not self._is_over
                self._program.run(1)
            else:
                self._profiled()

    def _profiled(self) -> None:
        """Make a step that is looked at; what that takes beside the step is no training time."""
        trainer, began = self._trainer, time.monotonic()
        if self._profiler is None:
            try:
                self._profiler = Profiler()
                self._profiler.begin()
            except Exception as error:  # torch's: another profiler may be at work
                self._give_up(error)
                self._program.run(1)
                return
        told = parts_told(trainer.batches, trainer.step_function, trainer.state)
        first = time.monotonic()
        with told, self._profiler.a_step():
            self._program.run(1)
        spent = time.monotonic() - first
        self._made += 1
        if self._made == self._wanted:
            self.finish()
        trainer.state.seconds -= time.monotonic() - began - spent  # the loop adds all of it

    def finish(self) -> None:
        """Look no more, and write down what was seen, if that is not done yet."""
        self._is_over = True
        profiler, self._profiler = self._profiler, None
        if profiler is None:
            return
        place = self._trainer.record.path
        try:
            profiler.end()
            if not self._made:
                return
            self._write(profiler, place)
        except Exception as error:  # torch's too
            self._give_up(error)
            return
        self._trainer.observer.note(
            f"{self._made} steps were profiled: {place / TEXT}, and for ui.perfetto.dev {place / TRACE}"
        )

    def _give_up(self, error: Exception) -> None:
        """Say that there will be no profile; the run goes on, for nothing of it depends on one."""
        self._is_over, self._profiler = True, None
        told = error.args[0] if isinstance(error, ResnetlabError) else f"{type(error).__name__}: {error}"
        self._trainer.observer.note(f"The profile could not be written: {told}")

    def _write(self, profiler: Profiler, place: Path) -> None:
        peak = machine_peak(self._trainer.device, self._execution.precision, looks=False)
        profile = profiler.profile(self._execution, peak)
        write_file(place / TEXT, ("\n".join(lines_of(profile)) + "\n").encode())
        write_file(place / NUMBERS, to_json_bytes(profile.to_json()))
        profiler.write_trace(place / TRACE)
