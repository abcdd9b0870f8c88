"""Whatever an engine's roundings, answers and counts are the network's."""

import dataclasses

import pytest
import torch
from torch import Tensor

from resnetlab.engines.answering import Engine, difference, is_unsure
from resnetlab.engines.folding import TOLERANCE
from tests.kit.foreign_weights import lively


def rounded(logits_NK: Tensor, generator: torch.Generator) -> Tensor:
    """The logits, each off by up to the tolerance."""
    off = (2 * torch.rand(logits_NK.shape, generator=generator) - 1).sign() * TOLERANCE
    return logits_NK + off * logits_NK.abs().max()


def judged(logits_NK: Tensor, labels_N: Tensor) -> tuple[list[int], list[bool]]:
    """The answers, and which labels are among the first five."""
    if logits_NK.shape[1] == 1:
        return (logits_NK[:, 0] > 0).int().tolist(), []
    first = logits_NK.topk(min(5, logits_NK.shape[1]), dim=1).indices
    return logits_NK.argmax(1).tolist(), (first == labels_N[:, None]).any(1).tolist()


@pytest.mark.parametrize("classes", [1, 2, 5, 6, 40])
def test_where_roundings_could_matter_it_is_unsure(classes: int) -> None:
    """Of 2,000 batches of two images with logits near each other: what is said to be sure stays."""
    generator = torch.Generator().manual_seed(7)
    sure = 0
    for _ in range(2000):
        steps = torch.randint(-4 * classes, 4 * classes + 1, (2, classes), generator=generator)
        logits_NK = torch.randn(2, 1, generator=generator) + steps * TOLERANCE
        labels_N = torch.randint(0, classes, (2,), generator=generator)
        other_NK = rounded(logits_NK, generator)
        if not is_unsure(other_NK, labels_N):
            sure += 1
            assert judged(other_NK, labels_N) == judged(logits_NK, labels_N), "seed 7"
    assert sure > 0


def test_of_far_apart_logits_it_is_sure() -> None:
    logits_NK = torch.arange(12.0)[torch.randperm(12, generator=torch.Generator().manual_seed(1))][None]

    assert not is_unsure(logits_NK, torch.tensor([3]))
    assert not is_unsure(logits_NK, None)


def test_a_label_at_the_fifth_place_is_looked_at_where_it_is_known() -> None:
    logits_NK = torch.tensor([[9.0, 8.0, 7.0, 6.0, 5.0, 5.0 - 1e-5, 1.0]])

    assert not is_unsure(logits_NK, None)
    assert not is_unsure(logits_NK, torch.tensor([6]))
    assert is_unsure(logits_NK, torch.tensor([4]))
    assert is_unsure(logits_NK, torch.tensor([5]))


def test_what_is_not_finite_is_not_sure() -> None:
    assert is_unsure(torch.tensor([[1.0, torch.nan]]), None)
    assert is_unsure(torch.tensor([[1.0, torch.inf]]), None)


def test_a_network_with_ties_answers_itself() -> None:
    """Two classes have the same weights, and their logits differ by less than roundings."""
    model = lively("resnet8", classes=3)
    with torch.no_grad():
        model.fc.weight[1] = model.fc.weight[0]  # type: ignore[operator,union-attr]
        model.fc.bias[1] = model.fc.bias[0] = 30.0  # type: ignore[operator,union-attr]
    images = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(2))
    with torch.inference_mode():
        expected = model(images)

    def answers(images_NCHW: Tensor) -> Tensor:
        return expected + torch.tensor([-1e-6, 1e-6, 0.0]) * expected.abs().max()

    engine = Engine("torch", "", model, answers)
    assert (answers(images).argmax(1) == 1).all()
    with torch.inference_mode():
        assert torch.equal(engine.logits(images), expected)
        assert (expected.argmax(1) == 0).all()
        far = dataclasses.replace(engine, answers=lambda images: expected + torch.tensor([1.0, 0.0, 0.0]))
        assert not torch.equal(far.logits(images), expected)


def test_an_engine_is_as_far_off_as_its_worst_logit() -> None:
    model = lively("resnet8", classes=3)
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(2))
    with torch.inference_mode():
        most = float(model(images).abs().max())

    assert difference(model, model, images) == 0
    assert difference(lambda x: model(x) + 0.01 * most, model, images) == pytest.approx(0.01, rel=1e-3)
    assert difference(lambda x: model(x)[:1], model, images) == float("inf")
    assert difference(lambda x: model(x) * torch.nan, model, images) == float("inf")
