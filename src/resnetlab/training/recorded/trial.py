"""The trial of recorded steps: made both ways from one state, they must lead to the same one."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from resnetlab.training.recorded.recording import Work

_LARGEST_SHARE = 0.25
"""Largest difference of two ways to make steps, as a share of what the steps change in a tensor: noise of a
thousandth in the gradient stays a hundred times below it after one step, steps of other samples, another
rate or none at all above (docs/results.md). After ten steps at a training rate such noise may be all."""

_NOISE = 0.05
"""Difference that is no difference, as a share of what the steps change in all tensors of a kind (weights,
momentum, ...): a convolution's bias before BN has a gradient that is nothing but rounding, which Adam makes
an update as large as that of any number. A wrong step differs in the large tensors too."""

_ROUNDING = 1e-6
"""Difference that is no difference, as a share of a tensor: some units in the last place of float32."""


def try_recordings(
    tensors: Mapping[str, Tensor],
    steps: Work,
    recorded: Sequence[Work],
    *,
    exactly: bool,
    keeps: bool,
    agree: Callable[[str], str] = lambda problem: problem,
) -> str:
    """Make steps, by themselves and from each of their recordings, and return in what they differ, or "".

    Args:
        tensors: Everything that the steps change and that lasts, by "kind/name".
        steps: Makes the steps one operation after another.
        recorded: The same steps from recordings, tried until one differs.
        exactly: Whether the device's algorithms repeat exactly, so that every bit must be the same.
        keeps: Leave the state as the steps make it; else as it was.
        agree: Returns the problem of any of the processes that make these steps together, given this one's.

    Raises:
        torch.OutOfMemoryError: If there is no memory for the trial. The state is left as it was then.
    """
    before = _copied(tensors)
    try:
        steps()
        expected = _copied(tensors)
    except RuntimeError:
        _put_back(tensors, before)
        raise
    problem = ""
    for work in recorded:
        _put_back(tensors, before)
        if problem := agree(_problem(before, expected, tensors, work, exactly=exactly)):
            break
    if problem or not keeps:
        _put_back(tensors, expected if keeps else before)
    return problem


def _copied(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in tensors.items()}


@torch.no_grad()
def _put_back(tensors: Mapping[str, Tensor], values: Mapping[str, Tensor]) -> None:
    for name, tensor in tensors.items():
        tensor.copy_(values[name])


def _problem(
    before: Mapping[str, Tensor],
    expected: Mapping[str, Tensor],
    tensors: Mapping[str, Tensor],
    work: Work,
    *,
    exactly: bool,
) -> str:
    """Do the work and return in what the state is not the expected one, or ""."""
    try:
        work()
        return _difference(before, expected, tensors, exactly=exactly)
    except RuntimeError as error:
        return f"it failed: {error}"


@torch.no_grad()
def _difference(
    before: Mapping[str, Tensor], expected: Mapping[str, Tensor], now: Mapping[str, Tensor], *, exactly: bool
) -> str:
    changes, kinds = dict[str, float](), defaultdict[str, float](float)
    for name, tensor in before.items():
        if not tensor.is_floating_point():
            continue
        changes[name] = (_finite(tensor) - _finite(expected[name])).norm().item()
        kinds[_kind(name)] += changes[name] ** 2
    for name, tensor in now.items():
        is_counted = name.endswith("correct")  # answers, of which sums in another order may change some
        if exactly or not (is_counted or tensor.is_floating_point()):
            if not torch.equal(tensor, expected[name]):
                return f"{name} differs"
            continue
        aim, noise = _finite(expected[name]), _NOISE * kinds[_kind(name)] ** 0.5
        apart, change = (_finite(tensor) - aim).norm().item(), changes.get(name, 0.0)
        if apart > _LARGEST_SHARE * change + _ROUNDING * aim.norm().item() + noise:
            return f"{name} differs by {apart / max(change, 1e-30):.3g} of what the steps change"
    return ""


def _kind(name: str) -> str:
    """Return the kind of a tensor; BN's statistics, which change at any rate, are one of their own."""
    return name.rpartition("/")[0] + (" statistics" if ".running_" in name else "")


def _finite(tensor: Tensor) -> Tensor:
    """Return the numbers as float64; a step that is not finite is so both ways."""
    return tensor.double().nan_to_num()
