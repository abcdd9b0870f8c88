"""What a user asks of a training, in flags or in Python, and the plan that it makes: the one way for both."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from resnetlab.base.paths import user_path
from resnetlab.base.plaindata import as_text
from resnetlab.base.units import Duration
from resnetlab.data.open import absolute_source
from resnetlab.data.sources.choices import FLAG, LEFT_OPEN, Choices
from resnetlab.errors import UsageError
from resnetlab.network.spec import ModelSpec
from resnetlab.parallel.world import ALONE, World
from resnetlab.recipe import Recipe
from resnetlab.recipe.named import RECIPES, default_recipe, named_recipe
from resnetlab.recipe.settings import SETTINGS_FILES, Resolution, is_whole, leaves, read_settings_file
from resnetlab.runs.directory import is_run, meant_run
from resnetlab.training.budget.fitting import fit_to_minutes, refuse_two_lengths
from resnetlab.training.choosing.choosing import Tell, choose, silent
from resnetlab.training.planning import Opened, RunPlan, fit_to_source, make_plan, open_for
from resnetlab.training.step.device import pick_device

BY_DEVICES = "one for each device"
"""The origin of a number of shards that nobody gave."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a user asks of a training, but for the network."""

    data: str
    """A dataset's name or path."""

    choices: Choices = LEFT_OPEN
    """What the data leaves open."""

    recipe: str | Path | Recipe | None = None
    """A recipe, its name, a .json, .toml or .yaml file of values, or a run; none: what suits the data."""

    values: Mapping[str, Any] = field(default_factory=dict)
    """Values of the recipe by leaf name; `val` may be a share such as "10%"."""

    fixed: Collection[str] = ()
    """Fields of the network that the data must not change."""

    origin: str = "flag"
    """Where the values come from, as the plan is to say it."""

    device: str = "auto"
    workers: int = -1

    minutes: float | None = None
    """How long the run may take, which decides its length; see `training.budget`."""

    devices: int = 0
    """How many make the run together, if it was said. A batch is cut into as many shards then, unless
    anything else says into how many."""

    def resolve(self, depth: int, default: str) -> Resolution:
        """Return the recipe for a network of this depth, with all that the user gives of it.

        A `Recipe` that bears a named recipe's name gives the values in which it differs from that, as a
        file of them would; one of another name gives all.

        Args:
            depth: Of the network.
            default: The recipe's name if none is asked for; with minutes, see `recipe_by_minutes`.

        Raises:
            UsageError: If there is no such recipe, or it has no such values.
        """
        by_minutes = self.minutes is not None
        chosen = self.recipe or (
            recipe_by_minutes(default, pick_device(self.device)) if by_minutes else default
        )
        if isinstance(chosen, Recipe):
            resolution = _of_recipe(chosen, depth)
        elif (path := _file_of(user_path(chosen))).suffix in SETTINGS_FILES:
            data = read_settings_file(path)
            named = str(data.get("name", default))
            resolution = Resolution(named_recipe(named if named in RECIPES else default, depth))
            resolution.set_file(path, is_whole=is_whole(data))
        elif len(path.parts) > 1:
            raise UsageError(f"no run at {path}, whose recipe could be taken", hint=meant_run(path))
        else:
            resolution = Resolution(named_recipe(str(chosen), depth))
        resolution.set_values(self.values, self.origin)
        if self.devices and resolution["shards"] == 1 and not resolution.is_given("shards"):
            resolution.suggest({"shards": self.devices}, BY_DEVICES)
        return resolution

    def words(self, knobs: Mapping[str, Any]) -> list[str]:
        """Return the flags that ask for the same data and recipe, and for these values of the network.

        A `Recipe` that was made in Python has no word.
        """
        words = ["--data", str(self.data)]
        words += ["--recipe", str(self.recipe)] if isinstance(self.recipe, str | Path) else []
        for name, value in self.values.items():
            if name == "length":
                length = Duration.parse(str(value))
                words += [f"--{'epochs' if length.unit == 'ep' else 'steps'}", str(length.count)]
                continue
            words += ["--seed", str(value)] if name == "seed" else ["--set", f"{name}={as_text(value)}"]
        for name, value in knobs.items():
            words += ["--set", f"{name}={as_text(value)}"]
        for name, text in self.choices.to_json().items():
            words += [FLAG, f"{name}={text}"]
        return words


def _file_of(path: Path) -> Path:
    """Return the file of a recipe: of a run its own."""
    return path / "recipe.json" if is_run(path) else path


def recipe_by_minutes(default: str, device: torch.device) -> str:
    """Return the recipe that was looked for with minutes in mind, in place of the one of a fixed length.

    On CUDA that is the one whose images keep their size: a step whose size changes cannot be recorded, and
    what a step takes there is not in proportion to its operations.
    """
    if default != "quick":
        return default
    return "quick-muon" if device.type == "cuda" else "timed"


def leaves_shards_open(resolution: Resolution) -> bool:
    """Return whether nobody gave the number of shards, the user or a recipe: devices may have decided it."""
    return resolution.origins["shards"] in ("default", BY_DEVICES)


def _of_recipe(recipe: Recipe, depth: int) -> Resolution:
    is_known = recipe.name in RECIPES
    base = named_recipe(recipe.name, depth) if is_known else recipe
    own, resolution = leaves(base), Resolution(base)
    changed = {
        n: leaf.value for n, leaf in leaves(recipe).items() if not is_known or leaf.value != own[n].value
    }
    resolution.set_values(changed, f"recipe {recipe.name}", asked=False)
    return resolution


def refuse_begun(minutes: float, *, resume_if_begun: bool) -> None:
    """Refuse minutes for a run that may have been begun: its length is fixed, and another would be measured.

    Raises:
        UsageError: If it may.
    """
    if resume_if_begun:
        raise UsageError(
            f"minutes={minutes:g} of a run that may have been begun: another speed would be measured now, "
            "and a length is fixed when a run begins",
            hint="Give the length as epochs or steps; or begin by minutes, and go on by `resnetlab resume`.",
        )


def _refuse_several(asked: Asked) -> None:
    if asked.devices > 1:
        raise UsageError(
            f"minutes={asked.minutes:g} on {asked.devices} devices: steps are timed on one alone",
            hint="Give the length as --epochs or --steps; `resnetlab plan` tells how long it takes.",
        )


Look = Callable[[Sequence[RunPlan]], bool]
"""Is shown plans as the rules have them, before anything is measured: refuses what can be refused by then,
and returns whether they were begun already, so that nothing is to be measured for them."""


def begins(plans: Sequence[RunPlan]) -> bool:
    """Refuse nothing: all is new."""
    return False


def plan_training(
    spec: ModelSpec, asked: Asked, world: World = ALONE, tell: Tell = silent, look: Look = begins
) -> tuple[RunPlan, Resolution]:
    """Return what is asked for as a plan, and where each value of its recipe comes from.

    Args:
        spec: The network.
        asked: All else.
        world: The processes that are to make the run together, all of which call this.
        tell: Is told what takes some seconds.
        look: Is shown the plan before.

    Raises:
        UsageError: If a name or value cannot be, or the parts do not fit each other.
        DataError: If the data is missing or damaged.
        ResnetlabError: What `look` raises.
    """
    return _chosen([(spec, asked)], world, tell, look)[0]


def plan_networks(
    networks: Sequence[tuple[ModelSpec, Asked]],
    world: World = ALONE,
    tell: Tell = silent,
    look: Look = begins,
) -> list[RunPlan]:
    """Return a plan for each of several networks that are to be compared; see `plan_training`.

    Data is opened once for all.
    """
    return [plan for plan, _ in _chosen(networks, world, tell, look)]


def _chosen(
    networks: Sequence[tuple[ModelSpec, Asked]], world: World, tell: Tell, look: Look
) -> list[tuple[RunPlan, Resolution]]:
    """Plan each, choose how steps are made, and with that what minutes allow."""
    began = time.monotonic()
    opened: Opened = {}
    planned = world.together(lambda: [_planned(spec, asked, opened) for spec, asked in networks])
    if look([plan for plan, _ in planned]):
        return planned
    minutes = networks[0][1].minutes if networks else None
    plans = choose([plan for plan, _ in planned], world, tell, minutes=minutes)
    spent = time.monotonic() - began

    def fitted() -> list[tuple[RunPlan, Resolution]]:
        found = []
        for plan, (_, resolution), (_, asked) in zip(plans, planned, networks, strict=True):
            if asked.minutes is not None:
                since = time.monotonic() - spent
                plan = fit_to_minutes(plan, resolution, asked.minutes, asked.values, since)
            found.append((plan, resolution))
        return found

    return world.together(fitted)


def _planned(spec: ModelSpec, asked: Asked, opened: Opened) -> tuple[RunPlan, Resolution]:
    if asked.minutes is not None:
        refuse_two_lengths(asked.minutes, asked.values)
        _refuse_several(asked)
    device = pick_device(asked.device)
    asked.resolve(spec.depth, "quick")  # what it names is refused before anything is downloaded
    source = open_for(spec, asked.data, asked.fixed, opened, choices=asked.choices)
    resolution = asked.resolve(spec.depth, default_recipe(asked.data, reads_files=source.reads_files))
    resolution.hold_out(len(source.train))
    resolution.follow_length(len(source.train))
    fitted = fit_to_source(spec, source, asked.fixed)
    text = absolute_source(asked.data)
    plan = make_plan(fitted, source, text, resolution.recipe, device, asked.workers)
    return replace(plan, shards_are_open=leaves_shards_open(resolution)), resolution
