"""What a loader is asked for in tests: batches of images cut out and resized to 24 pixels."""

import numpy as np

from resnetlab.data.batches.loader import ForTraining, Images, Request
from resnetlab.data.batches.preparation import TrainingPreparation
from resnetlab.recipe import Preparation

CONFIG = Preparation(image_size=24, train_crop="random-resized")


SIDE = 24


def images(split, *, skips=False):
    return Images(split, ForTraining(TrainingPreparation(CONFIG, 0), (SIDE, SIDE)), skips, replaces=True)


def requests(count, size=4, total=11):
    return [
        Request(np.arange(n, n + size) % total, np.full(size, n), SIDE) for n in range(0, count * size, size)
    ]
