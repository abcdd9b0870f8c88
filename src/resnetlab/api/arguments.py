"""What the arguments of a call ask for, and the run that they ask for."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from numbers import Integral, Real
from operator import index
from pathlib import Path
from typing import Any

from resnetlab.base.paths import user_path
from resnetlab.data.sources.choices import Choices
from resnetlab.errors import UsageError
from resnetlab.network.catalog import model_spec
from resnetlab.network.spec import KNOBS, ModelSpec
from resnetlab.parallel.world import World
from resnetlab.recipe import Recipe
from resnetlab.recipe.settings import once
from resnetlab.trained.transfer import plan_tuning
from resnetlab.trained.transfer.planning import Model
from resnetlab.training.asking import Asked, plan_networks, plan_training, refuse_begun
from resnetlab.training.observer import Observer, as_seen_by
from resnetlab.training.planning import RunPlan
from resnetlab.training.run import Result, default_out, is_begun_at, train_or_resume, train_plan
from resnetlab.training.studies import (
    StudyObserver,
    default_study_out,
    is_study_begun_at,
    plan_rows,
    train_or_resume_study,
    train_study,
)

Run = str | Path | Result
"""A run's directory, or what its training returned."""


def place_of(run: object) -> str:
    """Return where something trained lies, as it was given or as the end of its training has it.

    Raises:
        UsageError: If it is neither.
    """
    if isinstance(run, Result):
        return run.run
    if not isinstance(run, str | os.PathLike):
        hint = "E.g. resume('runs/RUN'), or what train returned."
        raise UsageError(f"a run is its directory or how it ended, got {run!r:.200}", hint=hint)
    return os.fspath(run)


def whole(name: str, value: object) -> int:
    """Return an argument that is a whole number, of Python or NumPy.

    Raises:
        UsageError: If it is none.
    """
    try:
        return index(value)  # type: ignore[arg-type]
    except TypeError:
        raise UsageError(f"{name} is a whole number, got {value!r:.200}") from None


def _is_number(value: object) -> bool:
    return value is None or isinstance(value, Real)


def refuse_nowhere(out: object, minutes: float | None = None, *, resume_if_begun: bool) -> None:
    """Raise UsageError if what may have been begun has no name, or minutes are to decide its length."""
    if not isinstance(out, str | os.PathLike | None):
        raise UsageError(f"out is the path of a directory, got {out!r:.200}")
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


def network_of(model: str | ModelSpec) -> ModelSpec:
    """Return the network of a name, or as it is given."""
    return model if isinstance(model, ModelSpec) else model_spec(str(model))


def asked_for(
    data: str,
    data_set: Mapping[str, str] | None,
    recipe: object,
    device: str,
    workers: int,
    lengths: tuple[int | None, int | None, float | None],
    values: Mapping[str, Any],
    world: World,
    model: str | ModelSpec | None,
) -> Asked:
    """Return what the arguments of `train` or `finetune` ask for.

    Raises:
        UsageError: If a value is given twice, or is of a kind that it cannot be.
    """
    if not isinstance(data, str | os.PathLike):
        raise UsageError(f"data is a dataset's name or a path, got {data!r:.200}")
    if not isinstance(recipe, str | os.PathLike | Recipe | None):
        hint = "Values of a recipe are arguments: lr=0.2, or **values where they are a dict."
        raise UsageError(f"a recipe is its name, a file or a Recipe, got {recipe!r:.200}", hint=hint)
    epochs, steps, minutes = lengths
    if not _is_number(minutes):
        raise UsageError(f"minutes are a number, got {minutes!r:.200}")
    counts = {name: count for name, count in (("epochs", epochs), ("steps", steps)) if count is not None}
    given = once((f"{name}={value}", name, value) for name, value in {**counts, **values}.items())
    fixed = KNOBS if isinstance(model, ModelSpec) else ()
    return Asked(
        data=data,
        choices=Choices.of(data_set),
        recipe=Path(recipe) if isinstance(recipe, os.PathLike) else recipe,
        values=given,
        fixed=fixed,
        origin="argument",
        device=device,
        workers=whole("workers", workers),
        minutes=minutes,
        devices=world.size if world.size > 1 else 0,
    )


def of_what(
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


@dataclass(kw_only=True)
class OneRun:
    """A run that is asked for: looked at before anything is measured for it, then made."""

    out: str | Path | None
    observer: Observer
    world: World
    resume_if_begun: bool
    place: Path = Path()

    def train(self, network: ModelSpec, asked: Asked) -> Result:
        """Train a network, or what is left of it."""
        return self._made(plan_training(network, asked, self.world, self._note, self._look)[0])

    def tune(
        self,
        weights: str,
        asked: Asked,
        network: Model | None,
        *,
        prefix: str | None,
        ignore: Sequence[str],
    ) -> Result:
        """Train a network on from weights, or what is left of that; see `plan_tuning`."""
        named: dict[str, Any] = {"prefix": prefix, "ignore": ignore, "world": self.world, "look": self._look}
        tuning = plan_tuning(weights, asked, network, **named)
        for note in (str(tuning.report), *tuning.notes):
            self._note(note)
        return self._made(tuning.plan)

    def _note(self, text: str) -> None:
        as_seen_by(self.observer, self.world).note(text)

    def _look(self, plans: Sequence[RunPlan]) -> bool:
        """Refuse what cannot be, and return whether the run was begun; see `training.asking.Look`."""
        (plan,) = plans
        self.place = user_path(self.out) if self.out else self.world.from_first(lambda: default_out(plan))
        return is_begun_at(self.place, plan, self.world, resume_if_begun=self.resume_if_begun)

    def _made(self, plan: RunPlan) -> Result:
        make = train_or_resume if self.resume_if_begun else train_plan
        return make(plan, self.place, self.observer, world=self.world)


@dataclass
class SeveralRuns:
    """A study that is asked for: looked at before anything is measured for it, then made."""

    out: str | Path | None
    seeds: Sequence[int]
    """These, or a range of their number."""
    at_once: int
    world: World
    resume_if_begun: bool = False
    place: Path = Path()

    def train(
        self, networks: Sequence[tuple[ModelSpec, Asked]], observer: StudyObserver
    ) -> dict[str, Result]:
        """Train networks, or what is left of them."""
        by_minutes = any(asked.minutes is not None for _, asked in networks)
        plans = plan_networks(networks, self.world, look=partial(self._look, by_minutes=by_minutes))
        make = train_or_resume_study if self.resume_if_begun else train_study
        return make(self._rows(plans), self.place, observer, at_once=self.at_once, world=self.world)

    def _look(self, plans: Sequence[RunPlan], *, by_minutes: bool) -> bool:
        """Refuse what cannot be, and return whether the study was begun; see `training.asking.Look`."""
        self.place = (
            user_path(self.out) if self.out else self.world.from_first(lambda: default_study_out(plans))
        )
        how = {"resume_if_begun": self.resume_if_begun, "by_minutes": by_minutes}
        return is_study_begun_at(self.place, self._rows(plans), self.world, at_once=self.at_once, **how)

    def _rows(self, plans: Sequence[RunPlan]) -> dict[str, RunPlan]:
        """Return the runs by name; of seeds whose number is known alone, from the plan's on."""
        first = plans[0].recipe.run.seed if isinstance(self.seeds, range) else 0
        return plan_rows(plans, [first + seed for seed in self.seeds])
