import io
import json
import os
import tarfile

import numpy as np
import pytest
from PIL import Image

from resnetlab.base import files
from resnetlab.data.folders.folder import open_folder
from resnetlab.data.images.decode import decode
from resnetlab.data.images.image import EncodedImage
from resnetlab.data.records.tfrecord import open_tfrecord
from resnetlab.data.records.webdataset import open_webdataset
from resnetlab.data.sources.encoded import EncodedSource
from resnetlab.data.tools import pack
from resnetlab.data.tools.pack import pack_image, pack_source
from resnetlab.errors import DataError, UsageError, WriteError
from tests.kit.pictures import picture
from tests.kit.tfrecords import write_shards


@pytest.fixture
def source(tmp_path):
    for part, counts in {"train": {"b": 4, "a": 3}, "val": {"a": 2, "b": 1}}.items():
        for name, count in counts.items():
            folder = tmp_path / "photos" / part / name
            folder.mkdir(parents=True)
            for n in range(count):
                size = (120, 90) if n else (40, 30)
                (folder / f"{n}.jpg").write_bytes(picture(n + count, size=size, quality=95))
    return open_folder(tmp_path / "photos")


def test_a_packed_copy_has_the_same_labels_and_smaller_pictures(source, tmp_path):
    packed = pack_source(source, tmp_path / "packed", side=60, quality=95)
    again = open_webdataset(tmp_path / "packed")

    assert (packed.images, packed.shards) == (10, 2)
    assert again.class_names == source.class_names
    for part, split in source.parts.items():
        copy = again.parts[part]
        assert copy.labels.tolist() == split.labels.tolist()
        for index in range(len(split)):
            whole = Image.open(io.BytesIO(split.read(index).data))
            small = decode(copy.read(index), channels=3)
            assert small.shape[:2] == ((60, 80) if whole.width == 120 else (30, 40))
            near = np.asarray(whole.resize(small.shape[1::-1], Image.Resampling.BILINEAR)).astype(int)
            assert np.abs(near - small).mean() < 3


def test_any_tool_can_read_the_shards_and_the_same_images_give_the_same_bytes(source, tmp_path):
    pack_source(source, tmp_path / "one", side=60)
    pack_source(source, tmp_path / "two", side=60)

    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert names == ["classes.json", "test-000000.tar", "train-000000.tar"]
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    with tarfile.open(tmp_path / "one" / "train-000000.tar") as archive:
        members = archive.getnames()
        facts = json.load(archive.extractfile("00000003.json"))
    assert members[:2] == ["00000000.jpg", "00000000.json"]
    assert facts == {"label": "b", "index": 1, "place": "train/b/0.jpg"}


def test_a_large_collection_becomes_several_shards(source, tmp_path, monkeypatch):
    monkeypatch.setattr(pack, "_SHARD_BYTES", 5000)

    packed = pack_source(source, tmp_path / "packed", side=60)

    assert packed.shards > 3
    assert len(open_webdataset(tmp_path / "packed").train) == 7


def test_the_order_of_classes_that_is_not_the_alphabets_is_kept(source, tmp_path):
    turned = EncodedSource(
        name="turned", class_names=("b", "a"), train=source.train, test=source.test
    )  # what was called a is b now

    pack_source(turned, tmp_path / "packed", side=60)

    again = open_webdataset(tmp_path / "packed")
    assert again.class_names == ("b", "a")
    assert again.train.labels.tolist() == source.train.labels.tolist()


def test_a_used_folder_and_a_broken_image_are_refused(source, tmp_path):
    with pytest.raises(UsageError, match="not empty"):
        pack_source(source, tmp_path / "photos")
    with pytest.raises(UsageError, match="--quality 101"):
        pack_source(source, tmp_path / "packed", quality=101)
    (tmp_path / "photos" / "val" / "b" / "0.jpg").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(DataError, match=r"val/b/0\.jpg: "):
        pack_source(source, tmp_path / "packed")


def test_a_copy_that_cannot_be_written_says_what_was_done_and_what_to_do(source, tmp_path):
    (tmp_path / "file").write_bytes(b"1")
    out = tmp_path / "file" / "packed"

    with pytest.raises(WriteError) as raised:
        pack_source(source, out)

    message, hint = str(raised.value).splitlines()
    assert message.startswith(f"packing 10 images into {out}: could not make the directory ")
    assert "pack again" in hint
    assert "resume" not in hint


def test_half_a_copy_is_nowhere_and_has_no_name_before_it_is_whole(source, tmp_path, monkeypatch):
    monkeypatch.setattr(pack, "_SHARD_BYTES", 5000)
    seen = []
    pack_source(source, tmp_path / "whole", side=60, progress=lambda *_: seen.append(os.listdir(tmp_path)))
    assert not any("whole" in names for names in seen)
    assert any(name.startswith(".resnetlab-") and name.endswith("-whole") for name in seen[-1])
    (tmp_path / "photos" / "val" / "b" / "0.jpg").write_bytes(b"\xff\xd8\xff")
    (tmp_path / "empty").mkdir()

    for name in ("packed", "empty"):
        with pytest.raises(DataError):
            pack_source(source, tmp_path / name, side=60)

    assert sorted(os.listdir(tmp_path)) == ["empty", "photos", "whole"]
    assert os.listdir(tmp_path / "empty") == []


def test_what_a_killed_process_left_does_not_enter_the_copy(source, tmp_path):
    left = files.temporary_path(tmp_path / "packed")
    left.mkdir()
    (left / "train-000007.tar").write_bytes(b"")

    pack_source(source, tmp_path / "packed", side=60)

    assert sorted(os.listdir(tmp_path / "packed")) == ["classes.json", "test-000000.tar", "train-000000.tar"]
    assert sorted(os.listdir(tmp_path)) == ["packed", "photos"]


def test_an_empty_folder_and_a_link_to_one_are_taken(source, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "empty")

    pack_source(source, tmp_path / "link", side=60)

    assert len(open_webdataset(tmp_path / "empty").train) == 7


def test_a_copy_does_not_become_a_part_of_its_source(source, tmp_path):
    with pytest.raises(UsageError, match="of which it would become a part"):
        pack_source(source, tmp_path / "photos" / "small")

    assert not (tmp_path / "photos" / "small").exists()


def test_a_picture_too_long_for_a_jpeg_is_told_with_its_place():
    stream = io.BytesIO()
    Image.new("L", (70_000, 3)).save(stream, "PNG")

    with pytest.raises(DataError, match=r"long\.png: 70,000x3 pixels; a side of a JPEG has 65,500 at most"):
        pack_image(EncodedImage(stream.getvalue(), "long.png"), 60, 90)


def test_what_a_copy_lacks_and_that_it_is_larger_is_said(tmp_path):
    for part in ("train", "validation"):
        write_shards(tmp_path / "records", part, [1, 2, 1, 2])

    packed = pack_source(open_tfrecord(tmp_path / "records"), tmp_path / "packed", quality=95)

    assert len(packed.notes) == 2
    assert "the boxes around objects of 8 images are not in the copy" in packed.notes[0]
    assert "larger than the source" in packed.notes[1]
    assert packed.to_json()["notes"] == packed.notes


@pytest.mark.parametrize(
    ("mode", "packed"), [("L", "L"), ("1", "L"), ("RGB", "RGB"), ("P", "RGB"), ("RGBA", "RGB")]
)
@pytest.mark.parametrize("side", [16, 64])
def test_a_grey_image_stays_grey(mode, packed, side):
    stream = io.BytesIO()
    Image.fromarray(np.arange(48 * 32, dtype=np.uint32).reshape(32, 48).astype(np.uint8)).convert(mode).save(
        stream, "PNG"
    )

    copy = Image.open(io.BytesIO(pack_image(EncodedImage(stream.getvalue(), "a.png"), side, 95)))

    assert copy.mode == packed
    assert min(copy.size) == min(side, 32)
