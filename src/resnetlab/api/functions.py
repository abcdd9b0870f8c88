"""The functions, each the same as a verb of the command line."""

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from numbers import Integral
from operator import index
from pathlib import Path
from typing import Any

from resnetlab.api.calls import on_devices, world_here
from resnetlab.api.showing import Track, shown, shown_study
from resnetlab.base.paths import user_path
from resnetlab.base.units import length_of
from resnetlab.data.sources.choices import Choices
from resnetlab.engines.names import AUTO
from resnetlab.errors import UsageError
from resnetlab.evaluation.results import Evaluation
from resnetlab.evaluation.views import SINGLE
from resnetlab.insights.looking import SECONDS
from resnetlab.network.catalog import model_spec
from resnetlab.network.spec import KNOBS, ModelSpec
from resnetlab.parallel.world import World
from resnetlab.recipe import Recipe
from resnetlab.recipe.settings import once
from resnetlab.trained.evaluate import evaluate as score
from resnetlab.trained.transfer import plan_tuning
from resnetlab.training import studies
from resnetlab.training.asking import Asked, plan_networks, plan_training, refuse_begun
from resnetlab.training.observer import Observer, Silence, as_seen_by
from resnetlab.training.planning import RunPlan
from resnetlab.training.run import Result, default_out, resume_run, train_or_resume, train_plan
from resnetlab.training.studies import (
    StudyObserver,
    default_study_out,
    plan_rows,
    train_or_resume_study,
    train_study,
)

__all__ = ["evaluate", "finetune", "resume", "resume_study", "study", "train"]


def train(
    model: str | ModelSpec,
    *,
    data: str = "cifar10",
    data_set: Mapping[str, str] | None = None,
    recipe: str | Path | Recipe | None = None,
    out: str | Path | None = None,
    device: str = "auto",
    devices: int | str | None = None,
    observer: Observer | None = None,
    track: Track = None,
    workers: int = -1,
    epochs: int | None = None,
    steps: int | None = None,
    minutes: float | None = None,
    resume_if_begun: bool = False,
    **values: Any,
) -> Result:
    """Train a network and return how it ended.

    What it switches in torch is afterwards as it was found (`training.step.device` names what cannot be).

    Args:
        model: A name of the catalog or a specification. A named network takes the number of
            classes and channels of the data.
        data: A dataset's name or path.
        data_set: What the data leaves open, e.g. {"label_column": "breed"}; see `Choices`.
        recipe: A recipe, its name, or a file of values; None is "quick", for the digits "digits", for image
            files "photos".
        out: The run's directory, new or empty; None makes a name under runs/.
        device: auto, cpu, cuda, cuda:1 or mps.
        devices: How many of this machine make it together, or "auto" for all GPUs. Each has a process of its
            own, which the call starts; in a script that torchrun started, these are its processes.
        observer: Who watches. None shows the run: in a notebook's cell, in a script by a bar or lines on
            standard error; `Silence()` shows nothing.
        track: Who is told of the run besides, by its package: "trackio", "wandb" or "mlflow", also as
            "wandb:PROJECT"; "tensorboard" gets pictures beside its numbers. Several are a list.
        workers: Processes that read image files, -1 for as many as suit the machine.
        epochs: Length of training in epochs.
        steps: Length of training in steps; excludes `epochs`.
        minutes: How long the call may take, instead of a length, on one device: steps are timed, and the
            recipe ("timed" where it would be "quick") gets the length that fits: docs/minutes.md.
        resume_if_begun: Go on with what the same call has begun in `out`, and if that is finished return how
            it ended; `out` may also be new or empty, and must be given. It is refused with what differs if
            it holds another run.
        values: Any value of the recipe, e.g. lr=0.2, batch=256, milestones=("30ep", "60ep").

    Raises:
        UsageError: If a name or value cannot be, or `out` holds anything already.
        DataError: If the data is missing or damaged.
        Interrupted, DivergedError, WriteError, LockedError: As training ends before its end.
    """
    if (made := on_devices(train, locals())) is not None:
        return made
    world = world_here(devices, device)
    _refuse_nowhere(out, minutes, resume_if_begun=resume_if_begun)
    asked = _asked(data, data_set, recipe, device, workers, (epochs, steps, minutes), values, world, model)
    network = world.together(lambda: _network(model))
    with shown(observer, track, world) as watcher:
        plan, _ = plan_training(network, asked, world, as_seen_by(watcher, world).note)
        return _make(plan, out, watcher, world, resume_if_begun=resume_if_begun)


def study(
    models: str | ModelSpec | Sequence[str | ModelSpec],
    *,
    seeds: int | Sequence[int] = 1,
    data: str = "cifar10",
    data_set: Mapping[str, str] | None = None,
    recipe: str | Path | Recipe | None = None,
    out: str | Path | None = None,
    device: str = "auto",
    devices: int | str | None = None,
    observer: StudyObserver | Silence | None = None,
    track: Track = None,
    workers: int = -1,
    at_once: int = 0,
    epochs: int | None = None,
    steps: int | None = None,
    minutes: float | None = None,
    resume_if_begun: bool = False,
    **values: Any,
) -> dict[str, Result]:
    """Train each of several networks with each of several seeds; return how each run ended, by name.

    Several processes may make one study at once, on one machine or many, with `resume_if_begun`: each
    run is made once. Runs that others are still making when nothing else is left are not among the returned.

    Args:
        models: Names of the catalog or specifications, of different names.
        seeds: The seeds, or their number: 3 is 0, 1 and 2, or begins with `seed` if that is given.
        data: As `train`.
        data_set: As `train`.
        recipe: As `train`.
        out: The study's directory, new or empty: a run directory for each run, e.g. "resnet20-seed0".
        device: auto, cpu, cuda, cuda:1 or mps.
        devices: As `train`.
        observer: As `train`.
        track: As `train`, of each run.
        workers: Processes that read image files, -1 for as many as suit the machine.
        at_once: Runs at once; 0 takes one on a CPU, and on a GPU several of small networks.
        epochs: As `train`.
        steps: As `train`.
        minutes: As `train`, for each run; they are made one after another then.
        resume_if_begun: As `train`.
        values: As `train`.

    Raises:
        UsageError, DataError: As `train`.
        Interrupted: If a signal came; `resume_study` goes on.
        ResnetlabError: If runs failed, when the others have ended.
    """
    if (made := on_devices(study, locals())) is not None:
        return made
    world = world_here(devices, device)
    _refuse_nowhere(out, minutes, resume_if_begun=resume_if_begun)
    models, chosen = _of_what(models, seeds, values)
    asked = partial(_asked, data, data_set, recipe, device, workers, (epochs, steps, minutes), values, world)
    plans = plan_networks(world.together(lambda: [(_network(each), asked(each)) for each in models]), world)
    rows = plan_rows(plans, _counted(chosen, plans[0]))
    make, place = _way_of(plans, out, world, resume_if_begun=resume_if_begun)
    with shown_study(observer, track, world) as watcher:
        return make(rows, place, watcher, at_once=at_once, world=world)


def _of_what(
    models: str | ModelSpec | Sequence[str | ModelSpec],
    seeds: int | Sequence[int],
    values: Mapping[str, Any],
) -> tuple[Sequence[str | ModelSpec], Sequence[int]]:
    """Return the networks and the seeds of a study, of which there is one at least."""
    networks = [models] if isinstance(models, str | ModelSpec) else models
    chosen = _seeds(seeds, values)
    if not (networks and chosen):
        raise UsageError("a study needs a network and a seed", hint=_STUDY)
    return networks, chosen


def _counted(seeds: Sequence[int], plan: RunPlan) -> Sequence[int]:
    """Return the seeds; where their number is known alone, from the plan's on."""
    return [plan.recipe.run.seed + seed for seed in seeds] if isinstance(seeds, range) else seeds


def _way_of(
    plans: Sequence[RunPlan], out: str | Path | None, world: World, *, resume_if_begun: bool
) -> tuple[Callable[..., dict[str, Result]], Path]:
    """Return what makes a study, and its directory."""
    place = user_path(out) if out else world.from_first(lambda: default_study_out(plans))
    return (train_or_resume_study if resume_if_begun else train_study), place


def _make(
    plan: RunPlan, out: str | Path | None, observer: Observer, world: World, *, resume_if_begun: bool
) -> Result:
    make = train_or_resume if resume_if_begun else train_plan
    place = user_path(out) if out else world.from_first(lambda: default_out(plan))
    return make(plan, place, observer, world=world)


def _refuse_nowhere(out: str | Path | None, minutes: float | None = None, *, resume_if_begun: bool) -> None:
    """Raise UsageError if what may have been begun has no name, or minutes are to decide its length."""
    if resume_if_begun and not out:
        raise UsageError("resume_if_begun needs out", hint="Name the directory that may have been begun.")
    if minutes is not None:
        refuse_begun(minutes, resume_if_begun=resume_if_begun)


_STUDY = "E.g. study(['resnet20'], seeds=3)"


def _seeds(seeds: int | Sequence[int], values: Mapping[str, Any]) -> Sequence[int]:
    """Return the seeds that are given, whole numbers of Python or NumPy; a range if it is their number.

    Raises:
        UsageError: If they are anything else, or another is given beside them.
    """
    try:
        chosen = range(index(seeds)) if isinstance(seeds, int | Integral) else [index(seed) for seed in seeds]
    except TypeError:
        raise UsageError(f"seeds are whole numbers, or their number, got {seeds!r}", hint=_STUDY) from None
    if "seed" in values and not isinstance(chosen, range):
        raise UsageError(f"seed={values['seed']} beside seeds={seeds}: which of them?", hint=_STUDY)
    return chosen


def _network(model: str | ModelSpec) -> ModelSpec:
    return model if isinstance(model, ModelSpec) else model_spec(str(model))


def _asked(
    data: str,
    data_set: Mapping[str, str] | None,
    recipe: str | Path | Recipe | None,
    device: str,
    workers: int,
    lengths: tuple[int | None, int | None, float | None],
    values: Mapping[str, Any],
    world: World,
    model: str | ModelSpec | None,
) -> Asked:
    """Return what the arguments of `train` or `finetune` ask for.

    Raises:
        UsageError: If a value is given twice.
    """
    if not isinstance(data, str | os.PathLike):
        raise UsageError(f"data is a dataset's name or a path, got {data!r}")
    epochs, steps, minutes = lengths
    counts = {name: count for name, count in (("epochs", epochs), ("steps", steps)) if count is not None}
    given = once((f"{name}={value}", name, value) for name, value in {**counts, **values}.items())
    fixed = KNOBS if isinstance(model, ModelSpec) else ()
    return Asked(
        data=data,
        choices=Choices.of(data_set),
        recipe=recipe,
        values=given,
        fixed=fixed,
        origin="argument",
        device=device,
        workers=workers,
        minutes=minutes,
        devices=world.size if world.size > 1 else 0,
    )


def finetune(
    weights: str | Path,
    *,
    data: str,
    data_set: Mapping[str, str] | None = None,
    model: str | ModelSpec | None = None,
    recipe: str | Path | Recipe = "finetune",
    out: str | Path | None = None,
    device: str = "auto",
    devices: int | str | None = None,
    observer: Observer | None = None,
    track: Track = None,
    workers: int = -1,
    epochs: int | None = None,
    steps: int | None = None,
    resume_if_begun: bool = False,
    prefix: str | None = None,
    ignore: Sequence[str] = (),
    **values: Any,
) -> Result:
    """Train a network on from trained weights, for the classes of the data, and return how it ended.

    Args:
        weights: A run, a checkpoint, a model folder, or anything that `load_weights` takes.
        data: A dataset's name or path.
        data_set: As `train`.
        model: The weights' network, made for the data's classes; None takes the one that they are of.
        recipe: A recipe, its name, or a file of values. The weights decide its normalisation, and of
            "finetune" the images' size, and the number of images batch and length; what `values` say, a
            file says, or a Recipe says otherwise than the one that it is named after, stays. A
            Recipe of a name of your own (`recipe.renamed("mine")`) is taken as it is.
        out: The run's directory, new or empty; None makes a name under runs/.
        device: auto, cpu, cuda, cuda:1 or mps.
        devices: As `train`.
        observer: As `train`; it is told what was kept and what begins anew.
        track: As `train`.
        workers: Processes that read image files, -1 for as many as suit the machine.
        epochs: Length of training in epochs.
        steps: Length of training in steps; excludes `epochs`.
        resume_if_begun: As `train`.
        prefix: Of a weight file with several networks: which one, as "encoder_q".
        ignore: Patterns of names of the file's tensors that the network does without.
        values: Any value of the recipe, e.g. freeze="body", head="keep-shared", patience=5.

    Raises:
        UsageError: If a name or value cannot be, or `out` holds anything already.
        CheckpointError: If the weights are damaged or another network's, saying which.
        DataError: If the data is missing or damaged.
        Interrupted, DivergedError, WriteError, LockedError: As training ends before its end.
    """
    if (made := on_devices(finetune, locals())) is not None:
        return made
    world = world_here(devices, device)
    _refuse_nowhere(out, resume_if_begun=resume_if_begun)
    asked = _asked(data, data_set, recipe, device, workers, (epochs, steps, None), values, world, None)
    network = None if model is None else lambda own: _network(model)
    with shown(observer, track, world) as watcher:
        tuning = plan_tuning(weights, asked, network, prefix=prefix, ignore=ignore, world=world)
        for note in (str(tuning.report), *tuning.notes):
            as_seen_by(watcher, world).note(note)
        return _make(tuning.plan, out, watcher, world, resume_if_begun=resume_if_begun)


def resume(
    run: str | Path,
    *,
    data: str | None = None,
    data_set: Mapping[str, str] | None = None,
    device: str = "auto",
    devices: int | str | None = None,
    observer: Observer | None = None,
    track: Track = None,
    workers: int = -1,
    epochs: int | None = None,
    steps: int | None = None,
    out: str | Path | None = None,
) -> Result:
    """Go on with an interrupted run to its end and return how it ended; see `training.run.resume_run`.

    With `epochs` or `steps`, the length of the whole, train on from a run, finished or not, in a new one at
    `out`. `observer` and `track` are as for `train`; trackers that followed the run follow it on, unless
    `track` says otherwise ("none": nobody).
    """
    if (made := on_devices(resume, locals())) is not None:
        return made
    world = world_here(devices, device)
    with shown(observer, track, world) as watcher:
        return resume_run(
            user_path(run),
            watcher,
            length=length_of(epochs, steps),
            out=user_path(out) if out else None,
            data=data,
            device=device,
            workers=workers,
            choices=Choices.of(data_set),
            world=world,
        )


def resume_study(
    path: str | Path,
    *,
    data: str | None = None,
    data_set: Mapping[str, str] | None = None,
    device: str = "auto",
    devices: int | str | None = None,
    observer: StudyObserver | Silence | None = None,
    track: Track = None,
    workers: int = -1,
    at_once: int = 0,
) -> dict[str, Result]:
    """Make what is left of a study; see `studies.resume_study`, and `resume` for observer and track."""
    if (made := on_devices(resume_study, locals())) is not None:
        return made
    world = world_here(devices, device)
    with shown_study(observer, track, world) as watcher:
        return studies.resume_study(
            user_path(path),
            watcher,
            data=data,
            device=device,
            workers=workers,
            at_once=at_once,
            choices=Choices.of(data_set),
            world=world,
        )


def evaluate(
    run: str | Path,
    *,
    data: str | Path | None = None,
    data_set: Mapping[str, str] | None = None,
    split: str = "auto",
    weights: str = "auto",
    device: str = "auto",
    devices: int | str | None = None,
    workers: int = -1,
    out: str | Path | None = None,
    by_order: bool = False,
    bad_samples: float | str | None = None,
    insights: float = SECONDS,
    engine: str = AUTO,
    views: str = SINGLE,
    writes: bool = True,
) -> Evaluation:
    """Score a trained network on labelled images; see `trained.evaluate`, and `train` for the devices."""
    if (made := on_devices(evaluate, locals())) is not None:
        return made
    return score(
        run,
        data=data,
        data_set=data_set,
        split=split,
        weights=weights,
        device=device,
        workers=workers,
        out=out,
        by_order=by_order,
        bad_samples=bad_samples,
        insights=insights,
        engine=engine,
        views=views,
        writes=writes,
        world=world_here(devices, device),
    )
