"""What an audit finds of a run."""

from pathlib import Path

from resnetlab.auditing import audit_run
from resnetlab.auditing.finding import Finding
from resnetlab.runs.directory import RunDirectory


def found(run: Path) -> dict[str, Finding]:
    """Return what is found of each promise, by its name."""
    return {finding.name: finding for finding in audit_run(RunDirectory(run))}


def told(run: Path) -> list[str]:
    """Return what is not kept, for the message of a failing test."""
    return [f"{each.name}: {each.found}" for each in found(run).values() if each.verdict == "fail"]
