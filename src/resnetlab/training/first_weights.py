"""The weights that a run begins with, if not the seed's: kept in the run, which needs no other file then."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor

from resnetlab.base import files
from resnetlab.base.reading.plain import read_plain
from resnetlab.data.batches.normalise import Normaliser
from resnetlab.errors import CheckpointError
from resnetlab.runs.directory import RunDirectory
from resnetlab.runs.records import RunRecords

_FILE = "initial.safetensors"


@dataclass(frozen=True, eq=False)
class Beginning:
    """Weights to begin with, on the CPU, and where they come from."""

    tensors: Mapping[str, Tensor]
    """The whole state dict of the network that is trained."""

    text: str
    """Where they come from and what of them is kept, in a line."""

    report: Mapping[str, Any]
    """What became of every tensor, as plain JSON data."""

    normaliser: Normaliser | None = None
    """What the images of the weights' training were normalised by; none: the recipe says it."""

    origin_sha256: str = ""
    """Of the trained weights, before the seed's took the place of what begins anew."""

    @property
    def sha256(self) -> str:
        """Of the file that keeps the tensors."""
        return hashlib.sha256(_content(self)).hexdigest()


def write_beginning(run: RunDirectory, beginning: Beginning | None) -> None:
    """Write initial.safetensors and weights.json into a run that is about to begin; remove others' ones."""
    if beginning is None:
        for name in (_FILE, "weights.json"):  # of a process that was killed while it began a run here
            if (run.path / name).exists():
                files.remove_file(run.path / name)
        return
    content = _content(beginning)
    files.write_file(run.path / _FILE, content)
    record = {
        "from": beginning.text,
        "sha256": hashlib.sha256(content).hexdigest(),
        "origin_sha256": beginning.origin_sha256,
        "report": dict(beginning.report),
    }
    run.write("weights", record)


def _content(beginning: Beginning) -> bytes:
    return safetensors.torch.save({name: t.contiguous() for name, t in beginning.tensors.items()})


def beginning_difference(run: RunRecords, beginning: Beginning | None) -> str:
    """Return in words that a run began with other weights than these, or nothing."""
    recorded = run.read("weights") if run.begins_trained else None
    digest = beginning.sha256 if beginning else None
    if digest == (recorded and recorded.get("sha256")):
        return ""
    then = f"with {recorded.get('from')}" if recorded else "with those of its seed"
    now = beginning.text if beginning else "those of the seed"
    return f"The weights to begin with are others: the run began {then}; asked for is {now}."


def read_beginning(run: RunDirectory) -> Beginning | None:
    """Return what `write_beginning` wrote, or None for a run that began with the seed's weights.

    Raises:
        CheckpointError: If it is damaged.
    """
    if not run.begins_trained:
        if run.read("data").get("begins_trained"):
            raise CheckpointError(f"{run.path} began with trained weights, and its weights.json is gone")
        return None
    recorded, path = run.read("weights"), run.path / _FILE
    try:
        content = read_plain(path)
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: cannot be read ({error})") from error
    if hashlib.sha256(content).hexdigest() != recorded.get("sha256"):
        raise CheckpointError(f"{path} is damaged: its SHA-256 is not the one in weights.json")
    text, report = recorded.get("from"), recorded.get("report")
    if not isinstance(text, str) or not isinstance(report, dict):
        raise CheckpointError(f"{run.path / 'weights.json'} is damaged: it does not say what the weights are")
    try:
        return Beginning(safetensors.torch.load(content), text, report)
    except (KeyError, safetensors.SafetensorError, ValueError) as error:
        raise CheckpointError(f"{path}: cannot be read ({error!r})") from error
