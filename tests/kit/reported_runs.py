"""Run directories derived from a real one: copied, with another network, recipe, data and numbers."""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from resnetlab.base.plaindata import to_plain
from resnetlab.network.catalog import model_spec
from resnetlab.recipe.named import named_recipe
from resnetlab.recipe.settings import override


def read(path: Path) -> Any:
    return json.loads(path.read_text())


def edit(path: Path, **changes: Any) -> None:
    """Change values of a JSON file."""
    path.write_text(json.dumps(read(path) | changes))


def copied(real: Path, to: Path, **seed: int) -> Path:
    """Return a copy of a real run without what a report does not read."""
    shutil.copytree(real, to, ignore=shutil.ignore_patterns("checkpoints", "tensorboard", "lock"))
    if seed:
        recipe = read(to / "recipe.json")
        recipe["run"] |= seed
        (to / "recipe.json").write_text(json.dumps(recipe))
    return to


def as_cifar(
    real: Path, to: Path, network: str, *, seed: int = 0, correct: int = 9000, seen: int = 10_000,
    recipe: str = "he2015", data: str = "cifar10", rows: Sequence[Mapping[str, Any]] = (), **values: Any,
) -> Path:  # fmt: skip
    """Return a run on CIFAR that ended with so many right answers, of a named network and recipe."""
    copied(real, to)
    spec = model_spec(network)
    spec = spec.with_(classes=100) if data == "cifar100" else spec
    resolved = override(named_recipe(recipe, spec.depth), {"seed": seed, **values})
    (to / "spec.json").write_text(json.dumps(spec.to_json()))
    (to / "recipe.json").write_text(json.dumps(to_plain(resolved)))
    names = [str(i) for i in range(spec.classes)]
    edit(to / "data.json", name=data, class_names=names, image_shape=[32, 32, 3], fingerprint=data)
    edit(
        to / "RESULT.json",
        correct=correct,
        seen=seen,
        accuracy=correct / seen,
        step=64_000,
        weights="weights",
    )
    made = rows or [test_row(64_000, correct / seen, seen)]
    (to / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in made))
    return to


def test_row(step: int, accuracy: float, seen: int = 10_000) -> dict[str, Any]:
    return {"kind": "test", "step": step, "epoch": step * 128 / 50_000, "accuracy": accuracy, "seen": seen}


test_row.__test__ = False  # type: ignore[attr-defined]
