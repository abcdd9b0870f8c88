import gzip
import json
import tarfile

import numpy as np
import pytest

from resnetlab.data.folders.folder import open_folder
from resnetlab.data.open import open_source
from resnetlab.data.sources.encoded import EncodedSource
from resnetlab.data.sources.source import Source
from resnetlab.errors import DataError
from tests.kit.pictures import picture, write_folder
from tests.kit.tars import write_tar
from tests.kit.tfrecords import write_shards

COUNTS = {"train": {"a": 3, "b": 3}, "val": {"a": 1, "b": 1}}
LARGE = {"size": (90, 70)}


def write_large(root):
    for part in ("train", "val"):
        for seed, name in enumerate(("a", "b")):
            folder = root / part / name
            folder.mkdir(parents=True)
            (folder / "1.jpg").write_bytes(picture(seed, **LARGE))
    return root


def webdataset_members(part):
    return {
        f"{n}.{suffix}": content
        for n in range(4)
        for suffix, content in (("jpg", picture(n, **LARGE)), ("cls", str(n % 2).encode()))
    }


def test_each_format_is_known_by_its_content(tmp_path):
    folder = write_large(tmp_path / "photos")
    shards = tmp_path / "records"
    for part in ("train", "validation"):
        write_shards(shards, part, [1, 2, 1, 2])
    tars = tmp_path / "tars"
    for part in ("train", "val"):
        write_tar(tars / f"{part}-000000.tar", webdataset_members(part))
    (folder / "list.csv").write_text("train/a/1.jpg,a,train\ntrain/b/1.jpg,b,train\nval/a/1.jpg,a,test\n")

    for place in (folder, tars, tars / "*-000000.tar", tars / "train-000000.tar", folder / "list.csv"):
        source = open_source(str(place))
        assert isinstance(source, EncodedSource), place
        assert source.class_names in (("a", "b"), ("0", "1"))
    for place in (shards, shards / "*-of-*"):
        assert open_source(str(place)).class_names == ("name 1", "name 2")


def test_a_network_of_1001_classes_gets_the_background_class_of_records(tmp_path):
    write_shards(tmp_path, "train", list(range(1, 1001)), num_shards=1)
    write_shards(tmp_path, "validation", [1, 2], num_shards=1)
    shifted, kept = (open_source(str(tmp_path), classes=n, holds_small=False) for n in (None, 1001))

    assert (len(shifted.class_names), shifted.test.labels.tolist()) == (1000, [0, 1])
    assert (kept.class_names[0], kept.test.labels.tolist()) == ("background", [1, 2])


def test_small_images_of_one_size_are_held_in_memory_pixel_by_pixel(tmp_path):
    files = open_folder(write_folder(tmp_path / "small", COUNTS, suffix=".png"))

    source = open_source(str(tmp_path / "small"))

    assert isinstance(source, Source)
    assert (source.class_names, source.train.images.shape) == (files.class_names, (6, 32, 40, 3))
    assert source.train.labels.tolist() == files.train.labels.tolist()
    from resnetlab.data.images.decode import decode

    for index in range(6):
        np.testing.assert_array_equal(decode(files.train.read(index), channels=3), source.train.images[index])
    assert source.notes == files.notes


def test_a_validation_split_of_small_images_comes_along(tmp_path):
    source = open_source(str(write_folder(tmp_path, COUNTS | {"test": {"a": 2, "b": 1}})))

    assert isinstance(source, Source)
    assert {part: len(split) for part, split in source.parts.items()} == {"train": 6, "test": 3, "val": 2}
    assert source.describe()["samples"] == {"train": 6, "test": 3, "val": 2}


@pytest.mark.parametrize("size", [(40, 33), (200, 32)])
def test_small_images_of_several_sizes_stay_files(size, tmp_path):
    write_folder(tmp_path, COUNTS)
    (tmp_path / "val" / "b" / "000.jpg").write_bytes(picture(9, size=size))

    assert isinstance(open_source(str(tmp_path)), EncodedSource)


def test_small_images_of_which_one_is_broken_stay_files(tmp_path):
    write_folder(tmp_path, COUNTS)
    (tmp_path / "val" / "b" / "000.jpg").write_bytes(b"<html>")

    source = open_source(str(tmp_path))

    assert isinstance(source, EncodedSource)
    assert source.broken.startswith("val/b/000.jpg: not an image")


def test_a_broken_large_image_is_left_to_whoever_reads_the_files(tmp_path):
    folder = write_large(tmp_path)
    (folder / "train" / "a" / "1.jpg").write_bytes(b"<html>")

    assert isinstance(open_source(str(folder)), EncodedSource)


def test_imagenets_archives_are_sent_to_prepare(tmp_path):
    (tmp_path / "ILSVRC2012_img_train.tar").write_bytes(b"")

    with pytest.raises(DataError, match="data prepare imagenet"):
        open_source(str(tmp_path))


def test_what_is_nothing_known_is_told_what_was_looked_for(tmp_path):
    (tmp_path / "weights.bin").write_bytes(b"1")

    with pytest.raises(DataError) as raised:
        open_source(str(tmp_path))

    text = str(raised.value)
    assert "no data that is known; found weights.bin" in text
    for expected in ("data_batch_1.bin", "CLASS/IMAGE", "-of-", ".tar", "dataset_info.json", ".csv"):
        assert expected in text


def test_a_broken_list_of_classes_beside_shards_is_refused(tmp_path):
    write_tar(tmp_path / "train-0.tar", webdataset_members("train"))
    (tmp_path / "classes.json").write_text(json.dumps(["0"]))

    with pytest.raises(DataError, match=r"classes\.json: lacks class 1"):
        open_source(str(tmp_path))


def test_one_picture_is_no_data_set(tmp_path):
    (tmp_path / "cat.jpg").write_bytes(picture(1))

    with pytest.raises(DataError, match=r"one picture is no data set\nGive the folder"):
        open_source(str(tmp_path / "cat.jpg"))


@pytest.mark.parametrize(
    ("names", "more"), [(["my photos.zip"], r"\.$"), (["a.tgz", "b.tgz"], ", or unpack them all")]
)
def test_a_folder_that_holds_archives_names_one(tmp_path, names, more):
    for name in names:
        (tmp_path / name).write_bytes(b"x")

    with pytest.raises(DataError, match=rf"--data '?{tmp_path}/{names[0]}'?{more}"):
        open_source(str(tmp_path))


@pytest.mark.parametrize("suffix", ["tar.gz", "tgz"])
def test_compressed_shards_in_a_folder_are_shards(tmp_path, monkeypatch, suffix):
    monkeypatch.setenv("RESNETLAB_CACHE", str(tmp_path / "cache"))
    for part in ("train", "val"):
        plain = write_tar(tmp_path / "tars" / f"{part}-000000.tar", webdataset_members(part))
        packed = tmp_path / "packed" / f"{part}-000000.{suffix}"
        packed.parent.mkdir(exist_ok=True)
        packed.write_bytes(gzip.compress(plain.read_bytes()))
    (tmp_path / "other").mkdir()
    with tarfile.open(tmp_path / "other" / "papers.tar.gz", "w:gz") as archive:
        archive.add(__file__, "readme.txt")

    found, expected = (open_source(str(tmp_path / name)) for name in ("packed", "tars"))

    assert [*map(len, found.parts.values())] == [*map(len, expected.parts.values())] == [4, 4]
    assert found.train.read(1).data == expected.train.read(1).data
    with pytest.raises(DataError, match=r"no data that is known; found papers\.tar\.gz"):
        open_source(str(tmp_path / "other"))


def test_an_archive_beside_class_folders_is_said_and_not_read_in_their_place(tmp_path):
    folder = write_folder(tmp_path / "photos", {"": {"cat": 5, "dog": 5}})
    write_tar(folder / "cat" / "backup.tar", webdataset_members("train"))
    write_tar(folder / "photos.tar", webdataset_members("train"))

    source = open_source(str(folder))

    assert source.class_names == ("cat", "dog")
    assert "archives beside the folders, not read: photos.tar" in source.notes


def test_of_several_archives_the_training_one_is_named_first(tmp_path):
    for name in ("a.zip", "train.zip", "test.zip"):
        (tmp_path / name).write_bytes(b"PK")

    with pytest.raises(DataError, match=r"--data .*/train\.zip, or unpack them all"):
        open_source(str(tmp_path))


@pytest.mark.parametrize("place", ["hf:owner/flowers", "https://example.org/flowers.zip"])
def test_data_elsewhere_is_to_be_downloaded_first(place):
    with pytest.raises(DataError, match=r"no such file or folder\nDownload it, and give its path"):
        open_source(place)


def test_an_npz_of_nothing_is_said_to_hold_nothing(tmp_path):
    np.savez(tmp_path / "empty.npz")

    with pytest.raises(DataError, match=r"empty\.npz: holds nothing"):
        open_source(str(tmp_path / "empty.npz"))


def test_a_pattern_of_packed_tars_is_one_of_shards(tmp_path, monkeypatch):
    monkeypatch.setenv("RESNETLAB_CACHE", str(tmp_path / "cache"))
    kinds = {"jpg": picture(0), "cls": b"a"}, {"jpg": picture(1), "cls": b"b"}
    inside = {f"{n}.{kind}": data for n in range(8) for kind, data in kinds[n % 2].items()}
    write_tar(tmp_path / "a-train-0.tgz", inside, "w:gz")

    assert open_source(str(tmp_path / "a-*.tgz")).class_names == ("a", "b")
