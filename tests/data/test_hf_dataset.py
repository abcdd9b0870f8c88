import pickle
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from resnetlab.data.hf_dataset import is_hf_dataset, open_hf_dataset
from resnetlab.errors import DataError, UsageError
from tests.data.pictures import picture


def make(labels, *, start=0, names=("cat", "dog"), **more):
    datasets = pytest.importorskip("datasets")
    images = [{"bytes": picture(start + index), "path": f"{index}.jpg"} for index in range(len(labels))]
    columns = {"picture": images, "kind": labels, **more}
    features = datasets.Features(
        {"picture": datasets.Image(), "kind": datasets.ClassLabel(names=list(names))}
        | {
            name: datasets.Value("int64") if isinstance(v[0], int) else datasets.Image()
            for name, v in more.items()
        }
    )
    return datasets.Dataset.from_dict(columns, features=features)


def save(path, **parts):
    import datasets

    datasets.DatasetDict(parts).save_to_disk(str(path))
    return path


def test_splits_labels_names_and_bytes_are_read(tmp_path):
    path = save(tmp_path / "d", train=make([0, 1, 1]), validation=make([1, 0], start=50, id=[7, 8]))

    source = open_hf_dataset(path)

    assert is_hf_dataset(path)
    assert source.class_names == ("cat", "dog")
    assert source.train.labels.tolist() == [0, 1, 1]
    image = source.test.read(1)
    assert (image.data, image.place) == (picture(51), "validation record 1")
    assert source.notes == ("there is no test split: the validation split serves as one",)
    assert len(source.fingerprint) == 64


def test_a_dataset_without_splits_is_divided(tmp_path):
    make([0, 1] * 10).save_to_disk(str(tmp_path / "d"))

    source = open_hf_dataset(tmp_path / "d")

    assert is_hf_dataset(tmp_path / "d")
    assert (len(source.train), len(source.test)) == (16, 4)


def test_the_reader_pickles_without_its_table_and_serves_threads(tmp_path):
    split = open_hf_dataset(save(tmp_path / "d", train=make([0, 1] * 20), test=make([0, 1]))).train
    before = [split.read(index).data for index in range(40)]

    copy = pickle.loads(pickle.dumps(split))
    assert len(pickle.dumps(split.reader)) < 1000
    with ThreadPoolExecutor(4) as pool:
        assert [image.data for image in pool.map(copy.read, range(40))] == before


def test_each_guard_fires(tmp_path):
    two = save(tmp_path / "two", train=make([0, 1], other=[picture(1)] * 2), test=make([0, 1]))
    with pytest.raises(UsageError, match=r"2 columns of type Image\nChoose with image_column\. It has pict"):
        open_hf_dataset(two)
    assert len(open_hf_dataset(two, image_column="picture").train) == 2
    with pytest.raises(UsageError, match="no column 'id' of type ClassLabel"):
        open_hf_dataset(two, image_column="picture", label_column="id")
    none = save(tmp_path / "none", train=make([0, None]), test=make([0, 1]))
    with pytest.raises(DataError, match="train record 1: no label"):
        open_hf_dataset(none)
    odd = save(tmp_path / "odd", train=make([0, 1]), practice=make([0, 1]))
    with pytest.raises(DataError, match="splits practice are none of train"):
        open_hf_dataset(odd)
    differ = save(tmp_path / "differ", train=make([0, 1]), test=make([0, 1], names=("dog", "cat")))
    with pytest.raises(DataError, match="the splits differ in their column kind"):
        open_hf_dataset(differ)


def test_a_damaged_dataset_is_a_data_error(tmp_path):
    path = save(tmp_path / "d", train=make([0, 1]), test=make([0, 1]))
    arrow = next((path / "train").glob("*.arrow"))
    arrow.write_bytes(arrow.read_bytes()[:100])

    with pytest.raises(DataError, match="not a readable dataset"):
        open_hf_dataset(path)


def test_without_the_library_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    (tmp_path / "state.json").write_text("{}")

    with pytest.raises(UsageError, match=r"needs the library datasets\n`pip install resnetlab\[data\]`"):
        open_hf_dataset(tmp_path)


def test_a_listing_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "dataset_dict.json").write_text('{"splits"')

    with pytest.raises(DataError, match=r"dataset_dict\.json: cannot be read"):
        open_hf_dataset(tmp_path)
    assert not is_hf_dataset(tmp_path.parent)


def test_two_splits_of_one_meaning_are_refused(tmp_path):
    (tmp_path / "dataset_dict.json").write_text('{"splits": ["train", "valid", "validation"]}')

    with pytest.raises(DataError, match="valid and validation both mean the val split"):
        open_hf_dataset(tmp_path)
