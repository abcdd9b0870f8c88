"""The process that reads HDF5; `hdf5.read_hdf5` starts it.

`python -m resnetlab.base.reading.hdf5_process FILE SECONDS TARGET` writes the arrays as safetensors to
TARGET, by numbers, and to its output as JSON what lies where.
"""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
from safetensors.numpy import save

from resnetlab.base import files
from resnetlab.base.reading.plain import MOST_FREE_BYTES, MOST_RATIO
from resnetlab.base.reading.process import accept_limits, answer
from resnetlab.errors import WriteError

_MOST_DEPTH = 32
_MOST_MEMBERS = 2**17
"""Groups and arrays of a file; Keras' ResNet-152 has some thousands, and three times as many with Adam's."""
_MOST_TEXT = 2**26


class _Walk:
    """All that lies in a file, each array once however often it is linked."""

    def __init__(self, size: int) -> None:
        self.arrays: dict[str, npt.NDArray[Any]] = {}
        self._left = max(MOST_FREE_BYTES, MOST_RATIO * size)
        self._seen: dict[Any, dict[str, Any]] = {}
        self._count = 0

    def group(self, group: h5py.Group, depth: int = 0) -> dict[str, Any]:
        """Return a group's members and the texts among its attributes."""
        if depth > _MOST_DEPTH:
            raise ValueError(f"{group.name} lies too deep")
        members: dict[str, Any] = {}
        for name in group:
            self._count += 1
            if self._count > _MOST_MEMBERS:
                raise ValueError(f"it has more than {_MOST_MEMBERS:,} groups and arrays")
            link = group.id.links.get_info(name.encode() if isinstance(name, str) else name)
            if link.type != h5py.h5l.TYPE_HARD:
                continue
            found, own = group[name], _name(name)
            if isinstance(found, h5py.Group):
                members[own] = self.group(found, depth + 1)
            elif isinstance(found, h5py.Dataset):
                members[own] = self._dataset(found)
        return {"members": members, "texts": dict(_texts(group.attrs))}

    def _dataset(self, dataset: h5py.Dataset) -> dict[str, Any]:
        facts = h5py.h5o.get_info(dataset.id)
        key = (facts.fileno, facts.addr)
        if key not in self._seen:
            try:
                self._seen[key] = self._read(dataset)
            except (OSError, MemoryError) as error:  # no word of it unless this one is asked for
                self._seen[key] = {"problem": f"cannot be read ({str(error).strip() or 'it is too large'})"}
        return self._seen[key]

    def _read(self, dataset: h5py.Dataset) -> dict[str, Any]:
        if dataset.external or dataset.is_virtual:
            return {"problem": "lies in another file"}
        if dataset.shape == () and h5py.check_string_dtype(dataset.dtype) is not None:
            value = dataset[()]
            return {"text": value.decode(errors="replace") if isinstance(value, bytes) else str(value)}
        if dataset.shape is None or dataset.dtype.kind not in "fiu" or dataset.dtype.itemsize > 8:
            return {"problem": "is no numbers"}
        stored = dataset.id.get_storage_size()
        if dataset.nbytes > max(MOST_FREE_BYTES, MOST_RATIO * stored):
            return {"problem": f"unpacks from {stored:,} to {dataset.nbytes:,} bytes"}
        if dataset.nbytes > self._left:
            return {"problem": "would take with those before it far more bytes than are in the file"}
        self._left -= dataset.nbytes
        number = str(len(self.arrays))
        array = np.asarray(dataset[()])
        self.arrays[number] = np.ascontiguousarray(array.astype(array.dtype.newbyteorder("="), copy=False))
        return {"array": number, "shape": [*dataset.shape]}


def _texts(attributes: Mapping[str, Any]) -> Iterator[tuple[str, str | list[str]]]:
    for name in attributes:
        try:
            value = attributes[name]
        except (OSError, TypeError, ValueError):  # a type that h5py does not know
            continue
        if isinstance(value, str | bytes):
            yield _name(name), _text(value)
        elif (
            isinstance(value, np.ndarray)
            and value.ndim == 1
            and (value.dtype.kind in "SOU" or not len(value))
        ):
            yield _name(name), [_text(each) for each in value]


def _name(name: str | bytes) -> str:
    """Return a name, which h5py leaves as bytes where it is no UTF-8."""
    return name if isinstance(name, str) else name.decode(errors="backslashreplace")


def _text(value: object) -> str:
    content = value if isinstance(value, bytes) else str(value).encode(errors="surrogateescape")
    text = content.decode(errors="replace")
    if len(text) > _MOST_TEXT:
        raise ValueError(f"a text of {len(text):,} letters")
    return text


def _main(path: str, seconds: str, target: str) -> dict[str, Any]:
    size = Path(path).stat().st_size
    accept_limits(size, float(seconds))
    walk = _Walk(size)
    try:
        with h5py.File(path, "r") as file:
            root = walk.group(file)
        files.write_part(Path(target), save(walk.arrays))
    except WriteError as error:
        return {"unwritten": str(error)}
    except Exception as error:  # whatever a damaged file makes of h5py
        return {"problem": str(error).strip() or type(error).__name__}
    return {"root": root}


if __name__ == "__main__":
    answer(_main(*sys.argv[1:]))
