"""The mean of probabilities over views: in logarithms, by image, and how far roundings can move it."""

import numpy as np
import pytest
import torch
from torch import Tensor

from resnetlab.engines.answering import is_unsure
from resnetlab.engines.folding import TOLERANCE
from resnetlab.evaluation.averaging import View, average
from resnetlab.evaluation.views import views_of


def parts(logits_VNK: Tensor) -> list[View]:
    """Views in two groups each, as images of two sizes come."""
    rows = torch.randperm(logits_VNK.shape[1], generator=torch.Generator().manual_seed(5))
    some = (rows[:2], rows[2:])
    return [View(logits_NK[part], part) for logits_NK in logits_VNK for part in some if len(part)]


@pytest.mark.parametrize("classes", [1, 2, 7])
def test_it_is_the_mean_of_the_softmax(classes: int) -> None:
    logits_VNK = 3 * torch.randn(4, 5, classes, generator=torch.Generator().manual_seed(1))
    values = logits_VNK.double().numpy()
    powers = np.exp(values if classes > 1 else np.concatenate([-values / 2, values / 2], axis=2))

    found = average(lambda images: images, parts(logits_VNK), 5)

    expected = (powers / powers.sum(2, keepdims=True)).mean(0)
    np.testing.assert_allclose(found.logits_NK.exp(), expected, rtol=1e-6)
    np.testing.assert_allclose(found.logits_NK.softmax(1), expected, rtol=1e-6)
    assert found.largest == logits_VNK.abs().max()


def test_probabilities_too_small_for_a_float_have_a_finite_loss() -> None:
    logits_VNK = torch.tensor([[[0.0, 900.0]], [[0.0, 800.0]]])
    found = average(lambda images: images, parts(logits_VNK), 1).logits_NK
    assert found[0, 0].item() == pytest.approx(-800 - np.log(2), rel=1e-6)


def test_an_image_with_fewer_views_is_our_own_mistake() -> None:
    with pytest.raises(AssertionError, match="equally many views"):
        average(lambda images: images, parts(torch.zeros(2, 4, 3))[:-1], 4)


def test_what_is_sure_of_the_mean_stays_whatever_the_roundings() -> None:
    """800 pairs of images of 3 views, answers near each other, each logit off by up to the tolerance."""
    generator, sure = torch.Generator().manual_seed(11), 0
    for _ in range(800):
        steps = torch.randint(-60, 61, (3, 2, 6), generator=generator) * TOLERANCE
        logits_VNK = torch.randn(3, 2, 1, generator=generator) + steps
        labels_N = torch.randint(0, 6, (2,), generator=generator)
        off = (2 * torch.rand(logits_VNK.shape, generator=generator) - 1).sign() * TOLERANCE
        other_VNK = logits_VNK + off * logits_VNK.abs().max()
        one, other = (average(lambda x: x, parts(each), 2) for each in (logits_VNK, other_VNK))
        if not is_unsure(other.logits_NK, labels_N, 2 * TOLERANCE * other.largest):
            sure += 1
            for each in (1, 5):
                places = [x.logits_NK.topk(each, dim=1).indices for x in (one, other)]
                found = [(p == labels_N[:, None]).any(1).tolist() for p in places]
                assert found[0] == found[1], "seed 11"
            assert one.logits_NK.argmax(1).tolist() == other.logits_NK.argmax(1).tolist(), "seed 11"
    assert 20 < sure < 780


@pytest.mark.parametrize(
    ("side", "stride", "sides", "resize", "shorter"),
    [
        (224, 32, (224, 256, 384, 480, 640), 256, 256),
        (224, 32, (224, 256, 384, 480, 640), 232, 232),
        (160, 32, (160, 192, 288, 352, 448), 183, 183),
        (32, 4, (32, 36, 56, 68, 92), 0, 36),
        (32, 4, (32, 36, 56, 68, 92), 32, 36),
        (28, 4, (28, 32, 48, 60, 80), 0, 32),
        (8, 4, (8, 12, 16, 24), 0, 10),
    ],
)
def test_sizes_are_the_papers_in_proportion(
    side: int, stride: int, sides: tuple[int, ...], resize: int, shorter: int
) -> None:
    network = {"side": side, "resize": resize, "stride": stride}
    whole, crops = (views_of(each, **network) for each in ("multiscale", "10crop"))
    assert whole is not None and crops is not None
    assert (whole.sides, whole.crop, whole.num_views) == (sides, 0, 2 * len(sides))
    assert (crops.sides, crops.crop, crops.num_views) == ((shorter,), side, 10)
    assert views_of("single", **network) is None
