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


def test_many_arrays_that_were_never_written_are_not_read_together(tmp_path: Path) -> None:
    """Found by hand: 120 of 64 MiB in 190 kB took more than 7 GB."""
    with h5py.File(tmp_path / "x.h5", "w") as file:
        for number in range(20):
            file.create_dataset(f"a{number:02}", (2**24,), "f4", chunks=(2**20,))
        file["weights"] = np.ones(3, np.float32)

    root = read_hdf5(tmp_path / "x.h5")

    assert sum(each.array is not None for each in root.members.values() if isinstance(each, Dataset)) == 1
    with pytest.raises(ValueError, match="a07 would take with those before it far more bytes than are"):
        root.array("a07")


def test_what_nobody_asks_for_spoils_nothing(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["weights"] = np.ones(3, np.float32)
        file.attrs["author"] = np.bytes_(b"Andr\xe9")
        file.attrs["authors"] = np.array([b"Andr\xe9", b"Bo"])
        file.create_dataset("packed", data=np.arange(64), chunks=(64,), compression="gzip")
        file.create_group(b"caf\xe9")["one"] = 1
    content = (tmp_path / "x.h5").read_bytes()
    gzip, stranger = b"\1\0\10\0\1\0\1\0deflate", b"\0\x7e\10\0\1\0\1\0deflate"  # the filter's number first
    (tmp_path / "x.h5").write_bytes(content.replace(gzip, stranger))

    root = read_hdf5(tmp_path / "x.h5")

    assert root.array("weights").tolist() == [1, 1, 1]
    assert root.texts == {"author": "Andr\ufffd", "authors": ["Andr\ufffd", "Bo"]}
    assert int(root.array("caf\\xe9/one")) == 1
    with pytest.raises(ValueError, match="packed cannot be read"):
        root.array("packed")


def test_groups_that_lead_back_are_no_end(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_group("a")["again"] = file["/"]

    with pytest.raises(ValueError, match="lies too deep"):
        read_hdf5(tmp_path / "x.h5")
