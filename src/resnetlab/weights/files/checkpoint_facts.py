"""What a checkpoint says of itself beside its weights: names of classes, configurations, hyperparameters."""

import re
from collections.abc import Iterator, Mapping
from math import isfinite
from typing import Any

from resnetlab.weights.facts.normalisers import OwnImages
from resnetlab.weights.files.inert import Inert

# Where trainers keep what a run was told.
_GROUPS = frozenset(
    (
        "args", "config", "cfg", "hyper_parameters", "hparams", "opt", "params", "meta", "dataset_meta",
        "model_config", "model_args", "model_kwargs", "model_cfg", "model", "network", "backbone", "encoder",
    )
)  # fmt: skip
_CLASSES = re.compile(
    r"classes|class_?names?|class_?labels|label_?names|labels|categories|vocab"
    r"|class_?to_?(idx|index|id)|(idx|index|id)_?(to|2)_?(class|label|name)|label2id|label_to_(idx|id)",
    re.I,
)
_DEEPEST, _LONGEST, _MOST_CLASSES = 3, 200, 100_000
_CHANNELS = 3


def entries(node: object) -> Mapping[Any, Any]:
    """Return what a mapping, or the object of a pickle, holds by name."""
    if isinstance(node, Mapping):
        return node
    return node.contents() if isinstance(node, Inert) else {}


def plain_facts(content: object) -> dict[str, str]:
    """Return the texts and numbers that stand beside the weights: what a checkpoint says of itself.

    {"model": {"name": "resnet18"}} among hyperparameters is a model resnet18.
    """
    facts: dict[str, str] = {}
    for outer, group in _groups(content, "", 0):
        for name, each in group.items():
            if isinstance(name, str) and isinstance(each, str | int | float) and len(str(each)) < _LONGEST:
                key = outer if outer and name in ("name", "type", "arch", "model_name") else name
                facts.setdefault(key, str(each))
    return facts


def class_names(content: object) -> list[list[str]]:
    """Return every list of names of classes beside the weights, in the order of the logits."""
    found = [
        names
        for _, group in _groups(content, "", 0)
        for key, value in group.items()
        if isinstance(key, str) and _CLASSES.fullmatch(key) and (names := _listed(value))
    ]
    return [names for index, names in enumerate(found) if names not in found[:index]]


def mmlab(content: object) -> tuple[dict[str, object], OwnImages | None]:
    """Return what OpenMMLab's configuration, a text, says beyond names and shapes.

    Sources: open-mmlab/mmpretrain, models/backbones/resnet.py: a caffe style strides on the first 1x1;
    models/utils/data_preprocessor.py and mmcls' img_norm_cfg: pixels from 0 to 255, blue first unless
    to_rgb is set, less mean, by std.

    Returns:
        Knobs of the network, and what becomes of pixels; None if that is not said.
    """
    meta = entries(entries(content).get("meta"))
    text = next((meta[key] for key in ("cfg", "config") if isinstance(meta.get(key), str)), "")
    knobs: dict[str, object] = {}
    if re.search(r"""style['"]?\s*[=:]\s*['"]caffe['"]""", text):
        knobs["stride_on"] = "first"
    order = {
        found == "True" for found in re.findall(r"""(?:to_rgb|bgr_to_rgb)['"]?\s*[=:]\s*(True|False)""", text)
    }
    if not order:
        return knobs, None
    if len(order) > 1:
        return knobs, OwnImages(words="to_rgb is True and False in its configuration")
    is_bgr = order == {False}
    words = f"its configuration, with to_rgb={not is_bgr}"
    means, stds = (_threes(text, name) for name in ("mean", "std"))
    if not is_bgr and not means and not stds:
        return knobs, None
    if len(means) != 1 or len(stds) != 1:
        return knobs, OwnImages(is_bgr=is_bgr, words=f"{words} and not one mean and std")
    mean, std = (tuple(reversed(each.pop())) if is_bgr else each.pop() for each in (means, stds))
    return knobs, OwnImages(mean, std, 255, is_bgr, words)


def own_images(content: object) -> OwnImages | None:
    """Return the mean and std that a checkpoint records of its training, red first; None if it has none.

    Several that differ are not known.
    """
    found: dict[tuple[tuple[float, ...], tuple[float, ...]], str] = {}
    for _, group in _groups(content, "", 0):
        for words in (("mean", "std"), ("image_mean", "image_std"), ("norm_mean", "norm_std")):
            mean, std = (_three(group.get(word)) for word in words)
            if mean and std and min(std) > 0:
                found.setdefault((mean, std), " and ".join(words))
    if len(found) > 1:
        return OwnImages(words="it records several means and stds")
    return next((OwnImages.of(m, s, f"its record, {words}") for (m, s), words in found.items()), None)


def _three(given: object) -> tuple[float, ...]:
    """Return a list's three numbers; none if it has anything else."""
    listed = given if isinstance(given, list | tuple) and len(given) == _CHANNELS else ()
    numbers = tuple(float(each) for each in listed if isinstance(each, int | float) and isfinite(each))
    return numbers if len(numbers) == _CHANNELS else ()


def _threes(text: str, name: str) -> set[tuple[float, ...]]:
    """Return every three numbers that a configuration gives by a name."""
    number = r"\s*(\d+(?:\.\d*)?)\s*"
    pattern = rf"""\b{name}['"]?\s*[=:]\s*[\[(]{number},{number},{number},?\s*[\])]"""
    return {tuple(map(float, each)) for each in re.findall(pattern, text)}


def _groups(node: object, outer: str, depth: int) -> Iterator[tuple[str, Mapping[Any, Any]]]:
    """Give the content, and what is told in it, each with the key that it lies under."""
    own = entries(node)
    yield outer, own
    if depth < _DEEPEST:
        for key, value in own.items():
            if isinstance(key, str) and key in _GROUPS and entries(value):
                yield from _groups(value, "" if key not in _NAMED else key, depth + 1)


_NAMED = frozenset(("model", "network", "backbone", "encoder", "model_config", "model_cfg"))


def _listed(value: object) -> list[str]:
    """Return names from a list, from {name: number} or from {number: name}; empty if it is none of these."""
    if isinstance(value, Mapping) and 1 < len(value) <= _MOST_CLASSES:
        pairs = [(key, name) for key, name in value.items()]
        if all(isinstance(name, int) for _, name in pairs):
            pairs = [(name, key) for key, name in pairs]
        by_number = {str(number): name for number, name in pairs}
        value = [by_number.get(str(index)) for index in range(len(pairs))]
    if not isinstance(value, list | tuple) or not 1 < len(value) <= _MOST_CLASSES:
        return []
    names = [each for each in value if isinstance(each, str) and each.strip() and len(each) < _LONGEST]
    return [name.strip() for name in names] if len(names) == len(value) else []
