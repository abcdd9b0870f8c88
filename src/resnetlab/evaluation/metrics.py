"""Exact counts of what was right: never means of means."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from resnetlab.evaluation.significance import wilson_interval as wilson_interval

Sums = dict[str, float | int]
"""Of loss, right answers, right ones among the first five, and samples seen."""


def right_answers(logits_NK: Tensor, labels_N: Tensor) -> Tensor:
    """Return how many labels are the first answer, and how many are among the first five: int64 (2,)."""
    own_N1 = logits_NK.gather(1, labels_N[:, None])
    among_five = (logits_NK > own_N1).sum(1) < 5  # a fifth of the time of topk
    return torch.stack([(logits_NK.argmax(1) == labels_N).sum(), among_five.sum()])


class Tally:
    """Running sums over training batches, kept on the device so that no step waits for them.

    Sums are made one batch after another from the value loaded, so that a resumed run adds up in
    the same order as an uninterrupted one.
    """

    def __init__(self, device: torch.device) -> None:
        self._loss = torch.zeros((), dtype=sum_type(device), device=device)
        self._correct = torch.zeros(2, dtype=torch.int64, device=device)
        self.seen = 0
        self._knows_top5 = True  # not of batches that an earlier version has counted
        self._read: Sums | None = None
        self._before: Sums | None = None

    def add(self, mean_loss: Tensor, correct: Tensor, count: int) -> None:
        """Add a batch of `count` samples by mean loss and `right_answers`; the caller counts `seen`."""
        self._loss += mean_loss.to(self._loss.dtype) * count
        self._correct += correct

    def tensors(self) -> dict[str, Tensor]:
        """Return the sums, as they lie on the device."""
        return {"loss": self._loss, "correct": self._correct}

    def clear(self) -> None:
        """Start again from nothing."""
        self._read, self._before, self._knows_top5 = None, self._read, True
        self._loss.zero_()
        self._correct.zero_()
        self.seen = 0

    def to_json(self) -> Sums:
        """Return the sums exactly."""
        correct, among_five = self._correct.tolist()
        top5 = {"correct_top_5": among_five} if self._knows_top5 else {}
        return {"loss": self._loss.item(), "correct": correct, **top5, "seen": self.seen}

    def load(self, data: Mapping[str, Any]) -> None:
        """Go on from sums that `to_json` returned."""
        self._loss.fill_(data["loss"])
        self._correct[0], self._correct[1] = data["correct"], data.get("correct_top_5", 0)
        self.seen = int(data["seen"])
        self._knows_top5 = "correct_top_5" in data or not self.seen

    def row(self) -> dict[str, float]:
        """Return mean loss (nats), accuracy and top-5 accuracy for a journal row."""
        self._read = sums = self.to_json()
        names = {"loss": "loss", "correct": "accuracy", "correct_top_5": "accuracy_top_5"}
        return {f"train_{name}": sums[key] / self.seen for key, name in names.items() if key in sums}

    def recent(self) -> dict[str, float] | None:
        """Return mean loss (nats) and accuracy of the last samples known without waiting for a device.

        They are those of the last row before `clear`, and on a CPU all since; None if there is neither.
        """
        known = [self._before, self.to_json() if self._loss.device.type == "cpu" else None]
        parts = [sums for sums in known if sums]
        if not (seen := sum(sums["seen"] for sums in parts)):
            return None
        return {
            "loss": sum(sums["loss"] for sums in parts) / seen,
            "accuracy": sum(sums["correct"] for sums in parts) / seen,
        }


def sum_type(device: torch.device) -> torch.dtype:
    """Return the widest float the device adds in (MPS has no float64)."""
    return torch.float32 if device.type == "mps" else torch.float64


@dataclass(frozen=True)
class Scores:
    """The result of one evaluation. Entry (i, j) of `confusion_KK` counts class i answered as j."""

    loss: float
    correct: int
    correct_top5: int
    seen: int
    confusion_KK: Tensor

    @property
    def accuracy(self) -> float:
        """Share of right first answers."""
        return self.correct / self.seen

    @property
    def accuracy_top5(self) -> float:
        """Share of samples whose class is among the first five answers."""
        return self.correct_top5 / self.seen

    def row(self) -> dict[str, float | int]:
        """Return the scalars for a journal row."""
        return {
            "loss": self.loss,
            "accuracy": self.accuracy,
            "accuracy_top_5": self.accuracy_top5,
            "correct": self.correct,
            "seen": self.seen,
        }


def answer_logits(logits_NK: Tensor) -> Tensor:
    """Return logits whose softmax is the probabilities: of one logit x two, -x/2 and x/2.

    The softmax of one logit is always 1; that of these two is 1 - sigmoid(x) and sigmoid(x), as a
    network means it that was trained with the binary cross-entropy, label 1 for the second.
    """
    return torch.cat([-logits_NK / 2, logits_NK / 2], dim=1) if logits_NK.shape[1] == 1 else logits_NK


class Counts(NamedTuple):
    """What was counted of some batches of a set, as plain numbers that another process can be sent."""

    losses: list[tuple[int, float]]
    """The number of each batch, and the sum of its losses."""

    confusion: list[tuple[int, int]]
    """The cells of the confusion matrix that are not zero, numbered by rows, and their counts."""

    correct_top5: int


class Scoring:
    """Accumulates logits and labels on the device, a batch at a time; one transfer at the end.

    A network of one logit has two classes, see `answer_logits`.
    """

    def __init__(self, num_classes: int, device: torch.device) -> None:
        self._classes = num_classes
        self._confusion = torch.zeros(num_classes * num_classes, dtype=torch.int64, device=device)
        self._top5 = torch.zeros((), dtype=torch.int64, device=device)
        self._losses: list[Tensor] = []
        self._numbers: list[int] = []

    def add(self, logits_NK: Tensor, labels_N: Tensor, number: int | None = None) -> None:
        """Count one batch. Labels beyond the network's classes are our own mistake.

        Args:
            logits_NK: The answers.
            labels_N: What is right.
            number: The batch's number in the set; by default the one after the last.
        """
        logits_NK = answer_logits(logits_NK.float())
        losses = torch.nn.functional.cross_entropy(logits_NK, labels_N, reduction="sum")
        self._losses.append(losses)
        self._numbers.append(len(self._numbers) if number is None else number)
        cells = labels_N * self._classes + logits_NK.argmax(1)
        self._confusion += torch.bincount(cells, minlength=self._classes**2)
        first5 = logits_NK.topk(min(5, self._classes), dim=1).indices
        self._top5 += (first5 == labels_N[:, None]).any(1).sum()

    def counts(self) -> Counts:
        """Return the counts so far."""
        losses = torch.stack(self._losses).tolist() if self._losses else []
        confusion = self._confusion.cpu()
        cells = confusion.nonzero().flatten()
        return Counts(
            losses=[*zip(self._numbers, losses, strict=True)],
            confusion=[*zip(cells.tolist(), confusion[cells].tolist(), strict=True)],
            correct_top5=int(self._top5.item()),
        )

    def scores(self) -> Scores:
        """Return the scores so far."""
        return scores_of([self.counts()], self._classes)


def scores_of(parts: Iterable[Counts], num_classes: int) -> Scores:
    """Return the scores of a set whose batches were counted in parts: the same bits whatever the parts.

    Counts are integers. The batches' losses are added in float64, one after another by number.
    """
    confusion_KK = torch.zeros(num_classes, num_classes, dtype=torch.int64)
    flat, losses, top5 = confusion_KK.view(-1), dict[int, float](), 0
    for part in parts:
        cells, counts = zip(*part.confusion, strict=True) if part.confusion else ((), ())
        flat.index_add_(0, torch.tensor(cells, dtype=torch.int64), torch.tensor(counts, dtype=torch.int64))
        assert not losses.keys() & dict(part.losses), "every batch counts exactly once"
        losses.update(part.losses)
        top5 += part.correct_top5
    loss = 0.0
    for number in sorted(losses):  # no sum(), which since Python 3.12 rounds otherwise
        loss += losses[number]
    seen = int(flat.sum())
    return Scores(
        loss=loss / seen,
        correct=int(confusion_KK.diagonal().sum()),
        correct_top5=top5,
        seen=seen,
        confusion_KK=confusion_KK,
    )
