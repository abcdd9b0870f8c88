"""How other packages and programs add to resnetlab, by name; docs/extending.md has an example of each."""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from resnetlab.base.registry import Registry
from resnetlab.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from resnetlab.recipe import Recipe

Function = TypeVar("Function", bound=Callable[..., Any])
Decorator = Callable[[Function], Function]
Read = Callable[["Path"], Any]


def recipe(name: str) -> "Decorator[Callable[[int], Recipe]]":
    """Add a recipe: a function of the network's depth. Its docstring is what `show` and `list` say of it.

    Raises:
        UsageError: If there is one of this name.
    """
    from resnetlab.recipe.named import RECIPES

    return _adding(RECIPES, name, lambda function: function)


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
