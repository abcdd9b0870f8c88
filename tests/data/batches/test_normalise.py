import json
import pickle

import numpy as np
import pytest
import torch

from resnetlab.data.batches.normalise import Normaliser, to_NCHW
from resnetlab.errors import DataError, UsageError
from resnetlab.recipe import Normalisation

KINDS = ("none", "per-pixel-mean", "per-image", "channel")
IMAGES = np.random.default_rng(2).integers(0, 256, (40, 6, 5, 3)).astype(np.uint8)


def reference(kind: str, pixel_range: int, train: np.ndarray, images: np.ndarray) -> np.ndarray:
    """Return the same in float64, image by image, as the papers write it."""
    scaled, train = images * (pixel_range / 255), train * (pixel_range / 255)
    result = []
    for image in scaled:
        if kind == "per-pixel-mean":
            image = image - train.mean(0)
        elif kind == "per-image":
            image = (image - image.mean()) / max(image.std(), 1 / np.sqrt(image.size))
        elif kind == "channel":
            image = (image - train.mean((0, 1, 2))) / train.std((0, 1, 2))
        result.append(image)
    return np.array(result)


@pytest.mark.parametrize("pixel_range", [1, 255])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_what_the_papers_write(kind, pixel_range):
    config = Normalisation(normalise=kind, pixel_range=pixel_range)

    actual = Normaliser.fit(config, IMAGES[:30])(torch.from_numpy(IMAGES))

    assert actual.dtype == torch.float32
    expected = reference(kind, pixel_range, IMAGES[:30], IMAGES)
    np.testing.assert_allclose(expected, actual.numpy(), rtol=1e-5, atol=1e-5)  # float32 here


def test_the_official_test_vector():
    """TensorFlow's official trainer: channels constant 0, 1, 2 become -1.225, 0, 1.225."""
    image = torch.arange(3, dtype=torch.uint8).expand(1, 32, 32, 3)

    actual = Normaliser("per-image", 255)(image)

    assert [round(value, 3) for value in actual[0, 7, 9].tolist()] == [-1.225, 0.0, 1.225]


@pytest.mark.parametrize(("pixel_range", "expected"), [(255, 0.0), (1, 0.0)])
def test_a_flat_image_becomes_zero_and_not_nan(pixel_range, expected):
    actual = Normaliser("per-image", pixel_range)(torch.full((1, 4, 4, 3), 200, dtype=torch.uint8))

    np.testing.assert_allclose(expected, actual.numpy(), atol=1e-6)


def test_the_deviation_of_a_nearly_flat_image_is_bounded():
    image = torch.zeros(1, 4, 4, 1, dtype=torch.uint8)
    image[0, 0, 0, 0] = 1  # std 0.242 is below 1 / sqrt(16)

    actual = Normaliser("per-image", 255)(image)

    assert actual[0, 0, 0, 0] == (1 - 1 / 16) / 0.25


@pytest.mark.parametrize("kind", KINDS)
def test_json_gives_back_the_same_numbers_to_the_last_bit(kind):
    fitted = Normaliser.fit(Normalisation(normalise=kind), IMAGES)

    again = Normaliser.from_json(json.loads(json.dumps(fitted.to_json())))

    assert again == fitted
    assert hash(again) == hash(fitted)
    images = torch.from_numpy(IMAGES)
    assert torch.equal(again(images), fitted(images))


@pytest.mark.parametrize("kind", KINDS)
def test_the_fit_does_not_depend_on_the_order_of_the_images(kind):
    config = Normalisation(normalise=kind)
    shuffled = IMAGES[np.random.default_rng(0).permutation(len(IMAGES))]

    assert Normaliser.fit(config, IMAGES) == Normaliser.fit(config, shuffled)


def test_channel_statistics_are_exact_over_chunks():
    images = np.random.default_rng(1).integers(0, 256, (17_000, 32, 32, 1)).astype(np.uint8)
    assert images.nbytes > 2**24

    fitted = Normaliser.fit(Normalisation(pixel_range=255), images)

    np.testing.assert_allclose(images.mean((0, 1, 2)), fitted.mean, rtol=1e-13)
    centred = images.reshape(-1, 1) - images.mean((0, 1, 2))
    np.testing.assert_allclose(np.sqrt((centred**2).mean(0)), fitted.std, rtol=1e-11)


def test_given_numbers_are_used_and_the_missing_ones_measured():
    given = Normalisation(pixel_range=255, channel_mean=(1.0, 2.0, 3.0))

    fitted = Normaliser.fit(given, IMAGES)

    assert fitted.mean.tolist() == [1.0, 2.0, 3.0]
    np.testing.assert_allclose(IMAGES.std((0, 1, 2)), fitted.std, rtol=1e-12)
    both = Normalisation(channel_mean=(0.1, 0.2, 0.3), channel_std=(0.5, 0.5, 0.5))
    actual = Normaliser.fit(both, IMAGES)(torch.full((1, 6, 5, 3), 51, dtype=torch.uint8))
    np.testing.assert_allclose((0.2, 0.0, -0.2), actual[0, 0, 0].numpy(), atol=1e-6)


def test_numbers_for_other_channels_are_refused():
    config = Normalisation(channel_mean=(0.5,), channel_std=(1.0, 1.0))

    with pytest.raises(
        UsageError, match=r"channel_mean has 1 and channel_std has 2 numbers, but .* 3 channels"
    ):
        Normaliser.fit(config, IMAGES)


def test_a_constant_channel_is_refused():
    images = IMAGES.copy()
    images[..., 1] = 9

    with pytest.raises(DataError, match="channel 1 is the same in every pixel"):
        Normaliser.fit(Normalisation(), images)


@pytest.mark.parametrize(("kind", "shape"), [("per-pixel-mean", (1, 5, 6, 3)), ("channel", (1, 6, 5, 1))])
def test_images_of_another_form_are_refused(kind, shape):
    fitted = Normaliser.fit(Normalisation(normalise=kind), IMAGES)

    with pytest.raises(DataError, match="do not fit a normalisation"):
        fitted(torch.zeros(shape, dtype=torch.uint8))


def test_the_input_is_left_as_it_was():
    images = torch.from_numpy(IMAGES.copy())
    for kind in KINDS:
        Normaliser.fit(Normalisation(normalise=kind), IMAGES)(images)

    np.testing.assert_array_equal(IMAGES, images.numpy())


def test_to_nchw_moves_the_axis_and_chooses_the_memory_format():
    images = torch.randn(2, 5, 6, 3)

    last, contiguous = (to_NCHW(images, channels_last=choice) for choice in (True, False))

    assert last.shape == (2, 3, 5, 6)
    assert torch.equal(last, contiguous)
    assert last.is_contiguous(memory_format=torch.channels_last)
    assert contiguous.is_contiguous()


def test_what_pickles_is_the_numbers_alone():
    """Every worker gets a copy; the constants are as large as an image, and may lie on a GPU."""
    fitted = Normaliser.fit(Normalisation(), IMAGES)
    before = len(pickle.dumps(fitted))
    images = torch.zeros((1, 224, 224, 3), dtype=torch.uint8)
    expected = fitted(images)

    content = pickle.dumps(fitted)

    assert len(content) == before
    assert torch.equal(pickle.loads(content)(images), expected)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (("foo", 1), "normalise='foo' is none of none, per-pixel-mean"),
        ((["channel"], 1), "normalise="),
        (("channel", 0), "pixel_range=0 is neither 1 nor 255"),
        (("channel", "1"), "pixel_range='1'"),
        (("channel", True), "pixel_range=True"),
        (("channel", 1, np.array(["a", "b", "c"])), "mean is .*no numbers of channels"),
        (("channel", 1, np.array([[0.5, 0.5]])), r"mean is float64 \(1, 2\)"),
        (("channel", 1, np.array([])), r"mean is float64 \(0,\)"),
        (("channel", 1, np.array([0.5, np.nan, 0.5])), "mean has infinite numbers or NaN"),
        (("channel", 1, np.array([0.5]), np.array([0.0])), "std has 0.0, which is not positive"),
        (("channel", 1, None, np.array([-1.0])), "std has -1.0"),
        (("per-image", 255, np.array([0.5])), "mean has no place in normalise=per-image"),
        (("foo", 0), "foo.*pixel_range"),
    ],
)
def test_a_normalisation_that_cannot_be_is_refused(values, message):
    with pytest.raises(UsageError, match=message):
        Normaliser(*values)
