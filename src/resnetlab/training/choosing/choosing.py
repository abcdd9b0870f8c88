"""From plans by rule to plans by what was tried on this machine: one way for single runs and for studies."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import torch

from resnetlab.base.machine.remembered import remembered
from resnetlab.data.feeding import Size
from resnetlab.network.spec import ModelSpec
from resnetlab.parallel.world import ALONE, World
from resnetlab.recipe import Recipe
from resnetlab.recipe.settings import override
from resnetlab.training.choosing.picking import Choice, Tried, pick
from resnetlab.training.choosing.trying import Answer, answered, is_lasting, question, try_ways
from resnetlab.training.choosing.ways import Prospect, Way, is_worth_trying, ways_of
from resnetlab.training.planning import RunPlan, kernels_of
from resnetlab.training.recorded.deciding import decide

Tell = Callable[[str], None]


def silent(text: str) -> None:
    """Tell nobody."""


def choose(
    plans: Sequence[RunPlan], world: World, tell: Tell = silent, *, minutes: float | None = None
) -> list[RunPlan]:
    """Return the plans of one study, or of one run, with kernels and number format as they suit this machine.

    Only what nobody gave is chosen, and only for runs that are long enough. The number format is the same for
    all: runs that are to be compared must not differ in it.

    Args:
        plans: As `make_plan` returns them.
        world: The processes that make each run together: all try, and the first one's answer counts.
        tell: Is told, in the first process, before something is tried, which takes some seconds.
        minutes: That each run will have, whatever length its plan has yet.
    """
    prospects = [
        Prospect.of(plan) if minutes is None else Prospect.within(minutes, plan, world.size) for plan in plans
    ]
    tried = [try_here(prospect, world, tell) for prospect in prospects]
    choices = [choice_of(prospect, each, world) for prospect, each in zip(prospects, tried, strict=True)]
    is_open = ["precision" in plan.left_open for plan in plans]
    found = {choice.way.precision for choice, left in zip(choices, is_open, strict=True) if left}
    if len(found) > 1:  # given ones are what is compared
        odd = next(
            plan.spec.name
            for plan, c, left in zip(plans, choices, is_open, strict=True)
            if left and c.way.precision == "fp32"
        )
        choices = [
            _in_fp32(prospect, each, choice, world, odd) if left else choice
            for prospect, each, choice, left in zip(prospects, tried, choices, is_open, strict=True)
        ]
    return [_with(plan, choice) for plan, choice in zip(plans, choices, strict=True)]


def settle(
    spec: ModelSpec,
    recipe: Recipe,
    device: torch.device,
    *,
    samples: int,
    sizes: Mapping[Size, float] | None = None,
    world: World = ALONE,
) -> tuple[Recipe, str]:
    """Return a recipe that leaves neither kernels nor number format open, and why it has these.

    Of what is measured, not trained.

    Args:
        spec: The network, of the size of the images.
        recipe: The recipe.
        device: Where.
        samples: Of a whole run, by all processes.
        sizes: Of the images of such a run, each with its share of the steps; none: the network's own alone.
        world: As `choose`.

    Raises:
        UsageError: If it asks for what cannot be.
    """
    prospect = Prospect(
        spec=spec,
        recipe=recipe,
        left_open=frozenset(),
        device=device,
        sizes=sizes or {(spec.input_size, spec.input_size): 1.0},
        samples=samples,
    )
    decided = decide(
        spec,
        recipe,
        device,
        reads_files=False,
        operations=prospect.operations * samples,
        step_operations=prospect.operations * recipe.run.batch,
        sizes=prospect.sizes,
    )
    prospect = replace(prospect, recipe=decided.recipe, left_open=decided.left_open)
    choice = choice_of(prospect, try_here(prospect, world), world)
    reason = choice.reason or "; ".join(filter(None, (decided.compile_reason, decided.precision_reason)))
    kernels = {"compile": choice.way.compile, "precision": choice.way.precision}
    return override(decided.recipe, kernels), f"{choice.way.words} ({reason})"


def try_here(prospect: Prospect, world: World, tell: Tell = silent) -> dict[Way, Tried]:
    """Return what came of each way; nothing where there is no choice, or trying would not pay."""
    if not prospect.left_open:
        return {}
    every = world.gather([[list(way), _kernels(prospect, way)] for way in ways_of(prospect)])
    ways = [Way(*one[0]) for one in every[0] if all(one in others for others in every)]  # hosts may differ
    threads = torch.get_num_threads() * world.size
    if not world.from_first(lambda: len(ways) > 1 and is_worth_trying(prospect, ways, threads)):
        return {}
    asked = question(prospect, ways, world.local_size)

    def measure() -> Answer:
        if world.is_first:
            tell(f"trying once how this machine makes steps of {prospect.spec.name} best ...")
        return try_ways(prospect, ways)

    answer: Answer = world.together(lambda: remembered("steps", asked, measure, is_kept=is_lasting))
    return answered(world.from_first(lambda: answer))


def _kernels(prospect: Prospect, way: Way) -> dict[str, str]:
    return kernels_of(prospect.recipe_for(way), prospect.device)


def choice_of(
    prospect: Prospect, tried: dict[Way, Tried], world: World, precisions: Sequence[str] = ()
) -> Choice:
    """Return how the steps of a run are made; as the rules have it where nothing was tried."""
    if not tried:
        execution = prospect.recipe.execution
        return Choice(Way(execution.compile, execution.precision), "")
    samples = prospect.largest_samples / world.size
    can_be_compiled = all(world.gather(prospect.can_be_compiled))  # hosts may differ
    choice = pick(tried, samples, can_be_compiled=can_be_compiled, precisions=precisions)
    if prospect.recipe.execution.compile == "on" and "compile" not in prospect.left_open:
        # what it makes is not tried: the number format is that which suits eager steps
        reason = f"as asked; number format by eager steps: {choice.reason}"
        return Choice(Way("on", choice.way.precision), reason)
    return choice


def _in_fp32(prospect: Prospect, tried: dict[Way, Tried], choice: Choice, world: World, odd: str) -> Choice:
    """Return the choice among ways in fp32, where bf16 does not suit another run of the study."""
    if choice.way.precision == "fp32":
        return choice
    again = choice_of(prospect, tried, world, ("fp32",))
    return replace(again, reason=f"{again.reason}; fp32 for the whole study, as {odd} takes it")


def _with(plan: RunPlan, choice: Choice) -> RunPlan:
    if not choice.reason:
        return plan
    recipe = override(plan.recipe, {"compile": choice.way.compile, "precision": choice.way.precision})
    return replace(plan, recipe=recipe, compile_reason=choice.reason, precision_reason="")
