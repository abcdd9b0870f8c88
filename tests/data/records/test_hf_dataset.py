import json
import os
import pickle
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from resnetlab.data.open import open_source
from resnetlab.data.records.hf_dataset import is_hf_dataset, open_hf_dataset
from resnetlab.data.sources.choices import Choices
from resnetlab.errors import DataError, UsageError
from tests.kit.pictures import picture

_TYPES = {int: "int64", str: "string", bool: "bool"}


def make(labels, *, start=0, names=("cat", "dog"), **more):
    datasets = pytest.importorskip("datasets")
    images = [{"bytes": picture(start + index), "path": f"{index}.jpg"} for index in range(len(labels))]
    columns = {"picture": images, "kind": labels, **more}
    features = datasets.Features(
        {"picture": datasets.Image(), "kind": datasets.ClassLabel(names=list(names))}
        | {
            name: datasets.Image() if isinstance(v[0], bytes) else datasets.Value(_TYPES[type(v[0])])
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


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_what_is_not_read_may_be_anything_and_what_is_read_may_not(tmp_path):
    path = save(tmp_path / "d", train=make([0, 1]), test=make([0, 1]))
    (path / "train" / "dangling").symlink_to("nowhere")
    (path / "train" / "leftover.arrow").symlink_to("nowhere")
    os.mkfifo(path / "train" / "pipe")

    assert len(open_hf_dataset(path).train) == 2
    state = path / "train" / "state.json"
    state.write_text(json.dumps(json.loads(state.read_text()) | {"_data_files": [{"filename": "pipe"}]}))
    with pytest.raises(DataError, match="train: not a readable dataset: it is no plain file, but a pipe"):
        open_hf_dataset(path)


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
    with pytest.raises(
        UsageError, match=r"2 columns of type Image\nChoose with --data-set image_column=NAME\. It has pict"
    ):
        open_hf_dataset(two)
    assert len(open_hf_dataset(two, image_column="picture").train) == 2
    with pytest.raises(UsageError, match="no column 'id' of type ClassLabel, text or whole numbers"):
        open_hf_dataset(two, image_column="picture", label_column="id")
    none = save(tmp_path / "none", train=make([0, None]), test=make([0, 1]))
    with pytest.raises(DataError, match="train record 1: no label"):
        open_hf_dataset(none)
    odd = save(tmp_path / "odd", first=make([0, 1]), practice=make([0, 1]))
    with pytest.raises(DataError, match=r"splits first, practice are none of train.*\n.*train_split=first"):
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


def opened(path, **choices):
    return open_source(str(path), choices=Choices.of(choices), holds_small=False)


def test_columns_are_chosen(tmp_path):
    path = save(tmp_path / "d", train=make([0, 1], word=["b", "a"], good=[True, False]), test=make([1, 0]))
    path = save(
        tmp_path / "d",
        train=make([0, 1], word=["b", "a"], good=[True, False], number=[7, 10]),
        test=make([1, 0], start=9, word=["b", "b"], good=[True, True], number=[7, 7]),
    )

    found = {name: opened(path, label_column=name) for name in ("kind", "word", "good", "number")}

    assert {name: source.class_names for name, source in found.items()} == {
        "kind": ("cat", "dog"), "word": ("a", "b"), "good": ("false", "true"), "number": ("7", "10")
    }  # fmt: skip
    assert found["word"].train.labels.tolist() == [1, 0]
    assert found["number"].choices == {"label_column": "number"}
    with pytest.raises(UsageError, match=r"no column 'wort'.*\nDid you mean word"):
        opened(path, label_column="wort")


@pytest.mark.parametrize("title", ["label", "class_name", "Category"])
def test_a_column_of_text_that_is_called_as_a_label_is_one(tmp_path, title):
    parts = {
        part: make([0, 0], start=at, id=[3, 4], **{title: ["owl", "auk"]}).remove_columns("kind")
        for part, at in (("train", 0), ("test", 9))
    }

    source = opened(save(tmp_path / "d", **parts))

    assert source.class_names == ("auk", "owl")
    assert f"the labels are those of the column {title}" in source.notes


def test_a_column_is_never_taken_for_the_label_because_it_is_the_only_one(tmp_path):
    path = save(tmp_path / "d", train=make([0, 1], id=[3, 4]).remove_columns("kind"))

    with pytest.raises(UsageError, match=r"no columns of type ClassLabel\n.*label_column=NAME.*id \(int64\)"):
        opened(path)


def test_other_splits_are_left_out_or_chosen(tmp_path):
    path = save(tmp_path / "d", train=make([0, 1]), test=make([1, 0], start=9), extra=make([1, 0], start=20))

    plain, chosen = opened(path), opened(path, train_split="train,extra")

    assert any("splits that are left out: extra" in note for note in plain.notes)
    assert (len(plain.train), len(chosen.train), len(chosen.test)) == (2, 4, 2)
    assert [chosen.train.place(index) for index in (1, 2)] == ["train record 1", "extra record 0"]
    assert chosen.train.read(3).data == picture(21)
    assert pickle.loads(pickle.dumps(chosen.train)).read(2).data == picture(20)
    with pytest.raises(UsageError, match="train_split=trian: no split trian\nDid you mean train"):
        opened(path, train_split="trian")
    assert len(opened(path, train_split="extra", test_split="none", val_split="test").test) == 2


def test_a_test_split_whose_labels_are_secret_is_left_out(tmp_path):
    path = save(tmp_path / "d", train=make([0, 1] * 5), test=make([-1, -1]), validation=make([0, 1], start=9))

    source = opened(path)

    assert "split test has no labels, it is left out" in source.notes
    assert source.test.place(0) == "validation record 0"


@pytest.mark.parametrize(
    "name",
    [
        "data/{}-00000-of-00001.parquet",
        "{}-00000-of-00001-a1b2c3.parquet",
        "default/{}/0000.parquet",
        "pets-{}.parquet",
    ],
)
def test_parquet_files_as_the_hub_has_them_are_read(tmp_path, monkeypatch, name):
    monkeypatch.setenv("RESNETLAB_CACHE", str(tmp_path / "cache"))
    for part, at in (("train", 0), ("test", 50)):
        file = tmp_path / "hub" / name.format(part)
        file.parent.mkdir(parents=True, exist_ok=True)
        make([0, 1, 1], start=at).to_parquet(str(file))

    source = opened(tmp_path / "hub")

    assert source.class_names == ("cat", "dog")
    assert source.train.labels.tolist() == [0, 1, 1]
    assert source.test.read(1).data == picture(51)
    assert pickle.loads(pickle.dumps(source.test)).read(2).data == picture(52)


def test_subsets_of_a_hub_folder_are_asked_for(tmp_path, monkeypatch):
    monkeypatch.setenv("RESNETLAB_CACHE", str(tmp_path / "cache"))
    for subset in ("large", "small"):
        for part in ("train", "test"):
            (tmp_path / "hub" / subset).mkdir(parents=True, exist_ok=True)
            make([0, 1]).to_parquet(str(tmp_path / f"hub/{subset}/{part}-00000-of-00001.parquet"))

    with pytest.raises(UsageError, match="2 subsets\nChoose with --data-set subset=NAME: large, small"):
        opened(tmp_path / "hub")

    assert len(opened(tmp_path / "hub", subset="small").train) == 2


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        (("train-00000-of-00003", "train-00002-of-00003"), "train lacks 1 of its 3 files: number 1"),
        (("train", "train-00000-of-00001"), "train has train.parquet beside files with numbers"),
        (
            ("train-00000-of-00001", "train-00000-of-00002"),
            "train has files of 1 and of 2: of several",
        ),
    ],
)
def test_a_split_of_which_files_are_missing_is_refused(tmp_path, files, problem):
    pytest.importorskip("datasets")
    (tmp_path / "data").mkdir()
    for name in files:
        (tmp_path / "data" / f"{name}.parquet").write_bytes(b"PAR1")

    with pytest.raises(DataError, match=problem):
        open_hf_dataset(tmp_path)


@pytest.mark.parametrize("outer", [
    lambda image, label: {"sample": {"image": {"bytes": image, "path": None}, "label": label}},
    lambda image, label: {"jpg": {"data": image}, "label": label},
    lambda image, label: {"image": {"bytes": image, "path": "x"}, "meta": {"file": {"label": label}}},
])  # fmt: skip
def test_columns_within_columns_are_read(tmp_path, monkeypatch, outer):
    monkeypatch.setenv("RESNETLAB_CACHE", str(tmp_path / "cache"))
    arrow, parquet = (pytest.importorskip(name) for name in ("pyarrow", "pyarrow.parquet"))
    images = [picture(seed) for seed in range(6)]
    rows = [outer(image, index % 2) for index, image in enumerate(images)]
    table = arrow.table({name: [row[name] for row in rows] for name in rows[0]})
    parquet.write_table(table, str(tmp_path / "train.parquet"))

    source = open_hf_dataset(tmp_path / "train.parquet")

    read = {source.parts[part].read(i).data for part in source.parts for i in range(len(source.parts[part]))}
    assert read == {*images}
    assert source.class_names == ("0", "1")
    if "image" in table.column_names:  # the column's own name is as good
        chosen = open_hf_dataset(tmp_path / "train.parquet", image_column="image")
        assert chosen.fingerprint == source.fingerprint
