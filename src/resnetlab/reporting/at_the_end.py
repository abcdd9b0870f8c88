"""The page that a run leaves in its directory when its training ends, whole or not."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from resnetlab.base.paths import as_word
from resnetlab.base.units import format_bytes
from resnetlab.reporting import report
from resnetlab.runs.directory import is_run

PAGE = "report.html"

_MOST_BYTES = 2**28
"""Of metrics.jsonl: two million rows, which take some seconds."""


@contextlib.contextmanager
def leaving_a_page(run: Path, note: Callable[[str], None]) -> Iterator[None]:
    """Write RUN/report.html after what is inside, also where an error ended that, but no second Ctrl-C.

    That there is none costs the run nothing, and is noted.

    Args:
        run: The run's directory.
        note: Is told why there is none.
    """
    try:
        yield
    except Exception:
        _write(run, note)
        raise
    _write(run, note)


def refresh_page(evaluation: Path, note: Callable[[str], None]) -> None:
    """Write a run's page anew, if it has one, after an evaluation was written into this folder of its own.

    Args:
        evaluation: RUN/eval/NAME, or any other folder.
        note: Is told why the page is the one of before.
    """
    run = evaluation.parent.parent
    if evaluation.parent.name == "eval" and is_run(run) and (run / PAGE).is_file():
        _write(run, note)


def _write(run: Path, note: Callable[[str], None]) -> None:
    command = f"`resnetlab report {as_word(run)} -o report.html` makes it"
    try:
        size = (run / "metrics.jsonl").stat().st_size
        if size > _MOST_BYTES:
            note(f"no page of the run yet, as metrics.jsonl has {format_bytes(size)}: {command}")
            return
        report(run).page(run / PAGE)
    except Exception as error:  # whatever it is: the run and its result are whole without
        told = str(error).splitlines() or [type(error).__name__]
        note(f"no page of the run: {told[0]}; {command}")
