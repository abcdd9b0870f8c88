"""Who shows a run or a study that is asked for in Python, if the caller names nobody.

In a notebook a cell does, in a script a bar or lines, on standard error: what a script prints is its own.
"""

import contextlib
import io
import sys
from collections.abc import Iterator
from typing import TextIO, cast

from resnetlab.errors import UsageError
from resnetlab.parallel.world import ALONE, World
from resnetlab.training.observer import Observer, Silence
from resnetlab.training.studies.observer import StudyObserver
from resnetlab.watching.a_study import PlainStudyWatcher, watching_study
from resnetlab.watching.notebook.output import OutputCell, in_notebook
from resnetlab.watching.notebook.run_cell import RunCell
from resnetlab.watching.notebook.study_cell import StudyCell
from resnetlab.watching.one_run import PlainWatcher, watching, watching_bar


@contextlib.contextmanager
def watching_here(named: Observer | None, world: World = ALONE) -> Iterator[Observer]:
    """Give who shows a run while inside: who is named, `Silence` nothing; else what suits this process.

    Raises:
        UsageError: If what is named is no observer.
    """
    _refuse_others(named, Observer)
    if named is not None:
        yield named
    elif not world.is_first:  # it is told what only this process knows
        yield PlainWatcher(_errors())
    elif in_notebook():
        with contextlib.closing(RunCell(OutputCell)) as shown:
            yield shown
    else:
        with watching(_errors()) as watcher:
            yield watcher


@contextlib.contextmanager
def watching_steps_here(named: Observer | None, title: str, world: World = ALONE) -> Iterator[Observer]:
    """Give who shows steps that leave no run while inside: who is named, else a bar on a terminal.

    Raises:
        UsageError: If what is named is no observer.
    """
    _refuse_others(named, Observer)
    if named is not None or not world.is_first:
        yield named or Observer()
        return
    with watching_bar(_errors(), title) as bar:
        yield bar


@contextlib.contextmanager
def watching_study_here(
    named: StudyObserver | Silence | None, world: World = ALONE
) -> Iterator[StudyObserver]:
    """Give who shows a study while inside, as `watching_here`."""
    _refuse_others(named, StudyObserver, Silence)
    if named is not None:
        yield StudyObserver() if isinstance(named, Silence) else named
    elif not world.is_first:
        yield PlainStudyWatcher(_errors())
    elif in_notebook():
        with contextlib.closing(StudyCell(OutputCell)) as shown:
            yield shown
    else:
        with watching_study(_errors()) as watcher:
            yield watcher


def _refuse_others(named: object, *kinds: type) -> None:
    if named is not None and not isinstance(named, kinds):
        names = " or ".join(kind.__name__ for kind in kinds)
        raise UsageError(
            f"observer={named!r} is no {names}",
            hint="observer=resnetlab.Silence() shows nothing; an observer of your own is an instance of a "
            f"class that inherits from {kinds[0].__module__}.{kinds[0].__name__}.",
        )


class _Nowhere(io.TextIOBase):
    def write(self, text: str) -> int:
        return len(text)


def _errors() -> TextIO:
    """Return standard error; where it is closed, or there is none (a program without a console), nowhere."""
    stream = sys.stderr
    return cast(TextIO, _Nowhere()) if stream is None or getattr(stream, "closed", False) else stream
