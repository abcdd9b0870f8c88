import gzip
import pickle
import struct

import numpy as np
import pytest

from resnetlab.data.arrays.collections import open_arrays
from resnetlab.data.open import open_source
from resnetlab.data.sources.choices import Choices
from resnetlab.errors import DataError, UsageError

RNG = np.random.default_rng(3)


def some(number, *shape):
    return RNG.integers(0, 256, (number, *shape)).astype(np.uint8), np.arange(number) % 3


TRAIN, TRAIN_LABELS = some(12, 8, 6, 3)
TEST, TEST_LABELS = some(6, 8, 6, 3)


def write_idx(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    head = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "wb") as stream:
        stream.write(head + array.astype(np.uint8).tobytes())


def write_mnist(folder, *, prefix="", joint="-", end="", first=0):
    for part, number in (("train", 12), ("t10k", 6)):
        images, labels = some(number, 8, 6)
        write_idx(folder / f"{prefix}{part}-images{joint}idx3-ubyte{end}", images)
        write_idx(folder / f"{prefix}{part}-labels{joint}idx1-ubyte{end}", labels + first)
    return images


@pytest.mark.parametrize("place", [".", "raw", "MNIST/raw"])
@pytest.mark.parametrize(("joint", "end"), [("-", ""), ("-", ".gz"), (".", "")])
def test_mnist_is_read_from_its_files(tmp_path, place, joint, end):
    last = write_mnist(tmp_path / place, joint=joint, end=end)

    source = open_source(str(tmp_path))

    assert (len(source.train), len(source.test), source.class_names) == (12, 6, ("0", "1", "2"))
    assert source.train.labels.tolist() == [0, 1, 2] * 4
    assert np.array_equal(source.test.images[..., 0], last)


def test_one_of_several_collections_is_chosen(tmp_path):
    for name in ("balanced", "letters"):
        write_mnist(tmp_path / "gzip", prefix=f"emnist-{name}-", end=".gz", first=name == "letters")

    with pytest.raises(UsageError, match=r"2 collections\n.*subset=NAME: emnist-balanced, emnist-letters"):
        open_source(str(tmp_path))
    source = open_source(str(tmp_path), choices=Choices.of({"subset": "letters"}))

    assert source.class_names == ("1", "2", "3")
    assert any("EMNIST's images are turned upright" in note for note in source.notes)


def test_emnist_stands_upright_and_its_classes_are_characters(tmp_path):
    lying = write_mnist(tmp_path, prefix="emnist-letters-", first=1)
    mapping = tmp_path / "emnist-letters-mapping.txt"
    mapping.write_text("1 65 97\n2 66 98\n3 67 99\n")

    source = open_source(str(tmp_path))

    assert np.array_equal(source.test.images[..., 0], lying.transpose(0, 2, 1))
    assert source.class_names == ("Aa", "Bb", "Cc")
    assert source.train.labels.tolist() == [0, 1, 2] * 4
    mapping.write_text("1 65\n")
    with pytest.raises(DataError, match=r"mapping\.txt: does not name these labels: 2"):
        open_source(str(tmp_path))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda c: c[:-1], "575 bytes for the shape .12, 8, 6.: it is damaged"),
        (lambda c: b"\0\0\x0d" + c[3:], "no idx file of bytes; it begins with 00 00 0d"),
        (lambda c: gzip.compress(c, mtime=0)[:-30], "cannot be read"),
    ],
)
def test_a_damaged_idx_file_is_refused(tmp_path, damage, message):
    write_mnist(tmp_path)
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(damage(path.read_bytes()))

    with pytest.raises(DataError, match=message):
        open_source(str(tmp_path))


def test_a_lacking_idx_file_and_one_alone_are_refused(tmp_path):
    write_mnist(tmp_path)
    with pytest.raises(DataError, match="one file of several\nGive its folder"):
        open_source(str(tmp_path / "train-images-idx3-ubyte"))
    (tmp_path / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(DataError, match="t10k has no file of labels"):
        open_source(str(tmp_path))


def unit(images):
    return (images / 255).astype(np.float32)


def four(images, labels, *, train=lambda a: a, one=lambda a: a):
    """Return arrays under names made of the patterns, such as "x_{}", each changed by `train` and `one`."""
    return {
        pattern.format(part): change(array)
        for part, pair in (("train", (TRAIN, TRAIN_LABELS)), ("test", (TEST, TEST_LABELS)))
        for pattern, array, change in ((images, pair[0], train), (labels, pair[1], one))
    }


@pytest.mark.parametrize(
    "arrays",
    [
        four("x_{}", "y_{}"),
        four("{}_images", "{}_labels", one=lambda labels: labels[:, None]),
        four("X_{}", "Y_{}", train=unit, one=lambda labels: np.eye(3)[labels]),
        four("{}X", "{}Y", train=lambda images: images.transpose(0, 3, 1, 2)),
        four("x_{}", "y_{}", train=lambda images: images.astype(np.float64), one=lambda labels: labels * 1.0),
    ],
)
@pytest.mark.parametrize("is_folder", [False, True])
def test_arrays_are_read_by_their_names(tmp_path, arrays, is_folder):
    path = tmp_path / "data.npz"
    if is_folder:
        for name, array in arrays.items():
            np.save(tmp_path / name, array)
        path = tmp_path
    else:
        np.savez(path, **arrays)

    source = open_source(str(path))

    assert np.array_equal(source.train.images, TRAIN)
    assert np.array_equal(source.test.images, TEST)
    assert source.train.labels.tolist() == TRAIN_LABELS.tolist()
    assert source.class_names == ("0", "1", "2")


def test_images_and_labels_alone_are_divided_and_texts_are_names(tmp_path):
    names = np.array(["cat", "dog", "owl"])[TRAIN_LABELS]
    np.savez(tmp_path / "a.npz", images=TRAIN, labels=names)

    source, whole = (open_arrays(tmp_path / "a.npz", for_scoring=scoring) for scoring in (False, True))

    assert (source.class_names, len(source.train), len(source.test)) == (("cat", "dog", "owl"), 10, 2)
    assert {part: len(split) for part, split in whole.parts.items()} == {"train": 12}


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": TRAIN}, "no array is the labels"),
        ({"x": TRAIN, "masks": TRAIN, "y": TRAIN_LABELS}, "2 arrays could be the images"),
        ({"x": TRAIN, "age": TRAIN_LABELS, "size": TRAIN_LABELS}, "2 arrays could be the labels"),
        ({"x": TRAIN, "y": TRAIN_LABELS[:5]}, "12 images but 5 labels"),
        ({"x": TRAIN - 128.0, "y": TRAIN_LABELS}, "values from -128 to 127 .float64. are no pixels"),
        ({"x": TRAIN.astype(np.uint16) * 256, "y": TRAIN_LABELS}, "are no pixels"),
        ({"x": TRAIN.reshape(12, 4, 18, 2), "y": TRAIN_LABELS}, "images of 2 channels"),
        ({"x": TRAIN, "y": np.ones((12, 3))}, "labels of shape"),
        ({"x": TRAIN, "y": TRAIN_LABELS - 1}, "the label -1 is below 0"),
        ({"x": TRAIN, "y": TRAIN_LABELS + 0.5}, "labels of type float64"),
        ({"x": TRAIN, "y": np.array([None] * 12)}, "Python objects in it are never loaded"),
        ({"x": TRAIN.reshape(12, -1), "y": TRAIN_LABELS}, "no array is the images"),
    ],
)
def test_what_is_not_clear_in_an_npz_is_refused(tmp_path, arrays, message):
    np.savez(tmp_path / "a.npz", **arrays)

    with pytest.raises(DataError, match=message):
        open_source(str(tmp_path / "a.npz"))


def test_arrays_are_chosen(tmp_path):
    np.savez(
        tmp_path / "a.npz", x_train=TRAIN, fine_train=TRAIN_LABELS, coarse_train=TRAIN_LABELS // 2,
        x_test=TEST, fine_test=TEST_LABELS, coarse_test=TEST_LABELS // 2,
    )  # fmt: skip

    source = open_source(str(tmp_path / "a.npz"), choices=Choices.of({"label_column": "coarse"}))

    assert source.train.labels.tolist() == (TRAIN_LABELS // 2).tolist()


def test_a_damaged_npz_is_refused(tmp_path):
    np.savez(tmp_path / "a.npz", x=TRAIN, y=TRAIN_LABELS)
    whole = (tmp_path / "a.npz").read_bytes()
    for content in (whole[:200], b"no zip", pickle.dumps([1])):
        (tmp_path / "a.npz").write_bytes(content)
        with pytest.raises(DataError, match=r"a\.npz: cannot be read"):
            open_source(str(tmp_path / "a.npz"))


def test_street_view_house_numbers_are_read(tmp_path):
    from scipy.io import savemat

    numbers = {"train": 20, "test": 10, "extra": 10}
    images = {part: some(number, 32, 32, 3)[0] for part, number in numbers.items()}
    for part, number in numbers.items():
        labels = (np.arange(number)[:, None] % 10 + 1).astype(np.uint8)
        savemat(tmp_path / f"{part}_32x32.mat", {"X": images[part].transpose(1, 2, 3, 0), "y": labels})

    source = open_source(str(tmp_path))
    more = open_source(str(tmp_path), choices=Choices.of({"train_split": "train,extra"}))

    assert source.class_names == tuple(map(str, range(10)))
    assert source.train.labels.tolist() == [*range(1, 10), 0] * 2
    assert np.array_equal(source.train.images, images["train"])
    assert any("left out: extra" in note for note in source.notes)
    assert len(more.train) == 30


def test_stl_10_is_read(tmp_path):
    folder = tmp_path / "stl10_binary"
    folder.mkdir()
    images = some(6, 96, 96, 3)[0]
    for part in ("train", "test"):
        (folder / f"{part}_X.bin").write_bytes(images.transpose(0, 3, 2, 1).tobytes())
        (folder / f"{part}_y.bin").write_bytes(bytes([1, 2, 3] * 2))
    (folder / "unlabeled_X.bin").write_bytes(b"")
    (folder / "class_names.txt").write_text("airplane\nbird\ncar\n")

    source = open_source(str(folder))

    assert np.array_equal(source.train.images, images)
    assert source.class_names == ("airplane", "bird", "car")
    assert source.train.labels.tolist() == [0, 1, 2] * 2
    (folder / "train_y.bin").unlink()
    with pytest.raises(DataError, match=r"train_X\.bin and train_y\.bin belong together"):
        open_source(str(folder))


@pytest.mark.parametrize("kind", [np.uint8, bool, np.int64])
def test_black_and_white_is_not_taken_for_black(tmp_path, kind):
    images = (np.arange(8 * 6 * 6).reshape(8, 6, 6) % 3 == 0).astype(kind)
    np.savez(tmp_path / "d.npz", images=images, labels=np.arange(8) % 2)

    source = open_arrays(tmp_path / "d.npz")

    assert {*np.unique(source.train.images).tolist()} == {0, 255}
    assert "the images' values are 0 to 1; they were multiplied by 255" in source.notes
