"""What one CIFAR file holds: a binary file's records, or a python file's pickled dict of the same.

A binary record is the label (CIFAR-100: the coarse, then the fine label) and 3,072 pixels, red
plane first.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from resnetlab.data.archives.pickles import PickledArray, read_pickle
from resnetlab.data.arrays.cifar_layouts import COARSE_NAMES, Layout
from resnetlab.errors import DataError

PIXELS = 3 * 32 * 32


class Records(NamedTuple):
    """What one file holds."""

    pixels: npt.NDArray[np.uint8]
    """Shape (N, 3072): red, green and blue plane."""

    labels: npt.NDArray[np.int64]


def parse_records(layout: Layout, name: str, content: bytes) -> Records:
    """Read one file with images and check every record of it.

    Raises:
        DataError: Naming the file, and the bytes, or the record and its label.
    """
    parse = _parse_binary if layout.form == "binary" else _parse_python
    records = parse(layout, name, content)
    if not len(records.labels):
        raise DataError(f"{name}: holds no record")
    _check_labels(name, "label", records.labels, len(layout.names))
    return records


def _parse_binary(layout: Layout, name: str, content: bytes) -> Records:
    num_labels = 2 if layout.labels else 1
    size = num_labels + PIXELS
    if len(content) % size:
        raise DataError(
            f"{name}: {len(content):,} bytes is no whole number of records of {size:,} bytes"
            f" (the original has {size * layout.official_records(name):,} bytes)"
        )
    table = np.frombuffer(content, np.uint8).reshape(-1, size)
    if num_labels == 2:
        _check_labels(name, "coarse label", table[:, 0].astype(np.int64), len(COARSE_NAMES))
    column = 0 if layout.labels == "coarse" else num_labels - 1
    return Records(table[:, num_labels:], table[:, column].astype(np.int64))


def _parse_python(layout: Layout, name: str, content: bytes) -> Records:
    table = _read_dict(name, content)
    label_key = f"{layout.labels}_labels" if layout.labels else "labels"
    data, labels = table.get("data"), table.get(label_key)
    if not isinstance(data, PickledArray) or not isinstance(labels, list):
        raise DataError(f"{name}: has no array 'data' with a list '{label_key}'")
    try:
        pixels = data.to_array()
    except ValueError as error:
        raise DataError(f"{name}: data: {error}") from error
    if pixels.dtype != np.uint8 or pixels.shape != (len(labels), PIXELS):
        raise DataError(
            f"{name}: data is {pixels.dtype} {pixels.shape}, expected uint8 ({len(labels)}, {PIXELS})"
        )
    for index, label in enumerate(labels):
        if type(label) is not int or label.bit_length() > 31:
            raise DataError(f"{name}: record {index} has no class number but a {type(label).__name__}")
    title, other = table.get("batch_label"), "training" if name == layout.test else "testing"
    if isinstance(title, bytes | str) and _text(title).startswith(other):
        raise DataError(f"{name}: calls itself {_text(title)!r}; training and test files are mixed up")
    return Records(pixels, np.array(labels, np.int64))


def _check_labels(name: str, kind: str, labels: npt.NDArray[np.int64], num_classes: int) -> None:
    bad = np.flatnonzero((labels < 0) | (labels >= num_classes))
    if len(bad):
        raise DataError(
            f"{name}: record {bad[0]} has the {kind} {labels[bad[0]]}, {kind}s are 0 to"
            f" {num_classes - 1} ({len(bad)} such records)"
        )


def parse_class_names(layout: Layout, content: bytes | None) -> list[str]:
    """Return the names the meta file gives, or the published ones if there is no such file.

    Raises:
        DataError: If the file gives another number of names.
    """
    if content is None:
        return layout.names
    if layout.form == "binary":
        names: object = content.decode("utf-8", "replace").split()
    else:
        key = f"{layout.labels}_label_names" if layout.labels else "label_names"
        names = _read_dict(layout.meta, content).get(key)
    if not isinstance(names, list) or not all(isinstance(name, bytes | str) for name in names):
        raise DataError(f"{layout.meta}: has no list of names")
    if len(names) != len(layout.names):
        raise DataError(f"{layout.meta}: {len(names)} names, expected {len(layout.names)}")
    return [_text(name) for name in names]


def _read_dict(name: str, content: bytes) -> dict[str, object]:
    table = read_pickle(content, name)
    if not isinstance(table, dict):
        raise DataError(f"{name}: holds a {type(table).__name__}, expected a dict")
    return {_text(key): value for key, value in table.items() if isinstance(key, bytes | str)}


def _text(value: bytes | str) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
