"""The picture of training images is of what the network was shown first, scaled to be seen."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from resnetlab.runs.directory import RunDirectory, claim_new
from resnetlab.training.observer import Observer
from resnetlab.training.session import start
from resnetlab.training.telling.seen import grid_of
from tests.kit.interrupted_runs import StopAt, interrupt
from tests.kit.small_runs import two_stage_plan


def pixels_of(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)))


def restated(images: torch.Tensor, columns: int) -> np.ndarray:
    """The picture by NumPy, image by image."""
    count, _, height, width = images.shape
    page = np.zeros((-(-count // columns) * height, columns * width, 3), np.uint8)
    for number, image in enumerate(images.double().numpy().transpose(0, 2, 3, 1)):
        top, left = number // columns * height, number % columns * width
        scaled = (image - image.min()) / (image.max() - image.min()) * 255
        page[top : top + height, left : left + width] = np.round(scaled)
    return page


def test_each_image_is_scaled_to_its_own_range() -> None:
    images = torch.randn(11, 3, 6, 9) * torch.logspace(-3, 3, 11)[:, None, None, None]

    found = pixels_of(grid_of(images))

    assert found.shape == (3 * 6, 3 * 9, 3)  # three times three have room among eleven
    assert np.abs(found.astype(int) - restated(images[:9], 3)).max() <= 1  # float32 rounds otherwise
    assert found.min() == 0
    assert found.max() == 255


@pytest.mark.parametrize(("shape", "mode", "size"), [
    ((2, 1, 8, 8), "L", (8, 8)), ((4, 5, 8, 8), "L", (16, 16)), ((300, 3, 32, 32), "RGB", (256, 256)),
    ((64, 3, 224, 224), "RGB", (896, 896)), ((2, 3, 2000, 3000), "RGB", (3000, 2000)),
])  # fmt: skip
def test_there_are_as_many_as_have_room(shape: Any, mode: str, size: tuple[int, int]) -> None:
    picture = Image.open(io.BytesIO(grid_of(torch.rand(shape))))

    assert (picture.mode, picture.size) == (mode, size)


def test_what_is_constant_is_black() -> None:
    assert pixels_of(grid_of(torch.full((1, 3, 4, 4), 7.0))).max() == 0


def test_a_run_shows_the_first_batch_after_each_start(tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    observer = StopAt(2)
    with claim_new(tmp_path / "run"):
        trainer = start(two_stage_plan(), RunDirectory(tmp_path / "run"), observer)
        first = trainer.batches.at(0).images
        interrupt(trainer, observer)

    events = accumulator.EventAccumulator(str(tmp_path / "run/tensorboard"))
    events.Reload()
    (shown,) = events.Images("training_images")
    assert shown.step == 1
    assert np.array_equal(pixels_of(shown.encoded_image_string), pixels_of(grid_of(first)))
    assert trainer.telling.images is None


def test_of_image_files_nothing_is_read_again_to_be_shown(tmp_path: Path) -> None:
    from tests.kit.photographs import open_photographs, photograph_plan, write_photographs

    plan = photograph_plan(open_photographs(write_photographs(tmp_path / "data")), workers=0)
    with claim_new(tmp_path / "run"):
        trainer = start(plan, RunDirectory(tmp_path / "run"), Observer())
        assert trainer.telling.images is not None
        assert trainer.telling.images() is None  # nothing was asked for yet
        batch = trainer.batches.at(0)
        trainer.batches.at(1)
        shown = trainer.telling.images()
        trainer.close()

    assert shown is not None
    assert torch.equal(shown, batch.images[:16])
    assert trainer.telling.images() is None
