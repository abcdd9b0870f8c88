"""Sums over processes in one fixed order: the same bits at each of them, and at any number of processes.

The order is the binary tree over the processes: 0 and 1, 2 and 3, and so on, then pairs of these, lower
plus upper. Two ways give it between a power of two of processes:

- `double`: each exchanges the whole with its neighbour, adds, then with one at twice the distance, and so on.
  The fewest messages, log2(W) of them, each as large as the tensor. For small tensors and few processes.
- `halve`: each exchanges one half with its neighbour and adds the other, then halves of that half; then the
  sums go back the same way. Twice the messages, and less than twice the tensor's size for any number of
  processes (Thakur, Rabenseifner and Gropp, 2005, "Optimization of Collective Communication Operations in
  MPICH", section 4.3, with the nearest partner first, which keeps the order).

`all_reduce` is torch's own, whose order depends on the number of processes.
"""

import torch
import torch.distributed as dist
from torch import Tensor

SMALL_BYTES = 2**23
"""Up to this size `double` is the faster one, between 2 and between 4 processes (docs/results.md)."""


class Tree:
    """Adds tensors of one shape over the processes of a run, of which this is one."""

    def __init__(self, rank: int, size: int) -> None:
        self._rank, self._size = rank, size
        self._paired = 1 << size.bit_length() - 1
        """How many processes are in the tree: those beyond the largest power of two are added to it first."""
        self._buffers: dict[tuple[int, torch.dtype, torch.device], Tensor] = {}

    def add(self, flat: Tensor, *, exact: bool = True) -> Tensor:
        """Add in place, and return the sum.

        Of a number of processes that is no power of two, those beyond P, the largest one within it, are first
        added to others: P to 0, P + 1 to 1, and so on. The bits are the same at each process, but not those
        of other numbers of processes.
        """
        if flat.is_cuda and not exact:
            return self.all_reduce(flat)
        return self.double(flat) if flat.nbytes <= SMALL_BYTES else self.halve(flat)

    def all_reduce(self, flat: Tensor) -> Tensor:
        """Add in an order of torch's own."""
        dist.all_reduce(flat)
        return flat

    def double(self, flat: Tensor) -> Tensor:
        """Add as a tree, exchanging the whole each time."""
        if self._is_in_tree(flat):
            theirs, distance = self._buffer_like(flat), 1
            while distance < self._paired:
                partner = self._rank ^ distance
                self._exchange(flat, theirs, partner)
                self._add(flat, theirs, partner)
                distance *= 2
        return self._given_back(flat)

    def halve(self, flat: Tensor) -> Tensor:
        """Add as a tree, exchanging halves of halves."""
        if self._is_in_tree(flat):
            kept, steps, distance = flat, [], 1
            while distance < self._paired:
                partner = self._rank ^ distance
                middle = kept.numel() // 2
                halves = kept[:middle], kept[middle:]
                mine, given = halves if partner > self._rank else halves[::-1]
                theirs = self._buffer_like(mine)
                self._exchange(given, theirs, partner)
                self._add(mine, theirs, partner)
                steps.append((partner, mine, given))
                kept, distance = mine, 2 * distance
            for partner, mine, given in reversed(steps):
                self._exchange(mine, given, partner)
        return self._given_back(flat)

    def _is_in_tree(self, flat: Tensor) -> bool:
        """Add what lies beyond the power of two, and return whether this process is within."""
        if self._rank >= self._paired:
            dist.send(flat, self._rank - self._paired)
            return False
        if self._rank + self._paired < self._size:
            theirs = self._buffer_like(flat)
            dist.recv(theirs, self._rank + self._paired)
            flat.add_(theirs)
        return True

    def _given_back(self, flat: Tensor) -> Tensor:
        if self._rank >= self._paired:
            dist.recv(flat, self._rank - self._paired)
        elif self._rank + self._paired < self._size:
            dist.send(flat, self._rank + self._paired)
        return flat

    def _exchange(self, given: Tensor, received: Tensor, partner: int) -> None:
        pair = [dist.P2POp(dist.isend, given, partner), dist.P2POp(dist.irecv, received, partner)]
        if pair := [each for each in pair if each.tensor.numel()]:
            for work in dist.batch_isend_irecv(pair):
                work.wait()

    def _add(self, mine: Tensor, theirs: Tensor, partner: int) -> None:
        lower, upper = (mine, theirs) if partner > self._rank else (theirs, mine)
        torch.add(lower, upper, out=mine)

    def _buffer_like(self, flat: Tensor) -> Tensor:
        """Return a buffer, kept for the next time; a step that CUDA records has its own, in its memory."""
        if flat.is_cuda and torch.cuda.is_current_stream_capturing():
            return torch.empty_like(flat)
        key = (flat.numel(), flat.dtype, flat.device)
        if key not in self._buffers:
            self._buffers[key] = torch.empty_like(flat)
        return self._buffers[key]
