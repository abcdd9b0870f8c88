"""How other packages and programs add to resnetlab, by name; docs/extending.md has an example of each."""

import re
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from resnetlab.base.registry import Registry
from resnetlab.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    import torch

    from resnetlab.network.spec import ModelSpec
    from resnetlab.recipe import Optimizer, Recipe
    from resnetlab.recipe.optimizers import Groups
    from resnetlab.weights.facts.naming import Layout, Shapes

Function = TypeVar("Function", bound=Callable[..., Any])
Decorator = Callable[[Function], Function]
Build = Callable[["Groups", "Optimizer"], "torch.optim.Optimizer"]
Read = Callable[["Path"], Any]
ReadNames = Callable[["Shapes"], "tuple[Mapping[str, str], ModelSpec] | None"]


def recipe(name: str) -> "Decorator[Callable[[int], Recipe]]":
    """Add a recipe: a function of the network's depth. Its docstring is what `show` and `list` say of it.

    Raises:
        UsageError: If there is one of this name.
    """
    from resnetlab.recipe.named import RECIPES

    return _adding(RECIPES, name, lambda function: function)


def optimizer(
    name: str, *, state: Collection[str], counters: Collection[str] = (), can_be_recorded: bool = False
) -> "Decorator[Build]":
    """Add an optimizer: a function of the parameter groups and the recipe's group of that name.

    It returns a `torch.optim.Optimizer` of these groups. Each says its `weight_decay`; its `lr` is set before
    every step. All that must survive a restart lies in `optimizer.state[parameter]`, as tensors, and is
    declared here, so that a resumed run goes on as it would have.

    Args:
        name: What `--set optimizer=NAME` takes.
        state: Names of what has the parameter's shape.
        counters: Names of single numbers, tensors of shape ().
        can_be_recorded: A step asks the host nothing, takes `lr` as a tensor, and heeds `found_inf` as
            resnetlab/training/step/guard.py says. Else each step is started from the host.

    Raises:
        UsageError: If there is one of this name.
    """
    from resnetlab.recipe.optimizers import OPTIMIZERS, OptimizerKind

    def kind_of(function: "Build") -> OptimizerKind:
        def build(groups: "Groups", config: "Optimizer", can_skip: bool) -> "torch.optim.Optimizer":
            from resnetlab.training.step.optim import try_declared

            with OPTIMIZERS.doing(name, "be tried"):
                try_declared(name, kind, lambda group: function([group], config))
                return function(groups, config)

        kind = OptimizerKind(
            build=build, state=(*state,), counters=(*counters,), can_be_recorded=can_be_recorded
        )
        return kind

    return _adding(OPTIMIZERS, name, kind_of)


def container(name: str, *, recognises: "Callable[[Path], bool]") -> "Decorator[Read]":
    """Add a container of images: a function that reads what lies at a path.

    It returns {SPLIT: (images, labels)}: uint8 of shape (N, H, W) or (N, H, W, C), and N whole numbers or
    texts. Splits are called as people call them ("train", "validation", ...), or "" where nothing is divided.
    Images that are too many for memory it returns as `resnetlab.data.sources.encoded.EncodedSource`.

    Args:
        name: For messages.
        recognises: Whether the file or folder at a path is such a container. It is asked before ours are.

    Raises:
        UsageError: If there is one of this name.
    """
    from resnetlab.data.recognise import CONTAINERS, format_of

    return _adding(CONTAINERS, name, lambda function: format_of(name, recognises, function))


def naming(
    name: str,
    *,
    anchor: str,
    layout: "Layout" = "torch",
    mean: tuple[float, ...] = (),
    std: tuple[float, ...] = (),
) -> "Decorator[ReadNames]":
    """Add a naming of weights: a function of a file's names and shapes, without what all names begin with.

    It returns which of them is which of ours (`create_model(...).state_dict()` has these), and the network;
    or None if the file is another's. The classifier it may leave out: a linear layer that reads the
    features is found whatever it is called, and its classes are counted.

    Args:
        name: For messages and reports.
        anchor: Pattern of a name that such a file has; what stands before it is what all names begin with.
        layout: Of kernels and matrices: "torch" (out, in, h, w) or "tensorflow" (h, w, in, out).
        mean: Of the images' channels from 0 to 1, in training; left out, whoever loads the file must say.
        std: The standard deviations, likewise.

    Raises:
        UsageError: If there is one of this name.
    """
    from resnetlab.network.spec import ModelSpec
    from resnetlab.weights.facts.naming import Dialect, InputFacts, Match, is_head
    from resnetlab.weights.namings import NAMINGS

    facts = InputFacts(mean=mean, std=std, is_told=bool(mean and std))

    def dialect_of(function: "ReadNames") -> Dialect:
        def match(shapes: "Shapes") -> Match | None:
            with NAMINGS.doing(name, "read these names"):
                found = function(shapes)
            if found is None:
                return None
            if not (isinstance(found, tuple) and len(found) == 2 and isinstance(found[1], ModelSpec)):
                raise UsageError(f"the naming {name!r} gives {found!r}, no names and ModelSpec")
            names, spec = found
            keys = {theirs: ours for theirs, ours in names.items() if not is_head(ours)}
            return Match(keys, spec, facts)

        return Dialect(name, f"{name}'s names", layout, match, anchor, "(?!)")

    return _adding(NAMINGS, name, dialect_of)


def _adding(registry: Registry[Any], name: str, thing_of: Callable[[Any], Any]) -> "Decorator[Any]":
    """Return a decorator that adds what `thing_of` makes of a function, and returns the function."""
    if not isinstance(name, str) or not re.fullmatch(r"[\w.+-]+", name):
        raise UsageError(
            f"{registry.kind} {name!r}: a name of letters, digits and -_+. is due",
            hint=f'Write @register.{registry.kind}("NAME") above the function.',
        )

    def add(function: Any) -> Any:
        if not callable(function):
            raise UsageError(f"the {registry.kind} {name!r} is no function: {function!r}")
        owner = f"{function.__module__}.{function.__qualname__}"
        registry.add(name, thing_of(function), owner)
        return function

    return add
