"""The catalog: every named network as a specification. No torch."""

from functools import lru_cache

from resnetlab.catalog import cifar, imagenet, originals
from resnetlab.errors import UsageError, nearest
from resnetlab.spec import ModelSpec

__all__ = ["families", "list_models", "model_spec"]

_FINDERS = (imagenet.find, cifar.find, originals.find)  # resnet50 is the ImageNet network


def families() -> dict[str, tuple[str, ...]]:
    """Return the listed names by family, in the order in which a reader wants them."""
    return cifar.FAMILIES | imagenet.FAMILIES | originals.FAMILIES


def list_models() -> list[str]:
    """Return the listed names. More are accepted: any valid depth, and resnet29_bottleneck."""
    return [name for names in families().values() for name in names]


@lru_cache(maxsize=256)
def model_spec(name: str) -> ModelSpec:
    """Return the specification of that name.

    Raises:
        UsageError: If there is none; the nearest names, or the nearest valid depths, are given.
    """
    for find in _FINDERS:
        if spec := find(name):
            return spec
    hint = nearest(name, list_models())
    raise UsageError(
        f"no model is called {name!r}",
        hint=f"{hint} `resnetlab list` shows all.".strip(),
    )
