"""What a run's files promise each other, and whether they keep it. Imports no torch.

A room of small checks, each of one promise: what is expected, what is found, why it matters. They read what
any run has written, of whatever version, and compute each number again by the functions that made it.
"""

from collections.abc import Iterator

from resnetlab.auditing import (
    asked,
    checkpoints,
    counts,
    data,
    ending,
    environment,
    evaluations,
    events,
    rates,
    rows,
)  # fmt: skip
from resnetlab.auditing.facts import Facts, first_line
from resnetlab.auditing.finding import Finding, Found, NotTold, Promise, unknown
from resnetlab.errors import ResnetlabError
from resnetlab.runs.directory import RunDirectory

PROMISES: tuple[Promise, ...] = (
    *asked.PROMISES, *data.PROMISES, *environment.PROMISES, *rows.PROMISES, *rates.PROMISES, *counts.PROMISES,
    *events.PROMISES, *checkpoints.PROMISES, *evaluations.PROMISES, *ending.PROMISES,
)  # fmt: skip
"""All that are checked of a run, in the order of its course."""

_FOREIGN = (
    LookupError, TypeError, ValueError, AttributeError, ArithmeticError, OSError, RecursionError,
)  # fmt: skip
"""What a value raises that no version has written there: its promise is not kept."""


def audit_run(run: RunDirectory, *, reads_all: bool = True) -> Iterator[Finding]:
    """Yield what is found of every promise that a run makes.

    Args:
        run: The run's directory; nothing in it is changed.
        reads_all: Whether every byte of its checkpoints is read, and every answer, which may be gigabytes.
    """
    facts = Facts(run)
    for promise in PROMISES:
        if promise.reads_all and not reads_all:
            continue
        if (found := _look(promise, facts)) is not None:
            yield promise.finding(found)


_MOST_BYTES = 2**24
"""Of metrics.jsonl: a look at each of more rows takes longer than all else that a report reads."""


def audit_sentence(run: RunDirectory) -> tuple[bool, str]:
    """Return whether a finished run breaks no promise, and that in a sentence, by what is cheap to read.

    The sentence is empty of a run that is not at its end, or has very many rows.
    """
    if not run.is_finished or (run.metrics.is_file() and run.metrics.stat().st_size > _MOST_BYTES):
        return True, ""
    findings = [*audit_run(run, reads_all=False)]
    broken = [finding for finding in findings if finding.verdict == "fail"]
    if broken:
        first = f"{broken[0].name} ({broken[0].found})"
        return False, (
            f"It breaks {len(broken)} of {len(findings)} promises that its files make, the first: {first};"
            " `resnetlab verify` says all."
        )
    untold = [finding for finding in findings if finding.verdict == "unknown"]
    kept = f"{len(findings) - len(untold)} of {len(findings)} promises of its files are kept, none is broken"
    more = f"; not known: {untold[0].name} ({untold[0].found})" if untold else ""
    more += f" and {len(untold) - 1} more" if len(untold) > 1 else ""
    return True, f"{kept}{more} (`resnetlab verify`)."


def _look(promise: Promise, facts: Facts) -> Found | None:
    assert promise.look is not None, "of a run's own files"
    try:
        return promise.look(facts)
    except NotTold as error:
        return unknown(str(error))
    except ResnetlabError as error:
        return Found("fail", first_line(error))
    except _FOREIGN as error:
        return Found("fail", f"a value that cannot be ({type(error).__name__}: {first_line(error)})")
