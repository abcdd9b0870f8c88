"""HDF5 is read whole, by a process within limits, and nothing that leads elsewhere is followed."""

from pathlib import Path

import numpy as np
import pytest

from resnetlab.base.reading.hdf5 import Dataset, read_hdf5

h5py = pytest.importorskip("h5py")


def test_groups_arrays_and_texts_are_read(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["a/b"] = np.arange(6, dtype=">i4").reshape(2, 3)
        file["a/one"] = np.float16(1.5)
        file["a/text"] = "words"
        file["a"].attrs["names"] = [b"x", b"y"]
        file["a"].attrs["none"] = []
        file.attrs["told"] = "{}"
        file.attrs["number"] = 3

    root = read_hdf5(tmp_path / "x.h5")

    assert root.array("a/b").tolist() == [[0, 1, 2], [3, 4, 5]]
    assert (root.array("a/one").shape, float(root.array("a/one"))) == ((), 1.5)
    text = root.at("a/text")
    assert isinstance(text, Dataset) and text.text == "words"
    assert (root.texts, root.group("a").texts) == ({"told": "{}"}, {"names": ["x", "y"], "none": []})


def test_one_array_under_many_names_is_read_once(tmp_path: Path) -> None:
    """Found by hand: 2,000 links to 3.4 MB took more than 7 GB."""
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["a"] = np.zeros(10**6, np.float32)
        for number in range(300):
            file[f"b{number}"] = file["a"]

    root = read_hdf5(tmp_path / "x.h5")

    assert len(root.members) == 301
    assert root.array("a").base is not None and np.shares_memory(root.array("a"), root.array("b7"))


def test_many_arrays_that_were_never_written_are_refused_together(tmp_path: Path) -> None:
    """Found by hand: 120 of 64 MiB in 190 kB took more than 7 GB."""
    with h5py.File(tmp_path / "x.h5", "w") as file:
        for number in range(20):
            file.create_dataset(f"a{number}", (2**24,), "f4", chunks=(2**20,))

    with pytest.raises(ValueError, match="its arrays would take far more bytes than are in the file"):
        read_hdf5(tmp_path / "x.h5")


def test_groups_that_lead_back_are_no_end(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_group("a")["again"] = file["/"]

    with pytest.raises(ValueError, match="lies too deep"):
        read_hdf5(tmp_path / "x.h5")
