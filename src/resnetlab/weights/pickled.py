"""Torch's pickled weights, read by a process of its own that can do nothing but read tensors."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import safetensors.torch
from torch import Tensor

from resnetlab.errors import CheckpointError

TIMEOUT_SECONDS = 600
_CHILD = "resnetlab.weights.unpickle"


def read_pickled(path: Path) -> tuple[dict[str, Tensor], list[str]]:
    """Return the tensors of a .pth, .pt, .th or .bin file, and how they were wrapped.

    Raises:
        CheckpointError: If the file is damaged, or is not tensors alone. Nothing in it is run.
    """
    with tempfile.TemporaryDirectory(prefix="resnetlab-") as folder:
        target = Path(folder) / "weights.safetensors"
        command = [sys.executable, "-P", "-m", _CHILD, str(path.absolute()), str(target)]
        try:
            result = subprocess.run(
                command, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False
            )
            answer = json.loads(result.stdout)
        except subprocess.TimeoutExpired as error:
            raise CheckpointError(f"{path}: not read within {TIMEOUT_SECONDS} seconds") from error
        except ValueError as error:
            last = (result.stderr.strip().splitlines() or [f"exit code {result.returncode}"])[-1]
            raise CheckpointError(f"{path}: the process that read it died ({last})") from error
        if "problem" in answer:
            raise CheckpointError(f"{path}: {answer['problem']}", hint=answer["hint"])
        return safetensors.torch.load(target.read_bytes()), answer["notes"]
