"""Archives and folders are laid out by one set of rules: what is split, class or refused is the same."""

import tarfile
import zipfile

import pytest

from resnetlab.data.folders.folder import open_folder
from resnetlab.data.folders.zipped import open_zip
from resnetlab.data.records.webdataset import open_webdataset
from resnetlab.errors import DataError
from tests.kit.pictures import picture

KINDS = ("cat", "dog", "owl")


def lay_out(root, folders):
    """Write pictures at root/FOLDER/N.jpg, given their numbers by folder."""
    for seed, (folder, count) in enumerate(folders.items()):
        (root / folder).mkdir(parents=True, exist_ok=True)
        for index in range(count):
            (root / folder / f"{index}.jpg").write_bytes(picture(100 * seed + index))
    return root


def splits(**counts):
    return {f"{part}/{kind}": count for part, count in counts.items() for kind in KINDS}


def archived(root):
    """Return the folder as a .zip and as a .tar.gz of the same files, both beside it."""
    with zipfile.ZipFile(root.with_suffix(".zip"), "w") as archive:
        for file in sorted(root.rglob("*.jpg")):
            archive.write(file, file.relative_to(root).as_posix())
    with tarfile.open(root.with_suffix(".tar.gz"), "w:gz") as packed:
        packed.add(root, ".")
    return (open_zip, root.with_suffix(".zip")), (open_webdataset, root.with_suffix(".tar.gz"))


def what(source):
    """Return the classes, and of each split how many images of each."""
    number = len(source.class_names)
    return source.class_names, {part: split.samples_per_class(number) for part, split in source.parts.items()}


@pytest.mark.parametrize(
    "folders",
    [
        splits(Training=3, Test=2) | {"test-multiple_fruits": 4},
        {"seg_train/seg_train/" + kind: 3 for kind in KINDS}
        | {"seg_test/seg_test/" + kind: 2 for kind in KINDS}
        | {"seg_pred/seg_pred": 3},
        splits(train=3, valid=2) | {"test": 3},
        {f"x/y/{kind}": 5 for kind in ("train", "plane", "bus")},
        {f"{kind}/{part}": 3 for kind in KINDS for part in ("train", "test")},
        splits(**{"set/train": 3, "set/val": 2, "set/set/train": 3, "set/set/val": 2}),
        {f"cat{n}/deep/er": 5 for n in range(3)},
        {f"{kind}": 5 for kind in KINDS} | {"": 1},
    ],
)
def test_an_archive_is_read_as_the_folder_in_it(tmp_path, folders):
    root = lay_out(tmp_path / "photos", folders)

    expected = what(open_folder(root))

    for read, path in archived(root):
        assert what(read(path)) == expected


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        (splits(train=3) | {"bus/a": 3, "car/b": 3}, "train/, with bus/, car/ beside"),
        (splits(test=3), "has no train"),
        ({"train": 9, "test": 3}, "train/ and test/ lie in no class folders"),
        (splits(train=3) | {"val": 3}, "val/ lie in no class folders"),
        (splits(train=3, valid=2, validation=2), "valid and validation both mean the val split"),
        (
            splits(**{"images/train": 3, "images/test": 2, "masks/train": 3, "masks/test": 2}),
            "images/, masks/ each hold the same splits of the same folders",
        ),
    ],
)
def test_what_is_refused_of_a_folder_is_refused_of_an_archive(tmp_path, folders, message):
    root = lay_out(tmp_path / "photos", folders)

    for read, path in ((open_folder, root), *archived(root)):
        with pytest.raises(DataError, match=message):
            read(path)


def test_a_test_split_alone_is_scored_as_one(tmp_path):
    root = lay_out(tmp_path / "photos", splits(test=3))

    for read, path in ((open_folder, root), *archived(root)):
        assert [*read(path, for_scoring=True).parts] == ["test"]


def test_pictures_without_a_label_are_not_scored_in_silence(tmp_path):
    root = lay_out(tmp_path / "photos", splits(train=3) | {"test": 3})

    for read, path in ((open_folder, root), *archived(root)):
        with pytest.raises(DataError, match="test/ lie in no class folders"):
            read(path, for_scoring=True)


@pytest.mark.parametrize("name", ["README.roboflow.txt", "classes.json", "train/labels.txt"])
def test_a_text_that_lies_beside_no_image_is_no_label(tmp_path, name):
    root = lay_out(tmp_path / "photos", splits(train=3, test=2))
    (root / name).write_text('["a", "b"]')

    for read, path in archived(root):
        assert what(read(path)) == what(open_folder(root))
