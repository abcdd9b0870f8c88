"""Sums over processes in one fixed order: the same bits at each of them, and at any number of processes."""

import torch
import torch.distributed as dist
from torch import Tensor


class Tree:
    """Adds tensors of one shape over the processes of a run."""

    def __init__(self, rank: int, size: int) -> None:
        self._rank, self._size = rank, size

    def add(self, flat: Tensor, *, exact: bool = True) -> Tensor:
        """Add in place, and return the sum."""
        if flat.is_cuda and not exact:
            dist.all_reduce(flat)
        elif self._size & (self._size - 1):
            self._gather_and_add(flat)
        else:
            self._double(flat)
        return flat

    def _double(self, flat: Tensor) -> None:
        """Exchange the whole with one partner at a time: log2(size) rounds."""
        theirs = torch.empty_like(flat)
        distance = 1
        while distance < self._size:
            partner = self._rank ^ distance
            sending = dist.P2POp(dist.isend, flat, partner)
            receiving = dist.P2POp(dist.irecv, theirs, partner)
            for work in dist.batch_isend_irecv([sending, receiving]):
                work.wait()
            if partner > self._rank:
                flat.add_(theirs)
            else:
                torch.add(theirs, flat, out=flat)
            distance *= 2

    def _gather_and_add(self, flat: Tensor) -> None:
        every = torch.empty(self._size * flat.numel(), dtype=flat.dtype, device=flat.device)
        dist.all_gather_into_tensor(every, flat)
        flat.copy_(add_rows(every.view(self._size, -1)))


def add_rows(rows: Tensor) -> Tensor:
    """Return the sum of the rows of a matrix as a binary tree: neighbours, then pairs, what is left alone.

    What is left over goes on to the next round as it is.
    """
    while len(rows) > 1:
        even = len(rows) // 2 * 2
        pairs = rows[0:even:2] + rows[1:even:2]
        rows = torch.cat([pairs, rows[even:]]) if even < len(rows) else pairs
    return rows[0]
