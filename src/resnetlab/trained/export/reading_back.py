"""A file for another program, read again as that program's: the proof that names and layouts are right."""

import tempfile
from pathlib import Path

from torch import Tensor

from resnetlab.base import files
from resnetlab.network.spec import ModelSpec
from resnetlab.weights import load_weights


def read_foreign(content: bytes, suffix: str, spec: ModelSpec) -> dict[str, Tensor]:
    """Return the tensors that `load_weights` finds in a file of another program, for the network there.

    Args:
        content: The file's.
        suffix: The file's.
        spec: The network as that program has it.

    Raises:
        CheckpointError: If they are not the network's.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"weights{suffix}"
        files.write_file(path, content)
        tensors, _ = load_weights(spec, path)
    return tensors
