"""Weight files of every kind as named tensors; the kind is told by the content, not the name."""

import json
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path

import safetensors
import safetensors.torch
from torch import Tensor

from resnetlab.errors import CheckpointError, UsageError
from resnetlab.weights.bundle import read_bundle
from resnetlab.weights.keras_file import read_keras
from resnetlab.weights.pickled import read_pickled

_INDEX = "model.safetensors.index.json"
_BUNDLE = re.compile(r"(.+?)(?:\.index|\.data-\d{5}-of-\d{5})")
_HINT = (
    "Read are .safetensors, torch's .pth .pt .th .bin, Keras' .h5 and .keras, and TensorFlow's"
    " checkpoints by their prefix (X of X.index)."
)


@dataclass(frozen=True)
class WeightFile:
    """What a file holds: its tensors by their own names, its kind in words, and remarks."""

    tensors: dict[str, Tensor]
    kind: str
    notes: tuple[str, ...] = ()


def read_tensors(path: Path | str) -> dict[str, Tensor]:
    """Return the tensors of a weight file, by the names and in the layout that it gives them.

    Raises:
        UsageError: If there is no such file, or an extra is missing that reads it.
        CheckpointError: If it is damaged, or no weight file. Nothing in it is run.
    """
    return read_weight_file(Path(path)).tensors


def read_weight_file(path: Path) -> WeightFile:
    """Return what `read_tensors` does, with the kind and remarks; see there."""
    try:
        path = path.expanduser()
    except RuntimeError as error:
        raise UsageError(f"{path}: {error}") from error
    if (prefix := _bundle_prefix(path)) is not None:
        return WeightFile(read_bundle(prefix), "TensorFlow checkpoint")
    if path.is_dir():
        return _read_folder(path)
    if not path.exists():
        raise UsageError(f"there is no file {path}", hint=_HINT)
    try:
        with path.open("rb") as stream:
            start = stream.read(512)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror})") from error
    if path.name == _INDEX:
        return _read_sharded(path)
    # Before the others: a header's length can begin with a pickle's first byte.
    if start[8:9] == b"{" and int.from_bytes(start[:8], "little") <= path.stat().st_size - 8:
        return WeightFile(_read_safetensors(path), "safetensors")
    if start.startswith(b"\x89HDF") or _is_keras(path, start):
        return WeightFile(read_keras(path), "Keras file")
    if start.startswith((b"PK\x03\x04", b"\x80")):
        tensors, notes = read_pickled(path)
        return WeightFile(tensors, "torch file", tuple(notes))
    if start[8:9] == b"{" or path.suffix == ".safetensors":
        return WeightFile(_read_safetensors(path), "safetensors")
    raise CheckpointError(f"{path}: {_looks(start)}, not a weight file", hint=_HINT)


def _bundle_prefix(path: Path) -> Path | None:
    """Return a TensorFlow checkpoint's prefix, if the path is one, or one of its files."""
    if match := _BUNDLE.fullmatch(path.name):
        return path.with_name(match[1])
    if path.is_dir() and (state := path / "checkpoint").is_file():  # TensorFlow's note of its latest
        for line in state.read_text(errors="replace").splitlines():
            if line.startswith("model_checkpoint_path:"):
                return path / Path(line.partition('"')[2].rpartition('"')[0]).name
    return path if not path.is_dir() and path.with_name(f"{path.name}.index").is_file() else None


def _is_keras(path: Path, start: bytes) -> bool:
    if not start.startswith(b"PK") or not zipfile.is_zipfile(path):
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            return "model.weights.h5" in archive.namelist()
    except Exception:  # a damaged directory; torch's reader says so
        return False


def _read_folder(path: Path) -> WeightFile:
    """Read a model folder in the form of the Hugging Face hub."""
    if (path / _INDEX).is_file():
        return _read_sharded(path / _INDEX)
    for name in ("model.safetensors", "pytorch_model.bin"):
        if (path / name).is_file():
            return read_weight_file(path / name)
    raise UsageError(f"{path} holds neither model.safetensors nor {_INDEX}", hint=_HINT)


def _read_sharded(index: Path) -> WeightFile:
    """Read the files that an index of tensors names; all lie beside it."""
    try:
        places = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        names = sorted({str(name) for name in places.values()})
    except (OSError, ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
        raise CheckpointError(f"{index}: not an index of weights ({error!r})") from error
    if strange := [name for name in names if Path(name).name != name]:
        raise CheckpointError(f"{index} names files elsewhere: {', '.join(strange)}")
    tensors: dict[str, Tensor] = {}
    for name in names:
        if not (index.parent / name).is_file():
            raise CheckpointError(
                f"{index} names {name}, which is not there", hint="Copy it beside the index."
            )
        tensors |= _read_safetensors(index.parent / name)
    if missing := sorted(set(places) - set(tensors)):
        raise CheckpointError(f"{index} names tensors that its files lack: {', '.join(missing[:5])}")
    return WeightFile(tensors, f"safetensors in {len(names)} files")


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return safetensors.torch.load_file(path)
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(
            f"{path}: not whole safetensors ({error})", hint="Copy or download it anew."
        ) from error


def _looks(start: bytes) -> str:
    """Return what the first bytes of a file look like, in words."""
    text = start.lstrip().lower()
    if not start:
        return "is empty"
    if text.startswith((b"<!doctype", b"<html", b"<?xml")):
        return "is a web page"
    if text.startswith(b"version https://git-lfs"):
        return "is a Git LFS pointer (git lfs pull fetches the file)"
    return f"starts with {start[:8]!r}"
