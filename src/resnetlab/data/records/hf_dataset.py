"""Hugging Face datasets: what `save_to_disk` wrote, and Parquet or Arrow files as the hub has them."""

import contextlib
import functools
import importlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from resnetlab.base.download import cache_folder
from resnetlab.base.reading.plain import MOST_JSON_BYTES, look_at, read_json, read_plain
from resnetlab.base.units import first_of
from resnetlab.data.images.image import EncodedImage
from resnetlab.data.sources.choices import FLAG, LEFT_OPEN, Choices
from resnetlab.data.sources.encoded import EncodedSource, EncodedSplit, join_encoded
from resnetlab.data.sources.labelling import (
    LABEL_TITLES,
    Labels,
    label_text,
    name_classes,
    number_classes,
    numbering_notes,
    refuse,
)
from resnetlab.data.sources.named_splits import SPLIT_CHOICES, named_splits
from resnetlab.data.sources.parts import source_from_parts
from resnetlab.errors import DataError, UsageError, nearest

Table = Any  # the library has no types

CHOICES = ("image_column", "label_column", *SPLIT_CHOICES, "subset", "class_names")
_FILES = (".parquet", ".arrow")
_NUMBERED = re.compile(r"-(?P<number>\d{4,})-of-(?P<total>\d{4,})(-[0-9a-f]+)?$")
_MOST_DEPTH = 4


@dataclass(frozen=True, eq=False)
class HFReader:
    """The images of one split of a dataset on disk, which each process maps into memory itself."""

    path: str
    """The folder that `save_to_disk` wrote; empty if there are files."""

    files: tuple[str, ...]
    """Arrow files, in their order."""

    split: str
    """The split's name; empty if the dataset has no splits."""

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
            if cell is None:
                raise ValueError("it holds no image")
            data = cell["bytes"] if cell["bytes"] is not None else read_plain(cell["path"])
        except Exception as error:  # whatever Arrow says of a damaged file
            raise DataError(f"{place}: cannot be read: {error}") from error
        return EncodedImage(data, place)

    @functools.cached_property
    def _table(self) -> Table:
        table = _load(Path(self.path)) if self.path else _load_files(self.files)
        return _undecoded(table, self.column)

    def __getstate__(self) -> dict[str, Any]:
        """Leave the mapped table behind."""
        return {name: value for name, value in vars(self).items() if name != "_table"}


def is_hf_dataset(path: Path) -> bool:
    """Return whether the folder looks like one that `save_to_disk` wrote."""
    return (path / "dataset_dict.json").is_file() or (path / "state.json").is_file()


def has_table_files(path: Path) -> bool:
    """Return whether the folder holds Parquet or Arrow files, as a download of the hub does."""
    return bool(_table_files(path))


def open_hf_dataset(
    path: Path,
    *,
    image_column: str | None = None,
    label_column: str | None = None,
    for_scoring: bool = False,
    choices: Choices = LEFT_OPEN,
) -> EncodedSource:
    """Open what `save_to_disk` wrote, or a file or folder of Parquet or Arrow files.

    The image column is the only one of type Image, the label column the only one of type ClassLabel, whose
    names are the classes; without any the only one of text or whole numbers that is called as a label is.

    Args:
        path: The folder, or a .parquet or .arrow file.
        image_column: As in `choices`.
        label_column: As in `choices`.
        for_scoring: Whether it is to be scored: see `source_from_parts`.
        choices: See CHOICES.

    Raises:
        UsageError: If the library `datasets` is not installed, or a column or split is not there or must be
            chosen.
        DataError: If there is no such dataset, or a label is missing.
    """
    path = Path(path)
    asked_image, asked_label = image_column or choices.image_column, label_column or choices.label_column
    sources = _split_sources(path, choices.subset)
    splits = named_splits(str(path), [*sources], choices) if [*sources] != [""] else None
    parts_by_name = splits.parts if splits else {"": "train"}
    readers, tables = {}, {}
    for name in parts_by_name:
        tables[name], files = _table_of(sources[name])
        folder = "" if files else str(Path(sources[name][0]).absolute())
        readers[name] = functools.partial(HFReader, folder, files, name)
    features = next(iter(tables.values())).features
    image = _image_column(path, features, asked_image)
    label = _label_column(path, features, asked_label)
    _refuse_different(path, label, features, tables)
    class_names, labels, notes = _labels(path, tables, label, choices)
    found: dict[str, list[EncodedSplit]] = {}
    for name, own in labels.items():
        split = EncodedSplit.of(readers[name](image, len(tables[name])), own)
        found.setdefault(parts_by_name[name], []).append(split)
    return source_from_parts(
        name=path.resolve().name.removesuffix(".parquet"),
        origin=str(path),
        class_names=class_names,
        parts={part: join_encoded(each) for part, each in found.items()},
        notes=[*(splits.notes if splits else ()), *notes],
        for_scoring=for_scoring,
    )


def _split_sources(path: Path, subset: str) -> dict[str, list[Path]]:
    """Return by split the folder that `save_to_disk` wrote, or its files; an empty name without splits."""
    listing = path / "dataset_dict.json"
    if listing.is_file():
        try:
            names = [str(name) for name in read_json(listing, is_ours=False)["splits"]]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(f"{listing}: cannot be read: {error}") from error
        return {name: [path / name] for name in names}
    if path.is_file():
        return {"": [path]}
    if is_hf_dataset(path):
        return {"": [path]}
    subsets: dict[str, dict[str, list[Path]]] = {}
    for file in _table_files(path):
        folders = [part for part in file.relative_to(path).parts[:-1] if part not in ("data", "snapshots")]
        stem = _NUMBERED.sub("", file.stem)
        if stem.isdecimal() and folders:  # CONFIG/SPLIT/0000.parquet, the hub's own conversion
            stem = folders.pop()
        subsets.setdefault("/".join(folders), {}).setdefault(stem, []).append(file)
    if not subset and len(subsets) == 1:
        (subset,) = subsets
    if subset not in subsets:
        shown = [name or "." for name in subsets]
        raise UsageError(
            f"{path}: " + (f"no subset {subset}" if subset else f"{len(subsets)} subsets"),
            hint=f"{nearest(subset, shown)} Choose with {FLAG} subset=NAME: {first_of(shown)}.".strip(),
        )
    refuse(str(path), _missing_files(subsets[subset]), hint="Download it again, into an empty folder.")
    return subsets[subset]


def _missing_files(splits: Mapping[str, Sequence[Path]]) -> Iterator[str]:
    """Yield what is missing of the files of each split, whose names say how many there are."""
    for split, files in splits.items():
        parts = [match for file in files if (match := _NUMBERED.search(file.stem))]
        totals = {int(part["total"]) for part in parts}
        if len(totals) > 1:
            yield f"{split} has files of {' and of '.join(map(str, sorted(totals)))}: of several versions"
            continue
        if parts and len(parts) < len(files):
            unnumbered = next(file.name for file in files if not _NUMBERED.search(file.stem))
            yield f"{split} has {unnumbered} beside files with numbers: of several versions"
            continue
        total = max(totals, default=0)
        if missing := sorted({*range(total)} - {int(part["number"]) for part in parts}):
            yield f"{split} lacks {len(missing):,} of its {total:,} files: number {first_of(missing)}"


def _table_files(path: Path) -> list[Path]:
    """Return the Parquet files in and below a folder; Arrow files if there are none."""
    below = [path.glob("*/" * depth + "*") for depth in range(_MOST_DEPTH)]
    files = [each for level in below for each in level if each.suffix in _FILES and each.is_file()]
    parquet = [each for each in files if each.suffix == ".parquet"]
    return sorted(parquet or files)


def _table_of(source: Sequence[Path]) -> tuple[Table, tuple[str, ...]]:
    """Return the table of a split, and the Arrow files that it lies in if no folder of the library's does."""
    if source[0].is_dir():
        return _load(source[0]), ()
    if source[0].suffix == ".arrow":
        files = tuple(str(file.absolute()) for file in source)
        return _load_files(files), files
    table = _from_parquet(source)
    return table, tuple(file["filename"] for file in table.cache_files)


def _library(path: Path) -> Any:
    try:
        return importlib.import_module("datasets")
    except ModuleNotFoundError as error:
        raise UsageError(
            f"{path} is a Hugging Face dataset; reading it needs the library datasets",
            hint="`pip install resnetlab[data]` installs it.",
        ) from error


@contextlib.contextmanager
def _told_as_data_error(path: Path) -> Iterator[None]:
    try:
        yield
    except UsageError:
        raise
    except Exception as error:  # Arrow and the library raise kinds of their own
        raise DataError(f"{path}: not a readable dataset: {error}") from error


def _load(path: Path) -> Table:
    library = _library(path)
    with _told_as_data_error(path):
        look_at(path / "dataset_info.json", most=MOST_JSON_BYTES)
        for each in read_json(path / "state.json", is_ours=False)["_data_files"]:
            look_at(path / each["filename"])
        return _unnested(library.load_from_disk(str(path)))


def _load_files(files: Sequence[str]) -> Table:
    """Return the table that lies in Arrow files."""
    library = _library(Path(files[0]))
    with _told_as_data_error(Path(files[0])):
        for file in files:
            look_at(Path(file))
        tables = [library.Dataset.from_file(file) for file in files]
        return _unnested(library.concatenate_datasets(tables))


def _from_parquet(files: Sequence[Path]) -> Table:
    """Return the table of Parquet files, which the library writes into our cache as Arrow, once."""
    library = _library(files[0])
    bars = importlib.import_module("datasets.utils.logging")
    was_on = bars.is_progress_bar_enabled()
    bars.disable_progress_bar()
    try:
        with _told_as_data_error(files[0]):
            cache = str(cache_folder() / "parquet")
            paths = [str(file.absolute()) for file in files]
            return _unnested(library.Dataset.from_parquet(paths, cache_dir=cache))
    finally:
        if was_on:
            bars.enable_progress_bar()


def _unnested(table: Table) -> Table:
    """Return a table whose columns of columns, if there are any, are columns of their own: sample.image."""
    features = getattr(table, "features", {}).values()
    is_nested = any(isinstance(each, dict) and "bytes" not in each for each in features)
    return table.flatten() if is_nested else table


def _undecoded(table: Table, column: str) -> Table:
    image_type = importlib.import_module("datasets").Image(decode=False)
    return table.with_format(None).select_columns([column]).cast_column(column, image_type)


def _kind(feature: Any) -> str:
    """Return what a column holds: Image, ClassLabel, a scalar's type such as string, or another type."""
    name = type(feature).__name__
    if name == "Value":
        return str(feature.dtype)
    return "Image" if isinstance(feature, dict) and "bytes" in feature else name


def _listed(features: Mapping[str, Any]) -> str:
    return first_of([f"{name} ({_kind(feature)})" for name, feature in features.items()], most=12)


def _image_column(path: Path, features: Mapping[str, Any], asked: str) -> str:
    kinds = {name: _kind(feature) for name, feature in features.items()}
    fitting = [name for name, kind in kinds.items() if kind == "Image"]
    fitting = fitting or [name for name, kind in kinds.items() if kind in ("binary", "large_binary")]
    if asked:
        asked = f"{asked}.bytes" if f"{asked}.bytes" in features else asked  # of a table that was nested
        if asked not in features or kinds[asked] not in ("Image", "binary", "large_binary"):
            raise UsageError(
                f"{path}: no column {asked!r} of type Image", hint=f"It has {_listed(features)}."
            )
        return asked
    if len(fitting) == 1:
        return fitting[0]
    raise UsageError(
        f"{path}: {len(fitting) or 'no'} columns of type Image",
        hint=f"Choose with {FLAG} image_column=NAME. It has {_listed(features)}.",
    )


def _is_plain(kind: str) -> bool:
    return kind in ("string", "large_string", "bool") or kind.startswith(("int", "uint"))


def _label_column(path: Path, features: Mapping[str, Any], asked: str) -> str:
    kinds = {name: _kind(feature) for name, feature in features.items()}
    if asked:
        if asked not in features or not (kinds[asked] == "ClassLabel" or _is_plain(kinds[asked])):
            raise UsageError(
                f"{path}: no column {asked!r} of type ClassLabel, text or whole numbers",
                hint=f"{nearest(asked, features)} It has {_listed(features)}.".strip(),
            )
        return asked
    fitting = [name for name, kind in kinds.items() if kind == "ClassLabel"]
    number = len(fitting)
    if not fitting:
        fitting = [
            name
            for name, kind in kinds.items()
            if _is_plain(kind) and name.casefold().rpartition(".")[2] in LABEL_TITLES
        ]
    if len(fitting) == 1:
        return fitting[0]
    raise UsageError(
        f"{path}: {number or 'no'} columns of type ClassLabel",
        hint=f"Choose with {FLAG} label_column=NAME. It has {_listed(features)}.",
    )


def _refuse_different(
    path: Path, label: str, features: Mapping[str, Any], tables: Mapping[str, Table]
) -> None:
    for table in tables.values():
        own = table.features.get(label)
        if own is None or getattr(own, "names", None) != getattr(features[label], "names", None):
            raise DataError(f"{path}: the splits differ in their column {label}")


def _labels(
    path: Path, tables: Mapping[str, Table], label: str, choices: Choices
) -> tuple[tuple[str, ...], dict[str, Labels], list[str]]:
    """Return the classes, the labels of each split as indices into them, and notes.

    A split beside the training split none of whose images has a label is left out: labels that are kept
    secret are -1, or missing.
    """
    names = getattr(next(iter(tables.values())).features[label], "names", None)
    written: dict[str, list[str]] = {}
    notes: list[str] = []
    for split, table in tables.items():
        cells = [*table.with_format(None)[label][:]]
        lacking = [index for index, cell in enumerate(cells) if cell is None or (names and cell == -1)]
        if lacking and len(lacking) == len(cells) and written:
            notes.append(f"split {split} has no labels, it is left out")
            continue
        if lacking:
            raise DataError(f"{path}: {split or 'dataset'} record {lacking[0]}: no label")
        where = f"{path}: {split or 'dataset'}"
        texts = {cell: label_text(cell, where) for cell in dict.fromkeys(cells)}
        written[split] = [texts[cell] for cell in cells]
    if names:
        class_names, place = tuple(names), {str(index): index for index in range(len(names))}
    else:
        notes.append(f"the labels are those of the column {label}")
        class_names, _ = number_classes([text for texts in written.values() for text in texts])
        place = {name: index for index, name in enumerate(class_names)}
        notes += numbering_notes(class_names)
    for split, own in written.items():
        if strange := [text for text in dict.fromkeys(own) if text not in place]:
            told = f"labels {first_of(strange)}, which are none of {len(class_names):,} classes"
            raise DataError(f"{path}: {split or 'dataset'} has {told}")
    labels = {split: np.array([place[text] for text in texts], np.int64) for split, texts in written.items()}
    if choices.class_names and not names:
        order = np.arange(len(class_names), dtype=np.int64)
        class_names, order, said = name_classes(class_names, order, choices.naming)
        labels = {split: order[own] for split, own in labels.items()}
        notes += said
    twice = [name for name, count in Counter(class_names).items() if count > 1]
    if twice:
        raise DataError(f"{path}: column {label}: class names occur twice: {first_of(twice)}")
    return class_names, labels, notes
