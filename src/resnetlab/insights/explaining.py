"""Grad-CAM: the places of a picture that speak for a class.

Source: Selvaraju et al., 2017, arXiv:1610.02391, equations 1 and 2.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass

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
        height, width = self.pixels.shape[:2]
        picture = Image.fromarray(self.map).resize((width, height), Image.Resampling.BILINEAR)
        return np.asarray(picture, np.float32).clip(0, 1)

    def overlay(self, *, strength: float = 0.5) -> Pixels:
        """Return the picture under the map's colours, uint8 (H, W, 3).

        Args:
            strength: Share of the colour where the map is 1; where it is 0 the picture stays.
        """
        from matplotlib import colormaps

        heat = self.heat()
        colours = colormaps["inferno"](heat)[..., :3] * 255
        picture = np.broadcast_to(self.pixels, (*heat.shape, 3)).astype(np.float64)
        share = strength * heat[..., None]
        mixed: Pixels = np.rint(picture * (1 - share) + colours * share).astype(np.uint8)
        return mixed

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


def explain(
    model: ResNet, pixels: Pixels, input_1CHW: Tensor, names: Sequence[str], index: int | None, place: str
) -> Explanation:
    """Return the explanation of one class, the most probable if `index` is None.

    The maps are the output of the last residual unit; the gradient is that of the class's logit.
    """
    kept: list[Tensor] = []
    unit = at(model, model.unit_names[-1])
    handle = unit.register_forward_hook(lambda _, __, output: kept.append(output))
    try:
        with torch.enable_grad():
            # The input asks for a gradient so that the maps have one whatever is frozen.
            logits_K = answer_logits(model(input_1CHW.detach().clone().requires_grad_()))[0]
            chosen = int(logits_K.argmax()) if index is None else index
            (gradient,) = torch.autograd.grad(logits_K[chosen], kept[0])
    finally:
        handle.remove()
    weights_C11 = gradient[0].mean((1, 2), keepdim=True)
    map_HW = (weights_C11 * kept[0].detach()[0]).sum(0).relu()
    largest = map_HW.max()
    if largest > 0:
        map_HW = map_HW / largest
    return Explanation(
        place=place,
        class_name=names[chosen],
        probability=float(logits_K.detach().float().softmax(0)[chosen]),
        pixels=pixels,
        map=map_HW.float().cpu().numpy(),
    )
