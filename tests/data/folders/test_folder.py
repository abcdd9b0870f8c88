import os

import numpy as np
import pytest

from resnetlab.data.folders.folder import open_folder
from resnetlab.data.sources.encoded import EncodedSplit
from resnetlab.data.sources.split import hold_out
from resnetlab.errors import DataError
from tests.kit.pictures import write_folder

TWO = {"cat": 2, "dog": 3}


def places(split):
    return [split.place(index) for index in range(len(split))]


@pytest.mark.parametrize("val", ["val", "valid", "validation", "Valid"])
def test_train_and_val_alone_make_val_the_test_split(tmp_path, val):
    source = open_folder(write_folder(tmp_path / "pets", {"train": TWO, val: {"cat": 1, "dog": 1}}))

    assert source.class_names == ("cat", "dog")
    assert places(source.train) == [
        *("train/cat/000.jpg", "train/cat/001.jpg"),
        *("train/dog/000.jpg", "train/dog/001.jpg", "train/dog/002.jpg"),
    ]
    assert source.train.labels.tolist() == [0, 0, 1, 1, 1]
    assert places(source.test) == [f"{val}/cat/000.jpg", f"{val}/dog/000.jpg"]
    assert (source.val, source.name) == (None, "pets")
    assert source.notes == ("there is no test split: the validation split serves as one",)
    assert source.test.read(0).data == (tmp_path / "pets" / val / "cat/000.jpg").read_bytes()


def test_three_splits_stay_three(tmp_path):
    source = open_folder(write_folder(tmp_path, {"train": TWO, "val": TWO, "test": {"cat": 1, "dog": 1}}))

    assert (len(source.train), len(source.val), len(source.test)) == (5, 5, 2)
    assert source.notes == ()


def test_without_splits_a_fifth_of_each_class_is_held_out_by_seed_0(tmp_path):
    source = open_folder(write_folder(tmp_path, {"": {"cat": 10, "dog": 15}}))

    assert source.train.samples_per_class(2) == [8, 12]
    assert source.test.samples_per_class(2) == [2, 3]
    assert not {*places(source.train)} & {*places(source.test)}
    assert "a fifth of each class is held out for test, seed 0" in source.notes[0]
    everything = open_folder(write_folder(tmp_path, {"": {"cat": 10, "dog": 15}}))
    assert places(everything.test) == places(source.test)


def test_train_alone_is_divided_too(tmp_path):
    source = open_folder(write_folder(tmp_path, {"train": {"cat": 5, "dog": 5}}))

    assert (len(source.train), len(source.test)) == (8, 2)


def test_a_class_called_train_is_a_class(tmp_path):
    source = open_folder(write_folder(tmp_path, {"": {"bus": 5, "car": 5, "train": 5}}))

    assert source.class_names == ("bus", "car", "train")


def test_classes_are_in_plain_sorted_order(tmp_path):
    names = ["class10", "class2", "Zebra", "ant", "été"]

    assert list(open_folder(write_folder(tmp_path, {"": dict.fromkeys(names, 5)})).class_names) == sorted(
        names
    )


def test_every_suffix_in_any_case_and_nested_folders_are_read(tmp_path):
    write_folder(tmp_path, {"train": TWO, "test": TWO})
    suffixes = ["JPG", "jpeg", "Png", "webp", "BMP", "gif", "tif", "TIFF", "ppm", "pgm", "jfif"]
    for suffix in suffixes:
        (tmp_path / "train/cat/2024/may").mkdir(parents=True, exist_ok=True)
        (tmp_path / f"train/cat/2024/may/x.{suffix}").write_bytes(b"x")

    source = open_folder(tmp_path)

    assert source.train.samples_per_class(2) == [2 + len(suffixes), 3]
    assert "train/cat/2024/may/x.Png" in places(source.train)
    assert source.notes == ()


def test_hidden_files_are_passed_over_and_others_counted(tmp_path):
    write_folder(tmp_path, {"train": TWO, "test": TWO})
    for name in (".DS_Store", "train/cat/._000.jpg", "train/.hidden/x.jpg", "train/cat/Thumbs.db"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    for name in ("train/cat/a.txt", "train/cat/b.TXT", "test/dog/README", "train/stray.jpg", "extra/x/y.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")

    source = open_folder(tmp_path)

    assert (len(source.train), len(source.test)) == (5, 5)
    assert source.notes == (
        "no pictures, not read: 3 files (.txt, no suffix)",
        "not in a class folder of a split, not read: extra/, train/stray.jpg",
        "left by the system or a program, with pictures in it, not read: train/.hidden",
    )


def test_links_are_followed_but_not_in_circles(tmp_path):
    root = write_folder(tmp_path / "data", {"train": TWO, "test": TWO})
    elsewhere = write_folder(tmp_path / "elsewhere", {"": {"more": 2}})
    os.symlink(elsewhere / "more", root / "train/cat/more")
    os.symlink(elsewhere / "more/000.jpg", root / "train/dog/linked.jpg")
    os.symlink(root / "train", root / "train/cat/circle")
    os.symlink(root / "train/cat", root / "train/cat/self")
    os.symlink("nowhere", root / "train/dog/gone.jpg")

    source = open_folder(root)

    assert source.train.samples_per_class(2) == [4, 4]
    assert source.notes == (
        "links to a folder that they lie in, not followed: train/cat/circle, train/cat/self",
        "links that lead nowhere, not read: train/dog/gone.jpg",
    )


def test_all_problems_are_told_at_once(tmp_path):
    write_folder(tmp_path, {"train": {"cat": 1, "dog": 1, "emu": 0, "yak": 0}, "test": {"cat": 1, "dgo": 1}})

    with pytest.raises(DataError) as raised:
        open_folder(tmp_path)

    assert str(raised.value).splitlines()[:2] == [
        f"{tmp_path}: class folders without an image in train: emu, yak",
        f"{tmp_path}: classes in test that are not in train: dgo. Did you mean dog?",
    ]


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ({"train": {"cat": 2}, "test": {"cat": 1}}, "needs at least two classes, has 1"),
        ({"": {"cat": 2}}, "needs at least two classes, has 1"),
        ({"": {"cat": 0, "dog": 0}}, "has no images in class folders\nExpected train/CLASS/IMAGE"),
        ({"": {}}, "has no images in class folders"),
        ({"": {"cat": 5, "dog": 0}}, "class folders without an image in train: dog"),
        ({"val": TWO, "test": TWO}, "has no train folder, only test and val"),
        ({"train": TWO, "val": TWO, "valid": TWO}, "val.* and val.* both mean the val split\nKeep one"),
        ({"": dict.fromkeys("abcde", 1)}, "too few images to divide into train and test: class a has 1"),
    ],
)
def test_each_guard_fires(tmp_path, counts, message):
    tmp_path.joinpath("x").mkdir()

    with pytest.raises(DataError, match=message):
        open_folder(write_folder(tmp_path / "x", counts))


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(DataError, match=r"gone: cannot be read: No such file"):
        open_folder(tmp_path / "gone")


def test_the_held_out_fifth_is_what_hold_out_chooses(tmp_path):
    source = open_folder(write_folder(tmp_path, {"": {"cat": 10, "dog": 10}}))
    order = sorted([*places(source.train), *places(source.test)])
    everything = EncodedSplit(source.train.reader, np.arange(20), np.repeat([0, 1], 10))

    assert [order[index] for index in hold_out(everything, 4, 0)[1]] == places(source.test)


def test_a_folder_that_many_links_lead_to_is_read_once_for_each_class(tmp_path):
    """Sixteen folders, each with two links to the next: 65,536 ways to one image."""
    folder = write_folder(tmp_path / "photos", {"": {"cat": 2, "dog": 2}})
    (tmp_path / "0").mkdir()
    (tmp_path / "0/x.jpg").write_bytes(b"1")
    for number in range(1, 17):
        (tmp_path / str(number)).mkdir()
        for name in "ab":
            (tmp_path / str(number) / name).symlink_to(tmp_path / str(number - 1))
    for name in ("cat", "dog"):
        (folder / name / "all").symlink_to(tmp_path / "16")

    source = open_folder(folder)

    assert len(source.train) + len(source.test) == 6
    assert "links to a folder that the class has, not followed: cat/all/a/a" in source.notes[0]
    assert f"cat/all/{'a/' * 16}x.jpg" in [source.train.reader.place(index) for index in range(6)]


def test_what_is_neither_file_nor_link_is_called_so(tmp_path):
    folder = write_folder(tmp_path / "photos", {"": {"cat": 2, "dog": 3}})
    os.mkfifo(folder / "cat/pipe.jpg")

    assert open_folder(folder).notes[0] == "neither files nor folders, not read: cat/pipe.jpg"
