"""The answer to an image from those to its views: the mean of their probabilities.

Axes: N images of a batch, M of them in a view, K classes.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from resnetlab.evaluation.metrics import answer_logits, sum_type


class View(NamedTuple):
    """A view of some images of a batch, each of them at most once."""

    images_NCHW: Tensor
    """Float32, normalised, all of one size."""

    rows_M: Tensor
    """Int64: the images' places in the batch."""


class ViewedBatch(NamedTuple):
    """A batch of which every image has several views."""

    images: Callable[[], Iterator[View]]
    """Makes the views, one after the other: they need not be in memory at once."""

    labels: Tensor
    """Int64 (N,)."""

    samples: Tensor
    """Int64 (N,): their numbers in the set."""


class Averaged(NamedTuple):
    """What the views of N images are answered together."""

    logits_NK: Tensor
    """Logarithms of the means of probabilities: logits of which the softmax is these means."""

    largest: Tensor
    """The largest logit of all views, without its sign."""


def average(answers: Callable[[Tensor], Tensor], views: Iterable[View], num_images: int) -> Averaged:
    """Return the mean of the probabilities over the views, added one after the other.

    Args:
        answers: Maps images (M, C, H, W) to logits (M, K); of one logit x these are two, see `answer_logits`.
        views: All images have equally many.
        num_images: N.
    """
    total_NK, largest, count_N = torch.empty(0), torch.zeros(()), torch.zeros(num_images, dtype=torch.int64)
    for images_NCHW, rows_M in views:
        logits_MK = answers(images_NCHW)
        if not len(total_NK):
            shape, kind = (num_images, max(2, logits_MK.shape[1])), sum_type(logits_MK.device)
            total_NK = torch.full(shape, -torch.inf, dtype=kind, device=logits_MK.device)
            largest, count_N = largest.to(logits_MK.device), count_N.to(logits_MK.device)
        largest = torch.maximum(largest, logits_MK.abs().max().float())
        shares_MK = answer_logits(logits_MK.to(total_NK.dtype)).log_softmax(1)
        total_NK[rows_M] = torch.logaddexp(total_NK[rows_M], shares_MK)
        count_N[rows_M] += 1
    assert bool((count_N == count_N[0]).all()), "every image has equally many views"
    return Averaged((total_NK - count_N[:, None].to(total_NK.dtype).log()).float(), largest)
