"""TFRecords as ImageNet's: our own reader, which reads TensorFlow's files, finds all of it again."""

import io
import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from resnetlab.cli import main
from resnetlab.data.folders.folder import open_folder
from resnetlab.data.images.decode import decode
from resnetlab.data.images.image import EncodedImage
from resnetlab.data.records.example_proto import parse_example
from resnetlab.data.records.tfrecord import open_tfrecord
from resnetlab.data.sources.encoded import EncodedSource
from resnetlab.data.tools.pack import pack_image
from resnetlab.data.tools.pack_tfrecord import pack_tfrecord
from resnetlab.errors import DataError, UsageError, WriteError
from tests.kit.pictures import picture
from tests.kit.tfrecords import example, framed, write_shards

COUNTS = {"train": {"n01440764": 9, "n01443537": 6}, "val": {"n01440764": 3, "n01443537": 2}}


@pytest.fixture
def source(tmp_path: Path) -> EncodedSource:
    for part, counts in COUNTS.items():
        for number, (name, count) in enumerate(counts.items()):
            folder = tmp_path / "photos" / part / name
            folder.mkdir(parents=True)
            for n in range(count):
                content = picture(n + 10 * number, size=(120, 90) if n else (40, 30), quality=95)
                (folder / f"{n}.jpg").write_bytes(content)
    return open_folder(tmp_path / "photos")


def records(path: Path) -> list[bytes]:
    """Payloads, by their lengths alone."""
    content, found = path.read_bytes(), []
    while content:
        length = int.from_bytes(content[:8], "little")
        found.append(content[12 : 12 + length])
        content = content[16 + length :]
    return found


def by_name(split: object) -> dict[str, tuple[int, bytes]]:
    return {
        split.place(index).rpartition("/")[2]: (int(split.labels[index]), split.read(index).data)  # type: ignore[attr-defined]
        for index in range(len(split))  # type: ignore[arg-type]
    }


def test_the_copy_has_the_same_images_classes_and_splits(source: EncodedSource, tmp_path: Path) -> None:
    packed = pack_tfrecord(source, tmp_path / "records", side=60, shards=4)
    again = open_tfrecord(tmp_path / "records")

    assert (packed.images, packed.shards, packed.notes) == (20, 5, ())
    assert sorted(os.listdir(tmp_path / "records")) == [
        *(f"train-{number:05}-of-00004" for number in range(4)), "validation-00000-of-00001"
    ]  # fmt: skip
    assert again.class_names == source.class_names == ("n01440764", "n01443537")
    assert packed.bytes_after == sum(path.stat().st_size for path in (tmp_path / "records").iterdir())
    assert again.test.labels.tolist() == source.test.labels.tolist()
    for index in range(len(source.test)):
        whole, small = source.test.read(index), again.test.read(index)
        assert small.data == pack_image(whole, 60, 90)
    sizes = [len(records(tmp_path / "records" / f"train-{number:05}-of-00004")) for number in range(4)]
    assert sum(sizes) == 15
    assert max(sizes) - min(sizes) <= 1


def test_training_images_are_mixed_and_each_is_there_once(source: EncodedSource, tmp_path: Path) -> None:
    pack_tfrecord(source, tmp_path / "records", side=None, shards=3)
    again = open_tfrecord(tmp_path / "records")

    labels = again.train.labels.tolist()
    assert labels != sorted(labels)
    expected = {source.train.read(i).data: int(source.train.labels[i]) for i in range(15)}
    assert {again.train.read(i).data: labels[i] for i in range(15)} == expected


def test_every_feature_of_imagenets_layout_is_there(source: EncodedSource, tmp_path: Path) -> None:
    pack_tfrecord(source, tmp_path / "records", side=60)
    (payload, *_) = records(tmp_path / "records" / "validation-00000-of-00001")
    names = [
        "image/encoded", "image/format", "image/height", "image/width", "image/channels", "image/colorspace",
        "image/filename", "image/class/label", "image/class/text", "image/class/synset",
        *(f"image/object/bbox/{side}" for side in ("xmin", "xmax", "ymin", "ymax", "label")),
    ]  # fmt: skip

    features, found = parse_example(memoryview(payload), names)

    assert sorted(found) == found == sorted(names)
    plain = {
        name: [bytes(v) if isinstance(v, memoryview) else v for v in vs] for name, vs in features.items()
    }
    del plain["image/encoded"]
    assert plain == {
        "image/format": [b"JPEG"], "image/height": [30], "image/width": [40], "image/channels": [3],
        "image/colorspace": [b"RGB"], "image/filename": [b"0.jpg"], "image/class/label": [1],
        "image/class/text": [b"n01440764"], "image/class/synset": [b"n01440764"],
        **{f"image/object/bbox/{side}": [] for side in ("xmin", "xmax", "ymin", "ymax", "label")},
    }  # fmt: skip


def test_boxes_and_classes_of_records_are_copied(tmp_path: Path) -> None:
    """Classes without a name of WordNet's have a text and no synset."""
    for part in ("train", "validation"):
        write_shards(tmp_path / "records", part, [1, 2, 1, 2])
    source = open_tfrecord(tmp_path / "records")

    pack_tfrecord(source, tmp_path / "packed", side=None, shards=1)
    again = open_tfrecord(tmp_path / "packed")

    assert again.class_names == source.class_names == ("name 1", "name 2")
    for index in range(4):
        one, other = source.test.read(index), again.test.read(index)
        assert (one.data, one.boxes) == (other.data, other.boxes)
        assert len(one.boxes) == 2


def test_the_same_images_give_the_same_bytes(source: EncodedSource, tmp_path: Path) -> None:
    for out in ("one", "two"):
        pack_tfrecord(source, tmp_path / out, side=60, shards=2)

    for name in os.listdir(tmp_path / "one"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_what_is_no_upright_jpeg_is_made_one_and_others_stay(tmp_path: Path) -> None:
    pixels = np.arange(48 * 32 * 3, dtype=np.uint32).reshape(32, 48, 3).astype(np.uint8)
    turned = Image.Exif()
    turned[0x0112] = 6
    kinds = {
        "plain": ({"format": "JPEG"}, "RGB"), "grey": ({"format": "JPEG"}, "L"),
        "png": ({"format": "PNG"}, "RGB"),
        "turned": ({"format": "JPEG", "exif": turned}, "RGB"), "cmyk": ({"format": "JPEG"}, "CMYK"),
    }  # fmt: skip
    for name, (options, mode) in kinds.items():
        stream = io.BytesIO()
        Image.fromarray(pixels).convert(mode).save(stream, **options)
        image = EncodedImage(stream.getvalue(), name)

        packed = pack_image(image, None, 95)

        assert (packed == image.data) == (name in ("plain", "grey")), name
        copy = Image.open(io.BytesIO(packed))
        assert (copy.format, copy.mode) == ("JPEG", "L" if name == "grey" else "RGB")
        assert decode(EncodedImage(packed, name), channels=3).shape == decode(image, channels=3).shape


def test_a_damaged_image_is_told_though_it_would_stay_as_it_is(source: EncodedSource, tmp_path: Path) -> None:
    broken = tmp_path / "photos" / "train" / "n01440764" / "4.jpg"
    broken.write_bytes(broken.read_bytes()[:-200])

    with pytest.raises(DataError, match=r"train/n01440764/4\.jpg: "):
        pack_tfrecord(source, tmp_path / "records", side=None)
    assert sorted(os.listdir(tmp_path)) == ["photos"]


@pytest.mark.parametrize(
    ("shards", "message"),
    [
        (16, r"--shards 16: 16 for the 15 images of train\nEvery shard has an image"),
        (0, "--shards 0: 0 for the 15 images of train"),
    ],
)
def test_shards_without_images_are_refused(
    source: EncodedSource, tmp_path: Path, shards: int, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        pack_tfrecord(source, tmp_path / "records", shards=shards)


def test_a_class_that_the_layout_could_not_name_is_refused(source: EncodedSource, tmp_path: Path) -> None:
    more = EncodedSource(
        name="more", class_names=(*source.class_names, "none"), train=source.train, test=source.test,
        is_partial=True,
    )  # fmt: skip
    with pytest.raises(DataError, match=r"classes without a training image, .*: none\nLeave these"):
        pack_tfrecord(more, tmp_path / "records")


def test_a_place_that_is_taken_or_none_is_refused(source: EncodedSource, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not empty"):
        pack_tfrecord(source, tmp_path / "photos")
    (tmp_path / "file").touch()
    with pytest.raises(WriteError, match="packing 20 images into"):
        pack_tfrecord(source, tmp_path / "file" / "records")


def test_a_shard_is_written_while_it_is_made(
    source: EncodedSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Records go to the file one by one: while image N is made, N - 1 records are taken, not a shard."""
    seen: list[int] = []

    def progress(done: int, total: int) -> None:
        (growing,) = [path for path in tmp_path.iterdir() if path.name.startswith(".resnetlab-")]
        seen.append(len(list(growing.iterdir())))

    pack_tfrecord(source, tmp_path / "records", shards=15, progress=progress)

    assert seen[:15] == list(range(1, 16))


def test_the_command_packs_and_its_wrong_use_is_told(
    source: EncodedSource, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos, out = str(tmp_path / "photos"), str(tmp_path / "records")

    flags = ["--to", "tfrecord", "--size", "original", "--shards", "8", "--json"]
    assert main(["data", "pack", photos, out, *flags]) == 0
    assert json.loads(capsys.readouterr().out)["shards"] == 9
    assert len(open_tfrecord(Path(out)).train) == 15

    assert main(["data", "pack", photos, f"{out}2", "--shards", "8"]) == 2
    assert "--shards is for --to tfrecord" in capsys.readouterr().err
    assert main(["data", "pack", photos, f"{out}2", "--size", "large"]) == 2
    assert "--size large: a number of pixels, or original" in capsys.readouterr().err


def test_examples_are_written_as_tensorflow_writes_them() -> None:
    """The kit's writer was written by itself: numbers are packed, negative ones have ten bytes."""
    from resnetlab.base.wire import framed as ours
    from resnetlab.data.records.example_proto import write_example

    features = {"a": b"text", "b": [1, -1, 2**40, 300], "c": [0.5, 2.0]}

    assert write_example(features) == example(**features)
    assert ours(b"payload") == framed(b"payload")
