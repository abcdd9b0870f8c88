"""Whether runs keep what their files promise, in a line: of what is cheap to check."""

from collections.abc import Sequence
from pathlib import Path

from resnetlab.auditing import audit_run
from resnetlab.reporting.reading import RecordedRun
from resnetlab.runs.directory import RunDirectory

MOST_RUNS = 20
"""Of more runs none is looked at: `resnetlab verify` does."""

_BROKEN = "It breaks"
_MOST_BYTES = 2**24
"""Of metrics.jsonl: a look at each of more rows takes longer than the report."""


def audit_sentence(run: RecordedRun) -> str:
    """Return how many of its promises a finished run keeps; "" of others, of records, and of very long ones.

    The bytes of the weights are not read for it.
    """
    directory = RunDirectory(run.path)
    if run.made_by or not run.is_finished or _size(directory.metrics) > _MOST_BYTES:
        return ""
    findings = [*audit_run(directory, reads_all=False)]
    broken = [finding for finding in findings if finding.verdict == "fail"]
    if broken:
        first = f"{broken[0].name} ({broken[0].found})"
        return (
            f"{_BROKEN} {len(broken)} of {len(findings)} promises that its files make, the first: {first};"
            " `resnetlab verify` says all."
        )
    kept = sum(finding.verdict == "pass" for finding in findings)
    return f"{kept} of {len(findings)} promises of its files are kept, none is broken (`resnetlab verify`)."


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def audit_lines(runs: Sequence[RecordedRun]) -> list[str]:
    """Return a line for each run that breaks a promise, or one for all that break none."""
    if len(runs) > MOST_RUNS:
        return []
    told = [(run, sentence) for run in runs if (sentence := audit_sentence(run))]
    broken = [f"{run.path}: {sentence}" for run, sentence in told if sentence.startswith(_BROKEN)]
    if len(told) == 1 and not broken:
        return [told[0][1]]
    return broken or [f"{len(told)} runs break no promise of their files (`resnetlab verify`)."] * bool(told)
