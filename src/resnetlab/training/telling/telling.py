"""What a run notes beside its numbers, for TensorBoard and events.jsonl: nothing of it is computed with."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from resnetlab.runs.record import Record
from resnetlab.training.telling.seen import grid_of
from resnetlab.training.telling.speed import Speedometer

IMAGES = "training_images"


@dataclass
class Telling:
    """Notes how fast the run is, and once what the network was shown first."""

    record: Record
    speed: Speedometer
    images: Callable[[], Tensor | None] | None
    """Returns images of the first batch after this start, (N, C, H, W); it is asked once."""

    def progress(self, step: int, samples: int, seconds: float) -> None:
        """Take note that `step` updates are made, of so many images in so many seconds, over all starts."""
        self.speed.progress(step, samples, seconds)
        if self.images:
            images, self.images = self.images(), None
            if images is not None:
                self.record.add_picture(step, IMAGES, grid_of(images))
