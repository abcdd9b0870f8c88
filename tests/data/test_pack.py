import io
import json
import tarfile

import numpy as np
import pytest
from PIL import Image

from resnetlab.data import pack
from resnetlab.data.decode import decode
from resnetlab.data.encoded import EncodedSource
from resnetlab.data.folder import open_folder
from resnetlab.data.pack import pack_source
from resnetlab.data.webdataset import open_webdataset
from resnetlab.errors import DataError, UsageError
from tests.data.pictures import picture


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
