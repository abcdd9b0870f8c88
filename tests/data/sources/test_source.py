import json
import os
import subprocess
import sys

import numpy as np
import pytest

from resnetlab.data.downloads import COLLECTIONS, DOWNLOADS
from resnetlab.data.open import SOURCES, open_source
from resnetlab.data.sources.source import Source, Split
from resnetlab.errors import DataError, UsageError


def make_split(size=6, classes=3, seed=0):
    images = np.random.default_rng(seed).integers(0, 256, (size, 4, 5, 3)).astype(np.uint8)
    return Split(images, np.arange(size) % classes)


def make_source(**changes):
    whole = {"name": "s", "class_names": ("a", "b", "c"), "train": make_split(), "test": make_split(seed=1)}
    return Source(**(whole | changes))


def test_all_problems_are_told_at_once():
    train = Split(np.zeros((3, 4, 5), np.float32), np.array([0, 7, -1]))
    test = Split(np.zeros((2, 4, 5, 3), np.uint8), np.array([], np.int64))

    with pytest.raises(DataError) as raised:
        make_source(class_names=("a", "a"), train=train, test=test, origin="here")

    assert str(raised.value).splitlines() == [
        "here: class names occur twice: a",
        "here: train images are float32 (3, 4, 5), expected uint8 (N, H, W, C)",
        "here: train: record 1 has label 7, labels are 0 to 1 (2 such records)",
        "here: test has 2 images but 0 labels",
        "here: test is empty",
        "here: train and test images differ in height, width or channels: (4, 5) and (4, 5, 3)",
    ]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"class_names": ("a",)}, "at least two classes"),
        ({"train": Split(make_split().images, np.zeros(6, np.int32))}, "labels are int32"),
        ({"train": Split(np.zeros((6, 4, 5, 3), np.float32), make_split().labels)}, "are float32"),
        ({"train": Split(np.zeros((6, 0, 5, 3), np.uint8), np.zeros(6, np.int64))}, "expected uint8"),
        ({"train": make_split(classes=2)}, "train has no image of c"),
    ],
)
def test_each_guard_fires(changes, message):
    with pytest.raises(DataError, match=message):
        make_source(**changes)


def test_a_part_of_a_collection_may_lack_classes_and_says_so():
    notes = make_source(train=make_split(classes=2), is_partial=True, notes=("small",)).notes

    assert notes == ("small", "train has no image of c")


def test_a_class_without_test_images_is_noted():
    assert make_source(test=make_split(classes=1)).notes == ("test has no image of b, c",)


def test_the_fingerprint_feels_names_shapes_labels_pixels_and_order():
    train = make_split()
    pixel = train.images.copy()
    pixel[5, 3, 4, 2] ^= 1
    changes = {
        "same": {},
        "names": {"class_names": ("a", "c", "b")},
        "label": {"train": Split(train.images, np.array([0, 1, 2, 0, 2, 1]))},
        "pixel": {"train": Split(pixel, train.labels)},
        "order": {"train": train.take(np.array([1, 0, 2, 3, 4, 5]))},
        "swapped": {"train": make_split(seed=1), "test": train},
        "shape": {
            part: Split(getattr(make_source(), part).images.reshape(-1, 5, 4, 3), train.labels)
            for part in ("train", "test")
        },
    }

    prints = {name: make_source(**change).fingerprint for name, change in changes.items()}

    assert len(set(prints.values())) == len(changes)
    assert make_source(name="other", origin="elsewhere").fingerprint == prints["same"]
    strided = Split(np.asfortranarray(train.images), train.labels)
    assert make_source(train=strided).fingerprint == prints["same"]


def test_the_description_is_plain_data_with_every_count():
    described = make_source(train=make_split(7)).describe()

    assert json.loads(json.dumps(described)) == described
    assert described["samples"] == {"train": 7, "test": 6}
    assert described["samples_per_class"] == {"train": [3, 2, 2], "test": [2, 2, 2]}
    assert (described["height"], described["width"], described["channels"]) == (4, 5, 3)
    assert len(described["fingerprint"]) == 64


def test_every_name_without_a_download_opens():
    for name in SOURCES.keys() - DOWNLOADS.keys() - COLLECTIONS.keys():
        assert open_source(name).name == name


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(UsageError, match=r"no such path: cifar01\nDid you mean .*cifar10.*Known: digits"):
        open_source("cifar01")


@pytest.mark.parametrize("path", ["no/such/folder", "cifar-10-binary.tar.gz"])
def test_a_missing_path_is_said_to_be_missing(path, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)

    with pytest.raises(DataError, match=f"{path}: no such file or folder"):
        open_source(path)


def test_sources_open_without_torch():
    program = "import sys, resnetlab.data.open; sys.exit('torch' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_pixels_in_memory_have_one_shape_whatever_a_network_asks_for():
    source = make_source()

    assert not source.reads_files
    assert source.train.image_shape == source.train.input_shape((8, 8), channels=1) == (4, 5, 3)


def test_a_path_that_windows_writes_with_either_stroke_is_no_unknown_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "sep", "\\")
    monkeypatch.setattr(os, "altsep", "/")

    for path in ("photos/new", r"photos\new"):
        with pytest.raises(DataError, match="no such file or folder"):
            open_source(path)
