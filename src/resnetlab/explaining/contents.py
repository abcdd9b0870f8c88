"""Everything that the page of a study of shortcuts shows, as plain JSON data. Imports no torch."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from resnetlab.base.paths import as_word
from resnetlab.base.units import format_seconds
from resnetlab.evaluation.significance import wilson_interval
from resnetlab.explaining.words import words_of
from resnetlab.network.catalog import changed_texts
from resnetlab.reporting.contents.panels import panels_of
from resnetlab.reporting.groups import group_runs
from resnetlab.reporting.reading import RecordedRun, read_run
from resnetlab.runs.environment import version
from resnetlab.show.tables.differences import decided_for_us, deviations

FORMAT, VERSION = "resnetlab explanation of shortcuts", 1


def contents_of(place: Path, measured: Mapping[str, Mapping[str, Any]], command: str) -> dict[str, Any]:
    """Return everything that the page shows.

    Args:
        place: The study's directory, all runs of which are finished.
        measured: What `measuring.measure` returns of each run, by the name of its directory; in the order of
            the page.
        command: What makes all of it again.

    Raises:
        DataError: If a run's files are damaged.
    """
    runs = {name: read_run(place / name) for name in measured}
    networks = [_network(name, run, measured[name]) for name, run in runs.items()]
    first = next(iter(runs.values()))
    data = str(first.data["name"])
    depths = sorted({each["depth"] for each in networks})
    contents = {
        "format": FORMAT,
        "version": VERSION,
        "program": f"resnetlab {version('resnetlab') or '(not installed)'}",
        "title": f"Plain and residual networks of {depths[0]} and {depths[1]} layers on {data}",
        "depths": depths,
        "data": {
            "name": data,
            "classes": len(first.data["class_names"]),
            "image_shape": list(first.data["image_shape"]),
        },
        "seed": first.seed,
        "networks": networks,
        "steps_per_epoch": _steps_per_epoch(first),
        "command": command,
        "conditions": [[*pair] for pair in _conditions(place, [*runs.values()], networks)],
    }
    return contents | {"words": words_of(contents)}


def _network(name: str, run: RecordedRun, measured: Mapping[str, Any]) -> dict[str, Any]:
    errors = [
        each for panel in panels_of(group_runs([run])) for each in panel["series"] if each["of"] == "error"
    ]
    height, width, _ = run.data["image_shape"]
    result = run.result
    return {
        "name": run.spec.name,
        "run": name,
        "kind": "plain" if run.spec.shortcut == "none" else "residual",
        "depth": run.spec.depth,
        "parameters": run.spec.num_parameters,
        "multiply_adds": run.spec.num_multiply_adds(height, width),
        "spec": run.spec.to_json(),
        "test": _share(result["seen"] - result["correct"], result["seen"]),
        "train": _last_epoch(run),
        "curves": {
            kind: next(
                (each["points"] for each in errors if (each["kind"] == "train") == (kind == "train")), []
            )
            for kind in ("test", "train")
        },
        "seconds": result["train_seconds"],
        "first_weights": measured["first_weights"],
        "start": measured["start"],
        "around": measured["around"],
        "between": measured["between"],
        "images": measured["images"],
        "of": measured["of"],
        "sha256": measured["sha256"],
    }


def _share(wrong: int, seen: int) -> dict[str, Any]:
    return {"wrong": wrong, "seen": seen, "interval": [*wilson_interval(wrong, seen)]}


def _last_epoch(run: RecordedRun) -> dict[str, Any] | None:
    """Return the errors on training images since the last evaluation but one, as they were trained on."""
    rows = [row for row in run.evaluations if "train_accuracy" in row and row.get("epoch")]
    if not rows:
        return None
    before = [row["step"] for row in run.evaluations if row["step"] < rows[-1]["step"]]
    seen = (rows[-1]["step"] - (before[-1] if before else 0)) * run.recipe.run.batch
    return _share(round((1 - rows[-1]["train_accuracy"]) * seen), seen)


def _steps_per_epoch(run: RecordedRun) -> float | None:
    row = run.evaluations[-1] if run.evaluations else {}
    return row["step"] / row["epoch"] if row.get("epoch") else None


def _conditions(
    place: Path, runs: Sequence[RecordedRun], networks: Sequence[Mapping[str, Any]]
) -> Iterator[tuple[str, str]]:
    """Yield how the runs were made, in names and words."""
    run, spec = runs[0], runs[0].spec
    height, width, channels = run.data["image_shape"]
    by_the_data = {f"classes={len(run.data['class_names'])}", f"in_channels={channels}"}
    knobs = ", ".join(text for text in changed_texts(spec) if text not in by_the_data)
    names = ", ".join(each["name"] for each in networks)
    yield "networks", f"{names}{f', with {knobs}' if knobs else ''}; {spec.source}"
    batch, epoch = run.recipe.run.batch, _steps_per_epoch(run)
    counts = f"{networks[0]['test']['seen']:,} test images of {height} × {width} × {channels}"
    trained = f"{round(epoch * batch):,} training and " if epoch else ""
    yield "data", f"{run.data['name']}: {trained}{counts}"
    changed = ", ".join(deviations(run.recipe, spec.depth, {"seed"} | decided_for_us(begins_trained=False)))
    yield "recipe", run.recipe.name + (f", but {changed}" if changed else "")
    yield "length", f"{run.step:,} steps of {batch} images ({run.recipe.run.length})"
    yield "seed", f"{run.seed}; one run of each network, other seeds have other numbers"
    if machines := sorted({machine for each in runs for machine in each.machines}):
        yield "machine", ", ".join(machines)
    yield "training", ", ".join(f"{each['name']} {format_seconds(each['seconds'])}" for each in networks)
    folder = place.resolve().name
    yield "runs", f"in {folder}/, ordinary ones: resnetlab report {as_word(folder)}"
