"""Grad-CAM: the places of a picture that speak for a class.

Source: Selvaraju et al., 2017, arXiv:1610.02391, equations 1 and 2.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from resnetlab.base.lettering import in_a_line
from resnetlab.base.pages import cell
from resnetlab.data.images.geometry import Pixels
from resnetlab.data.images.thumbnail import thumbnail
from resnetlab.evaluation.metrics import answer_logits
from resnetlab.insights.pictures import over
from resnetlab.models import ResNet
from resnetlab.models.layers import at

Heat = npt.NDArray[np.float32]

_SIDE = 224  # pixels of a picture in a cell


@dataclass(frozen=True, eq=False, repr=False)
class Explanation:
    """How much each place of a picture speaks for a class. A notebook shows it beside the picture."""

    place: str
    """Which picture."""

    class_name: str
    probability: float

    pixels: Pixels
    """What the network saw, uint8 (H, W, C)."""

    map: Heat
    """At the last stage's size, (h, w), from 0 to 1; all 0 if nothing speaks for the class."""

    def heat(self) -> Heat:
        """Return the map at the picture's size, (H, W), bilinear."""
        return heat_of(self.map, *self.pixels.shape[:2])

    def overlay(self, *, strength: float = 0.5) -> Pixels:
        """Return the picture under the map's colours, uint8 (H, W, 3).

        Args:
            strength: Share of the colour where the map is 1; where it is 0 the picture stays.
        """
        return over(self.pixels, self.heat(), strength)

    def png(self, *, smallest: int = 224) -> bytes:
        """Return the overlay as a PNG, small pictures enlarged to `smallest` pixels."""
        pixels = self.overlay()
        times = max(1, -(-smallest // max(pixels.shape[:2])))
        stream = io.BytesIO()
        Image.fromarray(pixels.repeat(times, 0).repeat(times, 1)).save(stream, "PNG")
        return stream.getvalue()

    def __repr__(self) -> str:
        height, width = self.pixels.shape[:2]
        return (
            f"<Grad-CAM of {in_a_line(self.class_name)} ({100 * self.probability:.1f} %) in "
            f"{in_a_line(self.place)}, {width}x{height}>"
        )

    def _repr_html_(self) -> str:
        captions = {"what the network saw": self.pixels, "what speaks for the class": self.overlay()}
        parts = []
        for caption, pixels in captions.items():
            content, is_small = thumbnail(pixels, _SIDE)
            shown = cell.picture(content, f"{self.place}: {caption}", width=_SIDE, is_pixelated=is_small)
            parts.append(cell.captioned(shown, caption, width=_SIDE))
        nothing = (
            cell.paragraph("No place of the picture speaks for this class.") if not self.map.any() else ""
        )
        title = f"{self.class_name}: {100 * self.probability:.1f} %"
        return cell.cell(title, cell.beside(parts), nothing, about=f"Grad-CAM, {self.place}")


class Maps(NamedTuple):
    """What speaks for a class in each of N images."""

    maps: npt.NDArray[np.float32]
    """(N, h, w), each from 0 to 1."""
    classes: list[int]
    probabilities: list[float]


def class_maps(model: ResNet, input_NCHW: Tensor, classes_N: Sequence[int] | None = None) -> Maps:
    """Return the Grad-CAM of one class of each image, by default of the most probable one.

    The maps are the output of the last residual unit; the gradient is that of the class's logit.

    Args:
        model: In evaluation mode.
        input_NCHW: Float32, as the network takes them.
        classes_N: The numbers of the classes.
    """
    kept: list[Tensor] = []
    unit = at(model, model.unit_names[-1])
    handle = unit.register_forward_hook(lambda _, __, output: kept.append(output))
    try:
        with torch.enable_grad():
            # The input asks for a gradient so that the maps have one whatever is frozen.
            logits_NK = answer_logits(model(input_NCHW.detach().clone().requires_grad_()))
            chosen_N = logits_NK.argmax(1) if classes_N is None else logits_NK.new_tensor(classes_N).long()
            own_N = logits_NK.gather(1, chosen_N[:, None])[:, 0]
            (gradient_NCHW,) = torch.autograd.grad(own_N.sum(), kept[0])  # one image's is no other's
    finally:
        handle.remove()
    weights_NC11 = gradient_NCHW.mean((2, 3), keepdim=True)
    maps_NHW = (weights_NC11 * kept[0].detach()).sum(1).relu()
    largest_N11 = maps_NHW.amax((1, 2), keepdim=True)
    maps_NHW = torch.where(largest_N11 > 0, maps_NHW / largest_N11, maps_NHW)
    probabilities_N = logits_NK.detach().float().softmax(1).gather(1, chosen_N[:, None])[:, 0]
    return Maps(maps_NHW.float().cpu().numpy(), chosen_N.tolist(), probabilities_N.tolist())


def explain(
    model: ResNet, pixels: Pixels, input_1CHW: Tensor, names: Sequence[str], index: int | None, place: str
) -> Explanation:
    """Return the explanation of one class, the most probable if `index` is None; see `class_maps`."""
    found = class_maps(model, input_1CHW, None if index is None else [index])
    return Explanation(
        place=place,
        class_name=names[found.classes[0]],
        probability=found.probabilities[0],
        pixels=pixels,
        map=found.maps[0],
    )


def heat_of(map_HW: Heat, height: int, width: int) -> Heat:
    """Return a map at a picture's size, (height, width), bilinear."""
    picture = Image.fromarray(map_HW).resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(picture, np.float32).clip(0, 1)
