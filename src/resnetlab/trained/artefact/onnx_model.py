"""An ONNX file that we exported, run by onnxruntime as if it were the network in torch."""

import importlib
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from resnetlab.base.paths import user_path
from resnetlab.data.batches.normalise import Normaliser
from resnetlab.data.batches.preprocessing import Preprocessing
from resnetlab.engines.kinds import onnxruntime_session
from resnetlab.errors import CheckpointError, UsageError
from resnetlab.trained.artefact.model import INT8, Description, from_texts
from resnetlab.trained.artefact.onnx_contents import read_onnx
from resnetlab.trained.artefact.places import looking_at

LOGITS, PROBABILITIES = "logits", "probabilities"
"""What the two kinds of our graphs give: of float images (N, C, H, W), or of uint8 (N, H, W, C)."""

_FOREIGN = (
    "ONNX files of others are not read. `resnetlab import` takes weights: a .pth, .safetensors, .h5 or a"
    " TensorFlow checkpoint."
)


def need(package: str, what: str) -> Any:
    """Import and return a package of the extra `export`.

    Raises:
        UsageError: If it is not installed.
    """
    if importlib.util.find_spec(package) is None:
        raise UsageError(
            f"{what} needs the package {package}, which is not installed",
            hint='Install it: pip install "resnetlab[export]".',
        )
    return importlib.import_module(package)


class OnnxModel(nn.Module):
    """The graph of an ONNX file in the place of a network in evaluation mode.

    Attributes:
        description: Classes, preprocessing, origin, from the file's metadata.
        takes_pixels: The graph begins with the normalisation; this module is then given the pixels
            as floats, as `preprocessing` leaves them, and gives logarithms of probabilities, which
            are logits.
    """

    def __init__(self, content: bytes, place: str) -> None:
        """Read an ONNX file.

        Raises:
            UsageError: If onnxruntime is not installed, or the file is another program's.
            CheckpointError: If it is damaged, or not the graph that its description says.
        """
        super().__init__()
        need("onnxruntime", f"reading {place}")
        try:
            self._session = onnxruntime_session(content)
            texts = self._session.get_modelmeta().custom_metadata_map
        except Exception as error:  # onnxruntime raises classes of its C++ side
            raise CheckpointError(f"{place}: not a whole ONNX file ({error})") from error
        self._place = place
        self.description: Description = from_texts(texts, place, otherwise=_FOREIGN)
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        kinds = {LOGITS: False, PROBABILITIES: True}
        shape, spec = self.description.image_shape, self.description.spec
        if len(inputs) != 1 or len(outputs) != 1 or outputs[0].name not in kinds:
            raise CheckpointError(f"{place}: its graph is not the one that its description says")
        self.takes_pixels = kinds[outputs[0].name]
        expected = list(shape) if self.takes_pixels else [shape[2], *shape[:2]]
        width = len(self.description.class_names) if self.takes_pixels else spec.classes
        if not _fits(inputs[0].shape[1:], expected) or outputs[0].shape[1:] != [width]:
            raise CheckpointError(
                f"{place}: the graph maps {inputs[0].shape[1:]} to {outputs[0].shape[1:]}, its description"
                f" says {expected} to [{width}]"
            )
        self._input = inputs[0].name

    @property
    def notes(self) -> tuple[str, ...]:
        """What its user should know of the file."""
        told = self.description.facts.get(INT8)
        return (
            ()
            if told is None
            else (f"int8, calibrated on {told.get('images')} images of {told.get('data')}",)
        )

    @property
    def preprocessing(self) -> Preprocessing:
        """What is done to images before they are given to this module."""
        own = self.description.preprocessing
        if not self.takes_pixels:
            return own
        return Preprocessing(Normaliser("none", 255), own.geometry, own.channels)

    def forward(self, images_NCHW: Tensor) -> Tensor:
        """Return the logits (N, K) of images (N, C, H, W), on their device."""
        result_NK = self.run(self.own_form(images_NCHW))
        if not self.takes_pixels:
            return result_NK
        return result_NK.clamp(min=torch.finfo(torch.float32).tiny).log()

    def own_form(self, images_NCHW: Tensor) -> Tensor:
        """Return images as `forward` takes them in the graph's own form."""
        images = images_NCHW.detach()
        return images.permute(0, 2, 3, 1).to(torch.uint8) if self.takes_pixels else images

    def run(self, images: Tensor) -> Tensor:
        """Return what the graph makes of images in its own form, see `LOGITS` and `PROBABILITIES`."""
        own = images.cpu() if self.takes_pixels else images.float().cpu()
        try:
            (result,) = self._session.run(None, {self._input: own.contiguous().numpy()})
        except Exception as error:  # of its C++ side
            raise CheckpointError(f"{self._place}: its graph cannot be computed ({error})") from error
        return torch.from_numpy(result).to(images.device)


def _fits(given: Sequence[int | str | None], expected: Sequence[int]) -> bool:
    """Return whether a graph's input is the expected one, or leaves its height and width open."""
    channels = {index for index, side in enumerate(expected) if side in (1, 3)}
    return len(given) == len(expected) and all(
        have == want or (isinstance(have, str) and index not in channels)
        for index, (have, want) in enumerate(zip(given, expected, strict=True))
    )


def load_onnx(path: Path | str) -> OnnxModel:
    """Return the network in an ONNX file that `resnetlab export` wrote.

    Raises:
        UsageError, CheckpointError: As OnnxModel does.
    """
    path = user_path(path)
    with looking_at(path):
        return OnnxModel(read_onnx(path), str(path))
