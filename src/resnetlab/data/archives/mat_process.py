"""The process that reads MATLAB's files; `mat.read_variables` starts it.

`python -m resnetlab.data.archives.mat_process FILE SECONDS FOLDER NAME...` writes the variables that are
arrays of numbers to FOLDER/NAME.npy, and to its output as JSON those that are rows of numbers and texts.
"""

import importlib
import io
import sys
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from resnetlab.base import files
from resnetlab.base.machine.memory import total_memory
from resnetlab.base.reading.plain import open_plain
from resnetlab.base.reading.process import accept_limits, answer
from resnetlab.base.units import format_bytes
from resnetlab.errors import WriteError

_ZLIB_RATIO = 1100
"""More than zlib can make of bytes."""
_MOST_VARIABLES, _TAG_BYTES, _COMPRESSED, _BEGINNING_BYTES = 10_000, 8, 15, 1024
_PIECE = 2**24


def read(path: Path, folder: Path, names: Sequence[str]) -> dict[str, Any]:
    """Write the arrays, and return the rows; or the problem with a hint."""
    library = importlib.import_module("scipy.io")  # it comes with scikit-learn, and has no types
    try:
        found = library.loadmat(str(path), variable_names=[*names])
        rows = {name: _rows(found[name]) for name in names if name in found and found[name].dtype.names}
        for name in names:
            if name in found and found[name].dtype.kind in "fiub":
                files.write_part(folder / f"{name}.npy", _as_npy(found[name]))
    except NotImplementedError:
        return {"problem": "a .mat of MATLAB 7.3, which is not read", "hint": "Save it with -v7."}
    except WriteError as error:
        return {"unwritten": str(error)}
    except MemoryError:
        return {
            "problem": "reading it needs more memory than there is or it may take"
            f" ({format_bytes(_room(path))} more than a small file)",
            "hint": "Read it where there is more; if it is a small one, it is damaged: copy it again.",
        }
    except Exception as error:  # whatever the library says of a damaged file
        return {"problem": f"not a readable .mat: {str(error).strip() or type(error).__name__}", "hint": ""}
    return {"rows": rows}


def unpacked_bytes(path: Path) -> int:
    """Return how many bytes the variables of a .mat have, those compressed as long as each says it is.

    Source: "MAT-File Level 5 File Format": a header of 128 bytes that ends with the order of bytes, and
    variables with a tag of 8: the type (15 for one in zlib's form) and the length.
    """
    total = 0
    with open_plain(path) as stream:
        size, order = path.stat().st_size, stream.read(128)[126:]
        if order not in (b"IM", b"MI"):
            return size
        kind = "<u4" if order == b"IM" else ">u4"
        for _ in range(_MOST_VARIABLES):
            tag = stream.read(_TAG_BYTES)
            if len(tag) < _TAG_BYTES:
                break
            what, length = map(int, np.frombuffer(tag, kind))
            start = stream.tell()
            length = min(length, size - start)
            total += length
            if what == _COMPRESSED:
                try:
                    inner = zlib.decompressobj().decompress(stream.read(_BEGINNING_BYTES), _TAG_BYTES)
                except zlib.error:
                    break
                if len(inner) == _TAG_BYTES:
                    total += min(int(np.frombuffer(inner, kind)[1]), _ZLIB_RATIO * length)
            stream.seek(start + length)
    return total


def _room(path: Path) -> int:
    unpacked = unpacked_bytes(path)
    return min(2 * unpacked, total_memory() or 2 * unpacked)  # unknown on Windows


def _as_npy(array: npt.NDArray[Any]) -> Iterator[bytes]:
    """Yield an array in the order of its axes that it has, as MATLAB's do the last first: without a copy."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, np.lib.format.header_data_from_array_1_0(array))
    yield header.getvalue()
    numbers = array.reshape(-1, order="A").view(np.uint8)
    for start in range(0, len(numbers), _PIECE):
        yield numbers[start : start + _PIECE].tobytes()


def _rows(records: Any) -> list[dict[str, int | str]]:
    """Return the whole numbers and texts of records, by their fields."""
    plain = [{name: each[name] for name in records.dtype.names} for each in records.reshape(-1)]
    singles = [{name: value.item() for name, value in row.items() if value.size == 1} for row in plain]
    return [
        {
            name: v if isinstance(v, str) else int(v)
            for name, v in row.items()
            if isinstance(v, str | int | float)
        }
        for row in singles
    ]


if __name__ == "__main__":
    name, seconds, place, *wanted = sys.argv[1:]
    accept_limits(Path(name).stat().st_size, float(seconds), room=_room(Path(name)))
    answer(read(Path(name), Path(place), wanted))
