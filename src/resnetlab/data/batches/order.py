"""The order of the samples: a function of (seed, epoch), never a state."""

import torch
from torch import Tensor

from resnetlab.base.randomness import ORDER, key_for


def epoch_order(seed: int, epoch: int, size: int, device: torch.device | str = "cpu") -> Tensor:
    """Return the order of one epoch: the samples sorted by their hash, ties by number.

    Returns:
        Int64, shape (size,): a permutation, the same on every device and as NumPy's stable sort.
    """
    keys = key_for(seed, ORDER, epoch, torch.arange(size, device=device))
    return torch.argsort(keys, stable=True)


class SampleStream:
    """Epoch after epoch of `size` samples, each epoch in its own order.

    With repeats each epoch reads the first `size / repeats` samples of its order, each so many times
    in a row, and every reading counts as an epoch of its own, so that it is augmented anew.
    """

    def __init__(self, seed: int, size: int, device: torch.device | str = "cpu", *, repeats: int = 1) -> None:
        self.seed, self.size, self.device, self.repeats = seed, size, device, repeats
        self._orders: dict[int, Tensor] = {}

    def samples_at(self, positions: range) -> tuple[Tensor, Tensor]:
        """Return the samples and the epochs at consecutive positions of the stream.

        Returns:
            Samples in [0, size) and epochs (with repeats: epoch * repeats + the reading's number),
            both int64, shape (len(positions),).
        """
        pieces, start = [], positions.start
        while start < positions.stop:
            epoch, first = divmod(start, self.size)
            pieces.append(self.order(epoch)[first : first + positions.stop - start])
            start += len(pieces[-1])
        numbers = torch.arange(positions.start, positions.stop, device=self.device)
        return torch.cat(pieces), self.epochs_at(numbers)

    def epochs_at(self, positions: Tensor) -> Tensor:
        """Return the epochs that augmentation is drawn by at these positions, int64 as `positions`."""
        epochs = positions // self.size
        if self.repeats > 1:
            epochs = epochs * self.repeats + positions % self.size % self.repeats
        return epochs

    def order(self, epoch: int) -> Tensor:
        """Return the samples of one epoch as they are read, int64, shape (size,)."""
        if epoch not in self._orders:
            if len(self._orders) == 2:  # the epoch before this one and this one are enough
                del self._orders[min(self._orders)]
            order = epoch_order(self.seed, epoch, self.size, self.device)
            if self.repeats > 1:
                order = order.repeat_interleave(self.repeats)[: self.size]
            self._orders[epoch] = order
        return self._orders[epoch]
