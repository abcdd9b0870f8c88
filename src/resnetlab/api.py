"""Train, resume and evaluate from Python: the same as the command line's verbs."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from resnetlab import studies
from resnetlab.catalog import model_spec
from resnetlab.data.choices import Choices
from resnetlab.data.recognise import AnySource
from resnetlab.errors import UsageError
from resnetlab.evaluator import evaluate
from resnetlab.plaindata import convert
from resnetlab.recipe import Recipe
from resnetlab.recipes import default_recipe, named_recipe
from resnetlab.settings import find_leaf, leaves, override
from resnetlab.spec import KNOBS, ModelSpec
from resnetlab.studies import SilentStudy, StudyObserver, default_study_out, plan_rows, train_study
from resnetlab.training.device import pick_device
from resnetlab.training.observer import Observer, Silence
from resnetlab.training.planning import Opened, RunPlan, fit_to_source, open_for, plan_run
from resnetlab.training.run import Result, default_out, resume_run, train_plan
from resnetlab.transfer import Trained, open_trained, plan_finetuning, suggest
from resnetlab.units import Duration, count_of

__all__ = ["evaluate", "finetune", "resume", "resume_study", "study", "train"]


def train(
    model: str | ModelSpec,
    *,
    data: str = "cifar10",
    data_set: Mapping[str, str] | None = None,
    recipe: str | Recipe | None = None,
    out: str | Path | None = None,
    device: str = "auto",
    observer: Observer | None = None,
    workers: int = -1,
    epochs: int | None = None,
    steps: int | None = None,
    **values: Any,
) -> Result:
    """Train a network and return how it ended.

    What it switches in torch is afterwards as it was found (`training.as_found` names what cannot be).

    Args:
        model: A name of the catalog or a specification. A named network takes the number of
            classes and channels of the data.
        data: A dataset's name or path.
        data_set: What the data leaves open, e.g. {"label_column": "breed"}; see `Choices`.
        recipe: A recipe or its name; None is "quick", for the digits "digits", for image files "photos".
        out: The run's directory, new or empty; None makes a name under runs/.
        device: auto, cpu, cuda, cuda:1 or mps.
        observer: Who watches; None shows nothing.
        workers: Processes that read image files, -1 for as many as suit the machine.
        epochs: Length of training in epochs.
        steps: Length of training in steps; excludes `epochs`.
        values: Any value of the recipe, e.g. lr=0.2, batch=256, milestones=("30ep", "60ep").

    Raises:
        UsageError: If a name or value cannot be, or `out` holds anything already.
        DataError: If the data is missing or damaged.
        Interrupted, DivergedError, WriteError, LockedError: As training ends before its end.
    """
    choices = Choices.of(data_set)
    plan = _planned(model, data, choices, recipe, device, workers, epochs, steps, values)
    return train_plan(plan, Path(out) if out else default_out(plan), observer or Silence())


def study(
    models: str | ModelSpec | Sequence[str | ModelSpec],
    *,
    seeds: int | Sequence[int] = 1,
    data: str = "cifar10",
    data_set: Mapping[str, str] | None = None,
    recipe: str | Recipe | None = None,
    out: str | Path | None = None,
    device: str = "auto",
    observer: StudyObserver | None = None,
    workers: int = -1,
    at_once: int = 0,
    epochs: int | None = None,
    steps: int | None = None,
    **values: Any,
) -> dict[str, Result]:
    """Train each of several networks with each of several seeds; return how each run ended, by name.

    Args:
        models: Names of the catalog or specifications, of different names.
        seeds: The seeds, or their number: 3 is 0, 1 and 2.
        data: A dataset's name or path.
        data_set: As `train`.
        recipe: As `train`.
        out: The study's directory, new or empty: a run directory for each run, e.g. "resnet20-seed0".
        device: auto, cpu, cuda, cuda:1 or mps.
        observer: Who watches; None shows nothing.
        workers: Processes that read image files, -1 for as many as suit the machine.
        at_once: Runs at once; 0 takes one on a CPU, and on a GPU several of small networks.
        epochs: As `train`.
        steps: As `train`.
        values: As `train`.

    Raises:
        UsageError, DataError: As `train`.
        Interrupted: If a signal came; `resume_study` goes on.
        ResnetlabError: If runs failed, when the others have ended.
    """
    models = [models] if isinstance(models, str | ModelSpec) else models
    chosen = range(seeds) if isinstance(seeds, int) else seeds
    if not (models and chosen):
        raise UsageError("a study needs a network and a seed", hint="E.g. study(['resnet20'], seeds=3)")
    opened: Opened = {}
    choices = Choices.of(data_set)
    plans = [
        _planned(model, data, choices, recipe, device, workers, epochs, steps, values, opened)
        for model in models
    ]
    rows = plan_rows(plans, chosen)
    place = Path(out) if out else default_study_out(plans)
    return train_study(rows, place, observer or SilentStudy(), at_once=at_once)


def _planned(
    model: str | ModelSpec,
    data: str,
    choices: Choices,
    recipe: str | Recipe | None,
    device: str,
    workers: int,
    epochs: int | None,
    steps: int | None,
    values: dict[str, Any],
    opened: Opened | None = None,
) -> RunPlan:
    """Return what the arguments of `train` ask for."""
    spec = model_spec(model) if isinstance(model, str) else model
    fixed = () if isinstance(model, str) else KNOBS
    source = open_for(spec, data, fixed, opened, choices=choices)
    recipe = recipe or default_recipe(data, reads_files=source.reads_files)
    chosen = named_recipe(recipe, spec.depth) if isinstance(recipe, str) else recipe
    chosen = _with_values(chosen, _whole(values, epochs, steps, len(source.train)))
    return plan_run(spec, data, chosen, pick_device(device), fixed, workers=workers, source=source)


def finetune(
    weights: str | Path,
    *,
    data: str,
    data_set: Mapping[str, str] | None = None,
    model: str | ModelSpec | None = None,
    recipe: str | Recipe = "finetune",
    out: str | Path | None = None,
    device: str = "auto",
    observer: Observer | None = None,
    workers: int = -1,
    epochs: int | None = None,
    steps: int | None = None,
    **values: Any,
) -> Result:
    """Train a network on from trained weights, for the classes of the data, and return how it ended.

    Args:
        weights: A run, a checkpoint, a model folder, or anything that `load_weights` takes.
        data: A dataset's name or path.
        data_set: As `train`.
        model: The weights' network, which gets the data's classes and channels; None takes the one
            that they are of.
        recipe: A recipe or its name. Of a named one the weights decide the normalisation, and of
            "finetune" the images' size, and the number of images batch and length; a Recipe is
            taken as it is.
        out: The run's directory, new or empty; None makes a name under runs/.
        device: auto, cpu, cuda, cuda:1 or mps.
        observer: Who watches; it is told what was kept and what begins anew.
        workers: Processes that read image files, -1 for as many as suit the machine.
        epochs: Length of training in epochs.
        steps: Length of training in steps; excludes `epochs`.
        values: Any value of the recipe, e.g. freeze="body", head="keep-shared", patience=5.

    Raises:
        UsageError: If a name or value cannot be, or `out` holds anything already.
        CheckpointError: If the weights are damaged or another network's, saying which.
        DataError: If the data is missing or damaged.
        Interrupted, DivergedError, WriteError, LockedError: As training ends before its end.
    """
    trained, observer = open_trained(weights), observer or Silence()
    spec = model_spec(model) if isinstance(model, str) else model or trained.spec
    side = int(values.get("image_size", 0))
    source = trained.open_data(data, spec, side, choices=Choices.of(data_set))
    values = _whole(values, epochs, steps, len(source.train))
    if isinstance(recipe, str):
        recipe = _suited(named_recipe(recipe, spec.depth), trained, source, spec, values)
    chosen = _with_values(recipe, values)
    plan, report, notes = plan_finetuning(
        trained, spec, source, data, chosen, pick_device(device), workers=workers
    )
    for note in (str(report), *notes):
        observer.note(note)
    return train_plan(plan, Path(out) if out else default_out(plan), observer)


def _suited(
    recipe: Recipe, trained: Trained, source: AnySource, spec: ModelSpec, values: dict[str, Any]
) -> Recipe:
    """Return the recipe with what weights and data decide of it, the user's values being known."""
    channels = fit_to_source(spec, source).in_channels
    number = len(source.train) - int(values.get("val", 0))
    side = int(values.get("image_size", 0))
    for _, changes in suggest(recipe, trained, source, channels=channels, number=number, side=side):
        recipe = override(recipe, changes)
    return recipe


def _whole(values: dict[str, Any], epochs: int | None, steps: int | None, total: int) -> dict[str, Any]:
    """Return the values with the length, and the count that a share of validation samples is.

    Raises:
        UsageError: If both lengths are given, or the share cannot be.
    """
    if epochs is not None and steps is not None:
        raise UsageError("epochs and steps exclude each other")
    lengths = [Duration(n, unit) for n, unit in ((epochs, "ep"), (steps, "st")) if n is not None]
    more: dict[str, Any] = {"length": lengths[0]} if lengths else {}
    if isinstance(val := values.get("val"), str):
        more["val"] = int(count_of(val, total))
    return values | more


def _with_values(recipe: Recipe, values: dict[str, Any]) -> Recipe:
    """Return the recipe with these values, as keyword arguments give them."""
    known = leaves(recipe)
    kinds = {name: find_leaf(known, name).kind for name in values}
    return override(recipe, {n: convert(kinds[n], v, n) for n, v in values.items()})


def resume(
    run: str | Path,
    *,
    data: str | None = None,
    data_set: Mapping[str, str] | None = None,
    device: str = "auto",
    observer: Observer | None = None,
    workers: int = -1,
) -> Result:
    """Go on with an interrupted run to its end and return how it ended; see `resume_run`."""
    choices = Choices.of(data_set)
    return resume_run(
        Path(run), observer or Silence(), data=data, device=device, workers=workers, choices=choices
    )


def resume_study(
    path: str | Path,
    *,
    data: str | None = None,
    data_set: Mapping[str, str] | None = None,
    device: str = "auto",
    observer: StudyObserver | None = None,
    workers: int = -1,
    at_once: int = 0,
) -> dict[str, Result]:
    """Make what is left of a study; see `studies.resume_study`."""
    return studies.resume_study(
        Path(path),
        observer or SilentStudy(),
        data=data,
        device=device,
        workers=workers,
        at_once=at_once,
        choices=Choices.of(data_set),
    )
