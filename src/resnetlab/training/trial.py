"""The trial of a recorded step: made both ways from one state, it must lead to the same one."""

from collections.abc import Mapping

import torch
from torch import Tensor

from resnetlab.training.recording import Work

_LARGEST_SHARE = 0.25
"""Largest difference of two ways to make one step, as a share of what the step changes in a tensor: bf16
and sums in another order stay far below it, a step of other samples, another rate or none at all above."""

_ROUNDING = 1e-6
"""Difference that is no difference, as a share of a tensor: some units in the last place of float32."""


def try_recording(tensors: Mapping[str, Tensor], step: Work, recorded: Work, *, exactly: bool) -> str:
    """Make one step, both by itself and from its recording, and return in what they differ, or "".

    If they differ, the state is left as the step itself made it; else as the recording did.

    Args:
        tensors: Everything that the step changes and that lasts, by name.
        step: Makes the step one operation after another.
        recorded: Repeats the recording of it.
        exactly: Whether the device's algorithms repeat exactly, so that every bit must be the same.

    Raises:
        torch.OutOfMemoryError: If the recording leaves no memory for the step, which is not made then.
    """
    before = _copied(tensors)
    try:
        step()
    except RuntimeError:
        _put_back(tensors, before)
        raise
    expected = _copied(tensors)
    _put_back(tensors, before)
    try:
        recorded()
        problem = _difference(before, expected, tensors, exactly=exactly)
    except RuntimeError as error:
        problem = f"it failed: {error}"
    if problem:
        _put_back(tensors, expected)
    return problem


def _copied(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in tensors.items()}


@torch.no_grad()
def _put_back(tensors: Mapping[str, Tensor], values: Mapping[str, Tensor]) -> None:
    for name, tensor in tensors.items():
        tensor.copy_(values[name])


@torch.no_grad()
def _difference(
    before: Mapping[str, Tensor], expected: Mapping[str, Tensor], now: Mapping[str, Tensor], *, exactly: bool
) -> str:
    for name, tensor in now.items():
        is_counted = name.endswith("correct")  # answers, of which sums in another order may change some
        if exactly or not (is_counted or tensor.is_floating_point()):
            if not torch.equal(tensor, expected[name]):
                return f"{name} differs"
            continue
        aim = expected[name].double().nan_to_num()  # a step that is not finite is so both ways
        apart, change = (
            (values.double().nan_to_num() - aim).norm().item() for values in (tensor, before[name])
        )
        if apart > _LARGEST_SHARE * change + _ROUNDING * aim.norm().item():
            return f"{name} differs by {apart / max(change, 1e-30):.3g} of what the step changes"
    return ""
