"""Torch's pickled weights, read by a process of its own that can do nothing but read tensors."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import safetensors.torch
from torch import Tensor

from resnetlab.base.reading.process import UnreadError, read_apart
from resnetlab.errors import CheckpointError
from resnetlab.weights.facts.normalisers import OwnImages

_CHILD = "resnetlab.weights.files.unpickle"


@dataclass(frozen=True)
class Pickled:
    """What the reading process made of a file."""

    tensors: dict[str, Tensor]
    """In the file's order."""
    notes: tuple[str, ...]
    """How they were wrapped, and what was left out."""
    kind: str
    """Of the file, in words."""
    told: Mapping[str, str]
    """The texts and numbers that stand beside the weights."""
    knobs: Mapping[str, object]
    """What a whole module or a configuration says of its network beyond names and shapes."""
    otherwise: tuple[str, ...]
    """What a whole module has around its body, by which its answers are not our network's."""
    images: OwnImages | None = None
    """What a configuration says becomes of pixels before the first convolution."""
    class_names: tuple[tuple[str, ...], ...] = ()
    """Every list of names of classes in it."""


def read_pickled(path: Path, prefix: str = "") -> Pickled:
    """Return the tensors of a .pth, .pt, .th, .bin or .pkl file, and how they were wrapped.

    Args:
        path: The file.
        prefix: What the user wants before the tensors' names; see `wrapped.unwrap`.

    Raises:
        CheckpointError: If the file is damaged, holds no tensors, or asks for what no weights need.
            Nothing in it is run.
    """
    with tempfile.TemporaryDirectory(prefix="resnetlab-") as folder:
        target = Path(folder) / "weights.safetensors"
        try:
            answer = read_apart(_CHILD, path, str(target), prefix)
        except UnreadError as error:
            raise CheckpointError(f"{path}: {error}") from error
        if "problem" in answer:
            raise CheckpointError(f"{path}: {answer['problem']}", hint=answer["hint"])
        found = safetensors.torch.load(target.read_bytes())
        tensors = {name: found[name] for name in answer["order"]}
        return Pickled(
            tensors,
            tuple(answer["notes"]),
            answer["kind"],
            answer["told"],
            answer["knobs"],
            tuple(answer["otherwise"]),
            OwnImages.from_json(answer["images"]),
            tuple(map(tuple, answer["class_names"])),
        )
