"""Folders of runs in every state, made of those that version 0.1.0 has left: no network is needed."""

import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.kit.reported_runs import copied, edit, read

OLD = Path(__file__).parents[1] / "old_files" / "0.1.0"


def finished(to: Path, *, seed: int = 0, correct: int = 19) -> Path:
    """Return a run that came to its end with so many of 359 images right."""
    copied(OLD / "run", to, seed=seed)
    edit(to / "RESULT.json", correct=correct, accuracy=correct / 359)
    return to


def interrupted(to: Path, *, seed: int = 0) -> Path:
    """Return a run that was ended by a signal after 5 of 10 steps."""
    return copied(OLD / "interrupted", to, seed=seed)


def killed(to: Path, *, seed: int = 0) -> Path:
    """Return a run that has noted nothing of its end; held by a lock it is one that is training."""
    interrupted(to, seed=seed)
    lines = (to / "events.jsonl").read_text().splitlines(keepends=True)
    (to / "events.jsonl").write_text("".join(lines[:2]))
    return to


def crashed(to: Path, error: str = "the loss is not finite") -> Path:
    """Return a run that an error ended."""
    killed(to)
    add_rows(to / "events.jsonl", [{"time": 1795983437.0, "event": "stopped", "step": 5, "error": error}])
    return to


def add_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Add rows to a journal, as training does."""
    with path.open("a") as file:
        file.writelines(f"{json.dumps(row)}\n" for row in rows)


def test_row(step: int, accuracy: float) -> dict[str, Any]:
    """Return a row of an evaluation, as 0.1.0 wrote them."""
    return {
        "kind": "test", "step": step, "epoch": step * 16 / 1374, "learning_rate": 0.1, "loss": 2.0,
        "accuracy": accuracy, "correct": round(359 * accuracy), "seen": 359,
    }  # fmt: skip


test_row.__test__ = False  # type: ignore[attr-defined]


def study(folder: Path, names: Iterable[str]) -> Path:
    """Write down a study of runs of these names, none of which is begun."""
    folder.mkdir(parents=True, exist_ok=True)
    records = {part: read(OLD / "interrupted" / f"{part}.json") for part in ("spec", "recipe", "data")}
    rows = [{"name": name, **records} for name in names]
    (folder / "study.json").write_text(json.dumps({"runs": rows}))
    return folder


def every_state(folder: Path) -> Path:
    """Return a folder with a run in each state but running: two seeds are of one kind."""
    finished(folder / "digits" / "seed0", correct=300)
    finished(folder / "digits" / "seed1", seed=1, correct=310)
    interrupted(folder / "interrupted")
    crashed(folder / "crashed")
    killed(folder / "killed")
    study(folder / "study", ["waiting-seed0"])
    damaged = finished(folder / "damaged")
    (damaged / "recipe.json").write_text((damaged / "recipe.json").read_text()[:200])
    return folder


def removed(path: Path) -> None:
    """Take a run away."""
    shutil.rmtree(path)
