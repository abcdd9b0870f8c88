"""Scoring a network on every sample of a set exactly once."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from resnetlab.evaluation.metrics import Scores, Scoring


class ScoredBatch(Protocol):
    """Float images (N, C, H, W) and int64 labels (N,)."""

    @property
    def images(self) -> Tensor:
        """Float32 (N, C, H, W)."""

    @property
    def labels(self) -> Tensor:
        """Int64 (N,)."""


@torch.inference_mode()
def score(
    model: nn.Module,
    batches: Iterable[ScoredBatch],
    *,
    num_classes: int,
    device: torch.device,
    after_batch: Callable[[int], bool] = lambda seen: True,
) -> Scores | None:
    """Return the scores of the model in evaluation mode, or None if it was asked to leave off.

    The arithmetic is fp32 whatever the model was trained in (on CUDA TF32), as in prediction and in
    exported files: one network has one score.

    Args:
        model: The network; left in the mode it was in.
        batches: All samples, each once.
        num_classes: Width of the logits.
        device: Where model and batches lie.
        after_batch: Told the samples seen so far; answers whether to go on.
    """
    was_training = model.training
    model.eval()
    scoring, seen = Scoring(num_classes, device), 0
    try:
        for batch in batches:
            logits_NK = model(batch.images)
            scoring.add(logits_NK, batch.labels)
            seen += len(batch.labels)
            if not after_batch(seen):
                return None
    finally:
        model.train(was_training)
    return scoring.scores()


@dataclass
class EvaluationSet:
    """A set to evaluate on: its name in metrics.jsonl, its size, and its batches."""

    name: str
    size: int
    batches: Callable[[], Iterator[ScoredBatch]]
    left_out: Callable[[], int] = lambda: 0
    """How many of them are broken image files, which cannot be scored."""
