"""A study: every run that was planned, as it was planned."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from resnetlab.auditing.facts import first_line
from resnetlab.auditing.finding import Finding, Found, Promise, judged, passed, unknown
from resnetlab.base.reading.plain import is_number, read_json
from resnetlab.base.units import counted, first_of
from resnetlab.errors import ResnetlabError
from resnetlab.recipe.settings import leaves, recipe_from_json
from resnetlab.reporting.reading import STUDY
from resnetlab.runs.directory import RunDirectory, runs_in
from resnetlab.runs.journal import read_rows

_DECIDED_THERE = {"compile", "capture", "report", "precision", "shards"}
"""What the machine that makes a run may decide anew."""

_PLANNED = Promise(
    "runs of the study", "each that study.json names", "a run that is left out may be the bad one"
)
_AS_PLANNED = Promise(
    "as planned", "network, recipe and data of each run as study.json has them",
    "runs that are compared differ in what the study says alone",
)  # fmt: skip

_OWN_COURSES = Promise(
    "runs of their own", "other losses under every seed",
    "a run that is there twice, under two seeds, makes the spread smaller than it is",
)  # fmt: skip


def is_study(path: Path) -> bool:
    """Return whether a study is written down in a folder."""
    return (path / f"{STUDY}").is_file()


def audit_study(path: Path) -> list[Finding]:
    """Return what is found of a study's own promises; its runs make theirs."""
    try:
        rows = _rows(path)
    except (OSError, ValueError) as error:
        return [_PLANNED.finding(judged([f"{STUDY} cannot be read: {error}"], ""))]
    longer = {name for name in runs_in(path) if RunDirectory(path / name).continues}
    there = {*runs_in(path)} - longer
    names = [str(row.get("name")) for row in rows]
    return [
        _PLANNED.finding(_planned(names, there, longer)),
        _AS_PLANNED.finding(judged(_otherwise(path, rows), counted(len(there), "run"))),
        _OWN_COURSES.finding(judged(_copies(path, names), counted(len(there), "run"))),
    ]


def _rows(path: Path) -> list[Mapping[str, Any]]:
    content = read_json(path / STUDY)
    rows = content.get("runs") if isinstance(content, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError("no list of runs")
    return rows


def _planned(names: list[str], there: set[str], longer: set[str]) -> Found:
    if doubled := sorted({name for name in names if names.count(name) > 1}):
        return judged([f"{name} is planned twice" for name in doubled], "")
    if more := sorted(there - {*names}):
        return judged([f"{name} was never planned" for name in more], "")
    missing = [name for name in names if name not in there | longer]
    if missing:
        return unknown(
            f"{missing[0]} is not there: not begun yet, or removed"
            + f" ({len(missing)} such)" * (len(missing) > 1)
        )
    beside = f"; {first_of(sorted(longer), 3)} trained on from another run" if longer else ""
    return passed(f"{len(names)} of {len(names)}{beside}")


def _otherwise(path: Path, rows: list[Mapping[str, Any]]) -> Iterator[str]:
    there = runs_in(path)  # a name may lead anywhere
    for row in rows:
        name = str(row.get("name"))
        if name not in there:
            continue
        run = RunDirectory(path / name)
        try:
            recipe = leaves(recipe_from_json(run.read("recipe")))
            planned = leaves(recipe_from_json(row["recipe"]))
            spec, data = run.read("spec"), run.read("data")
        except (ResnetlabError, KeyError, TypeError) as error:
            yield f"{name}: {first_line(error)}"
            continue
        for leaf, value in planned.items():
            if leaf not in _DECIDED_THERE and recipe[leaf].value != value.value:
                yield f"{name}: {leaf} is {recipe[leaf].text or 'none'}, planned was {value.text or 'none'}"
        if spec != row.get("spec"):
            yield f"{name}: another network"
        if data.get("fingerprint") != (row.get("data") or {}).get("fingerprint"):
            yield f"{name}: other data"


def _copies(path: Path, names: list[str]) -> Iterator[str]:
    """Tell of runs with different seeds whose losses in training are the same to the last digit."""
    seen: dict[tuple[float, ...], tuple[str, object]] = {}
    there = runs_in(path)
    for name in names:
        if name not in there:
            continue
        run = RunDirectory(path / name)
        try:
            seed, rows = run.read("recipe")["run"]["seed"], read_rows(run.metrics)
        except (ResnetlabError, KeyError, TypeError):
            continue  # which its own promises tell
        losses = tuple(row["train_loss"] for row in rows if is_number(row.get("train_loss")))
        first, its_seed = seen.setdefault(losses, (name, seed)) if losses else (name, seed)
        if seed != its_seed:
            yield f"{name} has every loss of {first}"
