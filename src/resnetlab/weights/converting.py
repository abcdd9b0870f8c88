"""Foreign tensors become ours: names, layouts, and what is exact although it looks different."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from resnetlab.base.units import first_of
from resnetlab.errors import CheckpointError
from resnetlab.network.spec import ModelSpec
from resnetlab.weights.facts.naming import Layout, Naming, expected_shapes, is_head
from resnetlab.weights.recognising import describe_spec, followed_by_norm

COUNTERS = "0: the file does not count batches"


@dataclass
class Ledger:
    """What became of every name, theirs and ours."""

    matched: dict[str, str] = field(default_factory=dict)
    """Ours to theirs."""
    derived: dict[str, str] = field(default_factory=dict)
    """Ours, and how it was made from what the file has or has not."""
    reset: dict[str, str] = field(default_factory=dict)
    """Ours, left as the network begins, and why."""
    unused: dict[str, str] = field(default_factory=dict)
    """Theirs, and why."""
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Converted:
    """Tensors by our names in torch's layout, float32, and what became of every name."""

    tensors: dict[str, Tensor]
    ledger: Ledger


def convert(tensors: Mapping[str, Tensor], naming: Naming, spec: ModelSpec) -> Converted:
    """Return the tensors of the body and the head as `spec` has them, by our names.

    A bias before a BN that `spec` has no place for moves into the BN's running mean, which is exact:
    (x + b - m) = (x - (m - b)). One that the file lacks is zero. The head is as the file has it,
    in whatever size.

    Raises:
        CheckpointError: If a tensor is not finite, or has no place or another shape in `spec`.
    """
    ledger = Ledger()
    found: dict[str, Tensor] = {}
    for theirs, ours in naming.keys.items():
        if ours.endswith("num_batches_tracked"):
            found[ours] = tensors[theirs].to(torch.int64).reshape(())
        else:
            found[ours] = to_torch(ours, _numbers(theirs, tensors[theirs]), naming.dialect.layout)
        ledger.matched[ours] = theirs
    _refuse_not_finite(found, ledger, spec.bn_eps)
    _explain_unused(tensors, naming, ledger)
    first = next(key for key in ("conv1.weight", "stem.conv.weight") if key in found)
    if naming.dialect.is_bgr and found[first].shape[1] == 3:
        found[first] = found[first].flip(1)
        ledger.notes.append(f"{first} read blue, green, red and was turned to red, green, blue")
    _fold_biases(found, spec, ledger)
    _fill(found, naming, spec, ledger)
    _check(found, naming, spec, first)
    return Converted(found, ledger)


def _numbers(name: str, tensor: Tensor) -> Tensor:
    """Return the tensor, if its numbers are weights as they stand, and no quantised network's steps."""
    if not tensor.is_floating_point() or tensor.element_size() == 1:
        raise CheckpointError(
            f"{name} holds {str(tensor.dtype).removeprefix('torch.')}: the network is quantised, and its"
            " weights are counts of steps",
            hint="Save the network as it was before it was quantised.",
        )
    return tensor


def to_torch(key: str, tensor: Tensor, layout: Layout) -> Tensor:
    """Return the tensor in torch's layout, contiguous float32; `key` is our name."""
    tensor = tensor.to(torch.float32)
    if layout == "tensorflow" and tensor.dim() == 4:
        tensor = tensor.permute(3, 2, 0, 1)
    elif layout == "tensorflow" and tensor.dim() == 2:
        tensor = tensor.T
    if is_head(key) and tensor.dim() == 4:  # a classifier that is a 1x1 convolution
        tensor = tensor.flatten(1)
    return tensor.contiguous()


def _refuse_not_finite(found: Mapping[str, Tensor], ledger: Ledger, eps: float) -> None:
    wrong = [ledger.matched[key] for key, tensor in found.items() if not torch.isfinite(tensor).all()]
    if wrong:
        raise CheckpointError(
            f"{len(wrong)} tensors hold infinite numbers or NaN: {first_of(wrong)}",
            hint="The training that made the file had diverged, or the file is damaged.",
        )
    below = [
        ledger.matched[key]
        for key, tensor in found.items()
        if key.endswith("running_var") and bool(tensor.min() + eps <= 0)  # has no root
    ]
    if below:
        raise CheckpointError(
            f"{len(below)} tensors of running variances hold some below zero: {first_of(below)}",
            hint="No network has such: the file is damaged, or its tensors have each other's names.",
        )


def _explain_unused(tensors: Mapping[str, Tensor], naming: Naming, ledger: Ledger) -> None:
    normaliser = {*naming.normalisers, *naming.normalisers.values()}
    for name in tensors:
        if name in naming.keys:
            continue
        if name in normaliser:
            ledger.unused[name] = "normalises the images: taken as the preprocessing"
        elif name in naming.own_head:
            ledger.unused[name] = "its own classifier, more than one linear layer"
        else:
            ledger.unused[name] = naming.known.get(name, "no part of such a network")


def _fold_biases(found: dict[str, Tensor], spec: ModelSpec, ledger: Ledger) -> None:
    expected = expected_shapes(spec)
    for conv, norm in followed_by_norm(spec).items():
        bias, mean = f"{conv}.bias", f"{norm}.running_mean"
        if bias in found and bias not in expected and mean in found:
            found[mean] = found[mean] - found.pop(bias)
            ledger.derived[mean] = f"{ledger.matched.pop(mean)} - {ledger.matched.pop(bias)}"


def _fill(found: dict[str, Tensor], naming: Naming, spec: ModelSpec, ledger: Ledger) -> None:
    """Add what is zero or one where the file has nothing."""
    free = {f"{conv}.bias" for conv in followed_by_norm(spec)}
    for key, shape in expected_shapes(spec).items():
        if key in found:
            continue
        if key.endswith("num_batches_tracked"):
            found[key] = torch.zeros((), dtype=torch.int64)
            ledger.derived[key] = COUNTERS
        elif key in free or (is_head(key) and key.endswith(".bias") and naming.has_head):
            found[key] = torch.zeros(
                found[f"{key.removesuffix('.bias')}.weight"].shape[0] if is_head(key) else shape
            )
            ledger.derived[key] = "0: the file has no bias there"
        elif key.endswith(".weight") and key.removesuffix("weight") + "running_mean" in found:
            found[key] = torch.ones(shape)
            ledger.derived[key] = "1: the file has no gamma there"


def _check(found: dict[str, Tensor], naming: Naming, spec: ModelSpec, first: str) -> None:
    """Refuse what does not fit, but for the head and the image's channels."""
    expected = expected_shapes(spec)
    own = {key: tuple(tensor.shape) for key, tensor in found.items()}
    problems = [f"{key} is missing" for key in expected if key not in own and not is_head(key)]
    problems += [f"{key} has no place" for key in own if key not in expected and not is_head(key)]
    problems += [
        f"{key} is {own[key]}, the network's {shape}"
        for key, shape in expected.items()
        if key in own and own[key] != shape and not is_head(key) and key != first
    ]
    if problems:
        raise CheckpointError(
            f"holds {describe_spec(naming.spec)}, which does not fit {describe_spec(spec)}: "
            f"{first_of(problems, between='; ')}"
        )
