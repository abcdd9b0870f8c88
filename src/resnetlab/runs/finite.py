"""What is neither saved nor taken from a checkpoint: a number that is not finite."""

from collections.abc import Mapping

from torch import Tensor


def first_non_finite(tensors: Mapping[str, Tensor]) -> str:
    """Return the name of the first tensor with a number that is not finite, or ""."""
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            return name
    return ""
