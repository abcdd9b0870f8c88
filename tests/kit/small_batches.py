"""Batches of 50 images of 8 pixels a side, which are held in memory."""

from typing import Any

import numpy as np

from resnetlab.base.units import Duration
from resnetlab.data.batches.batches import Batches
from resnetlab.data.batches.normalise import Normaliser
from resnetlab.data.sources.source import Split
from resnetlab.recipe import Augmentation, Normalisation
from resnetlab.recipe.timeline import Timeline

SIZE = 50
RNG = np.random.default_rng(7)
SPLIT = Split(RNG.integers(0, 256, (SIZE, 8, 8, 3)).astype(np.uint8), RNG.integers(0, 10, SIZE))
NORMALISER = Normaliser.fit(Normalisation(), SPLIT.images)
PLAIN = Augmentation(crop_padding=0, flip="none")


def make_batches(
    augmentation: Augmentation = PLAIN,
    *,
    batch: int = 16,
    length: str = "4ep",
    cycle_epochs: int = 0,
    **changes: Any,
) -> Batches:
    """Return batches of the 50 images, shuffled by the seed 3 and not augmented, with changes."""
    timeline = Timeline(
        num_samples=SIZE, batch=batch, length=Duration.parse(length), cycle_epochs=cycle_epochs
    )
    options: dict[str, Any] = {"seed": 3, "augmentation": augmentation, "normaliser": NORMALISER} | changes
    return Batches(SPLIT, timeline=timeline, **options)
