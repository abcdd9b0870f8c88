"""Named recipes. Each is a function of the network's depth, with its source in the docstring."""

import inspect
from collections.abc import Callable

from resnetlab.errors import UsageError, nearest
from resnetlab.recipe import Recipe
from resnetlab.recipe.named import modern, originals, ours, papers, records

_RECIPES: dict[str, Callable[[int], Recipe]] = {
    "quick": ours.quick,
    "quick-muon": ours.quick_muon,
    "digits": ours.digits,
    "photos": ours.photos,
    "finetune": ours.finetune,
    "he2015": papers.he2015,
    "he2016": papers.he2016,
    "paper-fast": records.paper_fast,
    "standard": records.standard,
    "max": records.maximum,
    "chaoji": originals.chaoji,
    "chaoji-tf2": originals.chaoji_tf2,
    "keras": originals.keras,
    "tfofficial-cifar": originals.tfofficial_cifar,
    "tfofficial-imagenet": originals.tfofficial_imagenet,
    "tfresearch": originals.tfresearch,
    "torchvision-v1": modern.torchvision_v1,
    "torchvision-v2": modern.torchvision_v2,
    "rsb-a1": modern.rsb_a1,
    "rsb-a2": modern.rsb_a2,
    "rsb-a3": modern.rsb_a3,
    "ffcv-16": modern.ffcv_16,
    "ffcv-32": modern.ffcv_32,
    "ffcv-88": modern.ffcv_88,
}


def list_recipes() -> list[str]:
    """Return the names of all recipes."""
    return list(_RECIPES)


def named_recipe(name: str, depth: int = 0) -> Recipe:
    """Return a recipe by its name, as it is for a network of this depth.

    Raises:
        UsageError: If there is no such recipe, with the nearest names.
    """
    return _find(name)(depth)


def default_recipe(data: str, *, reads_files: bool = False) -> str:
    """Return the recipe that data gets if none is named: photos, the digits' own, or quick.

    Args:
        data: A dataset's name or path.
        reads_files: Whether its images are files that are read as they are needed.
    """
    if reads_files:
        return "photos"
    return "digits" if data == "digits" else "quick"


def recipe_doc(name: str) -> str:
    """Return what a recipe's author has to say: source, expected result, corrections."""
    return inspect.cleandoc(_find(name).__doc__ or "")


def _find(name: str) -> Callable[[int], Recipe]:
    if name not in _RECIPES:
        raise UsageError(
            f"no recipe is called {name!r}",
            hint=nearest(name, _RECIPES) or f"The recipes are {', '.join(_RECIPES)}.",
        )
    return _RECIPES[name]
