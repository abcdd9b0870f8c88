"""MATLAB's files, read by a process within limits (`mat_process`): damaged ones make SciPy's reader crash."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from resnetlab.base.reading.hdf5 import ROOM_HINT
from resnetlab.base.reading.plain import look_at
from resnetlab.base.reading.process import UnreadError, read_apart
from resnetlab.errors import DataError, WriteError

_MODULE = "resnetlab.data.archives.mat_process"


class Variables(NamedTuple):
    """What a file holds of what was asked for, by name."""

    arrays: Mapping[str, npt.NDArray[Any]]
    rows: Mapping[str, Sequence[Mapping[str, int | str]]]
    """Of records: the numbers and texts by their fields."""


def read_variables(path: Path, names: Sequence[str], *, called: str = "") -> Variables:
    """Return these variables of a .mat, as far as they are there and of numbers, or records of such.

    Args:
        path: The file.
        names: Of the variables.
        called: What errors call the file, if not by its path.

    Raises:
        DataError: If it cannot be read.
        WriteError: If the folder for temporary files has no room for its numbers.
    """
    called = called or str(path)
    try:
        look_at(path)
        with tempfile.TemporaryDirectory(prefix="resnetlab-") as folder:
            answer = read_apart(_MODULE, path, folder, *names)
            if "unwritten" in answer:
                raise WriteError(f"{called}: {answer['unwritten']}", hint=ROOM_HINT)
            if "problem" in answer:
                raise DataError(f"{called}: {answer['problem']}", hint=answer["hint"])
            written = {name: Path(folder) / f"{name}.npy" for name in names}
            arrays = {name: np.load(each) for name, each in written.items() if each.exists()}
            return Variables(arrays, answer["rows"])
    except (OSError, ValueError) as error:
        raise DataError(f"{called}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    except UnreadError as error:
        raise DataError(f"{called}: not a readable .mat: {error}") from error
