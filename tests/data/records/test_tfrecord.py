import contextlib
import gzip
import io
import pickle
import struct
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from resnetlab.data.folders.folder import open_folder
from resnetlab.data.images.decode import decode
from resnetlab.data.images.image import EncodedImage
from resnetlab.data.open import open_source
from resnetlab.data.records import tfrecord
from resnetlab.data.records.example_proto import MalformedExample, parse_example
from resnetlab.data.records.tfrecord import open_tfrecord
from resnetlab.data.sources.choices import Choices
from resnetlab.errors import DataError, UsageError
from tests.kit.open_files import held_after_refusal
from tests.kit.pictures import picture, write_folder
from tests.kit.protobuf import field, varint
from tests.kit.tfrecords import example, framed, imagenet_example, write_shards

TRAIN = [3, 1, 2, 1, 2, 3, 1]
VALIDATION = [1, 2, 3]


@pytest.fixture
def shards(tmp_path, monkeypatch):
    monkeypatch.setenv("RESNETLAB_CACHE", str(tmp_path / "cache"))
    write_shards(tmp_path / "data", "train", TRAIN)
    write_shards(tmp_path / "data", "validation", VALIDATION, num_shards=3)
    return tmp_path / "data"


def in_shard_order(labels, num_shards=2):
    return [label for shard in range(num_shards) for label in labels[shard::num_shards]]


def test_images_labels_names_and_boxes_are_read(shards):
    source = open_tfrecord(shards)

    assert source.class_names == ("name 1", "name 2", "name 3")
    assert (source.train.labels + 1).tolist() == in_shard_order(TRAIN)
    assert (source.test.labels + 1).tolist() == VALIDATION
    image = source.train.read(4)  # the first of the second shard: the second that was written
    assert image.data == picture(1 + 1000 * len("train"))
    assert image.place == "train-00001-of-00002 record 0"
    assert image.boxes == ((0.125, 0.25, 0.5, 0.75), (0.0, 0.5, 1.0, 1.0))  # 1.5 is clipped
    assert source.test.read(2).place == "validation-00002-of-00003 record 0"


@pytest.mark.parametrize(
    ("classes", "names", "labels", "note"),
    [
        (None, ("name 1", "name 2", "name 3"), (0, 2), "labels 1 to 3 are taken to count from 1"),
        (3, ("name 1", "name 2", "name 3"), (0, 2), "classes=4 keeps the background"),
        (4, ("background", "name 1", "name 2", "name 3"), (1, 3), "class 0 is the background"),
    ],
)
def test_the_background_class_is_recognised_and_said(shards, classes, names, labels, note):
    source = open_tfrecord(shards, classes=classes)

    assert source.class_names == names
    assert (source.train.labels.min(), source.train.labels.max()) == labels
    assert note in source.notes[0]


def test_1000_classes_are_imagenets_and_not_999_and_the_background():
    assert tfrecord._numbering(1, 1000, 1000).shift == 1
    assert tfrecord._numbering(1, 1000, 1001).has_background
    assert tfrecord._numbering(1, 999, 1000).shift == 1
    assert tfrecord._numbering(0, 999, 1000)[:3] == (0, 1000, False)


def test_labels_from_zero_stay(shards):
    write_shards(shards, "train", [0, 1, 2, 3])

    source = open_tfrecord(shards)

    assert source.class_names == ("name 0", "name 1", "name 2", "name 3")
    assert sorted(source.train.labels) == [0, 1, 2, 3]
    assert "background" not in "".join(source.notes)


def test_equal_texts_are_told_apart_and_missing_ones_replaced(shards):
    records = [imagenet_example(label, image__class__text=b"crane") for label in (1, 2)]
    records += [imagenet_example(3, image__class__text=b"")]
    for number in range(2):
        path = shards / f"train-{number:05}-of-00002"
        path.write_bytes(b"".join(map(framed, records)))
    for path in shards.glob("validation*"):
        path.unlink()

    write_shards(shards, "validation", [1])
    (shards / "validation-00000-of-00002").write_bytes(framed(records[0]))
    assert open_tfrecord(shards).class_names == ("crane (1)", "crane (2)", "3")


@pytest.mark.parametrize(("classes", "label"), [(2, 3), (None, -1)])
def test_a_label_out_of_range_is_named(shards, classes, label):
    write_shards(shards, "train", [1, 2, label])

    with pytest.raises(DataError, match=rf"train-00000-of-00002 record 1 has label {label}, out of range"):
        open_tfrecord(shards, classes=classes)


def test_a_class_without_a_training_image_is_refused_also_beside_the_background(shards):
    write_shards(shards, "train", [1, 3])

    with pytest.raises(DataError, match="train has no image of name 2"):
        open_tfrecord(shards)
    with pytest.raises(DataError, match="train has no image of class 2"):
        open_tfrecord(shards, classes=4)


def test_missing_shards_are_named(shards):
    (shards / "train-00001-of-00002").unlink()
    (shards / "validation-00000-of-00003").unlink()

    with pytest.raises(DataError) as raised:
        open_tfrecord(shards)

    assert [line.removeprefix(f"{shards}: ") for line in str(raised.value).splitlines()] == [
        "1 of 2 train shards are missing: train-00001-of-00002",
        "1 of 3 validation shards are missing: validation-00000-of-00003",
    ]


def test_patterns_and_folders_of_splits_are_found(shards, monkeypatch):
    monkeypatch.chdir(shards.parent)
    assert len(open_tfrecord(Path("data/*-of-*")).test) == 3
    assert len(open_tfrecord(Path("data/train-*")).train) == 6  # one in five and more is held out
    for part in ("train", "validation"):
        (shards / part).mkdir()
        for path in shards.glob(f"{part}-*"):
            path.rename(shards / part / path.name)

    assert open_tfrecord(shards).train.read(0).place == "train/train-00000-of-00002 record 0"


def damage(path, position, change=None):
    content = bytearray(path.read_bytes())
    if change is None:
        del content[position:]
    else:
        content[position] ^= change
    path.write_bytes(bytes(content))


def second_record(path):
    """Return where the second record begins."""
    return 16 + struct.unpack("<Q", path.read_bytes()[:8])[0]


def test_a_flipped_byte_in_an_image_is_an_error_on_reading_it_and_only_it(shards):
    path = shards / "train-00000-of-00002"
    damage(path, second_record(path) + 300, 1)
    source = open_tfrecord(shards)

    offset = second_record(path) + 12
    with pytest.raises(DataError, match=rf"train-00000-of-00002 record 1, offset {offset:,}: the checksum"):
        source.train.read(1)
    assert source.train.read(0).data
    assert source.train.read(2).data


@pytest.mark.parametrize("place", [0, 7, 8, 11])
def test_a_flipped_byte_in_a_length_is_an_error_on_opening(shards, place):
    path = shards / "train-00000-of-00002"
    offset = second_record(path)
    damage(path, offset + place, 4)

    message = (
        rf"train-00000-of-00002 record 1, offset {offset:,}: the checksum of the record's length is wrong"
    )
    with pytest.raises(DataError, match=message):
        open_tfrecord(shards)


def test_a_flipped_byte_in_the_checksum_is_an_error_on_reading(shards):
    path = shards / "train-00000-of-00002"
    damage(path, second_record(path) - 1, 1)

    with pytest.raises(DataError, match=r"record 0, offset 12: the checksum of its content is wrong"):
        open_tfrecord(shards).train.read(0)


@pytest.mark.parametrize(
    ("kept", "message"), [(5, "within a record's length"), (12, "cut short"), (200, "bytes are missing")]
)
def test_a_shard_that_was_cut_short_is_an_error_on_opening(shards, kept, message):
    path = shards / "train-00000-of-00002"
    offset = second_record(path)
    damage(path, offset + kept)

    with pytest.raises(DataError, match=rf"train-00000-of-00002 record 1, offset {offset:,}: .*{message}"):
        open_tfrecord(shards)


def test_a_shard_that_changed_after_opening_is_an_error_on_reading(shards):
    source = open_tfrecord(shards)
    damage(shards / "train-00000-of-00002", 100)

    with pytest.raises(DataError, match=r"record 0, offset 12: the file has been cut short since"):
        source.train.read(0)
    (shards / "train-00000-of-00002").unlink()
    with pytest.raises(DataError, match=r"record 0: cannot be read: No such file"):
        source.train.read(0)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (gzip.compress(b"x" * 1000, mtime=0), "offset 0: .*damaged or no TFRecord file"),
        (b"<html>no shard at all</html>", "it is damaged or no TFRecord file"),
        (framed(b"\xff" * 40), "no tf.train.Example"),
        (
            framed(example(image__encoded=b"x")),
            "|records without a label: train-00001-of-00002\nThey have image/encoded",
        ),
        (framed(example(image__class__label=[1])), "has no image/encoded\nIt has image/class/label"),
        (framed(imagenet_example(1, image__class__label=[1, 2])), "has 2 values, not one"),
        (framed(imagenet_example(1, image__class__label=b"1")), "|the labels of some shards are numbers"),
        (framed(imagenet_example(1, image__class__label=[0.5])), "is not a whole number"),
    ],
)
def test_what_is_no_imagenet_shard_is_refused(shards, content, message):
    (shards / "train-00001-of-00002").write_bytes(content)

    with pytest.raises(DataError, match=f"train-00001-of-00002 record 0.*{message}"):
        open_tfrecord(shards)


def test_boxes_of_different_lengths_are_refused(shards):
    record = framed(imagenet_example(1, image__object__bbox__xmin=[0.5]))
    path = shards / "train-00000-of-00002"
    path.write_bytes(record + path.read_bytes())

    with pytest.raises(DataError, match=r"record 0: its boxes have 2, 1, 2, 2 sides"):
        open_tfrecord(shards).train.read(0)


def test_no_shards_and_empty_shards_are_said(tmp_path, monkeypatch):
    monkeypatch.setenv("RESNETLAB_CACHE", str(tmp_path / "cache"))
    with pytest.raises(DataError, match="no shards there"):
        open_tfrecord(tmp_path)
    (tmp_path / "train-00000-of-00001").touch()
    with pytest.raises(DataError, match="the shards have no records"):
        open_tfrecord(tmp_path)


def test_the_index_is_made_once_and_again_when_a_shard_changes(shards, monkeypatch):
    built = []
    build = tfrecord.index_tfrecord
    monkeypatch.setattr(
        tfrecord, "index_tfrecord", lambda path, choices: built.append(path.name) or build(path)
    )
    first = open_tfrecord(shards)
    assert len(built) == 5

    again = open_tfrecord(shards)
    assert len(built) == 5
    assert again.fingerprint == first.fingerprint
    assert again.class_names == first.class_names

    path = shards / "train-00000-of-00002"
    path.write_bytes(path.read_bytes() + framed(imagenet_example(2)))
    assert len(open_tfrecord(shards).train) == len(first.train) + 1
    assert built[5:] == ["train-00000-of-00002"]


def test_a_damaged_index_is_made_anew(shards):
    open_tfrecord(shards)
    for number, path in enumerate(sorted((shards.parent / "cache/shards").iterdir())):
        path.write_bytes((b"", b"junk", path.read_bytes()[:-40])[number % 3])

    assert len(open_tfrecord(shards).train) == len(TRAIN)


def test_a_cache_that_cannot_be_written_does_not_stop_it(shards, monkeypatch):
    (shards.parent / "file").touch()
    monkeypatch.setenv("RESNETLAB_CACHE", str(shards.parent / "file/cache"))

    assert len(open_tfrecord(shards).train) == len(TRAIN)


def test_progress_is_told(shards):
    told = []

    open_tfrecord(shards, progress=lambda done, total: told.append((done, total)))

    assert told == [(number, 5) for number in range(1, 6)]


def test_the_reader_pickles_and_serves_threads(shards):
    split = open_tfrecord(shards).train
    copy = pickle.loads(pickle.dumps(split))

    with ThreadPoolExecutor(4) as pool:
        images = list(pool.map(copy.read, [*range(len(TRAIN))] * 20))
    assert images[: len(TRAIN)] == [split.read(index) for index in range(len(TRAIN))]
    assert images == images[: len(TRAIN)] * 20


def test_numbers_one_by_one_unknown_fields_and_negative_numbers_are_read():
    float_list = b"".join(varint(1 << 3 | 5) + struct.pack("<f", value) for value in (0.5, 2.0))
    int_list = b"".join(varint(1 << 3) + varint(value) for value in (7, -1, 300))
    unknown = varint(9 << 3) + varint(12345) + varint(10 << 3 | 1) + bytes(8) + varint(11 << 3 | 5) + bytes(4)
    entries = [
        field(1, unknown + field(1, b"f") + field(2, field(2, float_list) + unknown)),
        field(1, field(1, b"i") + field(2, field(3, int_list))),
        field(1, field(1, b"none") + field(2, b"")),
    ]
    payload = memoryview(unknown + field(1, b"".join(entries)) + field(2, b"later"))

    features, names = parse_example(payload, ("f", "i", "none"))

    assert features == {"f": [0.5, 2.0], "i": [7, -1, 300], "none": []}
    assert names == ["f", "i", "none"]


def test_a_field_that_goes_beyond_the_end_is_malformed():
    with pytest.raises(MalformedExample, match="a field of 102 bytes goes beyond its end"):
        parse_example(memoryview(field(1, bytes(102))[:-1]), ())


def test_no_bytes_whatever_make_the_parser_raise_anything_else():
    rng = np.random.default_rng(print("seed 5") or 5)
    whole = imagenet_example(3)[:200]
    for _ in range(3000):
        content = bytearray(whole if rng.random() < 0.7 else rng.bytes(50))
        for _ in range(rng.integers(1, 5)):
            content[rng.integers(len(content))] = rng.integers(256)
        with contextlib.suppress(MalformedExample):
            parse_example(memoryview(content), ("image/class/label", "image/object/bbox/xmin"))


def test_an_empty_shard_opens_twice(tmp_path, monkeypatch):
    monkeypatch.setenv("RESNETLAB_CACHE", str(tmp_path / "cache"))
    write_shards(tmp_path / "data", "train", [1, 9, 2, 9] * 6)
    (tmp_path / "data/train-00001-of-00002").write_bytes(b"")

    first, second = (open_tfrecord(tmp_path / "data") for _ in range(2))

    assert first.class_names == second.class_names == ("name 1", "name 2")
    assert first.train.labels.tolist() == second.train.labels.tolist()


@pytest.mark.parametrize(("label", "classes"), [(10**8, None), (3, 10**8)])
def test_more_classes_than_records_can_have_are_refused_before_they_get_names(shards, label, classes):
    write_shards(shards, "train", [1, 2, label])

    with pytest.raises(DataError, match=r"100,000,000 classes by the labels or by classes=, but 6 records"):
        open_tfrecord(shards, classes=classes)


@pytest.mark.parametrize(
    ("side", "message"),
    [([0.5, float("nan")], "sides that are no numbers"), (b"\x01", "are byte strings, not numbers")],
)
def test_boxes_that_are_no_numbers_are_an_error_on_reading(shards, side, message):
    names = ("xmin", "xmax", "ymin", "ymax")
    box = {f"image__object__bbox__{name}": side for name in names}
    path = shards / "train-00000-of-00002"
    path.write_bytes(framed(imagenet_example(1, **box)) + path.read_bytes())

    with pytest.raises(DataError, match=rf"record 0: its boxes .*{message}"):
        open_tfrecord(shards).train.read(0)


def test_a_number_of_more_than_64_bits_is_cut_off():
    """Protocol Buffers, Encoding: a varint has ten bytes, of which the bits above the 64th mean nothing."""
    long = b"\x83" + b"\x80" * 8 + b"\x7e"  # 3, and bits from the 64th on
    payload = field(1, field(1, field(1, b"i") + field(2, field(3, field(1, long)))))

    assert parse_example(memoryview(payload), ("i",))[0] == {"i": [3]}


SYNSETS = (b"n01440764", b"n01443537", b"n01484850")


def write_with_synsets(shards, synsets, *, others=None):
    """Write labels 1, 2, 3 into both training shards, the second one's synsets `others`."""
    for path in shards.glob("validation*"):
        path.unlink()
    for name, words in (
        ("train-00000-of-00002", synsets),
        ("train-00001-of-00002", others or synsets),
        ("validation-00000-of-00001", synsets),
    ):
        records = [
            imagenet_example(label, 10 * label, image__class__synset=word)
            for label, word in enumerate(words, start=1)
        ]
        (shards / name).write_bytes(b"".join(map(framed, records)))


def test_classes_are_a_folders_if_every_record_names_its_synset(shards, tmp_path):
    write_with_synsets(shards, SYNSETS)
    names = [word.decode() for word in reversed(SYNSETS)]
    folder = open_folder(
        write_folder(tmp_path / "f", {part: dict.fromkeys(names, 1) for part in ("train", "val")})
    )

    for _ in ("anew", "from the cache"):
        source = open_tfrecord(shards)
        assert source.class_names == folder.class_names
        assert "classes are named by image/class/synset" in " ".join(source.notes)
    assert open_tfrecord(shards, classes=4).class_names == ("background", *folder.class_names)


@pytest.mark.parametrize(
    ("synsets", "others"),
    [
        ((b"n1", b"n2", b""), None),
        ((b"n1", b"n2", b"n2"), None),
        ((b"n1", b"n2", b"n3"), (b"n1", b"n3", b"n2")),
        ((b"n1", b"n2", b"n3"), (b"n1", b"n2", b"")),
    ],
)
def test_synsets_that_do_not_tell_the_classes_apart_are_left_alone(shards, synsets, others):
    write_with_synsets(shards, synsets, others=others)

    source = open_tfrecord(shards)

    assert source.class_names == ("name 1", "name 2", "name 3")
    assert "synset" not in "".join(source.notes)


def test_two_synsets_of_a_label_in_one_shard_are_none(shards):
    write_with_synsets(shards, SYNSETS)
    with (shards / "train-00000-of-00002").open("ab") as stream:
        stream.write(framed(imagenet_example(2, image__class__synset=b"n01440764")))

    assert open_tfrecord(shards).class_names == ("name 1", "name 2", "name 3")


def test_a_refused_shard_is_not_held_open(shards):
    damage(shards / "train-00000-of-00002", 7)
    (shards / "train-00001-of-00002").write_bytes(framed(b"no example"))

    assert held_after_refusal(lambda: open_tfrecord(shards), shards) == []


def write_records(path, rows, *, opener=open):
    path.parent.mkdir(parents=True, exist_ok=True)
    with opener(path, "wb") as stream:
        stream.write(b"".join(framed(example(**row)) for row in rows))


FLOWERS = ("daisy", "rose", "tulip")


def flowers(form, *, number=12, start=0):
    return [
        form(index % 3, picture(start + index, size=(8, 6), form="PNG"), index) for index in range(number)
    ]


def read_all(source):
    """Return each training image's pixels as decoded, and its class' name."""
    split = source.train
    return [
        (decode(split.read(i), channels=3), source.class_names[split.labels[i]]) for i in range(len(split))
    ]


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("RESNETLAB_CACHE", str(tmp_path / "cache"))


def raw_form(label, image, index, **names):
    pixels = np.asarray(Image.open(io.BytesIO(image)))
    return {"image_raw": pixels.tobytes(), "label": [label]} | names


@pytest.mark.parametrize(
    ("name", "form", "classes"),
    [
        ("x-train.tfrecord-00000-of-00001", lambda k, d, i: {"image": d, "label": [k], "id": b"x"}, "012"),
        ("train00-512x512-12.tfrec", lambda k, d, i: {"image": d, "class": [k], "id": b"x"}, "012"),
        ("train.tfrecord", lambda k, d, i: {"image__encoded": d, "label": FLOWERS[k].encode()}, FLOWERS),
        ("train-000-of-001.tfrecords", lambda k, d, i: {"img": d, "label": [k == 0, k == 1, k == 2]}, "012"),
        ("train.tfrecords", lambda k, d, i: raw_form(k, d, i, height=[6], width=[8], depth=[3]), "012"),
        ("train.tfrecords", lambda k, d, i: raw_form(k, d, i, image__height=[6], image__width=[8]), "012"),
        ("train.tfrecords", lambda k, d, i: raw_form(k, d, i, shape=[6, 8, 3]), "012"),
    ],
)  # fmt: skip
def test_records_of_others_are_read(tmp_path, cache, name, form, classes):
    write_records(tmp_path / "d" / name, flowers(form))

    source = open_tfrecord(tmp_path / "d")

    assert source.class_names == tuple(classes)
    expected = {classes[i % 3]: [] for i in range(3)}
    for index, (_, image, _) in enumerate(flowers(lambda k, d, i: (k, d, i))):
        expected[classes[index % 3]].append(decode(EncodedImage(image, ""), channels=3).tolist())
    assert all(pixels.tolist() in expected[label] for pixels, label in read_all(source))


@pytest.mark.parametrize("name", ["train-00000-of-00001.tfrecord.gz", "train-00000-of-00001", "train.tfrec"])
def test_gzip_is_unpacked_into_the_cache(tmp_path, cache, name):
    write_records(
        tmp_path / "d" / name, flowers(lambda k, d, i: {"image": d, "label": [k]}), opener=gzip.open
    )

    source = open_tfrecord(tmp_path / "d")

    assert len(source.train) == 9 or len(source.train) == 10
    assert source.train.place(0).startswith(f"{name} record ")
    assert len(source.train.read(0).data) > 50
    (tmp_path / "d" / name).write_bytes((tmp_path / "d" / name).read_bytes()[:-20])
    with pytest.raises(DataError, match="cannot be unpacked"):
        open_tfrecord(tmp_path / "d")


def test_what_tensorflow_datasets_keeps_is_entered_and_names_its_classes(tmp_path, cache):
    root = tmp_path / "tensorflow_datasets"
    for name in ("flowers", "trees"):
        folder = root / name / "1.0.0"
        for part, number in (("train", 12), ("test", 6)):
            rows = flowers(lambda k, d, i: {"image": d, "label": [k]}, number=number, start=len(part))
            write_records(folder / f"{name}-{part}.tfrecord-00000-of-00001", rows)
        (folder / "features.json").write_text("{}")
        (folder / "label.labels.txt").write_text("\n".join(FLOWERS) + "\n")

    with pytest.raises(UsageError, match=r"2 datasets\n.*subset=NAME: flowers/1.0.0, trees/1.0.0"):
        open_source(str(root))
    chosen = open_source(str(root), choices=Choices.of({"subset": "trees/1.0.0"}), holds_small=False)
    inner = open_source(str(root / "flowers"), holds_small=False)

    assert chosen.class_names == inner.class_names == FLOWERS
    assert (len(chosen.train), len(chosen.test)) == (12, 6)
    assert chosen.train.labels.tolist() == [0, 1, 2] * 4


def test_two_candidates_are_asked_for(tmp_path, cache):
    form = lambda k, d, i: {"image": d, "class": [k], "category": [0], "png": b"x"}  # noqa: E731
    write_records(tmp_path / "d/train.tfrecord", flowers(form))

    with pytest.raises(DataError, match=r"category and class could be the label\n.*label_column=category"):
        open_tfrecord(tmp_path / "d")

    assert len(open_tfrecord(tmp_path / "d", choices=Choices.of({"label_column": "class"})).class_names) == 3
    with pytest.raises(DataError, match=r"has no klass\nIt has category, class, image, png"):
        open_tfrecord(tmp_path / "d", choices=Choices.of({"label_column": "klass"}))


@pytest.mark.parametrize("secret", [{}, {"label": [-1]}])
def test_test_shards_whose_labels_are_secret_are_left_out(tmp_path, cache, secret):
    for part, start in (("train", 0), ("val", 20)):
        write_records(
            tmp_path / f"d/{part}/a.tfrec", flowers(lambda k, d, i: {"image": d, "label": [k]}, start=start)
        )
    write_records(tmp_path / "d/test/a.tfrec", flowers(lambda k, d, i: {"image": d, "id": b"x"} | secret))

    source = open_tfrecord(tmp_path / "d")

    assert "shards without labels, left out: test/a.tfrec" in source.notes
    assert (len(source.train), source.test.place(0)) == (12, "val/a.tfrec record 0")


def test_raw_pixels_of_no_known_size_are_refused_on_reading(tmp_path, cache):
    rows = flowers(lambda k, d, i: raw_form(k, d, i, height=[6], width=[9]))
    write_records(tmp_path / "d/train.tfrecord", rows)

    with pytest.raises(DataError, match="144 bytes are neither an image file nor 6x9 pixels"):
        open_tfrecord(tmp_path / "d").train.read(0)


def test_packed_copies_beside_their_shards_are_not_read_twice(tmp_path, cache):
    """As gunzip --keep leaves them."""
    content = flowers(lambda k, d, i: {"image": d, "label": [k]})
    write_records(tmp_path / "d" / "train.tfrecord", content)
    alone = open_tfrecord(tmp_path / "d")
    write_records(tmp_path / "d" / "train.tfrecord.gz", content, opener=gzip.open)

    both = open_tfrecord(tmp_path / "d")

    assert [len(split) for split in both.parts.values()] == [len(split) for split in alone.parts.values()]
    assert both.fingerprint == alone.fingerprint
    assert both.notes[0] == "packed copies of shards that lie beside them, not read: train.tfrecord.gz"


def test_shards_of_two_versions_side_by_side_are_refused_as_they_may_hold_the_same(tmp_path, cache):
    """As a conversion leaves them that was made again with another number of shards."""
    write_shards(tmp_path / "data", "train", TRAIN, num_shards=1)
    write_shards(tmp_path / "data", "train", TRAIN, num_shards=2)

    with pytest.raises(DataError, match="train has shards of 1 and of 2: they are of several versions"):
        open_tfrecord(tmp_path / "data")
