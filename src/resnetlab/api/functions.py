"""The functions, each the same as a verb of the command line."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from resnetlab.api.arguments import (
    OneRun,
    Run,
    SeveralRuns,
    asked_for,
    network_of,
    of_what,
    place_of,
    refuse_nowhere,
    whole,
)
from resnetlab.api.calls import on_devices, world_here
from resnetlab.api.showing import Track, shown, shown_study
from resnetlab.base.paths import user_path
from resnetlab.base.units import length_of
from resnetlab.data.sources.choices import Choices
from resnetlab.engines.names import AUTO
from resnetlab.evaluation.results import Evaluation
from resnetlab.evaluation.views import SINGLE
from resnetlab.insights.looking import SECONDS
from resnetlab.network.spec import ModelSpec
from resnetlab.recipe import Recipe
from resnetlab.trained.evaluate import evaluate as score
from resnetlab.training import studies
from resnetlab.training.asking import plan_training
from resnetlab.training.observer import Observer, Silence
from resnetlab.training.range_test.found import RangeTest, find_rate
from resnetlab.training.range_test.rise import POINTS, Form, Rise
from resnetlab.training.run import Result, resume_run
from resnetlab.training.studies import (
    StudyObserver,
)
from resnetlab.watching.here import watching_steps_here

__all__ = ["evaluate", "finetune", "lr_find", "resume", "resume_study", "study", "train"]


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
    refuse_nowhere(out, minutes, resume_if_begun=resume_if_begun)
    asked = asked_for(data, data_set, recipe, device, workers, (epochs, steps, minutes), values, world, model)
    network = world.together(lambda: network_of(model))
    with shown(observer, track, world) as watcher:
        run = OneRun(out=out, observer=watcher, world=world, resume_if_begun=resume_if_begun)
        return run.train(network, asked)


def lr_find(
    model: str | ModelSpec,
    *,
    data: str = "cifar10",
    data_set: Mapping[str, str] | None = None,
    recipe: str | Path | Recipe | None = None,
    low: float | None = None,
    high: float | None = None,
    points: int = POINTS,
    rise: Form = "exponential",
    device: str = "auto",
    devices: int | str | None = None,
    observer: Observer | None = None,
    workers: int = -1,
    epochs: int | None = None,
    steps: int | None = None,
    **values: Any,
) -> RangeTest:
    """Make a run's first steps at a rising learning rate, and return their losses and the rate to train with.

    The steps are those that `train` with the same arguments would make, its batches, optimizer, precision and
    kernels, and nothing of them is kept. `train(..., lr=found.lr)` is what comes next. The same call returns
    the same numbers. Source: Smith, 2015, arXiv:1506.01186, section 3.3.

    Args:
        model: As `train`.
        data: As `train`.
        data_set: As `train`.
        recipe: As `train`; its schedule is not followed.
        low: The first rate, for the whole batch; None is a thousandth of the recipe's, in its decade.
        high: The last rate, if the loss does not diverge before; None is a hundred times the recipe's.
        points: Steps, each at a higher rate.
        rise: "exponential", by equal factors, or "linear", by equal differences, as in the paper.
        device: As `train`.
        devices: As `train`.
        observer: Is told of each step; None shows a bar on standard error, if that is a terminal.
        workers: As `train`.
        epochs: As `train`: of the run that is meant, of which these are the first steps.
        steps: As `train`, likewise.
        values: As `train`.

    Raises:
        UsageError: If a name or value cannot be, or the rates do not rise.
        DataError: If the data is missing or damaged.
        OutOfMemory: If there is too little.
    """
    if (made := on_devices(lr_find, locals())) is not None:
        return made
    world = world_here(devices, device)
    rising = Rise(low=low, high=high, points=whole("points", points), form=rise)
    asked = asked_for(data, data_set, recipe, device, workers, (epochs, steps, None), values, world, model)
    network = world.together(lambda: network_of(model))
    plan, _ = plan_training(network, asked, world)
    with watching_steps_here(observer, "trying rates", world) as watcher:
        return find_rate(plan, rising, watcher, world)


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
    refuse_nowhere(out, minutes, resume_if_begun=resume_if_begun)
    at_once, (models, chosen) = whole("at_once", at_once), of_what(models, seeds, values)
    asked = partial(
        asked_for, data, data_set, recipe, device, workers, (epochs, steps, minutes), values, world
    )
    networks = world.together(lambda: [(network_of(each), asked(each)) for each in models])
    runs = SeveralRuns(out, chosen, at_once, world, resume_if_begun=resume_if_begun)
    with shown_study(observer, track, world) as watcher:
        return runs.train(networks, watcher)


def finetune(
    weights: Run,
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
        weights: A run, what its training returned, a checkpoint, a model folder, or anything that
            `load_weights` takes.
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
    refuse_nowhere(out, resume_if_begun=resume_if_begun)
    asked = asked_for(data, data_set, recipe, device, workers, (epochs, steps, None), values, world, None)
    network = None if model is None else lambda own: network_of(model)
    with shown(observer, track, world) as watcher:
        run = OneRun(out=out, observer=watcher, world=world, resume_if_begun=resume_if_begun)
        return run.tune(place_of(weights), asked, network, prefix=prefix, ignore=ignore)


def resume(
    run: Run,
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

    `run` is its directory, or what a training of it returned.
    With `epochs` or `steps`, the length of the whole, train on from a run, finished or not, in a new one at
    `out`. `observer` and `track` are as for `train`; trackers that followed the run follow it on, unless
    `track` says otherwise ("none": nobody).
    """
    if (made := on_devices(resume, locals())) is not None:
        return made
    world = world_here(devices, device)
    with shown(observer, track, world) as watcher:
        return resume_run(
            user_path(place_of(run)),
            watcher,
            length=length_of(epochs, steps),
            out=user_path(out) if out else None,
            data=data,
            device=device,
            workers=whole("workers", workers),
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
            user_path(place_of(path)),
            watcher,
            data=data,
            device=device,
            workers=whole("workers", workers),
            at_once=whole("at_once", at_once),
            choices=Choices.of(data_set),
            world=world,
        )


def evaluate(
    run: Run,
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
        place_of(run),
        data=data,
        data_set=data_set,
        split=split,
        weights=weights,
        device=device,
        workers=whole("workers", workers),
        out=out,
        by_order=by_order,
        bad_samples=bad_samples,
        insights=insights,
        engine=engine,
        views=views,
        writes=writes,
        world=world_here(devices, device),
    )
