"""Which images a network is calibrated on, and which it is then compared on."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from resnetlab.base.randomness import CALIBRATION, key_for
from resnetlab.data.batches.preprocessing import Preprocessing
from resnetlab.data.feeding import Reading
from resnetlab.data.sources.choices import Choices
from resnetlab.data.sources.encoded import AnySplit
from resnetlab.errors import DataError, UsageError
from resnetlab.trained.matching import match_classes
from resnetlab.trained.scored_data import choose_split, fit_images, open_scored
from resnetlab.trained.scored_network import ScoredNetwork

IMAGES = 512
"""So many calibrate where nobody says how many: with 128 or 2,048, ResNet-20 on CIFAR-10 scores the same."""

COMPARED = 2_000
"""So many of the others, at most, tell what int8 costs."""

SEED = 0  # fixed: the same data calibrates the same file


class Batch(NamedTuple):
    """Images as the preprocessing leaves them, and what they show."""

    images_NCHW: Tensor
    labels_N: Tensor
    """The numbers of the network's classes."""


@dataclass(frozen=True)
class Calibration:
    """The images, in no order of theirs."""

    data: str
    """What they are of, for people."""

    fingerprint: str
    """Of that data."""

    split: str
    """The split that they are of, or all."""

    calibrating: AnySplit

    comparing: AnySplit
    """None of them is among those that calibrate."""

    has_labels: bool
    """Whether what they show is known, and among the network's classes."""

    origin: str
    """Where they lie."""

    notes: tuple[str, ...]


def choose_images(trained: ScoredNetwork, data: str | None, choices: Choices, count: int) -> Calibration:
    """Return the images of some data that calibrate, and others of it.

    They are of its training split, less the validation samples if the network was trained on it; of other
    data without one, of the split that `eval` would score.

    Args:
        trained: The network.
        data: Whatever `eval` takes; None is a run's own.
        choices: What the data leaves open.
        count: How many calibrate; half of them, if there are not twice as many.

    Raises:
        UsageError: If it is not known where the data lies, or `count` is below 1.
        DataError: If it is damaged, or has no two images, or none of a size that the network takes.
    """
    if count < 1:
        raise UsageError(f"{count} calibration images: at least one is needed")
    if data is None and trained.record is None:
        raise UsageError(
            f"{trained.place} does not know where its data lies, and int8 is calibrated on images",
            hint="Name such as it will see, best its training images: --calibrate DATA.",
        )
    opened = open_scored(trained, data, choices)
    source = opened.source
    chosen, label, _ = choose_split(trained, opened, "train" if "train" in source.parts else "auto")
    if len(chosen) < 2:
        raise DataError(
            f"{source.name} has {len(chosen)} {label} images: int8 is calibrated on some, compared on others"
        )
    order = np.argsort(key_for(SEED, CALIBRATION, np.arange(len(chosen))), kind="stable")
    taken = min(count, len(chosen) // 2)
    few = f"{source.name} has {len(chosen):,} images: {taken:,} of them calibrate, not {count:,}"
    try:
        match = match_classes(source.name, source.class_names, chosen.labels, trained.classifier.class_names)
        chosen, has_labels = replace(chosen, labels=match.logits[chosen.labels]), True
    except DataError:
        has_labels = False
    chosen, resized = fit_images(trained, chosen, source.name)
    return Calibration(
        data=source.name,
        fingerprint=source.fingerprint,
        split=label,
        calibrating=chosen.take(order[:taken]),
        comparing=chosen.take(order[taken : taken + COMPARED]),
        has_labels=has_labels,
        origin=source.origin,
        notes=(*opened.said, *(few,) * (taken < count), *resized),
    )


def read(
    trained: ScoredNetwork, images: AnySplit, preprocessing: Preprocessing, origin: str
) -> Iterator[Batch]:
    """Yield images as a preprocessing leaves them; a run's share of broken ones is passed over.

    Raises:
        DataError: If one cannot be read, or more are broken than may be.
    """
    reading = Reading(
        preprocessing=preprocessing,
        recipe=trained.recipe,
        device=torch.device("cpu"),
        size=trained.shape[:2],
        workers=0,
        origin=origin,
    )
    on = reading.evaluation_set("calibration", images)
    for batch in on.batches(range(on.num_batches)):
        if batch is not None:
            yield Batch(batch.images, batch.labels)
