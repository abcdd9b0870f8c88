"""What a loader is asked for in tests: batches of images cut out and resized to 24 pixels."""

import numpy as np

from resnetlab.data.batches.loader import ForTraining, Images, Request
from resnetlab.data.batches.preparation import TrainingPreparation
from resnetlab.data.sources.encoded import EncodedSplit
from resnetlab.recipe import Preparation

CONFIG = Preparation(image_size=24, train_crop="random-resized")
SIDE = 24


def images(split: EncodedSplit, *, skips: bool = False) -> Images:
    """Return the images of a split, cut out as in training; broken ones may be replaced."""
    return Images(split, ForTraining(TrainingPreparation(CONFIG, 0), (SIDE, SIDE)), skips, replaces=True)


def requests(count: int, size: int = 4, total: int = 11) -> list[Request]:
    """Ask for so many batches of the samples 0 to `total`, in turn."""
    return [
        Request(np.arange(n, n + size) % total, np.full(size, n), SIDE) for n in range(0, count * size, size)
    ]
