"""Many tensors as one, so that arithmetic on all of them is a few kernels, however many they are."""

from collections.abc import Sequence

import torch
from torch import Tensor


def flat(tensor: Tensor) -> Tensor:
    """Return the view of a tensor's numbers in the order in which they lie in memory, shape (numbers,).

    The tensor must fill its memory without gaps, as parameters do, in NCHW order or in NHWC.
    """
    return tensor.as_strided((tensor.numel(),), (1,))


def pack(tensors: Sequence[Tensor]) -> Tensor:
    """Return a copy of all the tensors' numbers, one tensor after another, shape (numbers,)."""
    return torch.cat([flat(tensor) for tensor in tensors])


def unpack(packed: Tensor, tensors: Sequence[Tensor]) -> None:
    """Put the numbers that `pack` returned for tensors of this kind into these."""
    pieces = torch.split(packed.view(-1), [tensor.numel() for tensor in tensors])
    torch._foreach_copy_([flat(tensor) for tensor in tensors], list(pieces))


def views(packed: Tensor, tensors: Sequence[Tensor]) -> list[Tensor]:
    """Return the parts of packed numbers as views, each shaped and ordered like its tensor."""
    pieces = torch.split(packed, [tensor.numel() for tensor in tensors])
    return [
        piece.as_strided(tensor.shape, tensor.stride(), piece.storage_offset())
        for piece, tensor in zip(pieces, tensors, strict=True)
    ]


def laid_out_like(tensors: Sequence[Tensor], models: Sequence[Tensor]) -> list[Tensor]:
    """Return the tensors, as copies where they lie in another order in memory than their models."""
    return [
        tensor if tensor.stride() == model.stride() else torch.empty_like(model).copy_(tensor)
        for tensor, model in zip(tensors, models, strict=True)
    ]
