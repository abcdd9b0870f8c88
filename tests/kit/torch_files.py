"""Files as others' programs write them by torch.save, and what is read from files, compared."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor


def save(content: object, path: Path, **how: Any) -> Path:
    """Pickle the content as torch.save does, and return the path."""
    torch.save(content, path, **how)  # noqa: TID251 - what others' programs write
    return path


def equal(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> bool:
    """Whether the names and the numbers are the same."""
    return set(found) == set(expected) and all(torch.equal(found[name], expected[name]) for name in found)
