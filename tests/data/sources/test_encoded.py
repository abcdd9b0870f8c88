import hashlib
import json
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from resnetlab.data.folders.folder import open_folder
from resnetlab.data.folders.table import open_csv
from resnetlab.data.images.image import EncodedImage
from resnetlab.data.records.tfrecord import open_tfrecord
from resnetlab.data.sources import encoded
from resnetlab.data.sources.encoded import EncodedSource, EncodedSplit, FileReader, Names
from resnetlab.data.sources.split import hold_out
from resnetlab.errors import DataError
from tests.kit.pictures import write_folder
from tests.kit.tfrecords import write_shards

LABELS = np.array([0, 1, 2, 0, 1, 2])


@pytest.fixture
def reader(tmp_path):
    names = [f"{index}.jpg" for index in range(8)]
    for index, name in enumerate(names):
        (tmp_path / name).write_bytes(bytes([index]) * (index + 1))
    return FileReader(str(tmp_path), Names.of(names))


def make_source(reader, **changes):
    split = EncodedSplit(reader, np.arange(6), LABELS)
    return EncodedSource(
        **({"name": "s", "class_names": ("a", "b", "c"), "train": split, "test": split} | changes)
    )


def test_all_problems_are_told_at_once(reader):
    train = EncodedSplit(reader, np.arange(3, dtype=np.int32), np.array([0, 7, -1]))
    test = EncodedSplit(reader, np.array([8]), np.array([], np.int64))

    with pytest.raises(DataError) as raised:
        make_source(reader, class_names=("a", "a"), train=train, test=test, origin="here")

    assert str(raised.value).splitlines() == [
        "here: class names occur twice: a",
        "here: train indices are int32 (3,), expected int64 (N,)",
        "here: train: record 1 has label 7, labels are 0 to 1 (2 such records)",
        "here: test has an index outside of the reader's 8 images",
        "here: test has 1 images but 0 labels",
        "here: test is empty",
    ]


@pytest.mark.parametrize("part", ["test", "val"])
def test_a_class_missing_from_another_split_is_noted_and_from_train_refused(reader, part):
    fewer = EncodedSplit(reader, np.arange(2), np.array([0, 1]))

    assert make_source(reader, **{part: fewer}, notes=("n",)).notes == ("n", f"{part} has no image of c")
    with pytest.raises(DataError, match=r"^s: train has no image of c$"):
        make_source(reader, train=fewer)
    assert make_source(reader, train=fewer, is_partial=True).notes == ("train has no image of c",)


def test_take_shares_the_reader_and_keeps_the_order(reader):
    split = EncodedSplit(reader, np.array([5, 3, 1]), np.array([2, 1, 0]))

    taken = split.take(np.array([2, 0]))

    assert taken.reader is reader
    assert (taken.indices.tolist(), taken.labels.tolist(), len(taken)) == ([1, 5], [0, 2], 2)
    assert taken.read(1) == EncodedImage(b"\5" * 6, "5.jpg")
    assert taken.place(0) == "1.jpg"
    assert split.samples_per_class(4) == [1, 1, 1, 0]


def test_the_validation_split_is_held_out_as_of_pixels(reader):
    train, held_out = hold_out(make_source(reader).train, 3, seed=0)

    assert sorted([*train, *held_out]) == list(range(6))
    assert sorted(LABELS[held_out]) == [0, 1, 2]


def test_the_fingerprint_is_what_its_docstring_says(reader):
    source = make_source(reader)
    places = [[f"{index}.jpg" for index in range(6)]] * 2
    sizes = [[1, 2, 3, 4, 5, 6]] * 2
    whole = hashlib.sha256(json.dumps([["a", "b", "c"], places, sizes]).encode())
    whole.update(2 * LABELS.astype("<i8").tobytes())
    whole.update(2 * b"".join(bytes([index]) * (index + 1) for index in range(6)))

    assert source.fingerprint == whole.hexdigest()


def test_the_fingerprint_feels_content_only_below_its_limit(reader, monkeypatch):
    before, path = make_source(reader).fingerprint, Path(reader.root, "3.jpg")
    path.write_bytes(b"same")  # as long as it was

    assert make_source(reader).fingerprint != before
    monkeypatch.setattr(encoded, "MOST_BYTES_HASHED", 42)  # the bytes of both splits
    unread = make_source(reader).fingerprint
    path.write_bytes(b"SAME")
    assert make_source(reader).fingerprint == unread
    path.write_bytes(b"longer")
    assert make_source(reader).fingerprint != unread


def test_the_fingerprint_does_not_feel_where_the_folder_lies(tmp_path):
    counts = {"train": {"a": 2, "b": 2}, "test": {"a": 1, "b": 1}}
    first, second = (open_folder(write_folder(tmp_path / name, counts)) for name in ("one", "two"))

    assert first.fingerprint == second.fingerprint
    (tmp_path / "two/test/a/000.jpg").rename(tmp_path / "two/test/a/001.jpg")
    assert open_folder(tmp_path / "two").fingerprint != first.fingerprint


def test_the_description_is_plain_data_with_every_count(reader):
    described = make_source(reader, val=EncodedSplit(reader, np.arange(2), np.array([0, 1]))).describe()

    assert json.loads(json.dumps(described)) == described
    assert described["samples"] == {"train": 6, "test": 6, "val": 2}
    assert described["samples_per_class"]["val"] == [1, 1, 0]


def test_a_file_that_is_gone_is_named(reader):
    Path(reader.root, "3.jpg").unlink()

    with pytest.raises(DataError, match=r"^3\.jpg: cannot be read: No such file"):
        reader.read(3)
    with pytest.raises(DataError, match=r"^3\.jpg: cannot be read: No such file"):
        reader.size(3)


def test_names_of_any_bytes_come_back_and_pickle_small():
    names = ["a", "", "ü/é.jpg", "not \udcff utf-8", "b"] * 20_000
    packed = Names.of(names)

    assert len(pickle.dumps(packed)) < 2_000_000
    assert [pickle.loads(pickle.dumps(packed))[index] for index in range(5)] == names[:5]
    assert (len(packed), packed[99_999]) == (100_000, "b")


def test_a_reader_works_in_many_threads_and_in_a_fresh_process(reader):
    expected = [bytes([index]) * (index + 1) for index in range(8)]

    with ThreadPoolExecutor(8) as pool:
        found = [image.data for image in pool.map(reader.read, [*range(8)] * 50)]
    assert found == expected * 50
    program = "import sys, pickle; print(pickle.loads(sys.stdin.buffer.read()).read(7).data)"
    ran = subprocess.run(
        [sys.executable, "-c", program], input=pickle.dumps(reader), capture_output=True, check=True
    )
    assert ran.stdout.decode().strip() == repr(expected[7])


def test_sources_of_relative_paths_are_read_after_a_change_of_directory(tmp_path, monkeypatch):
    monkeypatch.setenv("RESNETLAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    write_folder(tmp_path / "photos", {"train": {"cat": 1, "dog": 1}, "val": {"cat": 1}})
    rows = ("train/cat/000.jpg,0,train", "train/dog/000.jpg,1,train", "val/cat/000.jpg,0,val")
    (tmp_path / "photos/list.csv").write_text("\n".join(rows))
    write_shards(tmp_path / "shards", "train", [1, 2])
    write_shards(tmp_path / "shards", "validation", [1])
    sources = [
        open_folder(Path("photos")),
        open_csv(Path("photos/list.csv")),
        open_tfrecord(Path("shards")),
    ]

    monkeypatch.chdir("/")

    for source in sources:
        assert source.train.read(0).data
        assert not Path(source.origin).is_absolute()


def test_files_become_what_a_network_asks_for_and_are_read_for_nothing_else(reader, tmp_path):
    unreadable = make_source(reader)
    folder = write_folder(tmp_path / "photos", {"train": {"a": 1, "b": 1}, "val": {"a": 1}})

    assert unreadable.reads_files
    assert unreadable.train.image_shape == ()
    assert unreadable.train.input_shape((8, 9), channels=1) == (8, 9, 1)
    assert unreadable.train.input_shape((8, 9), channels=7) == (8, 9, 3)
    assert open_folder(folder).train.input_shape(None) == (32, 40, 3)
