"""Collections of images as arrays: NumPy's .npz and .npy, MNIST's idx, SVHN's .mat and STL-10's .bin."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from resnetlab.base.reading.plain import read_text
from resnetlab.base.units import first_of
from resnetlab.data.archives.array_files import Array, read_idx, read_mat, read_npz, read_stl
from resnetlab.data.sources.choices import FLAG, LEFT_OPEN, Choices
from resnetlab.data.sources.labelling import LABEL_TITLES, name_classes, number_classes, numbering_notes
from resnetlab.data.sources.named_splits import SPLIT_CHOICES, named_splits
from resnetlab.data.sources.parts import arrange, split_name
from resnetlab.data.sources.source import Source, Split
from resnetlab.errors import DataError, UsageError, nearest

CHOICES = ("image_column", "label_column", *SPLIT_CHOICES, "subset", "class_names")

IDX = re.compile(
    r"^(?P<set>.*?)(?P<part>train|t10k|test|valid(?:ation)?)[-_.](?P<kind>images|labels)[-_.]idx[13][-_.]ubyte(\.gz)?$"
)
_STL = re.compile(r"^(?P<part>train|test)_(?P<kind>X|y)\.bin$")
_LABEL_NAMES = LABEL_TITLES | {"y", "targets", "lbl", "labs"}
_EMNIST = "emnist"
_DEPTH = 3


class _Pair(NamedTuple):
    """The images and labels of one split, as they were stored."""

    images: Array
    labels: Array


def holds_arrays(path: Path) -> bool:
    """Return whether the folder has files of arrays in it, or in a folder or two below."""
    return any(is_array_file(file) for file in _files(path))


def open_arrays(path: Path, *, for_scoring: bool = False, choices: Choices = LEFT_OPEN) -> Source[Split]:
    """Open an .npz, a folder of .npy, of MNIST's idx files (also .gz), of SVHN's .mat, or of STL-10's .bin.

    Images are uint8 of shape (N, H, W) or (N, H, W, C); floats from 0 to 1 are multiplied by 255, channels
    that come first are moved to the end, which the notes say. The arrays of an .npz are images and labels
    of the split that their names speak of: x_train and y_train, test_images and test_labels.

    Args:
        path: The file or the folder.
        for_scoring: Whether it is to be scored: see `source_from_parts`.
        choices: See CHOICES.

    Raises:
        UsageError: If a choice is not there, or one of several must be chosen.
        DataError: If an array is damaged, or not what it should be.
    """
    path = Path(path)
    pairs, notes = _pairs(path, choices)
    return source_of_arrays(path, pairs, notes, for_scoring=for_scoring, choices=choices)


def source_of_arrays(
    path: Path,
    pairs: Mapping[str, tuple[Array, Array]],
    notes: Sequence[str] = (),
    *,
    for_scoring: bool = False,
    choices: Choices = LEFT_OPEN,
) -> Source[Split]:
    """Return the source whose images and labels these are, by the data's own names of its splits.

    Args:
        path: Where they were read from.
        pairs: Images and labels as `open_arrays` takes them; under an empty name if there are no splits.
        notes: What is unusual about them.
        for_scoring: See `source_from_parts`.
        choices: What is chosen of the splits and the classes' names.

    Raises:
        DataError: If an array is not what it should be.
    """
    notes = [*notes]
    splits = named_splits(str(path), [*pairs], choices) if [*pairs] != [""] else None
    parts_by_name: Mapping[str, str] = splits.parts if splits else {"": "train"}
    notes += splits.notes if splits else []
    written: dict[str, list[str]] = {}
    images: dict[str, npt.NDArray[np.uint8]] = {}
    for name in parts_by_name:
        where = f"{path}: {name or 'the images'}"
        images[name], said = _as_pixels(pairs[name][0], where)
        written[name] = _as_labels(pairs[name][1], len(images[name]), where)
        notes += said
    class_names, labels = number_classes([label for own in written.values() for label in own])
    if naming := choices.naming if choices.class_names else _names_beside(path):
        class_names, labels, said = name_classes(class_names, labels, naming)
        notes += said
    ends = np.cumsum([len(own) for own in written.values()])
    found: dict[str, list[Split]] = {}
    for name, own in zip(written, np.split(labels, ends[:-1]), strict=True):
        found.setdefault(parts_by_name[name], []).append(Split(images[name], own))
    parts = {
        part: Split(np.concatenate([s.images for s in own]), np.concatenate([s.labels for s in own]))
        for part, own in found.items()
    }
    notes = [*dict.fromkeys(notes), *numbering_notes(class_names)]
    chosen = arrange(parts, class_names, str(path), notes, for_scoring=for_scoring)
    return Source(
        name=path.resolve().name.partition(".")[0],
        class_names=class_names,
        train=chosen.train,
        test=chosen.test,
        val=chosen.val,
        found=chosen.found,
        origin=str(path),
        notes=chosen.notes,
    )


def _files(path: Path) -> Iterator[Path]:
    for depth in range(_DEPTH):
        yield from (each for each in sorted(path.glob("*/" * depth + "*")) if each.is_file())


def is_array_file(path: Path) -> bool:
    """Return whether the file holds arrays, by its name."""
    name = path.name
    return path.suffix in (".npz", ".npy", ".mat") or bool(IDX.match(name) or _STL.match(name))


def _names_beside(path: Path) -> Path | None:
    """Return STL-10's file of class names, if it lies there."""
    file = path / "class_names.txt"
    return file if file.is_file() else None


def _pairs(path: Path, choices: Choices) -> tuple[dict[str, _Pair], list[str]]:
    """Return images and labels by the data's own names of its splits, an empty one if it has none."""
    if path.suffix == ".npz":
        return _named_pairs(path, read_npz(path), choices)
    files = [path] if path.is_file() else [each for each in _files(path) if is_array_file(each)]
    for matches, read in ((IDX.match, _idx_pairs), (_STL.match, _stl_pairs)):
        if own := [file for file in files if matches(file.name)]:
            if path.is_file():
                raise DataError(f"{path}: one file of several", hint=f"Give its folder: {path.parent}.")
            return read(path, own, choices)
    if mats := [file for file in files if file.suffix == ".mat"]:
        return _mat_pairs(mats)
    if packed := [file for file in files if file.suffix == ".npz"]:
        if len(packed) == 1:
            return _named_pairs(packed[0], read_npz(packed[0]), choices)
        if choices.subset not in {file.name for file in packed}:
            raise UsageError(
                f"{path}: {len(packed)} .npz files",
                hint=f"Choose with {FLAG} subset=NAME: {first_of([file.name for file in packed])}.",
            )
        chosen = next(file for file in packed if file.name == choices.subset)
        return _named_pairs(chosen, read_npz(chosen), choices)
    return _named_pairs(path, {file.stem: read_npz(file)[""] for file in files}, choices)


def _named_pairs(
    path: Path, arrays: Mapping[str, Array], choices: Choices
) -> tuple[dict[str, _Pair], list[str]]:
    """Return the pairs of arrays whose names speak of the same split."""
    groups: dict[str, dict[str, Array]] = {}
    for key, array in arrays.items():
        said = split_name(key)
        groups.setdefault(said.part if said else "", {})[key] = array
    other = groups.pop("", {}) if len(groups) > 1 else {}
    pairs = {}
    for word, group in groups.items():
        is_image = {key: array.ndim >= 3 for key, array in group.items()}
        images = [key for key in group if is_image[key]]
        others = [key for key in group if not is_image[key] and _length(group[key])]
        named = [key for key in others if _bare(key) in _LABEL_NAMES]
        image = _one(path, images, choices.image_column, "images", "image_column", arrays, word)
        labels = others if choices.label_column else named or others
        label = _one(path, labels, choices.label_column, "labels", "label_column", arrays, word)
        pairs[word] = _Pair(group[image], group[label])
    return pairs, [f"arrays of no split, not read: {first_of([*other])}"] * bool(other)


def _length(array: Array) -> int:
    """Return how many rows an array has, 0 for a number."""
    return len(array) if array.ndim else 0


def _bare(key: str) -> str:
    """Return a key in lower case, without words of splits: "labels" of "train_labels", "x" of "trainX"."""
    words = re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", key)
    return "_".join(word.lower() for word in words if not split_name(word))


def _one(
    path: Path,
    keys: Sequence[str],
    asked: str,
    what: str,
    choice: str,
    arrays: Mapping[str, Array],
    word: str,
) -> str:
    """Return the only key, or the one that was asked for, with or without the split's word."""
    fitting = [key for key in keys if not asked or asked in (key, _bare(key))]
    if len(fitting) == 1:
        return fitting[0]
    having = first_of([f"{key} {array.shape}" for key, array in arrays.items()], most=12)
    problem = f"{len(fitting)} arrays could be" if fitting else "no array is"
    similar = nearest(asked, keys) if asked else ""
    raise DataError(
        f"{path}: {problem} the {what}{f' of {word}' if word else ''}",
        hint=f"{similar} It has {having}. Choose with {FLAG} {choice}=NAME.".strip(),
    )


def _idx_pairs(path: Path, files: Sequence[Path], choices: Choices) -> tuple[dict[str, _Pair], list[str]]:
    subsets: dict[str, dict[tuple[str, str], Path]] = {}
    for file in files:
        match = IDX.match(file.name)
        assert match is not None
        folder = file.parent.relative_to(path).as_posix()
        own = match["set"].strip("-_.") or (folder if folder != "." else "")
        kept = subsets.setdefault(own, {})
        key = (match["part"], match["kind"])
        if key not in kept or kept[key].suffix == ".gz":  # unpacked and packed lie side by side
            kept[key] = file
    subset = _subset(path, [*subsets], choices.subset)
    pairs = {}
    for part in dict.fromkeys(part for part, _ in subsets[subset]):
        pair = [subsets[subset].get((part, kind)) for kind in ("images", "labels")]
        if None in pair:
            lacking = "images" if pair[0] is None else "labels"
            raise DataError(f"{path}: {part} has no file of {lacking}", hint="Copy the missing file there.")
        pairs["test" if part == "t10k" else part] = _Pair(*(read_idx(file) for file in pair if file))
    if _EMNIST not in subset.casefold():
        return pairs, []
    return _of_emnist(pairs, next(iter(subsets[subset].values())).with_name(f"{subset}-mapping.txt"))


def _of_emnist(pairs: dict[str, _Pair], mapping: Path) -> tuple[dict[str, _Pair], list[str]]:
    """Return EMNIST's images upright, and its labels as the characters that they are.

    Source: Cohen et al., 2017, arXiv:1702.05373. The files have rows and columns exchanged; a mapping has a
    line for each label: it, and the codes of its characters in ASCII, of a letter's two forms maybe.
    """
    upright = {part: _Pair(pair.images.swapaxes(1, 2), pair.labels) for part, pair in pairs.items()}
    notes = ["EMNIST's images are turned upright: published are they with rows and columns exchanged"]
    if not mapping.is_file():
        return upright, notes
    try:
        rows = [[int(number) for number in line.split()] for line in read_text(mapping).splitlines() if line]
        names = {label: "".join(dict.fromkeys(map(chr, codes))) for label, *codes in rows}
        named = {
            part: _Pair(pair.images, np.array([names[label] for label in pair.labels.tolist()]))
            for part, pair in upright.items()
        }
    except (OSError, ValueError, KeyError, OverflowError) as error:
        hint = "A line has a label of these files and its ASCII codes."
        raise DataError(f"{mapping}: does not name these labels: {error}", hint=hint) from error
    return named, notes


def _subset(path: Path, names: Sequence[str], asked: str) -> str:
    """Return the chosen one of several collections, which may leave out what the names have in common."""
    fitting = [name for name in names if not asked or name == asked or name.endswith(f"-{asked}")]
    if len(fitting) == 1:
        return fitting[0]
    raise UsageError(
        f"{path}: " + (f"no collection {asked}" if asked else f"{len(names)} collections"),
        hint=f"{nearest(asked, names)} Choose with {FLAG} subset=NAME: {first_of(names)}.".strip(),
    )


def _stl_pairs(path: Path, files: Sequence[Path], choices: Choices) -> tuple[dict[str, _Pair], list[str]]:
    by_name = {file.name: file for file in files}
    parts = dict.fromkeys(name.partition("_")[0] for name in by_name)
    pairs = {}
    for part in parts:
        pair = [by_name.get(f"{part}_{kind}.bin") for kind in ("X", "y")]
        if None in pair:
            raise DataError(f"{path}: {part}_X.bin and {part}_y.bin belong together", hint="Copy both there.")
        pairs[part] = _Pair(*read_stl(*(file for file in pair if file)))
    return pairs, ["unlabelled images are not read"] * (path / "unlabeled_X.bin").is_file()


def _mat_pairs(files: Sequence[Path]) -> tuple[dict[str, _Pair], list[str]]:
    pairs = {}
    for file in files:
        images, labels = read_mat(file)
        word = next((each for each in re.split(r"[^A-Za-z]+", file.stem) if each), file.stem)
        pairs[word if len(files) > 1 or split_name(word) else ""] = _Pair(images, labels)
    is_svhn = all({*pair.labels.tolist()} <= {*range(1, 11)} for pair in pairs.values()) and all(
        pair.images.shape[1:] == (32, 32, 3) for pair in pairs.values()
    )
    if not is_svhn or not any(10 in pair.labels for pair in pairs.values()):
        return pairs, []
    zero = {name: _Pair(pair.images, pair.labels % 10) for name, pair in pairs.items()}
    return zero, ["label 10 is the digit 0, as SVHN has it"]


def _as_pixels(array: Array, where: str) -> tuple[npt.NDArray[np.uint8], list[str]]:
    """Return images as uint8 (N, H, W, C), and what was done to them."""
    notes = []
    if array.ndim == 3:
        array = array[..., None]
    if array.ndim != 4 or 0 in array.shape:
        raise DataError(f"{where}: images of shape {array.shape}", hint="Expected (N, H, W) or (N, H, W, C).")
    if array.shape[3] not in (1, 3) and array.shape[1] in (1, 3):
        array = array.transpose(0, 2, 3, 1)
        notes.append("the images have their channels first; they were moved to the end")
    if array.shape[3] not in (1, 3):
        raise DataError(f"{where}: images of {array.shape[3]} channels", hint="Expected 1 or 3.")
    if array.dtype.kind not in "biuf":
        raise DataError(f"{where}: images of type {array.dtype}", hint="Expected uint8 (N, H, W, C).")
    low, high = float(array.min()), float(array.max())
    if (
        low >= 0 and high <= 1 and (array.dtype.kind == "f" or high)
    ):  # of whole numbers 0 and 1: black and white
        notes.append("the images' values are 0 to 1; they were multiplied by 255")
        return np.rint(array * 255.0).astype(np.uint8), notes
    if array.dtype == np.uint8:
        return np.ascontiguousarray(array), notes
    is_whole = array.dtype.kind in "iub" or bool((array == np.floor(array)).all())
    if is_whole and low >= 0 and high <= 255:
        return np.ascontiguousarray(array.astype(np.uint8)), notes
    raise DataError(
        f"{where}: values from {low:g} to {high:g} ({array.dtype}) are no pixels",
        hint="Expected uint8, 0 to 255, or floats from 0 to 1: store the images before they are normalised.",
    )


def _as_labels(array: Array, number: int, where: str) -> list[str]:
    """Return the labels as texts; one-hot rows are the place of their one."""
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim == 2 and bool(((array == 0) | (array == 1)).all()) and bool((array.sum(1) == 1).all()):
        array = array.argmax(1)
    if array.ndim != 1:
        raise DataError(f"{where}: labels of shape {array.shape}", hint="Expected one label for each image.")
    if len(array) != number:
        raise DataError(f"{where}: {number:,} images but {len(array):,} labels")
    if array.dtype.kind == "f" and bool((array == np.floor(array)).all()):
        array = array.astype(np.int64)
    if array.dtype.kind == "S":
        array = np.char.decode(array, "utf-8", "replace")
    if array.dtype.kind not in "iubU":
        raise DataError(f"{where}: labels of type {array.dtype}", hint="Expected whole numbers or texts.")
    if array.dtype.kind == "i" and len(array) and int(array.min()) < 0:
        raise DataError(f"{where}: the label {int(array.min())} is below 0")
    return [str(label) for label in array.tolist()]
