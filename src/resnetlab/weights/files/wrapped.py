"""Where in a checkpoint the weights lie: under a key, several keys, in a module, beside all the rest."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeGuard

import torch
from torch import Tensor

from resnetlab.weights.files.inert import Array, Inert

# Where trainers keep the weights within what they save; averaged ones first, which they publish.
_WRAPPERS = ("state_dict_ema", "model_ema", "ema", "state_dict", "model_state_dict", "model", "net")
_DEEPEST, _MOST_FOUND = 6, 1000  # keys one within the other, and places of weights
_OTHERS = re.compile(r"optim.*|.*_optim(izer)?|.*optimizers?(_state.*)?|.*sched.*|.*scaler.*|amp|rng.*", re.I)
# What optimizers keep for each parameter.
_SLOTS = frozenset(
    ("exp_avg", "exp_avg_sq", "max_exp_avg_sq", "momentum_buffer", "square_avg", "acc_delta", "sum", "step")
)
_MOST = 12
_MAKES_TENSOR = "torch._utils._rebuild_"
"""How the functions begin by which torch unpickles tensors."""


@dataclass(frozen=True)
class Weights:
    """Named tensors at one place of a checkpoint."""

    place: tuple[str, ...]
    """The keys that lead there."""
    tensors: Mapping[str, Tensor]
    module: Inert | None = None
    """The whole module that they are of."""
    unread: tuple[str, ...] = ()
    """Names of tensors beside them whose numbers do not lie there one by one: sparse, quantised, meta."""

    @property
    def key(self) -> str:
        """The keys in one, as prefixes are written."""
        return ".".join(self.place)

    @property
    def is_network(self) -> bool:
        """Whether a convolution is among them."""
        return len(self.tensors) > 1 and any(tensor.dim() == 4 for tensor in self.tensors.values())


@dataclass(frozen=True)
class Unwrapped:
    """The weights of a checkpoint, and what to say of them."""

    tensors: Mapping[str, Tensor]
    notes: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    """The places of weights that were not taken."""
    module: Inert | None = None
    """The whole module that they are of."""
    unread: tuple[str, ...] = ()
    """As in `Weights`."""


def unwrap(content: object, prefix: str = "") -> Unwrapped:
    """Return the weights that a checkpoint holds, however deep they lie, and where they lay.

    Those under the keys that trainers use come first, averaged ones before others; else the only ones.
    Of several, none of which is known, all are returned, with their keys before their names.

    Args:
        content: What the file holds.
        prefix: What the user wants before the names: if it begins with the key of weights, they
            alone are returned, with the key before their names.
    """
    found = list(islice(_find(content, (), frozenset()), _MOST_FOUND))
    networks = [each for each in found if each.is_network] or found
    if not networks:
        return Unwrapped({})
    wanted = [each for each in networks if each.place and _begins(prefix, each.key)]
    if wanted:
        module = wanted[0].module if len(wanted) == 1 else None
        return Unwrapped(_joined(wanted), module=module, unread=_unread(wanted))
    chosen = _choose(networks)
    if chosen is None:
        told = f"it holds weights under {_listed(networks)}"
        return Unwrapped(_joined(networks), (told,), unread=_unread(networks))
    rest = [each for each in found if each is not chosen and each.place]
    others = [each for each in rest if each.is_network or not chosen.is_network]
    heads = [each for each in rest if each not in others and _has_matrix(each)]
    if heads and not set(chosen.place) & set(_WRAPPERS):
        pieces = [chosen, *heads]
        told = f"it holds weights in pieces: {_listed(pieces)}"
        return Unwrapped(_joined(pieces), (told,), unread=_unread(pieces))
    notes = []
    if chosen.place:
        notes.append(f'the weights are those under "{chosen.key}"')
        if others:
            notes[0] += f'; others under "{", ".join(each.key for each in others)}"'
    if parts := [each for each in rest if each not in others]:
        notes.append(f"not taken: {_listed(parts)}")
    places = tuple(each.key for each in others)
    return Unwrapped(chosen.tensors, tuple(notes), places, chosen.module, _unread([chosen]))


def _unread(several: Sequence[Weights]) -> tuple[str, ...]:
    return tuple(name for each in several for name in each.unread)


def _begins(prefix: str, key: str) -> bool:
    """Return whether a prefix means what lies under a key, or something deeper there."""
    wanted = prefix.rstrip("./")
    return (
        wanted == key
        or f"{wanted}.".startswith(f"{key}.")
        or (bool(wanted) and f"{key}.".startswith(f"{wanted}."))
    )


def _has_matrix(weights: Weights) -> bool:
    """Return whether a linear layer may be among them."""
    return any(tensor.dim() == 2 for tensor in weights.tensors.values())


def _joined(several: Sequence[Weights]) -> dict[str, Tensor]:
    return {
        f"{each.key}.{name}" if each.place else name: t
        for each in several
        for name, t in each.tensors.items()
    }


def _listed(several: Sequence[Weights]) -> str:
    return ", ".join(f'"{each.key}" ({len(each.tensors)} tensors)' for each in several[:_MOST])


def _choose(several: Sequence[Weights]) -> Weights | None:
    """Return the weights that are meant, by the first of their keys that trainers use; None if none is."""
    depth = 0
    while len(several) > 1:
        keys = [each.place[depth] if len(each.place) > depth else "" for each in several]
        if len(set(keys)) > 1:
            known = [key for key in (*_WRAPPERS[:3], "", *_WRAPPERS[3:]) if key in keys]
            if not known:
                return None
            several = [each for each, key in zip(several, keys, strict=True) if key == known[0]]
        elif keys[0] == "":
            return several[0]
        depth += 1
    return several[0]


def _find(node: object, place: tuple[str, ...], around: frozenset[int]) -> Iterator[Weights]:
    """Give the weights in a part of a checkpoint, the outer ones first."""
    if id(node) in around or len(place) > _DEEPEST:  # one can hold itself
        return
    if is_module(node):
        yield Weights(place, dict(_of_module(node, "")), node)
        return
    entries = _entries(node)
    tensors = {
        name: t
        for name, value in entries.items()
        if isinstance(name, str) and (t := as_tensor(value)) is not None
    }
    if tensors and not set(tensors) <= _SLOTS:
        unread = [
            f"{name} ({value.name.removeprefix(_MAKES_TENSOR).rpartition('_tensor')[0] or value.name})"
            for name, value in entries.items()
            if isinstance(name, str) and isinstance(value, Inert) and value.name.startswith(_MAKES_TENSOR)
        ]
        yield Weights(place, tensors, unread=tuple(unread))
    for key, value in entries.items():
        if isinstance(key, str) and not _OTHERS.fullmatch(key):
            yield from _find(value, (*place, key), around | {id(node)})


def _entries(node: object) -> Mapping[Any, Any]:
    if isinstance(node, Mapping):
        return node
    if isinstance(node, list | tuple) and len(node) <= _MOST:  # as (state_dict, epoch)
        return {str(index): each for index, each in enumerate(node) if as_tensor(each) is None}
    return node.contents() if isinstance(node, Inert) else {}


def as_tensor(value: object) -> Tensor | None:
    """Return a dense tensor, of an array too; None for anything else."""
    if isinstance(value, Array):
        value = value.to_tensor()
    return value.detach() if isinstance(value, Tensor) and value.layout == torch.strided else None


def is_module(node: object) -> TypeGuard[Inert]:
    """Return whether it stands for a whole module of torch, a script's too."""
    if not isinstance(node, Inert):
        return False
    contents = node.contents()
    return "_modules" in contents or ("training" in contents and node.name.startswith("__torch__."))


def _of_module(node: Inert, prefix: str) -> Iterator[tuple[str, Tensor]]:
    """Give a module's parameters and buffers, as its state_dict does."""
    contents = node.contents()
    if "_modules" not in contents:  # a script's: all are attributes
        for name, value in contents.items():
            if (tensor := as_tensor(value)) is not None:
                yield f"{prefix}{name}", tensor
            elif is_module(value):
                yield from _of_module(value, f"{prefix}{name}.")
        return
    passing = contents.get("_non_persistent_buffers_set") or ()
    for part in ("_parameters", "_buffers"):
        for name, value in (contents.get(part) or {}).items():
            if (tensor := as_tensor(value)) is not None and name not in passing:
                yield f"{prefix}{name}", tensor
    for name, value in (contents.get("_modules") or {}).items():
        if isinstance(value, Inert):
            yield from _of_module(value, f"{prefix}{name}.")


def describe(content: object) -> str:
    """Return what a checkpoint without weights holds, for a message: its keys and what lies there."""
    entries = _entries(content)
    if isinstance(content, Inert) and not entries:
        return f"is a {content.name}"
    if not entries:
        kind = _kind(content)
        return f"is {kind}" if kind.startswith("a ") else f"is a {kind}"
    texts = [f"{key} ({_kind(value)})" for key, value in list(entries.items())[:_MOST]]
    return f"its keys are {', '.join(texts)}" + (", ..." if len(entries) > _MOST else "")


def _kind(value: object) -> str:
    if isinstance(value, Inert):
        return value.name or "an object"
    if isinstance(value, list | tuple):
        count = sum(as_tensor(each) is not None for each in value)
        return f"{count} tensors without names" if count else f"a list of {len(value)}"
    if isinstance(value, Mapping):
        count = sum(as_tensor(each) is not None for each in value.values())
        return f"{count} tensors" if count else f"{len(value)} entries"
    if as_tensor(value) is not None:
        return "a tensor"
    names = {bool: "yes or no", int: "a number", float: "a number", str: "text", type(None): "nothing"}
    return names.get(type(value), "a value")
