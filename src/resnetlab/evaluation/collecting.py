"""What a network answers to each image of a set, kept on the device while the set is scored.

Axes: N images, K logits, M images whose logits are kept.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from resnetlab.evaluation.answers import NO_CLASS, Answers, Array, make_answers
from resnetlab.evaluation.calibration import Calibration, calibration_of
from resnetlab.evaluation.metrics import Scores, answer_logits
from resnetlab.parallel.world import ALONE, World

MOST_LOGITS = 2**22
"""Numbers that are kept for the calibration, 16 MiB: all of CIFAR's test sets, of ImageNet's 4,194 images."""


@dataclass(frozen=True, eq=False)
class Collected:
    """What a network answered to each image of a set, in its order. Classes are numbers of logits."""

    sample: Array
    """Int64 (N,): the image's number in the set."""
    truth: Array
    """Int64 (N,)."""
    answer: Array
    """Int64 (N,)."""
    probability: Array
    """Float32 (N,): of the answer."""
    probability_of_truth: Array
    """Float32 (N,)."""
    loss: Array
    """Float32 (N,), in nats."""
    logits: Array
    """Float32 (M, K), of images evenly spaced in the set; of all, if these are few enough."""
    logits_truth: Array
    """Int64 (M,)."""


class Collecting:
    """Collects answers, a batch at a time; nothing waits for the device before the end.

    Args:
        num_classes: The logits.
        size: Images of the set.
        batch: Images in a batch of it.
    """

    def __init__(self, num_classes: int, size: int, batch: int) -> None:
        every = max(1, -(-size * max(2, num_classes) // MOST_LOGITS))
        self._every, self._every_batch = every, max(1, every // batch)
        self._columns: list[tuple[Tensor, ...]] = []
        self._logits: list[tuple[Tensor, ...]] = []

    def add(self, logits_NK: Tensor, labels_N: Tensor, samples_N: Tensor, number: int) -> None:
        """Keep what is answered to the images of a batch.

        Args:
            logits_NK: The answers.
            labels_N: What is right, as numbers of logits.
            samples_N: The images' numbers in the set.
            number: The batch's.
        """
        logits_NK = answer_logits(logits_NK.float())
        probabilities_NK, answers_N = logits_NK.softmax(1), logits_NK.argmax(1)
        losses_N = 0.0 - logits_NK.log_softmax(1).gather(1, labels_N[:, None])[:, 0]  # never -0
        of_answer, of_truth = (
            probabilities_NK.gather(1, chosen[:, None])[:, 0] for chosen in (answers_N, labels_N)
        )
        self._columns.append((samples_N, labels_N, answers_N, of_answer, of_truth, losses_N))
        if number % self._every_batch == 0:
            some = slice(None, None, self._every)
            self._logits.append((samples_N[some], labels_N[some], logits_NK[some].clone()))

    def gathered(self, world: World = ALONE) -> Collected:
        """Return what all the processes have collected, at each of them, whoever scored what."""
        parts = world.gather((_host(self._columns), _host(self._logits)))
        sample, truth, answer, probability, of_truth, loss = _in_order([own for own, _ in parts])
        _, logits_truth, logits = _in_order([own for _, own in parts])
        return Collected(sample, truth, answer, probability, of_truth, loss, logits, logits_truth)


class LastEvaluation(NamedTuple):
    """What a network in training was last found to answer."""

    name: str
    """Of the set."""
    step: int
    scores: Scores
    collecting: Collecting
    """The answers to the images that this process scored."""


def _host(batches: Sequence[tuple[Tensor, ...]]) -> tuple[Array, ...] | None:
    """Return the batches' columns, each as one array; None if there are no batches."""
    return tuple(torch.cat(column).cpu().numpy() for column in zip(*batches, strict=True)) or None


def _in_order(parts: Sequence[tuple[Array, ...] | None]) -> list[Array]:
    """Return the columns of all processes by the number of the image, which is in the first one."""
    columns = [np.concatenate(own) for own in zip(*filter(None, parts), strict=True)]
    order = np.argsort(columns[0], kind="stable")
    return [column[order] for column in columns]


def answers_of(
    collected: Collected, class_names: Sequence[str], logits: Sequence[int], place: Callable[[int], str]
) -> Answers:
    """Return the answers by the classes of the data.

    Args:
        collected: What was answered.
        class_names: The classes of the data.
        logits: The number of each class' logit.
        place: Tells where the image of a number lies.
    """
    most = max(int(collected.answer.max()), max(logits))
    classes = np.full(most + 1, NO_CLASS, np.int32)
    classes[[*logits]] = np.arange(len(logits))
    return make_answers(
        tuple(class_names),
        sample=collected.sample,
        place=[place(sample) for sample in collected.sample.tolist()],
        truth=classes[collected.truth],
        answer=classes[collected.answer],
        probability=collected.probability,
        probability_of_truth=collected.probability_of_truth,
        loss=collected.loss,
    )


def calibration_from(collected: Collected, name: str, held_out: Collected | None = None) -> Calibration:
    """Return how far the probabilities of answers can be believed.

    Args:
        collected: What was answered.
        name: What the images are called, e.g. "test".
        held_out: What was answered to validation samples, from which the temperature is then.
    """
    count, own = len(collected.logits), f"the {name} images themselves"
    if count < len(collected.sample):
        own = f"{count:,} of {own}"
    fitting = (held_out.logits, held_out.logits_truth) if held_out else None
    return calibration_of(
        collected.probability,
        collected.truth == collected.answer,
        collected.logits,
        collected.logits_truth,
        fitting=fitting,
        fitted_on=f"{len(held_out.logits):,} validation samples" if held_out else own,
    )
