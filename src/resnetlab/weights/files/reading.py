"""Weight files of every kind as named tensors; the kind is told by the content, not the name."""

import contextlib
import hashlib
import os
import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.torch
import torch
from torch import Tensor

from resnetlab.base.paths import refuse_endless, user_path
from resnetlab.base.reading.plain import open_plain, parse_foreign_json, read_json, read_text, refuse_more
from resnetlab.base.units import first_of
from resnetlab.errors import CheckpointError, UsageError
from resnetlab.weights.facts.normalisers import OwnImages
from resnetlab.weights.files.checkpoint_facts import class_names, plain_facts
from resnetlab.weights.files.keras_config import heed_configuration
from resnetlab.weights.files.keras_file import read_keras
from resnetlab.weights.files.pickled import read_pickled
from resnetlab.weights.files.tensorflow.archive import is_archive, unpacked
from resnetlab.weights.files.tensorflow.bundle import is_first_format, read_bundle

_SUFFIXES = (".safetensors", ".pth", ".pt", ".th", ".bin", ".ckpt", ".pth.tar", ".h5", ".keras", ".npz")
_INDEX = ".index.json"
"""What the name ends in of a list of tensors with the files, its shards, that hold them."""
_WHOLE = ("model.safetensors", "pytorch_model.bin")
_SHARD = re.compile(r".+-(\d{5})-of-(\d{5})\.\w+")
_BUNDLE = re.compile(r"(.+?)(?:\.index|\.data-\d{5}-of-\d{5})")
_MOST_NOTE = 2**20
_LONGEST_NAME = 255
"""Bytes of a file's name, as file systems have it."""
_HINT = (
    "Read are .safetensors, torch's .pth .pt .th .bin, pickled and .npz arrays, Keras' .h5 and .keras, and"
    " TensorFlow's checkpoints by their prefix (X of X.index), also in a .tar.gz."
)


@dataclass(frozen=True)
class WeightFile:
    """What a file holds: its tensors by their own names, its kind in words, and remarks."""

    tensors: dict[str, Tensor]
    kind: str
    notes: tuple[str, ...] = ()
    told: Mapping[str, str] = field(default_factory=dict)
    """What a checkpoint says of its network beside its tensors: arch, ..."""
    knobs: Mapping[str, object] = field(default_factory=dict)
    """What a whole module or a configuration says of its network, and names and shapes do not."""
    otherwise: tuple[str, ...] = ()
    """What it says of itself that no network of ours computes, in words."""
    images: OwnImages | None = None
    """What becomes of pixels before the first convolution, if layers or a configuration say it."""
    class_names: tuple[tuple[str, ...], ...] = ()
    """Every list of names of classes that a checkpoint has beside its weights."""
    described: Mapping[str, Any] = field(default_factory=dict)
    """What an export of ours for others says of itself: class_names, preprocessing."""


def read_weight_file(path: Path, prefix: str = "") -> WeightFile:
    """Return the tensors of a weight file, by the names and in the layout that it gives them.

    Args:
        path: The file.
        prefix: What is wanted of a checkpoint that holds several networks; see `wrapped.unwrap`.

    Raises:
        UsageError: If there is no such file, or an extra is missing that reads it.
        CheckpointError: If it is damaged, or no weight file. Nothing in it is run.
    """
    path = user_path(path)
    if (bundle := _bundle_prefix(path)) is not None:
        return WeightFile(read_bundle(bundle), "TensorFlow checkpoint")
    if path.is_dir():
        return _read_folder(path, prefix)
    if not path.exists():
        raise UsageError(f"there is no file {path}", hint=_HINT)
    refuse_endless(path, UsageError)
    try:
        with open_plain(path) as stream:
            start = stream.read(512)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise CheckpointError(f"{path}: cannot be read: {error}") from error
    if path.name.endswith(_INDEX):
        return _read_sharded(path, prefix)
    # Before the others: a header's length can begin with a pickle's first byte.
    if start[8:9] == b"{" and int.from_bytes(start[:8], "little") <= path.stat().st_size - 8:
        return _read_described_safetensors(path)
    if start.startswith(b"\x89HDF") or _is_keras(path, start):
        keras = read_keras(path)
        images, otherwise = heed_configuration(keras.configuration, keras.tensors)
        return WeightFile(
            keras.tensors, "Keras file", otherwise=otherwise, images=images, described=keras.described
        )
    if start.startswith(b"PK"):
        kind, names = _of_archive(path)
        if kind == "npz":
            return _read_npz(path)
        if kind:
            raise CheckpointError(f"{path}: {kind}", hint=archive_hint(kind, names))
    if start.startswith((b"PK", *_PICKLES)):
        found = read_pickled(path, prefix)
        return WeightFile(
            found.tensors,
            found.kind,
            found.notes,
            found.told,
            found.knobs,
            otherwise=found.otherwise,
            images=found.images,
            class_names=found.class_names,
        )
    if start[8:9] == b"{" or path.suffix == ".safetensors":
        return _read_described_safetensors(path)
    if is_archive(path, start):
        return _read_archive(path, prefix)
    raise _no_weights(start, path)


def _read_archive(path: Path, prefix: str) -> WeightFile:
    """Read the checkpoint or the file in a tar archive, and say its hash, which publishers often do not."""
    with unpacked(path, _SUFFIXES) as taken:
        if taken.path.is_file() and is_archive(taken.path, taken.path.open("rb").read(512)):
            raise CheckpointError(f"{path}: its {taken.name} is an archive again", hint="Unpack it.")
        file = read_weight_file(taken.path, prefix)
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    note = f"taken is {taken.name} of the archive, whose SHA-256 is {digest}"
    return replace(file, notes=(note, *file.notes))


def _no_weights(start: bytes, path: Path) -> CheckpointError:
    if is_first_format(path):
        return CheckpointError(
            f"{path}: is a checkpoint of TensorFlow's first format, one file without an .index beside it",
            hint="Write it anew in TensorFlow: r = tf.train.load_checkpoint(FILE); numpy.savez('NEW.npz',"
            " **{name: r.get_tensor(name) for name in r.get_variable_to_shape_map()}).",
        )
    looks, hint = _looks(start, path)
    return CheckpointError(f"{path}: {looks}, not a weight file", hint=hint or _HINT)


def _bundle_prefix(path: Path) -> Path | None:
    """Return a TensorFlow checkpoint's prefix, if the path is one, or one of its files."""
    if match := _BUNDLE.fullmatch(path.name):
        return path.with_name(match[1])
    if path.is_dir() and (state := path / "checkpoint").is_file():  # TensorFlow's note of its latest
        with contextlib.suppress(OSError, ValueError):
            for line in read_text(state, most=_MOST_NOTE, errors="replace").splitlines():
                if line.startswith("model_checkpoint_path:"):
                    return path / Path(line.partition('"')[2].rpartition('"')[0]).name
    saved = path.parent if path.name in ("saved_model.pb", "keras_metadata.pb") else path
    if (saved / "variables" / "variables.index").is_file():  # a SavedModel
        return saved / "variables" / "variables"
    return path if not path.is_dir() and path.with_name(f"{path.name}.index").is_file() else None


def _is_keras(path: Path, start: bytes) -> bool:
    if not start.startswith(b"PK") or not zipfile.is_zipfile(path):
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            return "model.weights.h5" in archive.namelist()
    except Exception:  # a damaged directory; torch's reader says so
        return False


def is_folder_of_weights(path: Path) -> bool:
    """Return whether a folder holds weights in a form that is read by the folder's name."""
    if (path / "checkpoint").is_file() or _bundle_prefix(path) is not None:
        return True
    return any(each.name.endswith((*_SUFFIXES, _INDEX)) for each in path.iterdir() if each.is_file())


def _read_folder(path: Path, prefix: str) -> WeightFile:
    """Read a model folder in the form of the Hugging Face hub."""
    for name in _WHOLE:
        for each in (path / f"{name}{_INDEX}", path / name):
            if each.is_file():
                return read_weight_file(each, prefix)
    indices = sorted(each.name for each in path.iterdir() if each.name.endswith(_INDEX))
    found = sorted(each.name for each in path.iterdir() if each.name.endswith(_SUFFIXES))
    whole = [*indices, *(name for name in found if not indices or not _SHARD.fullmatch(name))]
    if len(whole) == 1:
        file = read_weight_file(path / whole[0], prefix)
        return replace(file, notes=(*file.notes, f"taken is the folder's only file of weights, {whole[0]}"))
    if found:
        raise UsageError(
            f"{path} holds several files of weights: {first_of(found)}", hint="Give one of them."
        )
    raise UsageError(f"{path} holds no model.safetensors, and no other file of weights", hint=_HINT)


def _is_plain_name(name: str) -> bool:
    """Return whether a file beside another one can be called so."""
    try:
        return Path(name).name == name and len(os.fsencode(name)) <= _LONGEST_NAME
    except ValueError:  # halves of letters
        return False


def _read_sharded(index: Path, prefix: str) -> WeightFile:
    """Read the files that an index of tensors names, as transformers writes it; all lie beside it."""
    try:
        places = read_json(index, is_ours=False)["weight_map"]
        names = sorted({str(name) for name in places.values()})
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise CheckpointError(f"{index}: not an index of weights ({error!r})") from error
    if strange := [name for name in names if not _is_plain_name(name) or name.endswith(_INDEX)]:
        raise CheckpointError(f"{index} names files elsewhere: {', '.join(strange)}")
    if absent := [name for name in names if not (index.parent / name).is_file()]:
        are = "which is not there" if len(absent) == 1 else "which are not there"
        raise CheckpointError(f"{index} names {', '.join(absent)}, {are}", hint="Copy them beside the index.")
    files = [read_weight_file(index.parent / name, prefix) for name in names]
    tensors: dict[str, Tensor] = {}
    for name, file in zip(names, files, strict=True):
        if twice := sorted(set(tensors) & set(file.tensors)):
            raise CheckpointError(f"{index.parent / name} holds {first_of(twice)} once more")
        tensors |= file.tensors
    if missing := sorted(set(places) - set(tensors)):
        raise CheckpointError(f"{index} names tensors that its files lack: {first_of(missing)}")
    kinds = ", ".join(dict.fromkeys(file.kind for file in files))
    notes = tuple(dict.fromkeys(note for file in files for note in file.notes))
    told = {key: text for file in reversed(files) for key, text in file.told.items()}
    return WeightFile(tensors, f"{kinds} in {len(names)} files", notes, told)


def shard_hint(path: Path) -> str:
    """Return what to give instead of a file that is one of several by its name; "" if it is none."""
    match = _SHARD.fullmatch(path.name)
    return f"It is file {int(match[1])} of {int(match[2])}: give the folder, or its index." if match else ""


def _read_described_safetensors(path: Path) -> WeightFile:
    """Read safetensors with the texts in their header: what they say of their network and its classes."""
    tensors = _read_safetensors(path)
    with safetensors.safe_open(path, "pt") as file:
        texts = dict(file.metadata() or {})
    parsed: dict[str, object] = {}
    for key, text in texts.items():
        with contextlib.suppress(ValueError):
            parsed[key] = parse_foreign_json(text)
    names = tuple(map(tuple, class_names(parsed)))
    return WeightFile(tensors, "safetensors", told=plain_facts(texts | parsed), class_names=names)


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return safetensors.torch.load_file(path)
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(
            f"{path}: not whole safetensors ({error})", hint="Copy or download it anew."
        ) from error


# Pickles as they begin: of protocol 2 and later, and of Python 2's.
_PICKLES = (b"\x80", b"}q", b"(dp", b"(lp", b"ccollections\n", b"ccopy_reg\n")


def _of_archive(path: Path) -> tuple[str, list[str]]:
    """Return what a zip archive is, if it is no file of torch's weights, and its files.

    A damaged one is left to torch's reader.
    """
    if not zipfile.is_zipfile(path):
        return "", []
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except Exception:  # a damaged directory; torch's reader says so
        return "", []
    if any(name.endswith("/data.pkl") for name in names):
        return "", names
    if names and all(name.endswith(".npy") for name in names):
        return "npz", names
    if any(name.endswith(("models/model.json", "serialized_exported_program.json")) for name in names):
        return "is a program of torch.export, a finished graph", names
    return f"is a zip archive of {first_of(names, 3)}", names


def archive_hint(kind: str, names: Sequence[str]) -> str:
    """Return what to do with an archive that holds no weights as they are read."""
    if "torch.export" in kind:
        return "Its weights are had by torch.save(torch.export.load(FILE).state_dict, NEW)."
    return f"Unpack it and give the file of weights in it{f', as {names[0]}' if len(names) == 1 else ''}."


def _read_npz(path: Path) -> WeightFile:
    """Read NumPy's archive of arrays."""
    try:
        with zipfile.ZipFile(path) as archive:
            refuse_more(sum(each.file_size for each in archive.infolist()), path.stat().st_size, "its arrays")
        with np.load(path, allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in arrays.files}
        tensors = {
            name: torch.from_numpy(array) for name, array in found.items() if array.dtype.kind in "fiub"
        }
    except Exception as error:  # whatever a damaged file makes of NumPy and zipfile
        raise CheckpointError(
            f"{path}: cannot be read ({error})", hint="It holds arrays of numbers alone."
        ) from error
    if not tensors:
        raise CheckpointError(f"{path}: holds no arrays of numbers", hint=_HINT)
    return WeightFile(tensors, "NumPy archive")


_ARCHIVES = (
    (b"\x1f\x8b", "a gzip archive", "tar xzf FILE, or gunzip"),
    (b"BZh", "a bzip2 archive", "tar xjf FILE, or bunzip2"),
    (b"\xfd7zXZ\x00", "an xz archive", "tar xJf FILE, or unxz"),
    (b"\x28\xb5\x2f\xfd", "a zstandard archive", "unzstd FILE"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "7z x FILE"),
    (b"Rar!", "a RAR archive", "unrar x FILE"),
)


def _looks(start: bytes, path: Path) -> tuple[str, str]:
    """Return what a file looks like, in words, and what to do with such a one."""
    text = start.lstrip().lower()
    if not start:
        return "is empty", "Its download or copy did not come through: get it anew."
    if text.startswith((b"<!doctype", b"<html", b"<?xml", b"<head", b"<body", b"<!--")):
        return (
            "is a web page",
            "Its address gives a page and no file: an error, a login or a question. Open it in a browser.",
        )
    if text.startswith(b"version https://git-lfs"):
        return "is a Git LFS pointer (git lfs pull fetches the file)", "The pointer stands for the file."
    for magic, words, how in _ARCHIVES:
        if start.startswith(magic):
            return f"is {words}", f"Unpack it ({how}) and give the file of weights in it."
    if start[257:262] == b"ustar":
        return "is a tar archive", "Unpack it (tar xf FILE) and give the file of weights in it."
    if text.startswith((b"{", b"[")):
        return "is text, as JSON", ""
    if path.suffix == ".onnx" or b"pytorch" in start[:64] or start.startswith(b"\x08"):
        return (
            "looks like an ONNX graph",
            "Weights are read from the file that it was exported from; predict and eval take an ONNX file of"
            " ours whose name ends in .onnx.",
        )
    if start.isascii() and b"\x00" not in start:
        return f"is text ({start[:20].decode('ascii', 'replace').strip()!r}...)", ""
    return f"starts with {start[:8]!r}", ""
