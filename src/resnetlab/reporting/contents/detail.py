"""What is to be known of one run: its network, recipe, data, machine, and how its weights are used."""

import math
import shlex
from collections.abc import Iterator, Sequence
from typing import Any

from resnetlab.base.paths import as_word
from resnetlab.base.reading.plain import read_json
from resnetlab.evaluation.insights import FOLDER
from resnetlab.recipe import Recipe
from resnetlab.recipe.named import RECIPES, named_recipe, recipe_doc
from resnetlab.recipe.settings import leaf_help, leaves
from resnetlab.reporting.contents.insights_told import read_insights
from resnetlab.reporting.contents.samples_told import read_samples
from resnetlab.reporting.contents.scored import evaluations_in, read_evaluation
from resnetlab.reporting.groups import Group
from resnetlab.reporting.reading import RecordedRun
from resnetlab.reporting.values import is_number, number_of, texts_of
from resnetlab.runs.directory import BAD_SAMPLE, OFTEN
from resnetlab.show.tables.differences import decided_for_us

_MOST_NAMES = 1000
_MOST_BROKEN = 100
_MOST_HISTORY = 60


def detail_of(group: Group, run: RecordedRun) -> dict[str, Any]:
    """Return everything that a page shows of a lone run beside its verdict and its curves."""
    folders = evaluations_in(run.path)
    evaluation, problems = read_evaluation(folders[0]) if folders else (None, [])
    insights = None
    if evaluation:
        insights, more = read_insights(folders[0] / FOLDER, len(evaluation["classes"]))
        problems += more
    samples = read_samples(run.path, problems)
    return {
        "network": _network(run),
        "drawing": run.spec.to_json(),
        "recipe": _recipe(group, run),
        "data": _data(run),
        "samples": samples,
        "environment": _environment(run),
        "speed": _speed(run),
        "usage": _usage(run),
        "evaluation": evaluation,
        "other_evaluations": [folder.name for folder in folders[1:]][:_MOST_HISTORY],
        "insights": insights,
        "history": _history(run),
        "missing": [*_missing(run, evaluation, insights), *({"what": text} for text in problems)],
    }


def _network(run: RecordedRun) -> dict[str, Any]:
    spec, (height, width, channels) = run.spec, run.data["image_shape"]
    return {
        "name": spec.name,
        "source": spec.source,
        "depth": spec.depth,
        "parameters": spec.num_parameters,
        "multiply_adds": spec.num_multiply_adds(),
        "classes": spec.classes,
        "input": [height, width, channels],
        "first_weights": str(run.weights.get("from") or run.first_weights),
        "continues": list(run.lengths_before),
    }


def _recipe(group: Group, run: RecordedRun) -> dict[str, Any]:
    recipe = run.recipe
    values = [*_values(recipe, run.spec.depth, begins_trained=bool(run.weights))]
    return {
        "name": recipe.name,
        "source": recipe_doc(recipe.name) if recipe.name in RECIPES else "",
        "deviations": list(group.deviations),
        "values": values,
    }


def _values(recipe: Recipe, depth: int, *, begins_trained: bool) -> Iterator[dict[str, str]]:
    """Yield every value of the recipe with its origin and what it means."""
    default = leaves(Recipe())
    named = leaves(named_recipe(recipe.name, depth)) if recipe.name in RECIPES else None
    silent = decided_for_us(begins_trained=begins_trained) - {"report"}
    for name, leaf in leaves(recipe).items():
        origin = f"recipe {recipe.name}"
        if named and leaf.value != named[name].value:
            origin = "decided when planned" if name in silent else f"given ({named[name].text or 'none'})"
        elif leaf.value == default[name].value:
            origin = "default"
        yield {
            "group": leaf.group, "name": name, "value": leaf.text, "origin": origin,
            "help": " ".join(leaf_help(recipe, name).split()),
        }  # fmt: skip


def _data(run: RecordedRun) -> dict[str, Any]:
    data, steps = run.data, run.evaluations[-1:]
    samples = None
    if steps and is_number(steps[0].get("epoch")) and steps[0]["epoch"] and not run.recipe.run.cycle_epochs:
        samples = round(steps[0]["step"] * run.recipe.run.batch / steps[0]["epoch"])
    broken = [str(row.get("problem")) for row in run.events if row.get("event") == BAD_SAMPLE] or texts_of(
        run.result.get("bad_samples")
    )
    names = texts_of(data["class_names"])
    return {
        "name": str(data["name"]),
        "source": str(data.get("source", "")),
        "fingerprint": str(data["fingerprint"]),
        "image_shape": list(data["image_shape"]),
        "classes": names[:_MOST_NAMES],
        "num_classes": len(names),
        "train": samples,
        "val": len(data.get("val_indices") or []),
        "test": run.result.get("seen"),
        "notes": texts_of(data.get("notes")),
        "broken": [*dict.fromkeys(broken)][:_MOST_BROKEN],
        "num_broken": len(dict.fromkeys(broken)),
    }


def _environment(run: RecordedRun) -> dict[str, Any]:
    """Return what the run began on, and in what its resumes differ."""
    found = [row["environment"] for row in run.events if isinstance(row.get("environment"), dict)]
    if not found:
        try:
            found = [content] if isinstance(content := read_json(run.path / "environment.json"), dict) else []
        except (OSError, ValueError):
            found = []
    first = found[0] if found else {}
    names = ("device", "cpu", "cores", "threads", "platform", "python", "revision")
    packages = first.get("packages")
    command = first.get("command")
    machines = [str(each.get("cpu") if each.get("device") == "cpu" else each.get("device")) for each in found]
    return {
        **{name: str(first[name]) for name in names if first.get(name) not in (None, "")},
        "packages": {str(k): str(v) for k, v in packages.items()} if isinstance(packages, dict) else {},
        "command": shlex.join(["resnetlab", *map(str, command[1:])]) if isinstance(command, list) else "",
        "machines": [*dict.fromkeys(machines)],
        "starts": len(found),
    }


def _speed(run: RecordedRun) -> dict[str, Any]:
    """Return how fast it was, and what it waited for; memory where a run has noted it."""
    ends = [row for row in run.events if row.get("event") == "end"]
    memory = next((row["peak_memory"] for row in ends if is_number(row.get("peak_memory"))), None)
    return {
        "seconds": run.result.get("train_seconds"),
        "images_per_second": number_of(run.result.get("images_per_second")),
        "wait_share": number_of(run.result.get("wait_share")),
        "peak_memory": memory,
        "between_saves": _between_saves(run),
    }


def _between_saves(run: RecordedRun) -> list[list[float]]:
    """Return [step, images per second] between events of one start: evaluations and saves are in it."""
    points: list[list[float]] = []
    before: tuple[float, float] | None = None
    for row in run.events:
        kind = row.get("event")
        time: Any = row.get("time")
        step: Any = row.get("step", 0)
        if kind in ("start", "resume") or not (is_number(time) and is_number(step)):
            before = None
        if kind != "save" or not (is_number(time) and is_number(step)):
            continue
        if before and step > before[1] and time > before[0]:
            rate = (step - before[1]) * run.recipe.run.batch / (time - before[0])
            points.append([step, round(rate, 1)])
        before = (time, step)
    every = max(1, math.ceil(len(points) / 200))
    return points[::every]


def _usage(run: RecordedRun) -> dict[str, Any]:
    """Return the commands and the lines of Python that use the weights."""
    step = run.step
    best = run.result.get("best_val_step")
    where = run.path if not best or best == step else run.path / "checkpoints" / f"step-{best:08d}"
    path, kept = as_word(where), any(run.path.glob("checkpoints/step-*"))
    commands = [
        [f"resnetlab predict {path} IMAGE", "what is in a picture"],
        [f"resnetlab eval {path}", "scores, per class, every answer"],
        [f"resnetlab export {path} --to onnx", "for other programs"],
        [f"resnetlab finetune --weights {path} --data FOLDER", "your own images"],
    ]
    resume = [[f"resnetlab resume {path}", "goes on with it"]] if not run.is_finished else []
    python = [
        "from resnetlab import Classifier",
        "",
        f"classifier = Classifier.load({str(where)!r})",
        'prediction = classifier.predict("picture.jpg")',
        "print(prediction.class_name, prediction.probability)",
    ]
    return {"commands": [*resume, *(commands if kept else [])], "python": python if kept else []}


def _history(run: RecordedRun) -> list[dict[str, Any]]:
    """Return what happened when, but for saves and rates; the latest where it is much."""
    told = [row for row in run.events if row.get("event") not in (*OFTEN, BAD_SAMPLE)]
    return [
        {
            "event": str(row.get("event")),
            "step": row["step"] if is_number(row.get("step")) else None,
            "time": row["time"] if is_number(row.get("time")) else None,
            "text": " ".join(str(row[name]).split("\n")[0] for name in ("signal", "error") if row.get(name)),
        }
        for row in told[-_MOST_HISTORY:]
    ]


def _missing(
    run: RecordedRun, evaluation: dict[str, Any] | None, insights: dict[str, Any] | None
) -> Iterator[dict[str, str]]:
    """Yield what is not there, and by which command it comes."""
    command = f"resnetlab eval {as_word(run.path)}"
    if evaluation is None:
        yield {
            "what": "Confusion matrix, accuracy by class and every answer are not there yet.",
            "command": command,
        }
        return
    parts: Sequence[tuple[str, bool]] = (
        ("every answer with its image", evaluation["worst"] is None),
        ("calibration", evaluation["calibration"] is None),
        ("pictures of mistakes, filters and responses by layer", insights is None),
    )
    if those := [name for name, is_missing in parts if is_missing]:
        told = ", ".join(those)
        yield {"what": f"{told[0].upper()}{told[1:]}: this evaluation has not kept that.", "command": command}
