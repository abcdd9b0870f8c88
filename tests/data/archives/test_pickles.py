import os
import pickle
import random

import numpy as np
import pytest

from resnetlab.data.archives.pickles import PickledArray, read_pickle
from resnetlab.errors import DataError


class Bomb:
    """Runs a call when it is unpickled by Python itself."""

    def __init__(self, call, *arguments):
        self.call, self.arguments = call, arguments

    def __reduce__(self):
        return self.call, self.arguments


@pytest.mark.parametrize("protocol", range(6))
def test_a_pickle_that_runs_a_command_is_refused_and_runs_nothing(protocol, tmp_path):
    marker = tmp_path / "marker"
    content = pickle.dumps({"data": Bomb(os.system, f"touch {marker}")}, protocol)

    with pytest.raises(DataError, match=r"^here: the pickle asks for \w+\.system; only NumPy arrays"):
        read_pickle(content, "here")

    assert not marker.exists()
    pickle.loads(content)
    assert marker.exists()  # the bomb was a real one


@pytest.mark.parametrize(
    ("call", "arguments"),
    [
        (eval, ("1",)),
        (getattr, (1, "real")),
        (open, (os.devnull,)),
        (np.load, ("x.npy",)),
        (np.fromfile, (os.devnull,)),
        (bytearray, (10,)),
        (complex, (1, 2)),
    ],
)
def test_any_other_name_is_refused(call, arguments):
    with pytest.raises(DataError, match="the pickle asks for"):
        read_pickle(pickle.dumps(Bomb(call, *arguments), 2), "here")


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x02cnumpy\nndarray\n(K\x05tR.",  # numpy.ndarray(5)
        b"\x80\x02cnumpy\nndarray\n}X\x01\x00\x00\x00aK\x01sb.",  # its attributes set
        b"\x80\x02cnumpy\ndtype\n}X\x01\x00\x00\x00aK\x01sb.",
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\n}sb.",
        b"\x80\x02Pother\n.",  # a persistent id
        b"\x80\x02\x82\x01.",  # an extension code
        b"\x80\x04\x8c\x05numpy\x8c\x0dndarray.shape\x93.",  # a dotted name
        b"",
    ],
)
def test_calls_and_changes_of_the_names_that_are_known_do_nothing(content):
    with pytest.raises(DataError, match=r"^here: "):
        read_pickle(content, "here")


ARRAYS = [
    np.arange(12, dtype=np.uint8).reshape(3, 4),
    np.asfortranarray(np.arange(12, dtype=np.int64).reshape(3, 4)),
    np.arange(3, dtype=">i4"),
    np.array([True, False]),
    np.array(1.5, np.float32),
    np.zeros((0, 5), np.float64),
]


@pytest.mark.parametrize("protocol", [3, 4])
@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: f"{array.dtype.str}{array.shape}")
def test_arrays_come_back_as_they_were(array, protocol):
    read = read_pickle(pickle.dumps([array], protocol), "here")[0].to_array()

    np.testing.assert_array_equal(array, read)
    assert array.dtype == read.dtype


def test_containers_come_back_as_they_were():
    content = {"a": [1, 2.5, None, True], "b": (b"bytes", "text"), "c": {1: {}}}

    for protocol in (3, 4, 5):
        assert content == read_pickle(pickle.dumps(content, protocol), "here")


@pytest.mark.parametrize(
    "array",
    [
        np.array([{}], object),
        np.array(["text"]),
        np.zeros(2, [("a", "u1")]),
        np.array(["2020-01-01"], "M8[D]"),
        np.zeros(2, complex),
    ],
    ids=lambda array: str(array.dtype),
)
def test_arrays_of_anything_but_numbers_are_refused(array):
    with pytest.raises((ValueError, DataError)):
        read_pickle(pickle.dumps(array, 4), "here").to_array()


@pytest.mark.parametrize("state", [{}, (), "<", None, (3,)])
def test_a_type_of_numbers_that_says_nothing_is_refused(state):
    array = read_pickle(pickle.dumps(np.zeros(8, np.uint8), 4), "here")
    array.state[2].__setstate__(state)

    with pytest.raises(ValueError, match="a type of numbers is described by"):
        array.to_array()


def test_a_shape_that_the_bytes_do_not_fill_allocates_nothing():
    array = read_pickle(pickle.dumps(np.zeros(8, np.uint8), 4), "here")
    version, _, dtype, is_fortran, content = array.state
    array.__setstate__((version, (10**12,), dtype, is_fortran, content))

    with pytest.raises(ValueError, match="cannot reshape"):
        array.to_array()


def test_a_few_bytes_that_ask_for_gigabytes_are_refused_before_they_get_them():
    with pytest.raises(DataError, match="it numbers an object 268435456"):
        read_pickle(b"\x80\x02]r" + (2**28).to_bytes(4, "little") + b".", "here")


def test_a_damaged_pickle_is_an_error_of_ours_or_plain_data():
    """Cut at every byte, and with random bytes changed: nothing but DataError and ValueError."""
    whole = pickle.dumps({"data": np.arange(40, dtype=np.uint8), "labels": [1, 2, 3]}, 4)
    rng = random.Random(5)
    damaged = [whole[:length] for length in range(len(whole))]
    for _ in range(3000):
        content = bytearray(whole)
        for _ in range(rng.randint(1, 3)):
            content[rng.randrange(len(content))] = rng.randrange(256)
        damaged.append(bytes(content))

    refused = 0
    for content in damaged:
        try:
            read = read_pickle(content, "here")
            if isinstance(read, dict) and isinstance(read.get("data"), PickledArray):
                read["data"].to_array()
        except (DataError, ValueError):
            refused += 1

    assert refused > len(whole)
