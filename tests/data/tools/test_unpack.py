"""`data unpack`: what is written is what the source has, whatever the source."""

from pathlib import Path

import numpy as np
import pytest

from resnetlab.data.arrays.made import open_digits
from resnetlab.data.folders.folder import open_folder
from resnetlab.data.open import open_source
from resnetlab.data.sources.encoded import EncodedSource
from resnetlab.data.sources.source import Source, Split
from resnetlab.data.tools.pack import pack_source
from resnetlab.data.tools.unpack import unpack_source
from resnetlab.errors import DataError, UsageError
from tests.kit.pictures import picture, write_folder
from tests.kit.tfrecords import framed, imagenet_example


def in_order_of_classes(source: Source[Split], part: str) -> tuple[np.ndarray, np.ndarray]:
    """The pixels and labels of a split in the order of a folder: class by class."""
    split = source.parts[part]
    order = np.argsort(split.labels, kind="stable")
    return split.images[order], split.labels[order]


def some(source: Source[Split], number: int, channels: int) -> Source[Split]:
    """The first images of both splits: a disk needs its time for each file."""
    train, test = (
        Split(split.images[:number, ..., :channels], split.labels[:number])
        for split in (source.train, source.test)
    )
    return Source(source.name, source.class_names, train, test)


@pytest.mark.parametrize("channels", [3, 1])
def test_pixels_in_memory_come_back_equal_with_labels_and_class_names(tmp_path: Path, channels: int) -> None:
    source = some(open_digits(), 60, channels)

    told = unpack_source(source, tmp_path / "files")
    again = open_source(str(tmp_path / "files"), as_channels=channels)

    assert again.class_names == source.class_names
    for part in source.parts:
        for found, expected in zip(
            in_order_of_classes(again, part), in_order_of_classes(source, part), strict=True
        ):
            assert np.array_equal(found, expected)
    assert told.to_json() == {
        "images": {"train": 60, "test": 60},
        "bytes": sum(path.stat().st_size for path in (tmp_path / "files").rglob("*.png")),
        "suffixes": {".png": 120},
        "is_reordered": False,
    }


def test_image_files_keep_their_bytes_and_suffixes(tmp_path: Path) -> None:
    counts = {"train": {"cat": 3, "dog": 2}, "val": {"cat": 1}, "test": {"dog": 1}}
    write_folder(tmp_path / "photos", counts, suffix=".JPEG")
    (tmp_path / "photos" / "train" / "cat" / "z.png").write_bytes(picture(9, form="PNG"))

    source = open_source(str(tmp_path / "photos"), holds_small=False)
    told = unpack_source(source, tmp_path / "files")

    assert isinstance(source, EncodedSource)  # small images of one size, which training holds in memory
    paths = sorted(str(path.relative_to(tmp_path / "files")) for path in (tmp_path / "files").rglob("*.*"))
    assert paths == [
        "test/dog/0.JPEG", "train/cat/0.JPEG", "train/cat/1.JPEG", "train/cat/2.JPEG", "train/cat/3.png",
        "train/dog/4.JPEG", "train/dog/5.JPEG", "val/cat/0.JPEG",
    ]  # fmt: skip
    assert told.images == {"train": 6, "test": 1, "val": 1}
    copy = open_folder(tmp_path / "files")
    for part, split in source.parts.items():
        assert [copy.parts[part].read(i).data for i in range(len(split))] == [
            split.read(i).data for i in range(len(split))
        ]


def test_images_without_names_of_their_own_get_the_suffix_of_their_content(tmp_path: Path) -> None:
    shards = tmp_path / "shards"
    shards.mkdir()
    for part in ("train", "validation"):
        examples = [
            imagenet_example(label, image__encoded=picture(label, form=form, size=(80, 70)))
            for label, form in ((1, "JPEG"), (2, "PNG"), (2, "WEBP"))
        ]
        (shards / f"{part}-00000-of-00001").write_bytes(b"".join(map(framed, examples)))

    told = unpack_source(open_source(str(shards), holds_small=False), tmp_path / "files")

    assert told.suffixes == {".jpg": 2, ".png": 2, ".webp": 2}
    assert (tmp_path / "files" / "train" / "name 2" / "2.webp").read_bytes() == picture(
        2, form="WEBP", size=(80, 70)
    )


def test_shards_keep_the_bytes_of_their_images_and_another_order_of_classes_is_said(tmp_path: Path) -> None:
    source = open_folder(write_folder(tmp_path / "photos", {"train": {"a": 2, "b": 2}, "test": {"a": 1}}))
    turned = EncodedSource("turned", ("b", "a"), source.train, source.test)
    pack_source(turned, tmp_path / "packed")

    shards = open_source(str(tmp_path / "packed"), holds_small=False)
    told = unpack_source(shards, tmp_path / "files")

    assert told.is_reordered
    images = open_folder(tmp_path / "files")
    assert images.class_names == ("a", "b")
    assert images.train.labels.tolist() == [0, 0, 1, 1]
    assert isinstance(shards, EncodedSource)
    assert [images.train.read(i).data for i in (2, 3, 0, 1)] == [shards.train.read(i).data for i in range(4)]


def named(*names: str, channels: int = 3) -> Source[Split]:
    labels = np.arange(len(names))
    split = Split(np.zeros((len(names), 8, 8, channels), np.uint8), labels)
    return Source("made", names, split, split)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "it is empty"),
        ("..", "passed over as hidden"),
        (".cat", "passed over as hidden"),
        ("Thumbs.db", "passed over as hidden or the system's own"),
        ("a/b", "the character '/'"),
        ("..\\cat", r"the character '\\\\'"),
        ("cat?", r"the character '\?'"),
        ("cat\n", r"the character '\\n'"),
        ("cat.", "ends in a dot"),
        ("nul", "reserved by Windows"),
        ("COM1.cat", "reserved by Windows"),
        ("\udc80", "no Unicode text"),
        ("\N{CAT FACE}" * 51, "more than 200 bytes"),
        ("DOG", "'dog' and 'DOG' are one folder"),
    ],
)
def test_names_that_can_be_no_folders_are_refused_before_anything_is_written(
    tmp_path: Path, name: str, why: str
) -> None:
    with pytest.raises(DataError, match=why):
        unpack_source(named("dog", name), tmp_path / "files")

    assert not (tmp_path / "files").exists()


def test_names_that_only_look_strange_are_written(tmp_path: Path) -> None:
    names = ("Con dor", "console", "golden retriever, 1", "écureuil", "数字")

    unpack_source(named(*names), tmp_path / "files")

    assert open_folder(tmp_path / "files").class_names == names


def test_what_a_folder_cannot_say_is_refused(tmp_path: Path) -> None:
    two = named("a", "b")
    partial = Source("made", ("a", "b", "c"), two.train, two.test, is_partial=True)
    with pytest.raises(DataError, match="class 'c' has no training image"):
        unpack_source(partial, tmp_path / "files")
    with pytest.raises(DataError, match="images have 4 channels"):
        unpack_source(named("a", "b", channels=4), tmp_path / "files")
    with pytest.raises(DataError, match=r"class '\.' .*\n.*class 'a/b' "):
        unpack_source(named(".", "a/b"), tmp_path / "files")


def test_used_folders_and_those_in_the_source_are_refused_and_a_gone_file_leaves_nothing(
    tmp_path: Path,
) -> None:
    write_folder(tmp_path / "photos", {"train": {"cat": 3, "dog": 3}, "test": {"cat": 1}})
    source = open_source(str(tmp_path / "photos"), holds_small=False)
    with pytest.raises(UsageError, match="photos is not empty"):
        unpack_source(source, tmp_path / "photos")
    with pytest.raises(UsageError, match="of which it would become a part"):
        unpack_source(source, tmp_path / "photos" / "files")
    (tmp_path / "photos" / "train" / "dog" / "001.jpg").unlink()

    with pytest.raises(DataError, match=r"train/dog/001\.jpg: cannot be read"):
        unpack_source(source, tmp_path / "files")

    assert [path.name for path in tmp_path.iterdir()] == ["photos"]


def test_a_dataset_of_a_name_is_not_the_folder_of_that_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_folder(tmp_path / "digits", {"train": {"a": 2, "b": 2}, "test": {"a": 1}})
    monkeypatch.chdir(tmp_path)

    assert open_source("digits", holds_small=False).class_names == open_source("digits").class_names
    assert open_source("./digits", holds_small=False).class_names == ("a", "b")
