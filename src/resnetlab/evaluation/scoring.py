"""Scoring a network on every sample of a set exactly once, in one process or divided over several."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from resnetlab.evaluation.collecting import Collecting
from resnetlab.evaluation.metrics import Counts, Scores, Scoring, scores_of
from resnetlab.parallel.world import ALONE, World


class ScoredBatch(Protocol):
    """Images, int64 labels (N,) and numbers in the set (N,)."""

    @property
    def images(self) -> Any:
        """Float32 (N, C, H, W), or what the logits are made of otherwise, see `ViewedBatch`."""

    @property
    def labels(self) -> Tensor:
        """Int64 (N,)."""

    @property
    def samples(self) -> Tensor:
        """Int64 (N,)."""


def _nothing_found(world: World) -> None:
    """Share nothing."""


@dataclass(frozen=True)
class EvaluationSet:
    """A set to evaluate on, in numbered batches whose samples do not depend on who scores them."""

    name: str
    """As it stands in metrics.jsonl."""

    size: int
    """Samples."""

    batch: int
    """Samples per batch: number i has those from i * batch on, the last one what is left."""

    batches: Callable[[range], Iterator[ScoredBatch | None]]
    """Returns the batches of these numbers, in turn; None for one of which every image is broken."""

    left_out: Callable[[], int] = lambda: 0
    """How many of them are broken image files, which cannot be scored."""

    share_broken: Callable[[World], None] = _nothing_found
    """Makes known to all processes what each has found broken."""

    @property
    def num_batches(self) -> int:
        """How many there are."""
        return -(-self.size // self.batch)


@torch.inference_mode()
def score(
    model: nn.Module,
    on: EvaluationSet,
    *,
    num_classes: int,
    device: torch.device,
    world: World = ALONE,
    collecting: Collecting | None = None,
    after_batch: Callable[[int], bool] = lambda seen: True,
    logits: Callable[[Any, Tensor], Tensor] | None = None,
) -> Scores | None:
    """Return the scores of the model in evaluation mode, or None if it was asked to leave off.

    The arithmetic is fp32 whatever the model was trained in (on CUDA TF32), as in prediction and in
    exported files: one network has one score. Of several processes each scores every so manyth batch;
    the scores are those of one process to the last bit, and all processes return them.

    Args:
        model: The network; left in the mode it was in.
        on: All samples, each once.
        num_classes: Width of the logits.
        device: Where model and batches lie.
        world: The processes; all of them score this set now, with the same model.
        collecting: Is given the answers to the images that this process scores.
        after_batch: Told how many samples have been scored, by all processes; answers whether to go on.
            If one process is not to go on, none does.
        logits: Returns the logits of a batch's images with these labels in the model's place, such that every
            answer is the model's.

    Raises:
        DataError: If an image cannot be read, or more are broken than may be.
    """
    was_training = model.training
    model.eval()
    scoring = Scoring(num_classes, device)
    numbers = range(world.rank, on.num_batches, world.size)
    rounds = range(0, on.num_batches, world.size)
    batches = on.batches(numbers)
    try:
        for first in rounds:  # as many in each process: in the last, some have no batch
            number = first + world.rank
            batch = next(batches) if number in numbers else None
            if batch is not None:
                logits_NK = logits(batch.images, batch.labels) if logits else model(batch.images)
                scoring.add(logits_NK, batch.labels, number)
                if collecting is not None:
                    collecting.add(logits_NK, batch.labels, batch.samples, number)
            goes_on = after_batch(min(on.size, (first + world.size) * on.batch))
            if world.pulse(not goes_on):
                return None
    finally:
        model.train(was_training)
    assert next(batches, None) is None, "there are as many batches as the set says"
    on.share_broken(world)
    return scores_of((Counts(*part) for part in world.gather([*scoring.counts()])), num_classes)
