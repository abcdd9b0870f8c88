"""An engine in the place of a network: its logits, and the network's own wherever roundings could matter."""

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from resnetlab.engines.folding import TOLERANCE
from resnetlab.engines.kinds import Answers
from resnetlab.evaluation.averaging import View, average

_ROOM = 2.1
"""Two logits may each be off, towards each other; the rest is for this arithmetic itself."""


@dataclass(frozen=True)
class Engine:
    """Who makes a network's answers."""

    name: str
    """One of `names.ENGINES`."""
    said: str
    """It and why, in a few words."""
    model: nn.Module
    """The network, by which every score is defined."""
    answers: Answers | None = None
    """The engine's, within the tolerance of the network's on images that were tried; None: the network's."""
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    """Some keep their memory for the next call."""

    def logits(self, images_NCHW: Tensor, labels_N: Tensor | None = None) -> Tensor:
        """Return logits (N, K) with which every answer, and whether it is right, is the network's.

        Where the roundings of an engine could turn an answer over, or move a sample's label into or out of
        the first five, the network answers the whole batch: the bytes are then its own.

        Args:
            images_NCHW: Normalised images, a batch as the network would be given it.
            labels_N: What is right, if that is known: without it the first five are not looked at.
        """
        if self.answers is None:
            found: Tensor = self.model(images_NCHW)
            return found
        with self._lock:
            logits_NK = self.answers(images_NCHW)
        if is_unsure(logits_NK, labels_N):
            logits_NK = self.model(images_NCHW)
        return logits_NK

    def averaged(
        self, views: Callable[[], Iterable[View]], num_images: int, labels_N: Tensor | None = None
    ) -> Tensor:
        """Return the logarithms of the probabilities (N, K), averaged over the views of each image.

        As with `logits`, every answer is the network's, and whether it is right. A logarithm of a probability
        is off by no more than twice what the logits are, and no mean of probabilities is by more.

        Args:
            views: Makes the views of N images; once more, where the network has to answer.
            num_images: N.
            labels_N: What is right, if that is known.
        """
        if self.answers is None:
            return average(self.model, views(), num_images).logits_NK
        with self._lock:
            found = average(self.answers, views(), num_images)
        if is_unsure(found.logits_NK, labels_N, 2 * TOLERANCE * found.largest):
            found = average(self.model, views(), num_images)
        return found.logits_NK


def is_unsure(logits_NK: Tensor, labels_N: Tensor | None, off: Tensor | None = None) -> bool:
    """Return whether logits that are off by so much could give another answer, or another score.

    Args:
        logits_NK: Finite or not; of what is not, nothing is sure.
        labels_N: What is right, if that is known.
        off: How far a logit may be off, finite or not; None is the tolerance, a share of the largest.
    """
    off = TOLERANCE * logits_NK.abs().max() if off is None else off
    if not (off.isfinite() and logits_NK.isfinite().all()):
        return True
    near, classes = _ROOM * off, logits_NK.shape[1]
    if classes == 1:  # its sign is the answer
        return bool((logits_NK.abs() <= near).any())
    first = logits_NK.topk(min(6, classes), dim=1).values
    if ((first[:, 0] - first[:, 1]) <= near).any():
        return True
    if labels_N is None or classes <= 5:
        return False
    label_N1 = logits_NK.gather(1, labels_N[:, None])
    others_N = torch.where(label_N1[:, 0] >= first[:, 4], first[:, 5], first[:, 4])
    return bool(((label_N1[:, 0] - others_N).abs() <= near).any())


def difference(answers: Answers, model: nn.Module, images_NCHW: Tensor) -> float:
    """Return how far an engine's logits are from the network's, as a share of the largest.

    Infinity where a logit is no finite number, or there are not as many.
    """
    with torch.inference_mode():
        expected_NK, found_NK = model(images_NCHW), answers(images_NCHW)
    if found_NK.shape != expected_NK.shape or not (
        expected_NK.isfinite().all() and found_NK.isfinite().all()
    ):
        return float("inf")
    return float((found_NK - expected_NK).abs().max() / expected_NK.abs().max().clamp(min=1e-30))
