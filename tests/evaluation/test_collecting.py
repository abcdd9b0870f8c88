"""The answers to single images: as NumPy makes them of the logits, whoever scored them."""

from typing import Any

import numpy as np
import pytest
import torch

from resnetlab.evaluation import collecting as module
from resnetlab.evaluation.collecting import Collected, Collecting, answers_of, calibration_from
from resnetlab.parallel.world import World

CLASSES, SIZE, BATCH = 4, 23, 5


def made(classes: int = CLASSES) -> tuple[torch.Tensor, torch.Tensor]:
    """Return logits and what is right; of the first image that is certain."""
    generator = torch.Generator().manual_seed(7)
    logits = torch.randn(SIZE, classes, generator=generator) * 5
    labels = torch.randint(0, max(classes, 2), (SIZE,), generator=generator)
    logits[0, -1], labels[0] = 300.0, max(classes, 2) - 1
    return logits, labels


def collected(numbers: range, classes: int = CLASSES, left_out: int = 7) -> Collecting:
    """What is kept of these batches, from which one image is left out."""
    logits, labels = made(classes)
    kept = Collecting(max(classes, 2), SIZE, BATCH)
    for number in numbers:
        samples = torch.arange(number * BATCH, min(SIZE, (number + 1) * BATCH))
        samples = samples[samples != left_out]
        kept.add(logits[samples], labels[samples], samples, number)
    return kept


class Joined(World):
    """Processes that are here one after the other."""

    def __init__(self, parts: list[Any]) -> None:
        super().__init__(size=len(parts))
        self._parts = parts

    def gather(self, value: Any) -> list[Any]:
        return self._parts


def same(one: Collected, other: Collected) -> bool:
    pairs = zip(vars(one).values(), vars(other).values(), strict=True)
    return all(a.dtype == b.dtype and np.array_equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("classes", [CLASSES, 1])
def test_probability_and_loss_are_those_of_the_logits(classes: int) -> None:
    """Of one logit x the probability of the second class is the sigmoid of x."""
    found = collected(range(5), classes).gathered()

    logits, labels = (each.numpy() for each in made(classes))
    if classes == 1:
        second = 1 / (1 + np.exp(-logits.astype(np.float64)))
        shares = np.concatenate([1 - second, second], 1)
    else:
        shares = np.exp(logits.astype(np.float64))
        shares /= shares.sum(1, keepdims=True)
    rows = np.array([number for number in range(SIZE) if number != 7])
    assert found.sample.tolist() == rows.tolist()
    assert found.truth.tolist() == labels[rows].tolist()
    assert found.answer.tolist() == shares[rows].argmax(1).tolist()
    np.testing.assert_allclose(found.probability, shares[rows].max(1), rtol=1e-5)
    np.testing.assert_allclose(found.probability_of_truth, shares[rows, labels[rows]], rtol=1e-5, atol=1e-30)
    np.testing.assert_allclose(found.loss, -np.log(shares[rows, labels[rows]]), rtol=1e-5, atol=1e-6)
    assert not np.signbit(found.loss).any()
    assert found.logits_truth.tolist() == labels[rows].tolist()
    if classes > 1:
        assert found.logits.tolist() == logits[rows].tolist()


@pytest.mark.parametrize("processes", [2, 3, 7])
def test_what_processes_keep_together_is_what_one_keeps(processes: int) -> None:
    """Of 7 processes, two have no batch."""
    parts: list[Any] = []
    for rank in range(processes):
        own = collected(range(rank, 5, processes))
        parts.append((module._host(own._columns), module._host(own._logits)))

    assert same(collected(range(0)).gathered(Joined(parts)), collected(range(5)).gathered())


def test_of_many_images_the_logits_of_some_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_LOGITS", 2 * CLASSES)  # of 23 images every 12th: of every second batch

    found = collected(range(5)).gathered()

    assert len(found.sample) == SIZE - 1
    assert found.logits.tolist() == made()[0][[0, 10, 20]].tolist()
    assert calibration_from(found, "test").fitted_on == "3 of the test images themselves"
    assert sum(each.count for each in calibration_from(found, "test").bins) == SIZE - 1


def test_the_classes_are_those_of_the_data() -> None:
    """The data has the network's classes 2 and 0 only; what is none of them is -1."""
    found = collected(range(5)).gathered()
    kept = np.flatnonzero(np.isin(found.truth, (0, 2)))
    found = Collected(*(value[kept] for value in vars(found).values()))

    answers = answers_of(found, ("two", "none"), (2, 0), lambda number: f"{number}.png")

    names = {2: 0, 0: 1}
    assert answers.truth.tolist() == [names[each] for each in found.truth.tolist()]
    assert answers.answer.tolist() == [names.get(each, -1) for each in found.answer.tolist()]
    assert -1 in answers.answer
    assert answers.place.tolist() == [f"{number}.png" for number in found.sample]
    assert answers.correct.tolist() == (found.truth == found.answer).tolist()
