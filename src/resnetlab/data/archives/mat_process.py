"""The process that reads MATLAB's files; `mat.read_variables` starts it.

`python -m resnetlab.data.archives.mat_process FILE SECONDS TARGET NAME...` writes the variables that are
arrays of numbers as safetensors to TARGET, and to its output as JSON those that are rows of numbers and
texts.
"""

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

from resnetlab.base import files
from resnetlab.base.reading.process import accept_limits, answer
from resnetlab.errors import WriteError


def read(path: Path, target: Path, names: Sequence[str]) -> dict[str, Any]:
    """Write the arrays, and return the rows; or the problem with a hint."""
    library = importlib.import_module("scipy.io")  # it comes with scikit-learn, and has no types
    try:
        found = library.loadmat(str(path), variable_names=[*names])
        rows = {name: _rows(found[name]) for name in names if name in found and found[name].dtype.names}
        arrays = {name: found[name] for name in names if name in found and found[name].dtype.kind in "fiub"}
        plain = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
        files.write_part(target, save(plain))
    except NotImplementedError:
        return {"problem": "a .mat of MATLAB 7.3, which is not read", "hint": "Save it with -v7."}
    except WriteError as error:
        return {"unwritten": str(error)}
    except Exception as error:  # whatever the library says of a damaged file
        return {"problem": f"not a readable .mat: {str(error).strip() or type(error).__name__}", "hint": ""}
    return {"rows": rows}


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
    accept_limits(Path(name).stat().st_size, float(seconds))
    answer(read(Path(name), Path(place), wanted))
