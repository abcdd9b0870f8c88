"""What of a run was edited since it began: events.jsonl keeps how its files were then."""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from resnetlab.base.plaindata import to_json_bytes
from resnetlab.errors import UsageError
from resnetlab.runs.directory import RunDirectory
from resnetlab.runs.journal import read_rows

_WHOLE = ("recipe", "spec")


def as_begun(run: RunDirectory) -> dict[str, Any]:
    """Return what the event of a run's start keeps: its recipe and network, and the SHA-256 of data.json."""
    return {name: run.read(name) for name in _WHOLE} | {"data": _digest(run)}


def refuse_edited(run: RunDirectory) -> None:
    """Raise if a run's recipe.json, spec.json or data.json says something else than when it began.

    Runs of earlier versions did not keep it: nothing is raised of these.

    Raises:
        UsageError: If so, with every value.
    """
    told = differences_since_the_start(run)
    if told:
        raise UsageError(
            f"{run.path} was edited since it began, and its checkpoints are of the run that it was:\n"
            + "\n".join(told),
            hint="Write back what it was, and resume; `resnetlab train` takes other values in a new run.",
        )


def differences_since_the_start(run: RunDirectory) -> list[str] | None:
    """Return what recipe.json, spec.json and data.json say otherwise than when a run began.

    None: its events do not keep how it began, as of earlier versions.

    Raises:
        DataError: If one of the files is missing or damaged.
    """
    starts = [row for row in read_rows(run.events, passes_over_damage=True) if row.get("event") == "start"]
    then = starts[-1].get("begun") if starts else None
    if not isinstance(then, dict):
        return None
    told = [
        f"{name}.json: {text}" for name in _WHOLE for text in _differences(then.get(name), run.read(name))
    ]
    if then.get("data") != _digest(run):
        told.append("data.json was changed; `resnetlab resume --data` says where the data lies now")
    return told


def _digest(run: RunDirectory) -> str:
    return hashlib.sha256(to_json_bytes(run.read("data"))).hexdigest()


def _differences(then: object, now: object, name: str = "") -> Iterator[str]:
    """Yield what two pieces of plain data differ in, each value by its path."""
    if isinstance(then, Mapping) and isinstance(now, Mapping):
        for key in dict.fromkeys([*then, *now]):
            yield from _differences(then.get(key), now.get(key), f"{name}.{key}" if name else str(key))
    elif then != now:
        yield f"{name or 'all of it'} was {then!r}, is {now!r}"
