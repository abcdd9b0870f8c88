"""What int8 costs and what it gives: the two graphs on the same images, and their speeds here."""

import statistics
import time
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from resnetlab.base.units import format_bytes
from resnetlab.errors import ResnetlabError
from resnetlab.evaluation.metrics import answer_logits
from resnetlab.trained.artefact.onnx_model import OnnxModel
from resnetlab.trained.quantised.calibration import Batch

_LOSS_WARNED, _LOSS_REFUSED = 0.01, 0.05
"""Of the accuracy. A ResNet-20 of 86.4 % on CIFAR-10 loses nothing; a preresnet20 of 68 % on the digits,
after 60 steps, loses 0.017."""
_OTHERS_WARNED, _OTHERS_REFUSED = 0.05, 0.20
"""Of the answers, where it is not known which are right: most that change were about to."""
_FEW = 3
"""So few images are chance."""
_SPEED_BATCH, _SPEED_SECONDS, _SPEED_LEAST = 16, 0.5, 3


@dataclass(frozen=True)
class Verdict:
    """How an int8 graph does beside the fp32 one."""

    seen: int
    """Images, none of which calibrated."""

    same: int
    """Of so many the answer is the same."""

    answers: int
    """How many classes fp32 answers with."""

    correct: int | None
    """Of int8; None where it is not known what the images show."""

    correct_fp32: int | None

    size: int
    """Of the file, in bytes."""

    size_fp32: int

    times_as_fast: float
    """On this machine, 16 images at once."""

    @property
    def lost(self) -> int:
        """Answers lost: right ones, or where that is not known, all that are other ones."""
        if self.correct is None or self.correct_fp32 is None:
            return self.seen - self.same
        return self.correct_fp32 - self.correct

    def is_above(self, loss: float, others: float) -> bool:
        """Return whether more is lost than a share of the images; the second where right is not known."""
        return self.lost > max(_FEW, self.seen * (others if self.correct is None else loss))

    def to_json(self) -> dict[str, object]:
        """Return it as plain data."""
        told: dict[str, object] = {"compared_on": self.seen, "same_answers": self.same}
        if self.correct is not None:
            told |= {"correct": self.correct, "correct_fp32": self.correct_fp32}
        return told

    def __str__(self) -> str:
        if self.correct is None or self.correct_fp32 is None:
            loss = f"{_percent(self.same, self.seen)} of the answers to {self.seen:,} images are fp32's"
        else:
            fp32, own = _percent(self.correct_fp32, self.seen), _percent(self.correct, self.seen)
            loss = f"{fp32} -> {own} on {self.seen:,} images"
        size = f"{format_bytes(self.size)} ({format_bytes(self.size_fp32)} in fp32)"
        return f"int8: {loss}, {size}, {self.times_as_fast:.1f} times as fast here"


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %"


@torch.inference_mode()
def compare(
    fp32: OnnxModel, int8: OnnxModel, batches: Iterable[Batch], *, has_labels: bool, sizes: tuple[int, int]
) -> Verdict:
    """Return how the int8 graph does beside the fp32 one.

    Args:
        fp32: The network.
        int8: It in int8.
        batches: The images, as both take them.
        has_labels: Whether the labels are the network's classes.
        sizes: Of the two files in bytes, fp32's first.
    """
    seen = same = correct = correct_fp32 = 0
    answers: set[int] = set()
    images = None
    for images_NCHW, labels_N in batches:
        images = images_NCHW if images is None else images
        exact, whole = (answer_logits(model(images_NCHW)).argmax(1) for model in (fp32, int8))
        seen += len(exact)
        answers.update(exact.tolist())
        same += int((exact == whole).sum())
        correct += int((whole == labels_N).sum())
        correct_fp32 += int((exact == labels_N).sum())
    assert images is not None, "there are images to compare on"
    return Verdict(
        seen=seen,
        same=same,
        answers=len(answers),
        correct=correct if has_labels else None,
        correct_fp32=correct_fp32 if has_labels else None,
        size=sizes[1],
        size_fp32=sizes[0],
        times_as_fast=_ratio(fp32, int8, images),
    )


def _ratio(fp32: OnnxModel, int8: OnnxModel, images_NCHW: Tensor) -> float:
    """Return how many times as fast the second is, the two in turn."""
    images = images_NCHW[:_SPEED_BATCH]
    times: tuple[list[float], list[float]] = ([], [])
    for model in (fp32, int8):
        model(images)
    until = time.perf_counter() + _SPEED_SECONDS
    while len(times[0]) < _SPEED_LEAST or time.perf_counter() < until:
        for model, own in zip((fp32, int8), times, strict=True):
            start = time.perf_counter()
            model(images)
            own.append(time.perf_counter() - start)
    return statistics.median(times[0]) / statistics.median(times[1])


def judge(verdict: Verdict) -> tuple[str, ...]:
    """Return what to say of it, the warning if there is one.

    Raises:
        ResnetlabError: If too much is lost.
    """
    what = "right answers" if verdict.correct is not None else "answers"
    told = f"{verdict.lost:,} {what} of {verdict.seen:,} are lost in int8"
    hint = (
        "Calibrate with images like those that it will see (--calibrate), or more of them"
        " (--calibration-images); without --int8 the file is exact."
    )
    if verdict.is_above(_LOSS_REFUSED, _OTHERS_REFUSED):
        raise ResnetlabError(f"{told} ({verdict}); nothing was written", hint=hint)
    if verdict.is_above(_LOSS_WARNED, _OTHERS_WARNED):
        return (str(verdict), f"warning: {told}. {hint}")
    if verdict.answers == 1:
        return (
            str(verdict),
            f"warning: all {verdict.seen:,} images get the same answer, and tell little. {hint}",
        )
    return (str(verdict),)
