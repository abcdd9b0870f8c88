import hashlib
import os
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest

from resnetlab.data.arrays.cifar import CIFAR10_NAMES, CIFAR100_NAMES, OFFICIAL_SAMPLES, read_cifar
from resnetlab.data.arrays.published import CONTENTS, FILE_SUMS, content_digest
from resnetlab.data.open import open_source
from resnetlab.errors import DataError

BOTH = ("cifar10", "cifar100")
FORMS = ("binary", "python")


def as_folder(folder: Path) -> Path:
    return folder


def as_parent(folder: Path) -> Path:
    return folder.parent


def as_archive(folder: Path) -> Path:
    path = folder.parent / "renamed.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        archive.add(folder, folder.name)
    return path


def as_plain_tar_without_folder(folder: Path) -> Path:
    path = folder.parent / "flat.tar"
    with tarfile.open(path, "w") as archive:
        for file in sorted(folder.iterdir(), reverse=True):
            archive.add(file, f"./{file.name}")
    return path


@pytest.mark.parametrize("dataset", BOTH)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("wrap", [as_folder, as_parent, as_archive, as_plain_tar_without_folder])
def test_every_layout_gives_the_same_pixels_labels_and_names(small_cifars, dataset, form, wrap, tmp_path):
    cifar = small_cifars[dataset]
    layout = next(layout for layout in cifar.layouts if layout.form == form)
    cifar.write(tmp_path / layout.folder, form)

    source = open_source(str(wrap(tmp_path / layout.folder)))

    for part, split in (("train", source.train), ("test", source.test)):
        np.testing.assert_array_equal(cifar.split(part).images, split.images)
        np.testing.assert_array_equal(cifar.split(part).labels, split.labels)
    assert source.name == dataset
    assert source.class_names == tuple(CIFAR100_NAMES if dataset == "cifar100" else CIFAR10_NAMES)


@pytest.mark.parametrize("dataset", BOTH)
def test_binary_and_python_layout_have_the_same_fingerprint(small_cifars, dataset, tmp_path):
    for form in FORMS:
        small_cifars[dataset].write(tmp_path / form, form)

    binary, python = (read_cifar(tmp_path / form).fingerprint for form in FORMS)

    assert binary == python


def test_the_names_are_the_published_ones():
    assert len(set(CIFAR100_NAMES)) == 100
    assert sorted(CIFAR100_NAMES) == CIFAR100_NAMES  # the dataset numbers its fine classes so
    assert len(CIFAR10_NAMES) == 10


@pytest.mark.parametrize("form", FORMS)
def test_a_missing_meta_file_is_replaced_by_the_known_names(cifar10, form, tmp_path):
    layout = cifar10.write(tmp_path, form)
    (tmp_path / layout.meta).unlink()

    assert read_cifar(tmp_path).class_names == tuple(CIFAR10_NAMES)


def test_names_of_a_meta_file_are_used(cifar10, tmp_path):
    layout = cifar10.write(tmp_path, "binary")
    (tmp_path / layout.meta).write_text("\r\n".join("abcdefghij"))

    assert read_cifar(tmp_path).class_names == tuple("abcdefghij")


@pytest.mark.parametrize("form", FORMS)
def test_a_meta_file_with_too_few_names_is_refused(cifar10, form, tmp_path):
    layout = cifar10.write(tmp_path, form)
    nine = "\n".join(CIFAR10_NAMES[:9]).encode()
    if form == "python":
        nine = pickle.dumps({"label_names": CIFAR10_NAMES[:9]})
    (tmp_path / layout.meta).write_bytes(nine)

    with pytest.raises(DataError, match=rf"{layout.meta}: 9 names, expected 10"):
        read_cifar(tmp_path)


@pytest.mark.parametrize("form", FORMS)
def test_missing_batch_files_are_all_named(cifar10, form, tmp_path):
    layout = cifar10.write(tmp_path, form)
    for name in (layout.train[1], layout.test):
        (tmp_path / name).unlink()

    with pytest.raises(DataError, match=f"lacks {layout.train[1]}, {layout.test}"):
        read_cifar(tmp_path)


@pytest.mark.parametrize("dataset", BOTH)
@pytest.mark.parametrize("change", [-1, 1])
def test_a_binary_file_one_byte_off_is_refused_with_its_bytes(small_cifars, dataset, change, tmp_path):
    layout = small_cifars[dataset].write(tmp_path, "binary")
    path = tmp_path / layout.test
    path.write_bytes(path.read_bytes()[:-1] if change < 0 else path.read_bytes() + b"\0")
    official = {"cifar10": "30,730,000", "cifar100": "30,740,000"}[dataset]

    with pytest.raises(DataError) as raised:
        read_cifar(tmp_path)

    assert f"{path}: {path.stat().st_size:,} bytes is no whole number" in str(raised.value)
    assert f"the original has {official} bytes" in str(raised.value)


@pytest.mark.parametrize("form", FORMS)
def test_a_label_out_of_range_is_named_with_file_and_record(cifar10, form, tmp_path):
    layout = cifar10.write(tmp_path, form)
    cifar10.labels["test"][7] = 10
    cifar10.write_file(tmp_path / layout.test, layout, "test", np.arange(100))

    with pytest.raises(DataError, match=rf"{layout.test}: record 7 has the label 10, labels are 0 to 9 \(1 "):
        read_cifar(tmp_path)


def test_a_coarse_label_out_of_range_is_refused(small_cifars, tmp_path):
    layout = small_cifars["cifar100"].write(tmp_path, "binary")
    content = bytearray((tmp_path / layout.test).read_bytes())
    content[4 * 3074] = 20
    (tmp_path / layout.test).write_bytes(content)

    with pytest.raises(DataError, match="record 4 has the coarse label 20"):
        read_cifar(tmp_path)


def test_all_damaged_files_are_named_at_once(cifar10, tmp_path):
    layout = cifar10.write(tmp_path, "binary")
    for name in (layout.train[0], layout.train[4]):
        with (tmp_path / name).open("ab") as stream:
            stream.write(b"x")
    (tmp_path / layout.meta).write_text("one two")
    (tmp_path / layout.test).write_bytes(b"")

    with pytest.raises(DataError) as raised:
        read_cifar(tmp_path)

    lines = str(raised.value).splitlines()
    assert [line.split(": ")[0] for line in lines] == [
        str(tmp_path / name) for name in (layout.train[0], layout.train[4], layout.test, layout.meta)
    ]
    assert "holds no record" in lines[2]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data": np.zeros((100, 3071), np.uint8)}, r"data is uint8 \(100, 3071\)"),
        ({"data": np.zeros((100, 3072), np.int16)}, r"data is int16 \(100, 3072\)"),
        ({"data": np.zeros((99, 3072), np.uint8)}, r"expected uint8 \(100, 3072\)"),
        ({"data": [1, 2]}, "no array 'data'"),
        ({"labels": None}, "list 'labels'"),
        ({"labels": [1] * 50 + ["cat"] + [1] * 49}, "record 50 has no class number but a str"),
        ({"labels": [10**5000] + [1] * 99}, "record 0 has no class number but a int"),
        ({"labels": [-1] + [1] * 99}, "record 0 has the label -1"),
        ({"batch_label": "training batch 1 of 5"}, "training and test files are mixed up"),
    ],
)
def test_a_python_file_of_another_structure_is_refused(cifar10, change, message, tmp_path):
    layout = cifar10.write(tmp_path, "python")
    content = {"data": cifar10.planes["test"], "labels": [1] * 100} | change
    (tmp_path / layout.test).write_bytes(pickle.dumps(content, protocol=4))

    with pytest.raises(DataError, match=f"{layout.test}: .*{message}"):
        read_cifar(tmp_path)


def test_a_python_file_written_by_python_3_is_read(cifar10, tmp_path):
    layout = cifar10.write(tmp_path, "python")
    content = {"data": cifar10.planes["test"], "labels": cifar10.labels["test"].tolist()}
    (tmp_path / layout.test).write_bytes(pickle.dumps(content, protocol=4))

    np.testing.assert_array_equal(cifar10.split("test").images, read_cifar(tmp_path).test.images)


def test_a_folder_of_nothing_known_is_told_what_was_found_and_expected(tmp_path):
    for name in ("train", "test"):  # an image folder has folders of these names
        (tmp_path / name).mkdir()
    (tmp_path / "notes.txt").write_text("x")

    with pytest.raises(DataError) as raised:
        open_source(str(tmp_path))

    assert f"{tmp_path}: no data that is known; found notes.txt, test/, train/" in str(raised.value)
    assert "data_batch_1.bin, ..., test_batch.bin; data_batch_1, ..., test_batch;" in str(raised.value)


def test_a_folder_with_both_cifars_asks_which(small_cifars, tmp_path):
    for dataset in BOTH:
        small_cifars[dataset].write(tmp_path / small_cifars[dataset].layouts[0].folder, "binary")

    with pytest.raises(DataError, match=r"holds both CIFARs\nChoose one, e\.g\. .*cifar-10-batches-bin"):
        open_source(str(tmp_path))


def test_other_numbers_of_images_are_noted_at_a_path_and_refused_in_the_cache(cifar10, tmp_path, monkeypatch):
    folder = tmp_path / cifar10.layouts[0].folder
    cifar10.write(folder, "binary")
    monkeypatch.setenv("RESNETLAB_CACHE", str(tmp_path))

    assert "train has 100 images, the original 50,000" in read_cifar(folder).notes
    with pytest.raises(DataError, match=r"not the complete cifar10: .*100 images, the original 50,000"):
        open_source("cifar10")


@pytest.mark.parametrize("dataset", BOTH)
@pytest.mark.parametrize("form", FORMS)
def test_by_its_name_a_cifar_is_the_published_one(small_cifars, dataset, form, tmp_path, monkeypatch):
    cifar = small_cifars[dataset]
    folder = tmp_path / next(layout.folder for layout in cifar.layouts if layout.form == form)
    layout = cifar.write(folder, form)
    monkeypatch.setitem(OFFICIAL_SAMPLES, "train", len(cifar.labels["train"]))
    monkeypatch.setitem(OFFICIAL_SAMPLES, "test", 100)
    monkeypatch.setenv("RESNETLAB_CACHE", str(tmp_path))
    assert {*layout.files} <= {*FILE_SUMS}
    for name in layout.files:
        monkeypatch.setitem(FILE_SUMS, name, hashlib.md5((folder / name).read_bytes()).hexdigest())
    source = open_source(dataset)
    path = folder / layout.test
    content = path.read_bytes()
    place = content.index(cifar.planes["test"][5].tobytes())

    path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
    assert open_source(str(folder)).fingerprint != source.fingerprint  # by its path it is anybody's
    with pytest.raises(
        DataError, match=rf"not {dataset} as it was published: .* MD5 of {layout.test}\nRemove"
    ):
        open_source(dataset)

    path.write_bytes(content)
    assert open_source(dataset).fingerprint == source.fingerprint


@pytest.mark.parametrize("dataset", BOTH)
def test_by_its_name_its_classes_are_called_as_published(small_cifars, dataset, tmp_path, monkeypatch):
    cifar = small_cifars[dataset]
    folder = tmp_path / next(layout.folder for layout in cifar.layouts if layout.form == "binary")
    layout = cifar.write(folder, "binary")
    monkeypatch.setitem(OFFICIAL_SAMPLES, "train", len(cifar.labels["train"]))
    monkeypatch.setitem(OFFICIAL_SAMPLES, "test", 100)
    monkeypatch.setenv("RESNETLAB_CACHE", str(tmp_path))
    for name in layout.files:
        monkeypatch.setitem(FILE_SUMS, name, hashlib.md5((folder / name).read_bytes()).hexdigest())
    first, second, *rest = layout.names
    assert open_source(dataset).class_names[:2] == (first, second)

    (folder / layout.meta).write_text("\n".join([second, first, *rest]))

    assert open_source(str(folder)).class_names[:2] == (second, first)  # by its path it is anybody's
    told = f"{layout.meta} calls a class '{second}', not '{first}'\nRemove"
    with pytest.raises(DataError, match=rf"not {dataset} as it was published: {told}"):
        open_source(dataset)


def test_in_other_files_or_another_order_it_is_still_the_published_one(cifar10, tmp_path, monkeypatch):
    for part in OFFICIAL_SAMPLES:
        monkeypatch.setitem(OFFICIAL_SAMPLES, part, 100)
    layout = cifar10.write(tmp_path, "binary")
    monkeypatch.setitem(CONTENTS, "cifar10", content_digest(read_cifar(tmp_path)))
    first, second = (tmp_path / name for name in layout.train[:2])
    contents = first.read_bytes(), second.read_bytes()

    first.write_bytes(contents[1])
    second.write_bytes(contents[0])
    assert len(read_cifar(tmp_path, dataset="cifar10").train) == 100

    test = (tmp_path / layout.test).read_bytes()
    (tmp_path / layout.test).write_bytes(contents[0] + test[len(contents[0]) :])
    first.write_bytes(test[: len(contents[0])])
    with pytest.raises(DataError, match="as it was published"):
        read_cifar(tmp_path, dataset="cifar10")


def test_a_whole_cifar_of_unequal_classes_is_noted(cifar10, tmp_path, monkeypatch):
    for part in OFFICIAL_SAMPLES:
        monkeypatch.setitem(OFFICIAL_SAMPLES, part, 100)
    layout = cifar10.write(tmp_path, "binary")
    assert read_cifar(tmp_path).notes == ()

    content = bytearray((tmp_path / layout.test).read_bytes())
    content[0] = (content[0] + 1) % 10
    (tmp_path / layout.test).write_bytes(content)

    assert read_cifar(tmp_path).notes == ("test has 9 to 11 images per class, not equally many",)


def test_a_whole_cifar_without_a_class_is_refused(cifar10, tmp_path, monkeypatch):
    layout = cifar10.write(tmp_path, "binary")
    for name in layout.train:
        content = bytearray((tmp_path / name).read_bytes())
        for start in range(0, len(content), 3073):
            content[start] = min(content[start], 8)
        (tmp_path / name).write_bytes(content)
    assert "train has no image of truck" in read_cifar(tmp_path).notes

    for part in OFFICIAL_SAMPLES:
        monkeypatch.setitem(OFFICIAL_SAMPLES, part, 100)

    with pytest.raises(DataError, match="train has no image of truck"):
        read_cifar(tmp_path)


def test_the_real_cifar10_is_complete_in_both_layouts():
    place = os.environ.get("RESNETLAB_CIFAR10", "")
    if not place:
        pytest.skip("set RESNETLAB_CIFAR10 to the folder that make_cifar.py wrote")

    fingerprints = set()
    for layout in ("cifar-10-batches-bin", "cifar-10-batches-py"):
        source = open_source(str(Path(place) / layout))
        fingerprints.add(source.fingerprint)
        assert source.notes == ()
        assert source.train.samples_per_class(10) == [5000] * 10
        assert source.test.samples_per_class(10) == [1000] * 10
        means = source.train.images.mean((0, 1, 2)) / 255
        np.testing.assert_allclose(means, (0.4914, 0.4822, 0.4465), atol=5e-5)  # as everyone quotes

    assert len(fingerprints) == 1
