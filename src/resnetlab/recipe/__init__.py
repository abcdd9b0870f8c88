"""The recipe: everything but the network and the data that determines a run, as frozen plain data.

The tree has one level of groups, and every leaf has a name of its own in the whole tree, so that
`--set lr=0.2` and `--set optimizer.lr=0.2` say the same. The string under a leaf is its help text.
"""

from dataclasses import dataclass, field, replace
from typing import Any

from resnetlab.base.lettering import in_a_line
from resnetlab.errors import UsageError
from resnetlab.recipe.checks import Floats, refuse
from resnetlab.recipe.images import Augmentation, Normalisation, Preparation
from resnetlab.recipe.optimisation import Optimizer, Schedule
from resnetlab.recipe.running import Execution, Run, Transfer

__all__ = [
    "Augmentation",
    "Execution",
    "Floats",
    "Normalisation",
    "Optimizer",
    "Preparation",
    "Recipe",
    "Run",
    "Schedule",
    "Transfer",
    "refuse",
]


@dataclass(frozen=True, kw_only=True, repr=False)
class Recipe:
    """Everything but the network and the data that determines a run. A notebook shows it as a table."""

    name: str = "quick"
    """The named recipe this one comes from."""

    run: Run = field(default_factory=Run)
    optimizer: Optimizer = field(default_factory=Optimizer)
    schedule: Schedule = field(default_factory=Schedule)
    preparation: Preparation = field(default_factory=Preparation)
    augmentation: Augmentation = field(default_factory=Augmentation)
    normalisation: Normalisation = field(default_factory=Normalisation)
    execution: Execution = field(default_factory=Execution)
    transfer: Transfer = field(default_factory=Transfer)

    def __post_init__(self) -> None:
        shards, parts = self.execution.shards, self.execution.accumulate
        if self.run.batch < shards:
            raise UsageError(f"a batch of {self.run.batch} cannot be cut into {shards} shards")
        if self.run.batch // shards < parts:
            what = f"a batch of {self.run.batch}" if shards == 1 else f"a shard of {self.run.batch // shards}"
            raise UsageError(f"{what} cannot be cut into {parts} microbatches")
        if self.optimizer.sam and self.execution.precision == "fp16" and not self.execution.loss_scale:
            raise UsageError(
                "sam takes two gradients for each update, and fp16 adapts its loss scale by one",
                hint="bf16 needs no loss scale; --set loss_scale=128 fixes that of fp16.",
            )
        if self.run.loss == "binary" and self.run.balance != "none":
            raise UsageError("balance=loss needs loss=softmax: binary has no one class per image")

    def renamed(self, name: str, **groups: Any) -> "Recipe":
        """Return this recipe under another name, with other groups."""
        return replace(self, name=name, **groups)

    def __repr__(self) -> str:
        how = f"{self.run.length} of {self.run.batch}, {self.optimizer.optimizer} at {self.schedule.lr:g}"
        return f"<recipe {in_a_line(self.name)}: {how}>"

    def _repr_html_(self) -> str:
        from resnetlab.recipe.shown import recipe_html  # which stands on this module

        return recipe_html(self)
