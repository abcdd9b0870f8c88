"""A loaded network for other classes and other images: the head, the first convolution."""

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor

from resnetlab.base.units import first_of
from resnetlab.errors import UsageError
from resnetlab.network.spec import ModelSpec
from resnetlab.weights.converting import Converted
from resnetlab.weights.facts.naming import Naming, is_head

Head = Literal["strict", "reset", "keep-shared"]

NEW_CLASSIFIER = "the classifier begins anew"
"""Why a classifier in a file is not used."""


def fit_head(
    converted: Converted,
    naming: Naming,
    spec: ModelSpec,
    *,
    head: Head,
    class_names: Sequence[str],
    file_class_names: Sequence[str],
    initial: Mapping[str, Tensor],
) -> None:
    """Make the classifier in `converted` the network's, in place; see `load_weights`.

    Raises:
        UsageError: If the classes do not allow it.
    """
    tensors, ledger = converted.tensors, converted.ledger
    keys = [key for key in initial if is_head(key)]
    count = naming.spec.classes
    if count == 1 and spec.classes != 1 and naming.has_head and head != "reset":
        _split_logit(converted, keys)
        count = 2
    if head != "strict" and not (head == "keep-shared" and naming.has_head):
        why = "asked for" if naming.has_head or naming.own_head else "the file has no classifier"
        for key in keys:
            ledger.reset[key] = why
            ledger.derived.pop(key, None)
            if tensors.pop(key, None) is not None and key in ledger.matched:
                ledger.unused[ledger.matched.pop(key)] = NEW_CLASSIFIER
            tensors[key] = initial[key].clone()
        return
    if not naming.has_head:
        raise UsageError(
            f"the file has no classifier, the network one of {spec.classes} classes: head=reset begins"
            " with a new one",
            hint="`resnetlab import` makes a model folder of a backbone, for features; `resnetlab finetune`"
            " puts a classifier on.",
        )
    if file_class_names and class_names and head == "strict" and [*file_class_names] != [*class_names]:
        raise UsageError(
            f"the classifier is for {first_of(file_class_names)}, the data has {first_of(class_names)}",
            hint="head=reset begins with a new classifier; head=keep-shared keeps the rows of the"
            " class names that both have, in the data's order.",
        )
    if head == "keep-shared":
        _keep_shared(converted, keys, class_names, file_class_names, initial)
        return
    if naming.name == "tensorflow-official" and (count, spec.classes) == (1001, 1000):
        for key in keys:
            tensors[key] = tensors[key][1:].clone()
        ledger.notes.append("the first of the file's 1001 classes, the background, was left out")
    elif count != spec.classes:
        raise UsageError(
            f"the file has {count} classes, the network {spec.classes}: head=reset",
            hint="head=reset begins with a new classifier; head=keep-shared keeps the rows of the"
            f" class names that both have; classes={count} takes the file's.",
        )


def _split_logit(converted: Converted, keys: Sequence[str]) -> None:
    """Make of one logit x two, -x/2 and x/2: their softmax is its sigmoid."""
    for key in keys:
        row = converted.tensors[key]
        converted.tensors[key] = torch.cat([-row / 2, row / 2])
    converted.ledger.notes.append("the file's one logit became two, which give its sigmoid: no and yes")


def _keep_shared(
    converted: Converted,
    keys: Sequence[str],
    class_names: Sequence[str],
    file_class_names: Sequence[str],
    initial: Mapping[str, Tensor],
) -> None:
    """Copy the rows of the class names that both have into a new classifier."""
    tensors, ledger = converted.tensors, converted.ledger
    have = tensors[keys[0]].shape[0]
    want = initial[keys[0]].shape[0]
    for words, names, count in (("file's", file_class_names, have), ("network's", class_names, want)):
        if len(names) != count or len(set(names)) != count:
            raise UsageError(
                f"head=keep-shared needs the {words} {count} class names, each once; got {len(names)}",
                hint="`resnetlab import FILE --classes NAMES.txt -o FOLDER` makes a model folder with names.",
            )
    rows = {name: row for row, name in enumerate(file_class_names)}
    pairs = [(row, rows[name]) for row, name in enumerate(class_names) if name in rows]
    if not pairs:
        raise UsageError(
            f"head=keep-shared: the file has {first_of(file_class_names)}, the data {first_of(class_names)},"
            " and no name is in both",
            hint="head=reset begins with a new classifier.",
        )
    new, old = (torch.tensor([pair[i] for pair in pairs], dtype=torch.int64) for i in (0, 1))
    fresh = [name for name in class_names if name not in rows]
    for key in keys:
        kept = initial[key].clone()
        kept[new] = tensors[key][old]
        tensors[key] = kept
        source = ledger.matched.pop(key, ledger.derived.get(key))
        ledger.derived[key] = f"{len(pairs)} row{'s' * (len(pairs) > 1)} of {source}, by class name"
        if fresh:
            ledger.reset[key] = f"the rows of {len(fresh)} new classes: {first_of(fresh)}"


def fit_channels(converted: Converted, naming: Naming, spec: ModelSpec, *, can_adapt: bool) -> None:
    """Make the first convolution read images of the network's channels, in place.

    Grey from colour is the sum over the channels: exact for a grey image given three times. More
    channels repeat the file's in turn, scaled so that activations keep their size.

    Raises:
        UsageError: If the channels differ and `can_adapt` is not set.
    """
    have, want = naming.spec.in_channels, spec.in_channels
    if have == want:
        return
    if not can_adapt:
        raise UsageError(
            f"the file's network takes images of {have} channels, the network of {want}",
            hint="adapt_channels=True sums or repeats the first convolution's channels.",
        )
    key = next(key for key in ("conv1.weight", "stem.conv.weight") if key in converted.tensors)
    weight = converted.tensors[key]
    if want == 1:
        converted.tensors[key], how = weight.sum(1, keepdim=True), "summed over the channels"
    else:
        turns = torch.arange(want) % have
        converted.tensors[key] = weight[:, turns] * (have / want)
        how = f"channels repeated in turn, times {have}/{want}"
    converted.ledger.derived[key] = f"{converted.ledger.matched.pop(key)}, {how}"
