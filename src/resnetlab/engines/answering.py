"""An engine in the place of a network: its logits, and the network's own wherever roundings could matter."""

import threading
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from resnetlab.engines.folding import TOLERANCE
from resnetlab.engines.kinds import Answers

_ROOM = 2.1
"""Two logits may each be off by the tolerance, towards each other; the rest is for this arithmetic itself."""


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


def is_unsure(logits_NK: Tensor, labels_N: Tensor | None, tolerance: float = TOLERANCE) -> bool:
    """Return whether logits that are off by the tolerance could give another answer, or another score.

    Args:
        logits_NK: Finite or not; of what is not, nothing is sure.
        labels_N: What is right, if that is known.
        tolerance: How far a logit may be off, as a share of the largest.
    """
    most = logits_NK.abs().max()
    if not most.isfinite():
        return True
    near, classes = _ROOM * tolerance * most, logits_NK.shape[1]
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
