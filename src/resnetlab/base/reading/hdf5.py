"""HDF5 files as plain groups and arrays, read by a process within limits (`hdf5_process`), for h5py has none.

Links are not followed, as they can lead into other files; arrays of anything but numbers are not read.
"""

import importlib.util
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy.typing as npt

from resnetlab.base.reading.plain import look_at
from resnetlab.base.reading.process import UnreadError, read_apart
from resnetlab.errors import WriteError

ROOM_HINT = "It is read by way of the folder for temporary files: name one with more room by TMPDIR=FOLDER."
"""What to do where that folder is full."""
_MODULE = "resnetlab.base.reading.hdf5_process"


@dataclass(frozen=True)
class Dataset:
    """An array of a file."""

    name: str
    """Its whole path in the file."""
    array: npt.NDArray[Any] | None = None
    """Its numbers."""
    text: str | None = None
    """What it says, if it holds one text."""
    problem: str = ""
    """Why it has neither."""


@dataclass(frozen=True)
class Group:
    """What lies in a file, or in a part of it."""

    name: str
    members: Mapping[str, "Group | Dataset"] = field(default_factory=dict)
    """By name, in the file's order."""
    texts: Mapping[str, str | list[str]] = field(default_factory=dict)
    """The attributes that are a text, or a list of texts."""

    def at(self, path: str) -> "Group | Dataset":
        """Return what lies there, by names with "/" between them.

        Raises:
            ValueError: If there is nothing, or a link.
        """
        found: Group | Dataset = self
        for part in path.strip("/").split("/"):
            if not isinstance(found, Group):
                raise ValueError(f"{found.name} is no group")
            if part not in found.members:
                raise ValueError(f"{found.name} has no {part}, or a link")
            found = found.members[part]
        return found

    def group(self, path: str) -> "Group":
        """Return the group that lies there; raises as `at`, also if it is an array."""
        found = self.at(path)
        if not isinstance(found, Group):
            raise ValueError(f"{found.name} is no group")
        return found

    def array(self, path: str) -> npt.NDArray[Any]:
        """Return the numbers that lie there; raises as `at`, also if they are none that are read."""
        found = self.at(path)
        if isinstance(found, Group) or found.array is None:
            why = "" if isinstance(found, Group) else found.problem
            raise ValueError(f"{found.name} {why or 'is no numbers'}")
        return found.array


def can_read_hdf5() -> bool:
    """Return whether the library is installed that reads HDF5."""
    return importlib.util.find_spec("h5py") is not None


def read_hdf5(path: Path) -> Group:
    """Return all that lies in an HDF5 file.

    Raises:
        OSError: If it cannot be read.
        ValueError: If it is damaged, asks for more memory than such a file can need, or never ends. An
            array that cannot be read is told where it is asked for.
        WriteError: If the folder for temporary files has no room for its numbers.
    """
    look_at(path)
    with tempfile.TemporaryDirectory(prefix="resnetlab-") as folder:
        target = Path(folder) / "arrays.safetensors"
        try:
            answer = read_apart(_MODULE, path, str(target))
        except UnreadError as error:
            raise ValueError(str(error)) from error
        if "unwritten" in answer:
            raise WriteError(answer["unwritten"], hint=ROOM_HINT)
        if "problem" in answer:
            raise ValueError(answer["problem"])
        from safetensors.numpy import load_file

        arrays = load_file(target)
    return _group(answer["root"], arrays)


def _group(told: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]], name: str = "/") -> Group:
    members: dict[str, Group | Dataset] = {}
    for key, each in told["members"].items():
        inner = f"{name.rstrip('/')}/{key}"
        if "members" in each:
            members[key] = _group(each, arrays, inner)
        else:
            array = arrays[each["array"]].reshape(each["shape"]) if "array" in each else None
            members[key] = Dataset(inner, array, each.get("text"), each.get("problem", ""))
    return Group(name, members, told["texts"])
