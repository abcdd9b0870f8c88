"""Who shows a run or a study that is asked for in Python, if the caller names nobody.

In a notebook a cell does, in a script a bar or lines, on standard error: what a script prints is its own.
"""

import contextlib
import sys
from collections.abc import Iterator

from resnetlab.parallel.world import ALONE, World
from resnetlab.training.observer import Observer, Silence
from resnetlab.training.studies.observer import StudyObserver
from resnetlab.watching.a_study import PlainStudyWatcher, watching_study
from resnetlab.watching.notebook.output import OutputCell, in_notebook
from resnetlab.watching.notebook.run_cell import RunCell
from resnetlab.watching.notebook.study_cell import StudyCell
from resnetlab.watching.one_run import PlainWatcher, watching


@contextlib.contextmanager
def watching_here(named: Observer | None, world: World = ALONE) -> Iterator[Observer]:
    """Give who shows a run while inside: who is named, `Silence` nothing; else what suits this process."""
    if named is not None:
        yield named
    elif not world.is_first:  # it is told what only this process knows
        yield PlainWatcher(sys.stderr)
    elif in_notebook():
        with contextlib.closing(RunCell(OutputCell)) as shown:
            yield shown
    else:
        with watching(sys.stderr) as watcher:
            yield watcher


@contextlib.contextmanager
def watching_study_here(
    named: StudyObserver | Silence | None, world: World = ALONE
) -> Iterator[StudyObserver]:
    """Give who shows a study while inside, as `watching_here`."""
    if named is not None:
        yield StudyObserver() if isinstance(named, Silence) else named
    elif not world.is_first:
        yield PlainStudyWatcher(sys.stderr)
    elif in_notebook():
        with contextlib.closing(StudyCell(OutputCell)) as shown:
            yield shown
    else:
        with watching_study(sys.stderr) as watcher:
            yield watcher
