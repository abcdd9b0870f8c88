"""Arrays are read however well they were packed, if the memory can hold them."""

from pathlib import Path

import numpy as np
import pytest

from resnetlab.data.archives import array_files
from resnetlab.data.archives.array_files import read_npz
from resnetlab.errors import DataError


def test_masks_are_read_where_they_fit_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """DSprites is 115 times as large as its file."""
    masks = np.zeros((65, 1024, 1024), np.uint8)
    np.savez_compressed(tmp_path / "masks.npz", images=masks)

    assert read_npz(tmp_path / "masks.npz")["images"].shape == masks.shape
    monkeypatch.setattr(array_files, "total_memory", lambda: 2**27)  # of a small machine
    with pytest.raises(DataError, match=r"masks.npz: cannot be read: its arrays would take 68,157,\d+ bytes"):
        read_npz(tmp_path / "masks.npz")
