"""torch.export: the network as a program of torch that needs none of our code (.pt2)."""

import contextlib
import io
import warnings
from collections.abc import Iterator

import torch
from torch import nn

from resnetlab.trained.artefact.model import Artefact
from resnetlab.trained.export.comparing import Function, PixelsToProbabilities, example


def program_bytes(artefact: Artefact, *, takes_pixels: bool) -> bytes:
    """Return the .pt2 file, for any batch; the description lies in its extra files."""
    model: nn.Module = artefact.model()
    if takes_pixels:
        model = PixelsToProbabilities(model, artefact.preprocessing.normaliser)
    images = example(artefact, 2, takes_pixels=takes_pixels)
    stream = io.BytesIO()
    with _quiet(), torch.no_grad():
        if takes_pixels:
            model(images)  # the normaliser's constants are made before they are traced
        program = torch.export.export(model, (images,), dynamic_shapes=({0: torch.export.Dim("batch")},))
        torch.export.save(program, stream, extra_files=artefact.to_texts())
    return stream.getvalue()


def run_program(content: bytes) -> Function:
    """Return the function in a .pt2 file."""
    with _quiet():
        module: Function = torch.export.load(io.BytesIO(content)).module()
    return module


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
