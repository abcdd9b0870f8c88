"""Files of a run edited as a forger would, one thing at a time."""

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from resnetlab.runs.directory import RunDirectory
from resnetlab.runs.manifest import list_checkpoints, make_manifest, read_manifest
from tests.kit.reported_runs import edit, read

Rows = list[dict[str, Any]]


def edit_rows(path: Path, change: Callable[[Rows], object]) -> None:
    """Change the rows of a journal in place."""
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    change(rows)
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))


def metrics(change: Callable[[Rows], object]) -> Callable[[Path], None]:
    """Return what changes the rows of metrics.jsonl."""
    return lambda run: edit_rows(run / "metrics.jsonl", change)


def events(change: Callable[[Rows], object]) -> Callable[[Path], None]:
    """Return what changes events.jsonl."""
    return lambda run: edit_rows(run / "events.jsonl", change)


def of(rows: Rows, kind: str) -> Rows:
    """Return the rows of one kind, or the events."""
    return [row for row in rows if kind in (row.get("kind"), row.get("event"))]


def values(file: str, /, **changes: Any) -> Callable[[Path], None]:
    """Return what sets values of FILE.json."""
    return lambda run: edit(run / f"{file}.json", **changes)


def setting(group: str, **changes: Any) -> Callable[[Path], None]:
    """Return what sets values of the recipe."""
    return lambda run: edit(run / "recipe.json", **{group: read(run / "recipe.json")[group] | changes})


def state(**changes: Any) -> Callable[[Path], None]:
    """Return what sets values in the state of the last checkpoint, with hashes that fit."""

    def change(run: Path) -> None:
        edit(last_checkpoint(run) / "state.json", **changes)
        refit(last_checkpoint(run))

    return change


def last_checkpoint(run: Path) -> Path:
    """Return the directory of the newest checkpoint."""
    return list_checkpoints(run / "checkpoints")[-1][1]


def refit(path: Path, **facts: Any) -> None:
    """Write a manifest that fits the files of a checkpoint."""
    manifest = read_manifest(path) | facts
    contents = {each.name: each.read_bytes() for each in path.iterdir() if each.name != "MANIFEST.json"}
    fitting = make_manifest(contents, step=manifest["step"], identity=manifest["identity"])
    (path / "MANIFEST.json").write_bytes(fitting)


def as_of_this_run(run: Path) -> None:
    """Give every checkpoint the identity that the run's files have now."""
    for _, path in list_checkpoints(run / "checkpoints"):
        refit(path, identity=RunDirectory(run).identity())


def flip(path: Path) -> None:
    """Flip a bit of the last byte."""
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def evaluation(run: Path) -> Path:
    """Return the folder of the evaluation at the end."""
    return next((run / "eval").glob("step-*-test"))


def scores(**changes: Any) -> Callable[[Path], None]:
    """Return what sets values of the scores at the end."""
    return lambda run: edit(evaluation(run) / "scores.json", **changes)


def answers(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    """Return what changes the arrays of the answers at the end."""

    def rewrite(run: Path) -> None:
        path = evaluation(run) / "answers.npz"
        with np.load(path) as kept:
            arrays = dict(kept)
        change(arrays)
        np.savez(path, **arrays)

    return rewrite


def gone(name: str) -> Callable[[Path], None]:
    """Return what removes a file."""
    return lambda run: os.remove(run / name)


def with_hashes_that_fit(run: Path) -> None:
    """Have every checkpoint keep the hash of the rows, and of its own files, that they have now."""
    content = (run / "metrics.jsonl").read_bytes()
    for step, path in list_checkpoints(run / "checkpoints"):
        then = b"".join(
            each for each in content.splitlines(keepends=True) if json.loads(each)["step"] <= step
        )
        digest = hashlib.sha256(then).hexdigest()
        edit(path / "state.json", metrics_length=len(then), metrics_digest=digest)
    as_of_this_run(run)
