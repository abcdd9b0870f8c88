"""What is asked: plain and residual networks of two depths on some data; it becomes the plans of a study."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from resnetlab.base.plaindata import as_text
from resnetlab.errors import UsageError
from resnetlab.network.catalog import model_spec
from resnetlab.network.spec import ModelSpec
from resnetlab.training.asking import Asked, Look, begins, plan_networks
from resnetlab.training.planning import RunPlan
from resnetlab.training.studies import plan_rows

DEPTHS = (20, 56)
"""Those of the first paper's Fig. 1; on the digits too they show the degradation (docs/residual.md)."""

PLAIN, RESIDUAL = "plain", "residual"
KINDS = (PLAIN, RESIDUAL)

ON_DIGITS: Mapping[str, Any] = {"stem_stride": 2}
"""Of the networks for the digits, which are 8 x 8 pixels, enlarged to 32 x 32: a first convolution of stride
2 loses nothing of them, and all behind it takes a quarter of the time."""

_DIGITS: Mapping[str, Any] = {"length": "6ep", "lr": 0.05}
"""Of the recipe for the digits, if none is named: within a minute or so the networks that can learn have, of
the rates .1 and .05 with the latter (docs/residual.md)."""

_VALUES: Mapping[str, Any] = {"report": False}
"""Of the recipe: this study has a page of its own."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """Networks with and without shortcuts, of two depths, all else alike."""

    depths: Sequence[int] = DEPTHS
    asked: Asked = field(default_factory=lambda: Asked(data="digits"))
    """The data, the recipe, the seed, the device."""
    knobs: Mapping[str, Any] = field(default_factory=dict)
    """Of all four networks, beside those of `ON_DIGITS`."""

    def plans(self, look: Look = begins) -> dict[str, RunPlan]:
        """Return the runs by the names of their directories: the plain ones first, of a kind the shallower.

        Args:
            look: Is shown them before anything is measured.

        Raises:
            UsageError: If there are no such networks, or the parts do not fit each other.
            DataError: If the data is missing or damaged.
        """
        is_digits = self.asked.data == "digits"
        knobs = {**(ON_DIGITS if is_digits else {}), **self.knobs}
        values = {**_VALUES, **(_DIGITS if is_digits and self.asked.recipe is None else {})}
        asked = replace(self.asked, values=values | {**self.asked.values}, fixed=tuple(knobs))
        pairs = [networks(depth) for depth in self._ordered()]
        specs = [spec.with_(**knobs) for kind in zip(*pairs, strict=True) for spec in kind]
        self._refuse_alike(specs)
        plans = plan_networks([(spec, asked) for spec in specs], look=look)
        return rows_of(plans)

    def command(self) -> str:
        """Return the command that asks the same."""
        words = ["resnetlab", "explain", "residual", "--depths", *map(str, self._ordered())]
        return shlex.join([*words, *self.asked.words(self.knobs)])

    def _refuse_alike(self, specs: Sequence[ModelSpec]) -> None:
        """Refuse knobs that leave no plain or no residual network, or no two depths."""
        if len({(kind_of(spec), spec.depth) for spec in specs}) < len(specs):
            given = ", ".join(f"{name}={as_text(value)}" for name, value in self.knobs.items())
            raise UsageError(
                f"{given}: compared are networks with and without shortcuts, of two depths, and with this"
                " some are alike",
                hint="Leave out what says which shortcuts or how many units a network has.",
            )

    def _ordered(self) -> tuple[int, int]:
        given = tuple(self.depths)
        if len(given) != 2 or given[0] == given[1]:
            raise UsageError(
                f"two different depths are compared, got {' '.join(map(str, given)) or 'none'}",
                hint="E.g. 8 and 56: depths of 6n+2, as in the paper.",
            )
        return min(given), max(given)


def rows_of(plans: Sequence[RunPlan]) -> dict[str, RunPlan]:
    """Return the runs of these networks by the names of their directories."""
    return plan_rows(plans, [plans[0].recipe.run.seed])


def networks(depth: int) -> tuple[ModelSpec, ModelSpec]:
    """Return the plain and the residual network of that depth for CIFAR's size, which differ in nothing else.

    Raises:
        UsageError: If there are none.
    """
    plain, residual = model_spec(f"plain{depth}"), model_spec(f"resnet{depth}_cifar")
    twin = replace(residual, name=plain.name, shortcut=plain.shortcut, published_parameters=None)
    if twin != replace(plain, published_parameters=None):
        raise UsageError(
            f"{plain.name} and {residual.name} differ in more than the shortcuts: the catalog's of {depth}"
            " layers has bottlenecks",
            hint="Choose another depth of 6n+2.",
        )
    return plain, residual


def kind_of(spec: ModelSpec) -> str:
    """Return whether a network of the study is the plain or the residual one."""
    return PLAIN if spec.shortcut == "none" else RESIDUAL


def default_place(plans: Mapping[str, RunPlan], parent: Path = Path("runs")) -> Path:
    """Return where a study of these runs lies if nobody says: the same question, the same place."""
    first, last = next(iter(plans.values())), [*plans.values()][-1]
    depths = f"{first.spec.depth}-{last.spec.depth}"
    recipe = first.recipe
    name = f"residual-{depths}-{first.source.name}-{recipe.name}-{recipe.run.length}-seed{recipe.run.seed}"
    return parent / name
