"""What is opened to be scored is taken as it is: nothing is divided, and any split is enough."""

import pytest

from resnetlab.data.folders.table import open_csv
from resnetlab.data.open import open_source
from resnetlab.errors import DataError
from tests.kit.pictures import picture, write_folder
from tests.kit.tars import write_tar

CLASSES = {"ant": 3, "bee": 2}


def found(path, **options):
    source = open_source(str(path), for_scoring=True, **options)
    return {part: split.samples_per_class(len(source.class_names)) for part, split in source.parts.items()}


@pytest.mark.parametrize("holds_small", [True, False])
def test_a_folder_without_splits_is_one_split(tmp_path, holds_small):
    write_folder(tmp_path / "photos", {"": CLASSES})

    assert found(tmp_path / "photos", holds_small=holds_small) == {"train": [3, 2]}


@pytest.mark.parametrize("part", ["val", "test", "train"])
def test_one_split_alone_is_enough(tmp_path, part):
    write_folder(tmp_path / "photos", {part: CLASSES})

    assert found(tmp_path / "photos") == {part: [3, 2]}


def test_each_split_stays_what_it_is(tmp_path):
    write_folder(tmp_path / "photos", {"train": {"ant": 4, "bee": 4}, "validation": {"bee": 1}})

    assert found(tmp_path / "photos") == {"train": [4, 4], "val": [0, 1]}


def test_one_picture_of_a_class_an_empty_class_and_a_single_class_are_enough(tmp_path):
    write_folder(tmp_path / "photos", {"": {"ant": 1, "bee": 1}})
    (tmp_path / "photos" / "cat").mkdir()
    write_folder(tmp_path / "cats", {"test": {"cat": 2}})

    assert found(tmp_path / "photos") == {"train": [1, 1, 0]}
    assert found(tmp_path / "cats") == {"test": [2]}


def test_tables_and_shards_too(tmp_path, monkeypatch):
    monkeypatch.setenv("RESNETLAB_CACHE", str(tmp_path / "cache"))
    write_folder(tmp_path / "photos", {"": CLASSES})
    rows = sorted((tmp_path / "photos").rglob("*.jpg"))
    names = [f"{path.relative_to(tmp_path)},{path.parent.name}" for path in rows]
    (tmp_path / "whole.csv").write_text("\n".join(names))
    (tmp_path / "test.csv").write_text("path,label,split\n" + "\n".join(f"{name},test" for name in names))
    members = {f"{n}.{suffix}": content for n in range(4)
               for suffix, content in (("jpg", picture(n)), ("cls", b"01"[n % 2 : n % 2 + 1]))}  # fmt: skip
    for name in ("photos-000000.tar", "photos-val-000000.tar"):
        (tmp_path / name[:-4]).mkdir()
        write_tar(tmp_path / name[:-4] / name, members)

    assert found(tmp_path / "whole.csv") == {"train": [3, 2]}
    assert found(tmp_path / "test.csv") == {"test": [3, 2]}
    assert found(tmp_path / "photos-000000") == {"train": [2, 2]}
    assert found(tmp_path / "photos-val-000000") == {"val": [2, 2]}
    with pytest.raises(DataError, match="has no train split"):
        open_csv(tmp_path / "test.csv")  # to train on it is another matter


@pytest.mark.parametrize("form", ["binary", "python"])
def test_the_test_images_of_a_cifar_are_enough(cifar10, form, tmp_path):
    layout = cifar10.write(tmp_path / "cifar", form)
    for name in layout.train:
        (tmp_path / "cifar" / name).unlink()

    assert found(tmp_path / "cifar") == {"test": [10] * 10}
    with pytest.raises(DataError, match="lacks data_batch_1"):
        open_source(str(tmp_path / "cifar"))
