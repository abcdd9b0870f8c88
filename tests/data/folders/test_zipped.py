import pickle
import tarfile
import zipfile

import pytest

from resnetlab.data.folders.folder import open_folder
from resnetlab.data.folders.zipped import open_zip
from resnetlab.data.open import open_source
from resnetlab.data.sources.choices import Choices
from resnetlab.errors import DataError, UsageError
from tests.kit.pictures import picture, write_folder
from tests.kit.tars import write_tar


@pytest.fixture
def photos(tmp_path, monkeypatch):
    monkeypatch.setenv("RESNETLAB_CACHE", str(tmp_path / "cache"))
    return write_folder(tmp_path / "photos", {"train": {"cat": 3, "dog": 2}, "val": {"cat": 1, "dog": 1}})


def write_zip(path, folder, *, compression=zipfile.ZIP_DEFLATED, above="", more=()):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, above + file.relative_to(folder).as_posix())
        for name, content in more:
            archive.writestr(name, content)
    return path


def facts(source):
    return source.class_names, {
        part: [(source.class_names[label], split.read(i).data) for i, label in enumerate(split.labels)]
        for part, split in source.parts.items()
    }


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("above", ["", "photos/", "a/b/"])
def test_a_zip_is_read_as_the_folder_that_it_holds(tmp_path, photos, compression, above):
    mac = [("__MACOSX/photos/train/cat/._000.jpg", b"x"), ("readme.txt", b"x")]
    path = write_zip(tmp_path / "p.zip", photos, compression=compression, above=above, more=mac)

    source = open_source(str(path), holds_small=False)

    assert facts(source) == facts(open_folder(photos))
    copy = pickle.loads(pickle.dumps(source.train))
    assert copy.read(2).data == source.train.read(2).data
    assert source.train.reader.size(0) == len(source.train.read(0).data)


@pytest.mark.parametrize("name", ["p.tar", "p.tar.gz", "p.tgz"])
def test_a_tar_is_read_as_the_folder_that_it_holds(tmp_path, photos, name):
    with tarfile.open(tmp_path / name, "w" if name == "p.tar" else "w:gz") as archive:
        archive.add(photos, "photos")

    source = open_source(str(tmp_path / name), holds_small=False)

    assert facts(source)[0] == ("cat", "dog")
    expected = {part: sorted(rows) for part, rows in facts(open_folder(photos))[1].items()}
    assert {part: sorted(rows) for part, rows in facts(source)[1].items()} == expected
    assert source.name == ("p" if name != "p.tar" else tmp_path.name)


def test_a_zip_that_is_damaged_or_holds_no_class_folders_is_refused(tmp_path, photos):
    path = write_zip(tmp_path / "p.zip", photos)
    whole = bytearray(path.read_bytes())
    source = open_zip(path)
    path.write_bytes(whole[:-60])
    with pytest.raises(DataError, match=r"not a readable \.zip"):
        open_zip(path)
    at = int(source.train.reader.offsets[source.train.indices[0]])
    whole[at + 200] ^= 255
    path.write_bytes(whole)
    with pytest.raises(DataError, match=r"p\.zip/train/cat/000\.jpg: the archive is damaged"):
        source.train.read(0)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("1.jpg", picture(1))
    with pytest.raises(DataError, match=r"p\.zip: its pictures lie in no class folders, e\.g\. 1\.jpg"):
        open_zip(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("train-images-idx3-ubyte", b"x")
    with pytest.raises(DataError, match="holds no images, but train-images-idx3-ubyte\nUnpack it"):
        open_source(str(path))


def test_a_zip_leaves_no_columns_to_choose(tmp_path, photos):
    path = write_zip(tmp_path / "p.zip", photos)

    with pytest.raises(UsageError, match=r"a \.zip leaves no such choice\nIt leaves open: split_list"):
        open_source(str(path), choices=Choices.of({"label_column": "x"}))


@pytest.mark.parametrize(
    ("name", "way"), [("a.rar", "Unpack it"), ("a.h5", ".npz"), ("a.pkl", "can run programs")]
)
def test_what_is_not_read_names_the_way(tmp_path, name, way):
    (tmp_path / name).write_bytes(b"Rar!")

    with pytest.raises(DataError, match=rf"no data that is known\n.*{way}"):
        open_source(str(tmp_path / name))


def test_what_a_zip_has_beside_its_images_is_said_and_an_image_without_a_suffix_is_read(tmp_path, photos):
    path = tmp_path / "p.zip"
    more = [("train/cat/IMG_1.MOV", b"m"), ("train/cat/RAW_1.CR2", b"r"), ("train/cat/plain", picture(77))]
    write_zip(path, photos, more=more)

    source = open_zip(path)

    assert len(source.train) == len(open_folder(photos).train) + 1
    assert "no pictures, not read: 1 files (.mov)" in source.notes
    assert "pictures in formats that are not read, left out: 1 (camera raw 1)" in source.notes
    write_zip(path, photos, more=[(f"train/cat/{i}.CR2", b"r") for i in range(30)])
    with pytest.raises(DataError, match="more in formats that are not read: 30"):
        open_zip(path)


@pytest.mark.parametrize("name", ["p.zip", "p.tar", "p.tgz"])
def test_a_list_in_an_archive_sorts_its_validation_images(tmp_path, monkeypatch, name):
    """As Tiny-ImageNet has it: pictures of val/ in one folder, and a list of their classes."""
    monkeypatch.setenv("RESNETLAB_CACHE", str(tmp_path / "cache"))
    root = write_folder(
        tmp_path / "tiny", {"train": {"n01/images": 3, "n02/images": 3}, "test": {"images": 2}}
    )
    for number in range(4):
        (root / "val" / "images").mkdir(parents=True, exist_ok=True)
        (root / "val" / "images" / f"val_{number}.JPEG").write_bytes(picture(50 + number))
    rows = [f"val_{number}.JPEG\tn0{1 + number % 2}\t0\t0\t62\t62\n" for number in range(4)]
    (root / "val" / "val_annotations.txt").write_text("".join(rows))
    (root / "train" / "n01" / "n01_boxes.txt").write_text("000.jpg\t0\t0\t1\t1\n")
    path = archive_of(tmp_path / name, root)

    source, folder = open_source(str(path), holds_small=False), open_folder(root)

    assert any(
        "is sorted into classes by " in note and "val_annotations.txt" in note for note in source.notes
    )
    assert sorted(facts(source)[1]["test"]) == sorted(facts(folder)[1]["test"])
    assert len(source.test) == 4
    (root / "val" / "val_annotations.txt").write_text("".join(rows[1:]))
    path.unlink()
    with pytest.raises(DataError, match=r"the pictures in (tiny/)?val/ lie in no class folders"):
        open_source(str(archive_of(path, root)))


def archive_of(path, root):
    if path.suffix == ".zip":
        return write_zip(path, root, above="tiny/")
    with tarfile.open(path, "w" if path.suffix == ".tar" else "w:gz") as archive:
        archive.add(root, "tiny")
    return path


def test_a_tar_says_what_it_leaves_out_as_a_folder_and_a_zip_do(tmp_path, photos):
    (photos / "train" / "cat" / "IMG_1.MOV").write_bytes(b"m")
    (photos / "train" / "cat" / "RAW_1.CR2").write_bytes(b"r")
    (photos / "train" / "cat" / "plain").write_bytes(picture(77))
    (photos / "readme.txt").write_text("x")
    paths = [photos, *(archive_of(tmp_path / name, photos) for name in ("a.zip", "a.tar", "a.tgz"))]

    said = [[note for note in open_source(str(path)).notes if "not read" in note] for path in paths]

    assert said[0] == said[1] == said[2] == said[3]
    assert [len(open_source(str(path)).train) for path in paths] == [6] * 4
    for number in range(30):
        (photos / "train" / "cat" / f"{number}.CR2").write_bytes(b"r")
    errors = []
    for path in [photos, *(archive_of(tmp_path / name, photos) for name in ("b.zip", "b.tar", "b.tgz"))]:
        with pytest.raises(DataError) as caught:
            open_source(str(path))
        errors.append(str(caught.value.args[0]).partition(": ")[2])
    assert len({*errors}) == 1
    assert "has 8 pictures, and more in formats that are not read: 31 (camera raw 31)" in errors[0]


def test_pictures_in_shards_that_are_not_read_are_said(tmp_path, monkeypatch):
    monkeypatch.setenv("RESNETLAB_CACHE", str(tmp_path / "cache"))
    label = {f"{n}.cls": b"01"[n % 2 : n % 2 + 1] for n in range(12)}
    images = {f"{n}.jpg": picture(n) for n in range(10)}
    write_tar(tmp_path / "a-000000.tar", label | images | {"10.cr2": b"r", "3.mask": b"m", "11.cr2": b"r"})

    source = open_source(str(tmp_path / "a-000000.tar"))

    assert "pictures in formats that are not read, left out: 2 (camera raw 2)" in source.notes
    assert not any("no pictures, not read" in note for note in source.notes), "they belong to the samples"
