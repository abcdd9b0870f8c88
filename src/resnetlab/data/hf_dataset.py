"""Hugging Face datasets that `save_to_disk` wrote: a column of images and one of class labels."""

import functools
import importlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from resnetlab.data.encoded import EncodedImage, EncodedSource, EncodedSplit
from resnetlab.data.labelling import first_of
from resnetlab.data.parts import PARTS, parts_of, refuse_two_of_a_part, source_from_parts
from resnetlab.errors import DataError, UsageError

Table = Any  # the library has no types


@dataclass(frozen=True, eq=False)
class HFReader:
    """The images of one split of a dataset on disk, which each process maps into memory itself."""

    path: str
    split: str
    """The split's folder; empty if the dataset has no splits."""

    column: str
    num_images: int

    def __len__(self) -> int:
        return self.num_images

    def place(self, index: int) -> str:
        """Return e.g. "train record 17"; records count from 0."""
        return f"{self.split or 'dataset'} record {index}"

    def size(self, index: int) -> int:
        """Return the image's length in bytes, for which it is read."""
        return len(self.read(index).data)

    def read(self, index: int) -> EncodedImage:
        """Return the image's content as it was stored."""
        place = self.place(index)
        if not 0 <= index < self.num_images:
            raise IndexError(index)
        try:
            cell = self._table[index][self.column]
            data = cell["bytes"] if cell["bytes"] is not None else Path(cell["path"]).read_bytes()
        except Exception as error:  # whatever Arrow says of a damaged file
            raise DataError(f"{place}: cannot be read: {error}") from error
        return EncodedImage(data, place)

    @functools.cached_property
    def _table(self) -> Table:
        return _undecoded(_load(Path(self.path, self.split)), self.column)

    def __getstate__(self) -> dict[str, Any]:
        """Leave the mapped table behind."""
        return {name: value for name, value in vars(self).items() if name != "_table"}


def is_hf_dataset(path: Path) -> bool:
    """Return whether the folder looks like one that `save_to_disk` wrote."""
    return (path / "dataset_dict.json").is_file() or (path / "state.json").is_file()


def open_hf_dataset(
    path: Path,
    *,
    image_column: str | None = None,
    label_column: str | None = None,
    for_scoring: bool = False,
) -> EncodedSource:
    """Open what `save_to_disk` wrote: a Dataset or a DatasetDict.

    Args:
        path: The folder.
        image_column: The column of images; None takes the only one.
        label_column: The column of type ClassLabel, whose names are the classes; None takes the only
            one.
        for_scoring: Whether it is to be scored: see `source_from_parts`.

    Raises:
        UsageError: If the library `datasets` is not installed, or a column is not there.
        DataError: If the folder holds no such dataset or a label is missing.
    """
    path = Path(path)
    names = _split_names(path)
    tables = {name: _load(path / name) for name in names}
    first = next(iter(tables.values()))
    image = _column(path, first.features, image_column, "Image", "image_column")
    label = _column(path, first.features, label_column, "ClassLabel", "label_column")
    parts: dict[str, EncodedSplit] = {}
    class_names = tuple(first.features[label].names)
    said = parts_of(str(path), names)
    for name, table in tables.items():
        if label not in table.features or tuple(table.features[label].names) != class_names:
            raise DataError(f"{path}: the splits differ in their column {label}")
        labels = np.array(table.with_format(None)[label], np.float64)
        if np.isnan(labels).any():
            raise DataError(f"{path}: {name or 'dataset'} record {int(np.isnan(labels).argmax())}: no label")
        reader = HFReader(str(path.absolute()), name, image, len(table))
        parts[said.get(name, "train")] = EncodedSplit(
            reader, np.arange(len(table), dtype=np.int64), labels.astype(np.int64)
        )
    return source_from_parts(
        name=path.resolve().name,
        origin=str(path),
        class_names=class_names,
        parts=parts,
        for_scoring=for_scoring,
    )


def _split_names(path: Path) -> Sequence[str]:
    """Return the folders of the splits, or an empty name for a dataset without splits."""
    listing = path / "dataset_dict.json"
    if not listing.is_file():
        return [""]
    try:
        names = [str(name) for name in json.loads(listing.read_text(encoding="utf-8"))["splits"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{listing}: cannot be read: {error}") from error
    if unknown := [name for name in names if name.casefold() not in PARTS]:
        raise DataError(f"{path}: splits {first_of(unknown)} are none of train, val, test")
    refuse_two_of_a_part(str(path), names)
    return names


def _load(path: Path) -> Table:
    try:
        datasets = importlib.import_module("datasets")
    except ModuleNotFoundError as error:
        raise UsageError(
            f"{path} is a Hugging Face dataset; reading it needs the library datasets",
            hint="`pip install resnetlab[data]` installs it.",
        ) from error
    try:
        return datasets.load_from_disk(str(path))
    except Exception as error:  # Arrow and the library raise kinds of their own
        raise DataError(f"{path}: not a readable dataset: {error}") from error


def _undecoded(table: Table, column: str) -> Table:
    image_type = importlib.import_module("datasets").Image(decode=False)
    return table.with_format(None).select_columns([column]).cast_column(column, image_type)


def _column(path: Path, features: Mapping[str, Any], asked: str | None, kind: str, option: str) -> str:
    """Return the name of the column of a type: that which was asked for, or the only one."""
    fitting = [name for name, feature in features.items() if type(feature).__name__ == kind]
    if asked is None and len(fitting) == 1:
        return fitting[0]
    columns = ", ".join(f"{name} ({type(feature).__name__})" for name, feature in features.items())
    if asked is None:
        raise UsageError(
            f"{path}: {len(fitting) or 'no'} columns of type {kind}",
            hint=f"Choose with {option}. It has {columns}.",
        )
    if asked not in fitting:
        raise UsageError(f"{path}: no column {asked!r} of type {kind}", hint=f"It has {columns}.")
    return asked
