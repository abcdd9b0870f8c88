"""The names of the classes that lie beside published weights, in config.json of the Hugging Face hub."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from resnetlab.base.reading.plain import read_json
from resnetlab.weights.facts.naming import Naming

_CONFIG = "config.json"
# What transformers writes where nobody gave names.
_PLACEHOLDER = re.compile(r"LABEL_\d+")


def names_beside(
    path: Path, naming: Naming, own: Sequence[Sequence[str]] = (), *, described: object = None
) -> tuple[tuple[str, ...], str]:
    """Return the names of a network's classes, if they lie beside its weights, and a remark.

    timm and we write them as `label_names`, timm also within `pretrained_cfg` and formerly as
    `labels`; transformers as `id2label`. Names of another number of classes are left out, which is
    said. The one logit of two classes has two names.

    Args:
        path: The file, or the folder of the hub.
        naming: What the weights are.
        own: The lists of names in the checkpoint itself.
        described: Those in a file of ours; None in another's.
    """
    inside = _names(described)
    if naming.has_head and len(inside) == max(naming.spec.classes, 2):
        return inside, "the classes' names are those in the file"
    if naming.has_head and (fitting := [each for each in own if len(each) == max(naming.spec.classes, 2)]):
        return tuple(fitting[0]), "the classes' names are those in the checkpoint"
    config = (path if path.is_dir() else path.parent) / _CONFIG
    try:
        facts = read_json(config, is_ours=False)
    except (OSError, ValueError):
        return (), ""
    if not isinstance(facts, dict) or not naming.has_head:
        return (), ""
    logits = naming.spec.classes
    counts: list[int] = []
    for names in _found(facts):
        if len(names) == max(logits, 2):
            return names, f"the classes' names are those of {_CONFIG} beside the file"
        counts.append(len(names))
    if not counts:
        return (), ""
    return (), f"{_CONFIG} beside the file names {counts[0]} classes, the network has {logits}: not taken"


def _found(facts: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """Give every list of names."""
    inner = facts.get("pretrained_cfg")
    for place in (facts, inner if isinstance(inner, dict) else {}):
        for key in ("label_names", "labels", "id2label"):
            if names := _names(place.get(key)):
                yield names


def _names(given: object) -> tuple[str, ...]:
    """Return names from a list, or from a mapping of the logits' numbers; empty if it is neither."""
    if isinstance(given, dict):
        numbers = [str(index) for index in range(len(given))]
        if set(given) != set(numbers):
            return ()
        given = [given[number] for number in numbers]
    if not isinstance(given, list) or not all(isinstance(name, str | int) for name in given):
        return ()
    names = tuple(str(name).strip() for name in given)
    if not all(names) or all(_PLACEHOLDER.fullmatch(name) for name in names):
        return ()
    return names
