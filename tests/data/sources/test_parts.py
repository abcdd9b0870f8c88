"""Which split a name speaks of, whatever it is called."""

import pytest

from resnetlab.data.folders.table import open_csv
from resnetlab.data.records.shards import shard_parts
from resnetlab.data.sources.parts import part_in, parts_of, split_name
from resnetlab.errors import DataError
from tests.kit.pictures import write_folder


@pytest.mark.parametrize(
    ("part", "names"),
    [
        ("train", "train Training TRN seg_train training_set train2017 images_train Train-Set trainset "
                  "TrainData trainImages 01_train train_val trainval x_train"),
        ("val", "val valid validation dev Development validation_data ValSet val.v2 dev1"),
        ("test", "test Testing tst seg_test test_set testImages PublicTest test-images"),
    ],
)  # fmt: skip
def test_names_that_say_a_split_and_nothing_else(part, names):
    for name in names.split():
        found = split_name(name)
        assert found and (found.part, found.rest) == (part, ""), name


@pytest.mark.parametrize(
    "name", ["contest", "latest", "invalid", "trains", "train_test_split", "cat", "évaluer", ""]
)
def test_names_that_say_none_or_two(name):
    assert split_name(name) is None


def test_what_else_a_name_says_is_kept():
    assert split_name("train_station").rest == "station"
    assert split_name("CrashTestDummy").rest == "crash dummy"


def test_eval_is_the_test_split_unless_another_one_is():
    assert parts_of("x", ["training", "validation", "evaluation"])["evaluation"] == "test"
    assert parts_of("x", ["train", "test", "eval"])["eval"] == "val"
    assert parts_of("x", ["train", "hold-out"])["hold-out"] == "test"
    with pytest.raises(DataError, match="evaluation beside a validation and a test split could be either"):
        parts_of("x", ["train", "val", "test", "evaluation"])


def test_a_files_name_says_more_than_the_folder_it_lies_in():
    assert part_in("test_run/photos-train-000000.tar") == "train"
    assert part_in("valid/000000.tar") == "val"
    assert part_in("photos-000000.tar") is None


def test_shards_are_known_by_other_words_too():
    shards = ["photos-training-000000.tar", "photos-testing-000000.tar", "photos-dev-000000.tar"]
    assert [*shard_parts(shards).values()] == ["train", "test", "val"]
    assert [*shard_parts(["training-00000-of-00001", "testing-00000-of-00001"]).values()] == ["train", "test"]
    with pytest.raises(DataError, match="of which split"):
        shard_parts([*shards, "photos-000001.tar"])


def test_a_table_can_say_training_and_eval(tmp_path):
    write_folder(tmp_path, {"": {"cat": 2, "dog": 2}})
    rows = [(f"{name}/00{n}.jpg", name, ("Training", "eval")[n]) for name in ("cat", "dog") for n in range(2)]
    (tmp_path / "list.csv").write_text("".join(f"{','.join(row)}\n" for row in rows))

    source = open_csv(tmp_path / "list.csv")

    assert {part: len(split) for part, split in source.parts.items()} == {"train": 2, "test": 2}
