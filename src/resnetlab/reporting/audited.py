"""Whether runs keep what their files promise, in a line: of what is cheap to check."""

from collections.abc import Sequence

from resnetlab.auditing import audit_run
from resnetlab.reporting.reading import RecordedRun
from resnetlab.runs.directory import RunDirectory

MOST_RUNS = 20
"""Of more runs none is looked at: `resnetlab verify` does."""

_MOST_ROWS = 2**16
"""Of metrics.jsonl: above, a look at each takes longer than the report."""


def audit_sentence(run: RecordedRun) -> str:
    """Return how many of its promises a finished run keeps; "" of others, of records, and of very long ones.

    The bytes of the weights are not read for it.
    """
    if run.made_by or not run.is_finished or len(run.rows) >= _MOST_ROWS:
        return ""
    findings = [*audit_run(RunDirectory(run.path), reads_all=False)]
    broken = [finding for finding in findings if finding.verdict == "fail"]
    if broken:
        first = f"{broken[0].name} ({broken[0].found})"
        return (
            f"It breaks {len(broken)} of {len(findings)} promises that its files make, the first: {first};"
            " `resnetlab verify` says all."
        )
    kept = sum(finding.verdict == "pass" for finding in findings)
    return f"{kept} of {len(findings)} promises of its files are kept, none is broken (`resnetlab verify`)."


def audit_lines(runs: Sequence[RecordedRun]) -> list[str]:
    """Return a line for each run that breaks a promise, or one for all that break none."""
    if len(runs) > MOST_RUNS:
        return []
    told = {run: sentence for run in runs if (sentence := audit_sentence(run))}
    broken = [f"{run.path}: {sentence}" for run, sentence in told.items() if sentence.startswith("It breaks")]
    if len(told) == 1 and not broken:
        return [*told.values()]
    return broken or [f"{len(told)} runs break no promise of their files (`resnetlab verify`)."] * bool(told)
