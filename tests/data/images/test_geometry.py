import math
import random

import numpy as np
import pytest
from PIL import Image

from resnetlab.base.randomness import CROP_WINDOW, Draws
from resnetlab.data.images.geometry import (
    Window,
    centre_window,
    distorted_window,
    random_resized_window,
    resample,
    shorter_side_to,
    tf_bilinear,
    to_picture,
)
from tests.kit.restated_resizing import restated_tf_bilinear

RNG = np.random.default_rng(4)
AREA, ASPECT = (0.08, 1.0), (3 / 4, 4 / 3)


def draws(number):
    return Draws(5, CROP_WINDOW, 0, number)


@pytest.mark.parametrize(
    ("old", "new"), [((7, 5), (4, 9)), ((20, 31), (8, 8)), ((3, 3), (11, 2)), ((1, 6), (5, 3))]
)
def test_tensorflows_bilinear_is_its_loops_to_the_last_bit(old, new):
    pixels = RNG.integers(0, 256, (*old, 3)).astype(np.uint8)

    np.testing.assert_array_equal(restated_tf_bilinear(pixels, new), tf_bilinear(pixels, new))


def test_tensorflows_bilinear_averages_nothing_and_begins_at_the_corner():
    row = np.arange(0, 80, 10, dtype=np.uint8).reshape(1, 8, 1)

    assert resample(to_picture(row), (1, 4), "tf-bilinear")[0, :, 0].tolist() == [0, 20, 40, 60]
    assert resample(to_picture(row), (1, 16), "tf-bilinear")[0, :5, 0].tolist() == [0, 5, 10, 15, 20]
    assert resample(to_picture(row), (1, 4), "bilinear")[0, 1, 0] == 25  # Pillow's centres and averages


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", ["bilinear", "bicubic"])
def test_the_other_resamplings_are_pillows(kind, channels):
    pixels = RNG.integers(0, 256, (40, 30, channels)).astype(np.uint8)
    picture = Image.fromarray(pixels.squeeze())
    method = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}[kind]

    np.testing.assert_array_equal(
        np.asarray(picture.resize((12, 17), method)).reshape(17, 12, channels),
        resample(picture, (17, 12), kind),
    )
    np.testing.assert_array_equal(
        np.asarray(picture.resize((8, 8), method, box=(2.5, 1.25, 20, 30))).reshape(8, 8, channels),
        resample(picture, (8, 8), kind, box=(1.25, 2.5, 30, 20)),
    )


def test_the_shorter_side_and_the_centre_are_torchvisions():
    sizes = {
        (375, 500): (256, 341),
        (300, 350): (256, 298),
        (500, 375): (341, 256),
        (300, 300): (256, 256),
        (1, 3): (256, 768),
    }
    assert {size: shorter_side_to(size, 256, "bilinear") for size in sizes} == sizes
    # torchvision: int(round((341 - 224) / 2.0)), which rounds 58.5 to even
    assert centre_window((256, 341), 224, "bilinear") == Window(16, 58, 224, 224)
    assert centre_window((256, 343), 224, "bilinear") == Window(16, 60, 224, 224)


def test_the_shorter_side_and_the_centre_are_tensorflows():
    assert shorter_side_to((375, 500), 256, "tf-bilinear") == (256, 341)
    assert centre_window((256, 343), 224, "tf-bilinear") == Window(16, 59, 224, 224)
    short = [side for side in range(200, 700) if shorter_side_to((side, side), 256, "tf-bilinear")[0] < 256]
    assert short  # 256 / side * side in float32 falls below 256, and the fraction is cut
    for side in short:
        assert int(np.float32(side) * (np.float32(256) / np.float32(side))) == 255


def restated_random_resized(height, width, rng):
    """torchvision.transforms.RandomResizedCrop.get_params, with Python's random numbers."""
    for _ in range(10):
        target = height * width * rng.uniform(*AREA)
        ratio = math.exp(rng.uniform(math.log(ASPECT[0]), math.log(ASPECT[1])))
        w, h = round(math.sqrt(target * ratio)), round(math.sqrt(target / ratio))
        if 0 < w <= width and 0 < h <= height:
            return rng.randint(0, height - h), rng.randint(0, width - w), h, w
    return None


def distance(first, second):
    """Kolmogorov and Smirnov's: the largest difference of two samples' distributions."""
    both = np.sort(np.concatenate([first, second]))
    shares = [np.searchsorted(np.sort(each), both, side="right") / len(each) for each in (first, second)]
    return np.abs(shares[0] - shares[1]).max()


def assert_alike(windows, others, height, width):
    bound = 2.2 * math.sqrt(2 / len(windows))  # one in 8,000 of equal distributions is farther
    ours, theirs = np.array(windows, float), np.array(others, float)
    for name, measure in {
        "area": lambda w: w[:, 2] * w[:, 3],
        "aspect": lambda w: w[:, 3] / w[:, 2],
        "top": lambda w: w[:, 0] / np.maximum(height - w[:, 2], 1),
        "left": lambda w: w[:, 1] / np.maximum(width - w[:, 3], 1),
    }.items():
        assert distance(measure(ours), measure(theirs)) < bound, name


@pytest.mark.parametrize("size", [(375, 500), (500, 333)])
def test_random_resized_windows_are_distributed_as_torchvisions(size):
    rng = random.Random(1)
    ours = [random_resized_window(size, draws(n), area=AREA, aspect=ASPECT) for n in range(3000)]
    theirs = [restated_random_resized(*size, rng) for _ in range(3000)]

    assert_alike(ours, [each for each in theirs if each], *size)
    for top, left, height, width in ours:
        assert 0 <= top <= size[0] - height
        assert 0 <= left <= size[1] - width


@pytest.mark.parametrize(
    ("size", "expected"), [((10, 1000), Window(0, 493, 10, 13)), ((1000, 10), Window(493, 0, 13, 10))]
)
def test_a_picture_that_no_window_fits_gives_its_middle(size, expected):
    assert random_resized_window(size, draws(0), area=(0.9, 1.0), aspect=ASPECT) == expected


def restated_distorted(height, width, boxes, rng):
    """sample_distorted_bounding_box_op.cc, with Python's random numbers."""
    rint = round
    for _ in range(100):
        ratio = rng.uniform(0.75, 1.33)
        least, most = 0.05 * width * height, 1.0 * width * height
        h, top_h = rint(math.sqrt(least / ratio)), rint(math.sqrt(most / ratio))
        if rint(top_h * ratio) > width:
            top_h = int((width + 0.5 - 1e-7) / ratio)
            if rint(top_h * ratio) > width:
                top_h -= 1
        top_h = min(top_h, height)
        h = min(h, top_h)
        if h < top_h:
            h += rng.randrange(top_h - h + 1)
        w = rint(h * ratio)
        if w * h < least:
            h += 1
            w = rint(h * ratio)
        if w * h > most:
            h -= 1
            w = rint(h * ratio)
        if not (least <= w * h <= most and 0 < w <= width and 0 < h <= height):
            continue
        y = rng.randrange(height - h) if h < height else 0
        x = rng.randrange(width - w) if w < width else 0
        if any(covers((y, x, h, w), box, height, width) for box in boxes or [(0, 0, 1, 1)]):
            return y, x, h, w
    return 0, 0, height, width


def covers(window, box, height, width):
    y, x, h, w = window
    top, left, bottom, right = (int(v * s) for v, s in zip(box, (height, width) * 2, strict=True))
    mask = np.zeros((height, width), bool)
    mask[top:bottom, left:right] = True
    return mask.sum() >= 1 and mask[y : y + h, x : x + w].sum() >= 0.1 * mask.sum()


@pytest.mark.parametrize("boxes", [(), ((0.1, 0.2, 0.3, 0.4),), ((0.8, 0.8, 1.0, 0.9), (0.0, 0.0, 0.2, 0.1))])
def test_distorted_windows_are_distributed_as_tensorflows_and_cover_an_object(boxes):
    size, rng = (120, 160), random.Random(2)
    ours = [
        distorted_window(size, boxes, draws(n), area=(0.05, 1.0), aspect=(0.75, 1.33)) for n in range(2000)
    ]
    theirs = [restated_distorted(*size, boxes, rng) for _ in range(2000)]

    assert_alike(ours, theirs, *size)
    assert all(any(covers(w, box, *size) for box in boxes or [(0, 0, 1, 1)]) for w in ours)


def test_a_box_without_an_area_leaves_the_whole_picture():
    window = distorted_window(
        (50, 40), ((0.5, 0.5, 0.5, 0.5),), draws(1), area=(0.05, 1.0), aspect=(0.75, 1.33)
    )

    assert window == Window(0, 0, 50, 40)
