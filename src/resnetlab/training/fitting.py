"""What network, data and recipe must not be together: every reason why a run cannot be."""

from collections.abc import Iterator

from resnetlab.data.recognise import AnySource
from resnetlab.errors import UsageError
from resnetlab.recipe import Optimizer, Recipe
from resnetlab.spec import ModelSpec
from resnetlab.training.parts import plan_parts


def refuse_misfits(spec: ModelSpec, source: AnySource, recipe: Recipe) -> None:
    """Raise the first reason why the network cannot learn from this data in this way.

    Raises:
        UsageError: If there is one.
    """
    for text, hint in _misfits(spec, source, recipe):
        raise UsageError(text, hint=hint)
    plan_parts(spec, recipe.transfer)


def _misfits(spec: ModelSpec, source: AnySource, recipe: Recipe) -> Iterator[tuple[str, str]]:
    """Yield what does not fit, and what to do."""
    run, optimizer, total = recipe.run, recipe.optimizer, len(source.train)
    available = total - run.val
    if available < 1:
        yield f"val={run.val} holds out all {total:,} training samples", "Hold out fewer with --val."
    if run.batch > available:
        text = f"a batch of {run.batch} is more than the {available} training samples"
        yield text, "Choose a smaller one with --batch."
    if spec.classes < len(source.class_names):
        text = f"{spec.name} has {spec.classes} classes, {source.name} has {len(source.class_names)}"
        yield text, f"Leave out --set classes, or give at least {len(source.class_names)}."
    if run.patience and not (run.val or source.val is not None):
        text = f"patience={run.patience} needs validation images, and {source.name} has none of its own"
        yield text, "Hold some training images out with --val, e.g. --val 10%."
    for name in ("rest_rate", "muon_momentum"):
        value, kind = getattr(optimizer, name), optimizer.optimizer
        if kind != "muon" and value != getattr(Optimizer, name):
            text = f"{name}={value:g} is muon's, and would change nothing of {kind}"
            yield text, f"Leave out {name}, or choose optimizer=muon."
    if optimizer.fixed_norm and recipe.transfer.bn != "train":
        text = "fixed_norm gives every kernel another norm, which BN's frozen statistics would not follow"
        yield text, "Leave out fixed_norm, or have BN learn (--bn train)."
    if optimizer.fixed_norm and spec.zero_init_residual and spec.order == "pre":
        text = f"fixed_norm would undo zero_init_residual, by which {spec.name}'s last kernels start as zero"
        yield text, "Leave out one of them."


def refuse_no_meeting(recipe: Recipe, num_steps: int) -> None:
    """Refuse a run whose weights never meet their slow copies.

    Raises:
        UsageError: If it is one.
    """
    if recipe.optimizer.lookahead > num_steps:
        raise UsageError(
            f"lookahead={recipe.optimizer.lookahead} is more than the {num_steps:,} steps of the run, whose "
            "weights would end as they begin",
            hint="The weights meet their slow copies every 5 steps or so.",
        )
