"""What our own exports for others say of themselves within the file: the classes, the preprocessing."""

import importlib.util
import json
from pathlib import Path
from typing import Any

_PARTS = ("class_names", "preprocessing")
_GROUP = "resnetlab"


def described(path: Path) -> dict[str, Any]:
    """Return the class names and the preprocessing in an .h5 of ours; empty if it is another's."""
    if path.suffix not in (".h5", ".hdf5") or importlib.util.find_spec("h5py") is None:
        return {}
    import h5py

    try:
        with h5py.File(path, "r") as file:
            group = file.get(_GROUP, {})
            return {part: json.loads(group[part][()]) for part in _PARTS if part in group}
    except Exception:  # whatever a damaged file makes of h5py; who reads its tensors says so
        return {}
