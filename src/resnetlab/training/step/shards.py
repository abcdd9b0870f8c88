"""The gradient of a batch that is cut into shards: each makes its own, and all are added in one fixed tree.

The tree is over all shards of the batch, whichever process makes them: pairs of neighbours, pairs of these,
and so on. A sum of floats depends on its order: it is the same for all numbers of processes that hold whole
subtrees, as any power of two of them does of shards that are one too.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from resnetlab.base.share import Share
from resnetlab.training.step.packing import flat, laid_out_like, pack, unpack, views

Reduce = Callable[[Tensor], Tensor]
"""Adds what the processes have made of their shards, further up in the tree; all get the same sum."""


def alone(made: Tensor) -> Tensor:
    """Return the sum of the one process that there is."""
    return made


NUMBERS = 3
"""How many are summed beside gradients and statistics: the loss, and two counts of right answers."""


def as_numbers(loss: Tensor, correct: Tensor, like: Tensor) -> Tensor:
    """Return a part of the loss and its `right_answers` as numbers of another tensor's type, (3,)."""
    return torch.cat([loss.to(like.dtype)[None], correct.to(like.dtype)])


def from_numbers(numbers: Tensor) -> tuple[Tensor, Tensor]:
    """Return the loss and the right answers of a sum of `as_numbers`."""
    return numbers[0].clone(), numbers[1:].long()


class TreeSum:
    """Adds tensors that come one after another, in the tree that has them as leaves, in this order.

    Kept are the sums of whole subtrees that wait for their neighbours: of n leaves about log2(n).
    """

    def __init__(self) -> None:
        self._waiting: list[tuple[int, Tensor]] = []  # how many leaves, and their sum: the largest first

    def add(self, leaf: Tensor) -> None:
        """Take the next leaf, which may be written into."""
        count, total = 1, leaf
        while self._waiting and self._waiting[-1][0] == count:
            total = self._waiting.pop()[1].add_(total)
            count *= 2
        self._waiting.append((count, total))

    def total(self) -> Tensor:
        """Return the sum of all leaves; where they are no power of two, the last subtrees are smaller."""
        *others, (_, total) = self._waiting
        for _, lower in reversed(others):
            total = lower.add_(total)
        return total


class ShardedGradient:
    """Computes the gradient of whole batches, shard by shard, with BN statistics of each.

    Every shard begins with the same running statistics. Afterwards they are the mean of all shards', or those
    of the first shard of all, as `rule` says.
    """

    def __init__(
        self, model: nn.Module, share: Share, rule: str, *, still: Sequence[nn.Module], reduce: Reduce
    ) -> None:
        """Prepare it.

        Args:
            model: The network.
            share: The shards that this process makes.
            rule: "mean" or "first".
            still: Modules whose statistics do not move.
            reduce: Adds what the processes have made.
        """
        assert rule in ("mean", "first"), f"no rule for running statistics is called {rule}"
        self._model, self._share, self._rule, self._reduce = model, share, rule, reduce
        others = set(still)
        norms = [m for m in model.modules() if isinstance(m, _BatchNorm) and m not in others]
        self._statistics = [
            each for norm in norms for each in (norm.running_mean, norm.running_var) if each is not None
        ]

    def compute(
        self, num_samples: int, gradient_of: Callable[[slice], tuple[Tensor, Tensor]]
    ) -> tuple[Tensor, Tensor]:
        """Have the parameters' gradients be those of a whole batch; return its loss and right answers.

        Args:
            num_samples: Of the whole batch.
            gradient_of: Adds to the gradients what a shard has of the batch's, given where its samples lie
                among those of this process; returns its part of the mean loss, and its right answers.
        """
        before = pack(self._statistics) if self._statistics else None
        tree = TreeSum()
        for shard, where in enumerate(self._share.cuts(num_samples), start=self._share.first):
            self._model.zero_grad(set_to_none=True)
            if before is not None and shard > self._share.first:
                unpack(before, self._statistics)
            loss, correct = gradient_of(where)
            tree.add(self._packed(shard, loss, correct))
        return self._take(self._reduce(tree.total()))

    def _packed(self, shard: int, loss: Tensor, correct: Tensor) -> Tensor:
        """Return all that a shard has made as one tensor: a leaf of the tree."""
        learning = self._learning()
        gradients = laid_out_like([p.grad for p in learning if p.grad is not None], learning)
        statistics: Sequence[Tensor] = self._statistics
        if self._rule == "first" and shard:
            statistics = [torch.zeros_like(each) for each in self._statistics]
        return torch.cat([*map(flat, (*gradients, *statistics)), as_numbers(loss, correct, gradients[0])])

    def _take(self, total: Tensor) -> tuple[Tensor, Tensor]:
        """Have gradients and running statistics be what is told by the sum of all shards."""
        learning = self._learning()
        *parts, numbers = views(total, [*learning, *self._statistics, total[-NUMBERS:]])
        for parameter, gradient in zip(learning, parts[: len(learning)], strict=True):
            parameter.grad = gradient
        if statistics := parts[len(learning) :]:
            if self._rule == "mean":
                torch._foreach_div_(statistics, float(self._share.of))
            torch._foreach_copy_(self._statistics, statistics)
        return from_numbers(numbers)

    def _learning(self) -> list[Tensor]:
        return [p for p in self._model.parameters() if p.grad is not None]
