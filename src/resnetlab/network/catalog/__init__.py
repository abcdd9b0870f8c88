"""The catalog: every named network as a specification. No torch."""

import re
from functools import lru_cache

from resnetlab.base.plaindata import as_text
from resnetlab.errors import UsageError, nearest
from resnetlab.network.catalog import cifar, imagenet, originals
from resnetlab.network.spec import KNOBS, ModelSpec

__all__ = ["changed_texts", "changes", "families", "list_models", "model_spec", "wide_ones"]

_FINDERS = (imagenet.find, cifar.find, originals.find)  # resnet50 is the ImageNet network


def families() -> dict[str, tuple[str, ...]]:
    """Return the listed names by family, in the order in which a reader wants them."""
    return cifar.FAMILIES | imagenet.FAMILIES | originals.FAMILIES


def list_models() -> list[str]:
    """Return the listed names. More are accepted: any valid depth, and resnet29_bottleneck."""
    return [name for names in families().values() for name in names]


@lru_cache(maxsize=256)
def model_spec(name: str) -> ModelSpec:
    """Return the specification of that name, in capitals or with hyphens too.

    Raises:
        UsageError: If there is none; the nearest names, or the nearest valid depths, are given.
    """
    lower = name.casefold()
    for spelling in dict.fromkeys((name, lower, lower.replace("-", ""))):  # ResNet20, resnet-20
        for find in _FINDERS:
            if spec := find(spelling):
                return spec
    hint = wide_ones(name) or nearest(name, list_models())
    raise UsageError(
        f"no model is called {name!r}",
        hint=f"{hint} `resnetlab list` shows all.".strip(),
    )


def wide_ones(name: str) -> str:
    """Return which wide networks there are, where a name that is none means one: wrn40_4; else ""."""
    if not re.match(r"wide|wrn", name.casefold()):
        return ""
    found = [each for each in list_models() if re.search(r"wide|wrn", each)]
    return f"Of wide networks there are {', '.join(found)}; --set width=4 widens any."


def changes(spec: ModelSpec) -> dict[str, tuple[object, object]]:
    """Return the named network's value and this one's of every field in which they differ.

    Empty if the catalog has no such name. Where a network comes from is no difference.
    """
    try:
        named = model_spec(spec.name)
    except UsageError:
        return {}
    pairs = {name: (getattr(named, name), getattr(spec, name)) for name in KNOBS if name != "width"}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


_CHANNELS = ("stem_width", "widths", "out_channels")


def changed_texts(spec: ModelSpec) -> tuple[str, ...]:
    """Return the knobs that make this network of the one it is named after: "classes=100", "width=0.5"."""
    found = {name: new for name, (_, new) in changes(spec).items()}
    if found.keys() >= set(_CHANNELS):
        named = model_spec(spec.name)
        factor = f"{spec.out_channels[-1] / named.out_channels[-1]:.4g}"
        wide = named.with_(width=float(factor))
        if all(getattr(wide, name) == getattr(spec, name) for name in _CHANNELS):
            found = {name: new for name, new in found.items() if name not in _CHANNELS}
            found["width"] = float(factor)
    return tuple(f"{name}={as_text(value)}" for name, value in found.items())
