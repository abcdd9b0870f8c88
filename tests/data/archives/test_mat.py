"""MATLAB's files are read in the memory that they unpack to, and what needs more says so."""

import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from resnetlab.data.archives import mat
from resnetlab.data.archives.array_files import read_mat
from resnetlab.data.archives.mat import read_variables
from resnetlab.data.archives.mat_process import unpacked_bytes
from resnetlab.errors import DataError

MANY = 20_000


def _masks(path: Path, *, is_packed: bool = True) -> np.ndarray:
    """Write MANY masks, 200 MB, and return the first row of each."""
    images = np.zeros((100, 100, 1, MANY), np.uint8, order="F")
    images[0, 0, 0] = np.arange(MANY) % 251
    savemat(path, {"X": images, "y": np.ones((MANY, 1), np.uint8)}, do_compression=is_packed)
    return images[0, :, 0].T


@pytest.mark.skipif(sys.platform != "linux", reason="where the system has such limits")
def test_what_packs_well_is_read_in_the_memory_that_it_unpacks_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first_rows = _masks(tmp_path / "a.mat")
    monkeypatch.setattr(mat, "_MODULE", "tests.kit.narrow_mat_reader")

    images, labels = read_mat(tmp_path / "a.mat")

    assert (tmp_path / "a.mat").stat().st_size < 2e6
    assert images.shape == (MANY, 100, 100, 1)
    assert np.array_equal(images[:, 0, :, 0], first_rows)
    assert len(labels) == MANY


@pytest.mark.skipif(sys.platform != "linux", reason="where the system has such limits")
def test_what_needs_more_memory_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a.mat"
    savemat(path, {"X": np.zeros((10, 10, 1, 3), np.uint8), "y": np.ones((3, 1), np.uint8)})
    content = path.read_bytes()
    numbers = np.array([2, 300], "=u4").tobytes()  # the tag of X's bytes
    assert content.count(numbers) == 1
    path.write_bytes(content.replace(numbers, np.array([2, 2**31], "=u4").tobytes()))

    with pytest.raises(DataError, match=r"a\.mat: reading it needs more memory than"):
        read_mat(path)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("is_packed", [True, False])
def test_numbers_keep_their_places_and_types(order: str, is_packed: bool, tmp_path: Path) -> None:
    seed = int(np.random.SeedSequence().generate_state(1)[0])
    rng, path = np.random.default_rng(seed), tmp_path / "a.mat"
    arrays = {
        "X": np.asarray(rng.normal(size=(3, 4, 2, 5)), order=order),
        "y": rng.integers(-9, 9, (5, 1)).astype(np.int16),
        "none": np.zeros((0, 3)),
    }
    savemat(path, arrays, do_compression=is_packed)

    found = read_variables(path, [*arrays]).arrays

    for name, array in arrays.items():
        assert found[name].dtype == array.dtype, f"seed {seed}"
        assert np.array_equal(found[name], array), f"seed {seed}"


def test_what_a_file_unpacks_to_is_what_its_variables_say(tmp_path: Path) -> None:
    path = tmp_path / "a.mat"
    savemat(path, {"X": np.zeros((1000, 1000), np.uint8)}, do_compression=True)
    honest = unpacked_bytes(path)
    path.write_bytes(path.read_bytes()[:200])

    assert 1_000_000 < honest < 1_010_000
    assert unpacked_bytes(path) <= 1101 * 200
