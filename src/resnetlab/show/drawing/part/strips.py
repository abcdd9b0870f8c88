"""What flows, as a strip: as long as it has channels, as high as its maps."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from resnetlab.network.layers import Shape
from resnetlab.show.drawing.scene import Box
from resnetlab.show.drawing.theme import StageColors, Theme

LONGEST = 165.0
"""Px of the strip with the most channels."""
_HIGHEST, _LOWEST = 13.0, 2.5
_BAR = 2.5  # px of a channel from which on each has a bar of its own
_BETWEEN = 1.0


@dataclass(frozen=True, slots=True)
class Scale:
    """Px for a channel, and for a pixel of a map."""

    channel: float
    pixel: float

    @classmethod
    def of(cls, shapes: Iterable[Shape]) -> "Scale":
        """Return the scale in which all of these have room."""
        shapes = [*shapes]
        return cls(
            LONGEST / max(channels for channels, _, _ in shapes),
            _HIGHEST / max(height for _, height, _ in shapes),
        )


def draw_strip(
    shape: Shape, zeros: tuple[int, int], x: float, middle: float, scale: Scale, colors: StageColors,
    theme: Theme, about: str,
) -> Iterator[Box]:  # fmt: skip
    """Draw the strip from x on around the height `middle`; channels of zeros are hollow."""
    before, after = zeros
    channels, height = shape[0], max(_LOWEST, shape[1] * scale.pixel)
    parts = ((0, before, True), (before, channels - after, False), (channels - after, channels, True))
    for first, last, is_hollow in parts:
        many = last - first if scale.channel >= _BAR else min(1, last - first)
        step = (last - first) * scale.channel / max(many, 1)
        for index in range(many):
            yield Box(
                x=x + first * scale.channel + index * step, y=middle - height / 2,
                width=max(step - _BETWEEN, 1.0), height=height, about=about,
                fill=theme.paper if is_hollow else colors.stroke, stroke=colors.stroke, stroke_width=0.6,
            )  # fmt: skip
