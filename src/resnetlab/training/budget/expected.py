"""What accuracy to expect of a run: what others like it reached, by the log of docs/results.md."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from resnetlab.base.lettering import in_a_line
from resnetlab.base.units import format_count
from resnetlab.network.catalog import model_spec
from resnetlab.recipe.named import named_recipe
from resnetlab.recipe.settings import leaves
from resnetlab.training.planning import RunPlan


@dataclass(frozen=True)
class Reached:
    """The accuracy on the test set that runs reached, of the last step, without selection."""

    images: int
    """Training images that a run saw."""
    accuracy: float
    """Mean over the runs, in %."""
    runs: int
    logged: str
    """The date of its entry in docs/results.md."""


MEASURED: dict[tuple[str, str, str], tuple[Reached, ...]] = {
    ("resnet20", "cifar10", "quick"): (Reached(750_000, 89.66, 1, "2026-11-22"),),
    ("resnet20", "cifar10", "quick-muon"): (
        Reached(750_000, 90.69, 1, "2026-11-27"),
        Reached(1_500_000, 92.19, 1, "2026-11-28"),
    ),
    ("resnet20", "cifar10", "timed"): (
        Reached(847_000, 91.21, 1, "2026-11-30"),
        Reached(1_836_000, 92.14, 2, "2026-11-30"),
    ),
    ("resnet32", "cifar10", "timed"): (Reached(2_507_000, 93.17, 1, "2026-11-30"),),
}
"""By network, data and recipe, in the order of their length."""

_ALIKE = 1.1
"""So many times more or fewer images are as good as the same."""

_NEUTRAL = {
    "length", "warmup", "milestones", "mix_tail",  # which follow the length
    "seed", "val", "eval_every", "checkpoint_every", "keep_checkpoints", "log_every", "histogram_every",
    "report", "precision", "compile", "capture", "deterministic", "channels_last",
}  # fmt: skip
"""Values in which a run may differ from its recipe and reach what others of it did."""


def expectation(plan: RunPlan, images: int) -> str:
    """Return what accuracy to expect of a run that sees so many training images, and by which runs.

    Args:
        plan: The network, data and recipe; its length does not matter.
        images: Training images.
    """
    name, data, recipe = plan.spec.name, plan.source.name, plan.recipe.name
    known = MEASURED.get((name, data, recipe), ())
    if not known or plan.spec != model_spec(name):
        return f"not known: no run of {name} on {in_a_line(data)} by {recipe} is in docs/results.md"
    if differing := _differing(plan):
        return f"not known: the runs in docs/results.md are by {recipe} as it is, and this has {differing}"
    return expected_of(known, images)


def expected_of(known: Sequence[Reached], images: int) -> str:
    """Return what to expect after so many images where some lengths are known, in the order of these."""
    if near := [one for one in known if max(one.images, images) <= _ALIKE * min(one.images, images)]:
        best = min(near, key=lambda one: abs(one.images - images))
        return f"about {best.accuracy:.1f} %: {_told(best)}"
    if images < known[0].images:
        return f"less than {known[0].accuracy:.1f} %: {_told(known[0])}, and this is shorter"
    if images > known[-1].images:
        return f"probably more than {known[-1].accuracy:.1f} %: {_told(known[-1])}, and this is longer"
    less, more = next((a, b) for a, b in pairwise(known) if a.images < images < b.images)
    way = math.log(images / less.images) / math.log(more.images / less.images)
    between = less.accuracy + way * (more.accuracy - less.accuracy)
    return f"about {between:.1f} %: {_told(less)}, {_told(more)}"


def _told(one: Reached) -> str:
    count = f"mean of {one.runs} runs" if one.runs > 1 else "one run"
    return f"{format_count(one.images)} images gave {one.accuracy:.2f} % ({count}, results.md, {one.logged})"


def _differing(plan: RunPlan) -> str:
    """Return in which values that matter a plan differs from its named recipe."""
    own, now = leaves(named_recipe(plan.recipe.name, plan.spec.depth)), leaves(plan.recipe)
    changed = [n for n, leaf in now.items() if n not in _NEUTRAL and leaf.value != own[n].value]
    return ", ".join(f"{name}={now[name].text}" for name in changed)
