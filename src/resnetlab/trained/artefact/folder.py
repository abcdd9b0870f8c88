"""The model folder: one directory that others can read, that loads in three lines, and that is checked.

FOLDER/  model.safetensors                           the state dict, and the description once more
         spec.json classes.json preprocessing.json   the description, for people and programs
         README.md                                   what it is and how to load it; may be edited
         MANIFEST.json                               sizes and SHA-256 of the others
"""

from collections.abc import Mapping
from pathlib import Path

import safetensors
import safetensors.torch
from torch import Tensor

from resnetlab.base import files
from resnetlab.base.plaindata import to_json_bytes
from resnetlab.base.reading.plain import open_plain, parse_json
from resnetlab.errors import CheckpointError
from resnetlab.runs.manifest import NAME, make_manifest, read_verified
from resnetlab.trained.artefact.card import card
from resnetlab.trained.artefact.model import Artefact, Description, from_texts
from resnetlab.trained.artefact.places import looking_at, refuse_taken

WEIGHTS = "model.safetensors"
_DESCRIPTIONS = ("spec.json", "classes.json", "preprocessing.json")
_LONGEST_HEADER = 100_000_000  # bytes; what the format allows


def to_safetensors(tensors: Mapping[str, Tensor], description: Description | None = None) -> bytes:
    """Return a safetensors file of the tensors, with the description in its header if one is given."""
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    metadata = {"format": "pt"} if description is None else description.to_texts()
    return safetensors.torch.save(plain, metadata=metadata)


def is_described(path: Path) -> bool:
    """Return whether the safetensors file has our description in its header."""
    try:
        with open_plain(path) as stream:
            length = int.from_bytes(stream.read(8), "little")
            start = stream.read(1)
            if start != b"{":
                return False
            header = parse_json(start + stream.read(min(length, _LONGEST_HEADER) - 1))
        return str(header["__metadata__"]["format"]).startswith("resnetlab-model-")
    except (OSError, ValueError, KeyError, TypeError):
        return False


def from_safetensors(content: bytes, place: str) -> Artefact:
    """Return what `to_safetensors` made of an artefact.

    Raises:
        UsageError: If the file is another program's.
        CheckpointError: If it is damaged.
    """
    try:
        length = int.from_bytes(content[:8], "little")
        header = parse_json(content[8 : 8 + length])
        tensors = safetensors.torch.load(content)
    except (safetensors.SafetensorError, ValueError, KeyError) as error:  # of a type that torch has not
        raise CheckpointError(f"{place}: not whole safetensors ({error})") from error
    description = from_texts(header.get("__metadata__") or {}, place)
    return Artefact(**vars(description), tensors=tensors)


def write_folder(artefact: Artefact, path: Path) -> None:
    """Write a model folder, whole or not at all.

    Raises:
        UsageError: If there is something at `path` already.
        WriteError: If it cannot be written.
    """
    commit_new(path, folder_contents(artefact, path.name))


def commit_new(path: Path, contents: Mapping[str, bytes]) -> None:
    """Write a new directory; an empty one is taken.

    Raises:
        UsageError: If there is something at `path` already.
    """
    refuse_taken(path)
    files.make_directory(path.absolute().parent)
    files.remove_leftovers(path.absolute().parent, of=path.name)
    files.commit_directory(path.absolute(), contents)


def folder_contents(artefact: Artefact, name: str) -> dict[str, bytes]:
    """Return the files of a model folder."""
    contents = {
        WEIGHTS: to_safetensors(artefact.tensors, artefact),
        "spec.json": to_json_bytes(artefact.spec.to_json()),
        "classes.json": to_json_bytes(list(artefact.class_names)),
        "preprocessing.json": to_json_bytes(artefact.preprocessing.to_json()),
    }
    manifest = make_manifest(
        contents, step=int(artefact.facts.get("step", 0)), identity=str(artefact.facts.get("identity", ""))
    )
    return {**contents, "README.md": card(artefact, name).encode(errors="surrogateescape"), NAME: manifest}


def is_folder(path: Path) -> bool:
    """Return whether the directory is a model folder.

    Raises:
        UsageError: If the path can be nobody's.
    """
    with looking_at(path):
        return (path / WEIGHTS).is_file() and (path / "spec.json").is_file()


def read_folder(path: Path) -> Artefact:
    """Return the artefact in a model folder, every byte of which was verified.

    Raises:
        CheckpointError: If it is not whole.
    """
    try:
        _, contents = read_verified(path)
    except CheckpointError as error:
        if error.hint or not any(f" {name} " in str(error.args[0]) for name in _DESCRIPTIONS):
            raise
        hint = (
            "These files only show what model.safetensors says, and are not edited: import the weights anew"
        )
        raise CheckpointError(
            error.args[0], hint=f"{hint} with what shall be otherwise (--classes, --mean, --std, --crop)."
        ) from error
    if WEIGHTS not in contents:
        raise CheckpointError(f"{path}: its manifest does not name {WEIGHTS}")
    return from_safetensors(contents[WEIGHTS], str(path))
