"""Small pictures: what is on them can be read back."""

import io

import numpy as np
import pytest
from PIL import Image

from resnetlab.insights.pictures import Picture, filters_picture, over, pictured


def decoded(picture: Picture) -> np.ndarray:
    with Image.open(io.BytesIO(picture.content)) as image:
        assert image.format == {".png": "PNG", ".jpg": "JPEG"}[picture.suffix]
        return np.asarray(image)


def test_heat_has_the_colours_of_inferno() -> None:
    matplotlib = pytest.importorskip("matplotlib")
    heat = np.linspace(0, 1, 511)[None]
    theirs = matplotlib.colormaps["inferno"](np.linspace(0, 1, 511))[None, :, :3] * 255

    found = over(np.zeros((1, 511, 3), np.uint8), heat, 1.0)

    shown = found / np.maximum(heat, 1e-9)[..., None]  # the picture below is black: colour times heat
    assert np.abs(shown - theirs)[:, 255:].max() < 5
    assert not over(np.zeros((1, 1, 3), np.uint8), np.zeros((1, 1)), 1.0).any()


@pytest.mark.parametrize(("height", "width", "channels"), [(8, 8, 1), (32, 32, 3), (20, 64, 3)])
def test_tiny_images_keep_every_pixel(height: int, width: int, channels: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, channels), np.uint8)

    found = decoded(pictured(pixels))

    times = found.shape[1] // width
    assert found.shape[:2] == (height * times, width * times)
    assert 96 <= max(found.shape[:2]) <= 160
    small = found[::times, ::times]
    assert np.array_equal(small if channels == 3 else small[..., None], pixels)


@pytest.mark.parametrize(
    ("size", "shown"), [((224, 224), (160, 160)), ((100, 80), (100, 80)), ((60, 480), (20, 160))]
)
def test_photographs_are_made_smaller_and_weigh_little(size: tuple[int, int], shown: tuple[int, int]) -> None:
    rows, columns = np.mgrid[0 : size[0], 0 : size[1]]
    pixels = np.stack([rows * 255 / size[0], columns * 255 / size[1], rows * 0], -1).astype(np.uint8)

    picture = pictured(pixels)

    found = decoded(picture)
    assert found.shape == (*shown, 3)
    assert len(picture.content) < 8000
    assert np.abs(found.mean((0, 1)) - pixels.mean((0, 1))).max() < 1
    assert np.abs(found[-1, -1].astype(int) - pixels[-1, -1]).max() < 20


def test_each_filter_is_on_its_own_range() -> None:
    weights = np.random.default_rng(0).normal(size=(10, 3, 3, 3)).astype(np.float32)
    weights[4] *= 1e-4
    weights[5] = 0.0

    picture = filters_picture(weights)

    assert picture is not None
    found = decoded(picture)
    tile = found[0:39:13, 4 * 43 : 4 * 43 + 39 : 13]  # the fifth of the first row of eight
    expected = (weights[4] - weights[4].min()) / (weights[4].max() - weights[4].min())
    assert np.array_equal(tile[..., 3], np.full((3, 3), 255))
    assert np.abs(tile[..., :3] / 255 - expected.transpose(1, 2, 0)).max() < 0.003
    assert (found[39:43, :, 3] == 0).all()
    assert found.shape == (2 * 39 + 4, 8 * 39 + 7 * 4, 4)


def test_filters_that_are_no_colours_are_not_shown() -> None:
    assert filters_picture(np.zeros((8, 5, 3, 3), np.float32)) is None
    assert filters_picture(np.ones((8, 1, 7, 7), np.float32)) is not None
