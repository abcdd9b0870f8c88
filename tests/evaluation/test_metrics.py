"""Counts against a direct count, the interval against its formula's inverse."""

import math

import pytest
import torch

from resnetlab.evaluation.metrics import Scoring, Tally, right_answers, wilson_interval

CPU = torch.device("cpu")


def test_scores_equal_a_direct_count_whatever_the_batches() -> None:
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(50, 7, generator=generator)
    labels = torch.randint(0, 7, (50,), generator=generator)
    scoring = Scoring(7, CPU)
    for start in range(0, 50, 16):
        scoring.add(logits[start : start + 16], labels[start : start + 16])
    scores = scoring.scores()

    ranks = [(row > row[label]).sum().item() for row, label in zip(logits, labels, strict=True)]
    assert scores.seen == 50
    assert scores.correct == sum(rank == 0 for rank in ranks)
    assert scores.correct_top5 == sum(rank < 5 for rank in ranks)
    losses = [math.log(row.exp().sum().item()) - row[y].item() for row, y in zip(logits, labels, strict=True)]
    assert scores.loss == pytest.approx(sum(losses) / 50, rel=1e-5)
    for true, answered in ((0, 1), (3, 3)):
        count = sum(
            int(y) == true and int(row.argmax()) == answered for row, y in zip(logits, labels, strict=True)
        )
        assert scores.confusion_KK[true, answered] == count


@pytest.mark.parametrize("classes", [1, 4, 5, 6, 1000])
def test_right_answers_are_those_of_topk(classes: int) -> None:
    generator = torch.Generator().manual_seed(classes)
    logits = torch.randn(400, classes, generator=generator)
    labels = torch.randint(0, classes, (400,), generator=generator)

    found = right_answers(logits, labels)

    first, five = (logits.topk(min(k, classes), dim=1).indices for k in (1, 5))
    assert found.dtype == torch.int64
    assert found.tolist() == [(each == labels[:, None]).any(1).sum().item() for each in (first, five)]


def test_sums_of_an_earlier_version_say_nothing_of_top5_until_the_next_row() -> None:
    tally = Tally(CPU)
    tally.load({"loss": 8.0, "correct": 2, "seen": 4})
    tally.add(torch.tensor(2.0), torch.tensor([3, 4]), 4)
    tally.seen += 4

    assert tally.row() == {"train_loss": 2.0, "train_accuracy": 5 / 8}
    again = Tally(CPU)
    again.load(tally.to_json())
    assert again.row() == tally.row()
    tally.clear()
    tally.add(torch.tensor(2.0), torch.tensor([3, 4]), 4)
    tally.seen += 4
    assert tally.row() == {"train_loss": 2.0, "train_accuracy": 3 / 4, "train_accuracy_top_5": 1.0}


def test_top5_of_fewer_classes_is_everything() -> None:
    scoring = Scoring(3, CPU)
    scoring.add(torch.eye(3), torch.tensor([1, 1, 1]))

    assert scoring.scores().accuracy_top5 == 1.0


def test_a_tally_goes_on_exactly_where_it_was_saved() -> None:
    losses = [torch.rand((), generator=torch.Generator().manual_seed(s)) for s in range(9)]
    whole, first, second = Tally(CPU), Tally(CPU), Tally(CPU)

    def take_in(tally: Tally, some: list[torch.Tensor]) -> None:
        for loss in some:
            tally.add(loss, torch.tensor([2, 3]), 3)
            tally.seen += 3

    take_in(whole, losses)
    take_in(first, losses[:4])
    second.load(first.to_json())
    take_in(second, losses[4:])

    assert second.to_json() == whole.to_json()
    assert whole.row()["train_loss"] == pytest.approx(sum(map(float, losses)) / 9)
    assert whole.row()["train_accuracy"] == pytest.approx(2 / 3)
    assert whole.row()["train_accuracy_top_5"] == 1.0


@pytest.mark.parametrize(("correct", "seen"), [(9321, 10_000), (356, 359), (0, 10), (10, 10)])
def test_the_interval_holds_the_shares_whose_z_is_below_1_96(correct: int, seen: int) -> None:
    """Wilson's interval is where |share - p| <= z sqrt(p (1 - p) / n)."""
    low, high = wilson_interval(correct, seen)

    share = correct / seen
    for p in (low, high):
        if 1e-9 < p < 1 - 1e-9:
            z = abs(share - p) / math.sqrt(p * (1 - p) / seen)
            assert z == pytest.approx(1.959964, rel=1e-3)
    assert low <= share + 1e-12
    assert share <= high + 1e-12


def test_what_is_known_of_the_last_samples_is_the_row_before_and_all_since() -> None:
    tally = Tally(CPU)

    def take_in(loss: float, correct: int) -> None:
        tally.add(torch.tensor(loss), torch.tensor([correct, 4]), 4)
        tally.seen += 4

    assert tally.recent() is None
    take_in(8.0, 1)
    assert tally.recent() == {"loss": 8.0, "accuracy": 1 / 4}
    tally.clear()  # without a row: an interval that nobody has read
    assert tally.recent() is None
    take_in(4.0, 2)
    take_in(2.0, 2)
    tally.row()
    tally.clear()
    assert tally.recent() == {"loss": 3.0, "accuracy": 4 / 8}
    take_in(0.0, 4)
    assert tally.recent() == {"loss": 2.0, "accuracy": 8 / 12}
    tally.row()
    tally.clear()
    assert tally.recent() == {"loss": 0.0, "accuracy": 1.0}


def test_nothing_waits_for_a_device_to_tell_of_the_last_samples() -> None:
    tally = Tally(torch.device("meta"))  # whose numbers cannot be had at all
    tally.seen += 4

    assert tally.recent() is None
