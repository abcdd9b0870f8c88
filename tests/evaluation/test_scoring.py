"""A network on every sample once: bits of the loss, counts in parts, leaving off."""

from collections.abc import Iterator

import pytest
import torch
from torch import nn

from resnetlab.data.batches.batches import Batch
from resnetlab.evaluation.metrics import Counts, Scores, Scoring, scores_of
from resnetlab.evaluation.scoring import EvaluationSet, ScoredBatch, score

CPU = torch.device("cpu")
CLASSES, SIZE, SAMPLES = 7, 16, 107


def made() -> tuple[torch.Tensor, torch.Tensor]:
    """Return labels, and logits of which the losses are of every size, so that their sums are rounded."""
    generator = torch.Generator().manual_seed(3)
    logits = torch.randn(SAMPLES, CLASSES, generator=generator)
    powers = torch.arange(SAMPLES) // SIZE % 4 * 5 - 5
    return logits * 10.0 ** powers[:, None], torch.randint(0, CLASSES, (SAMPLES,), generator=generator)


def in_batches(broken: int | None = None) -> EvaluationSet:
    """Return a set of the logits as images; of one batch every image is broken."""
    logits, labels = made()

    def batches(numbers: range) -> Iterator[ScoredBatch | None]:
        for number in numbers:
            cut = slice(number * SIZE, (number + 1) * SIZE)
            samples = torch.arange(SAMPLES)[cut]
            yield None if number == broken else Batch(logits[cut], labels[cut], samples)

    return EvaluationSet("test", SAMPLES, SIZE, batches)


def scored(on: EvaluationSet) -> Scores:
    scores = score(nn.Identity(), on, num_classes=CLASSES, device=CPU)
    assert scores is not None
    return scores


def test_the_loss_is_added_in_float64_batch_by_batch() -> None:
    logits, labels = made()
    loss = torch.zeros((), dtype=torch.float64)
    for some, right in zip(logits.split(SIZE), labels.split(SIZE), strict=True):
        loss += nn.functional.cross_entropy(some, right, reduction="sum").double()

    assert scored(in_batches()).loss == loss.item() / SAMPLES


@pytest.mark.parametrize("processes", [2, 3, 4, 7, 9])
def test_counts_of_parts_are_those_of_the_whole_to_the_last_bit(processes: int) -> None:
    whole, on = scored(in_batches()), in_batches()
    parts = list[Counts]()
    for rank in range(processes):
        numbers, scoring = range(rank, on.num_batches, processes), Scoring(CLASSES, CPU)
        for number, batch in zip(numbers, on.batches(numbers), strict=True):
            assert batch is not None
            scoring.add(batch.images, batch.labels, number)
        parts.append(scoring.counts())

    joined = scores_of(reversed(parts), CLASSES)

    assert joined.row() == whole.row()
    assert torch.equal(joined.confusion_KK, whole.confusion_KK)


def test_a_batch_that_is_counted_twice_is_our_own_mistake() -> None:
    scoring = Scoring(CLASSES, CPU)
    scoring.add(torch.eye(CLASSES), torch.arange(CLASSES), 4)

    with pytest.raises(AssertionError, match="every batch counts exactly once"):
        scores_of([scoring.counts(), scoring.counts()], CLASSES)


def test_a_batch_of_broken_images_counts_nothing() -> None:
    logits, labels = made()
    kept = [*range(3 * SIZE), *range(4 * SIZE, SAMPLES)]
    expected = Scoring(CLASSES, CPU)
    for number, some in enumerate(torch.tensor(kept).split(SIZE)):
        expected.add(logits[some], labels[some], number)

    scores = scored(in_batches(broken=3))

    assert scores.seen == SAMPLES - SIZE
    assert scores.row() == expected.scores().row()


def test_scoring_leaves_off_where_it_is_told_to() -> None:
    model, told = nn.Dropout(), list[int]()

    def after_batch(seen: int) -> bool:
        told.append(seen)
        return len(told) < 3

    scores = score(model, in_batches(), num_classes=CLASSES, device=CPU, after_batch=after_batch)

    assert scores is None
    assert told == [16, 32, 48]
    assert model.training


def test_the_samples_told_end_with_all_of_them() -> None:
    told = list[int]()
    score(
        nn.Identity(), in_batches(3), num_classes=CLASSES, device=CPU,
        after_batch=lambda seen: not told.append(seen),  # type: ignore[func-returns-value]
    )  # fmt: skip

    assert told == [16, 32, 48, 64, 80, 96, SAMPLES]
