"""What a file is, by its first bytes, and which pictures are left out or read whatever they are called."""

import io
import os

import numpy as np
import pytest
from PIL import Image, features

from resnetlab.data.folders.folder import open_folder
from resnetlab.data.images.decode import decode
from resnetlab.data.images.image import EncodedImage
from resnetlab.data.images.kinds import kind_of, reads_heif
from resnetlab.data.open import open_source
from resnetlab.errors import DataError
from resnetlab.trained.predict.pictures import find_files
from tests.kit.pictures import picture, write_folder

needs_avif = pytest.mark.skipif(not features.check("avif"), reason="this Pillow has no AVIF")
FIVE = {"": {"cat": 5, "dog": 5}}


def boxes(brand, *compatible):
    content = b"ftyp" + brand + b"\0\0\0\0" + b"".join(compatible)
    return (len(content) + 4).to_bytes(4, "big") + content + bytes(400)


@pytest.mark.parametrize(
    ("data", "name"),
    [
        *((boxes(brand), "HEIC") for brand in (b"heic", b"heix", b"hevc", b"heim", b"mif1", b"msf1")),
        (boxes(b"avif"), "AVIF"),
        (boxes(b"avis"), "AVIF"),
        (boxes(b"mif1", b"mif1", b"avif"), "AVIF"),
        (boxes(b"isom", b"mp42"), "video"),
        (boxes(b"crx "), "camera raw"),
        (b"\xff\x0a" + bytes(40), "JPEG XL"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
        (b"II*\0\x10\0\0\0CR\x02\0", "camera raw"),
        (bytes(128) + b"DICM", "DICOM"),
        (b"8BPS" + bytes(20), "Photoshop"),
        (b"BMX" + bytes(60), "unknown"),
        *((picture(1, form=name.upper()), name) for name in ("JPEG", "PNG", "WebP", "BMP", "TIFF", "PPM")),
    ],
)  # fmt: skip
def test_files_are_known_by_their_first_bytes(data, name):
    assert kind_of(data).name == name


def test_pictures_without_a_suffix_or_with_a_strange_one_are_read(tmp_path):
    write_folder(tmp_path, FIVE)
    for name, form in (("x", "JPEG"), ("y.jpg_large", "PNG"), ("z.1", "WEBP")):
        (tmp_path / "cat" / name).write_bytes(picture(1, form=form))
    for name in ("notes", "z.2", "a.txt"):
        (tmp_path / "cat" / name).write_text("no picture")

    source = open_folder(tmp_path)

    assert len(source.train) + len(source.test) == 13
    assert source.notes[0] == "no pictures, not read: 3 files (.2, .txt, no suffix)"
    assert len(find_files([str(tmp_path)])) == 13


def test_what_is_left_out_is_counted_by_kind_and_an_error_where_it_is_more(tmp_path):
    write_folder(tmp_path, FIVE)
    for number in range(4):
        (tmp_path / f"cat/{number}.nef").write_bytes(picture(1, form="TIFF"))
        (tmp_path / f"dog/{number}.jxl").write_bytes(b"\xff\x0a" + bytes(40))

    notes = open_folder(tmp_path).notes
    assert notes[0].startswith("pictures in formats that are not read, left out: 8 (")
    assert "camera raw 4" in notes[0] and "JPEG XL 4" in notes[0]

    for number in range(4, 8):
        (tmp_path / f"dog/{number}").write_bytes(b"8BPS" + bytes(40))
    with pytest.raises(DataError, match=r"has 10 pictures, and more in formats that are not read: 12 \("):
        open_folder(tmp_path)


@needs_avif
def test_avif_is_read_upright_under_any_name(tmp_path):
    write_folder(tmp_path, FIVE)
    exif = Image.Exif()
    exif[0x0112] = 6
    (tmp_path / "cat/x.avif").write_bytes(picture(1, form="AVIF", size=(48, 32), exif=exif))
    (tmp_path / "cat/y").write_bytes(picture(1, form="AVIF"))

    source = open_folder(tmp_path)

    assert len(source.train) + len(source.test) == 12
    data = (tmp_path / "cat/x.avif").read_bytes()
    assert decode(EncodedImage(data, "x.avif"), channels=3).shape == (48, 32, 3)


def test_heic_is_read_upright_where_pillow_heif_is(tmp_path):
    pillow_heif = pytest.importorskip("pillow_heif")
    pillow_heif.register_heif_opener()
    exif = Image.Exif()
    exif[0x0112] = 6
    pixels = Image.open(io.BytesIO(picture(1, form="PNG", size=(64, 48)))).convert("RGB")
    stream = io.BytesIO()
    pixels.save(stream, "HEIF", exif=exif.tobytes(), quality=95)
    write_folder(tmp_path, FIVE)
    (tmp_path / "cat/IMG_0001.HEIC").write_bytes(stream.getvalue())

    assert len(open_folder(tmp_path).train) + len(open_folder(tmp_path).test) == 11
    upright = decode(EncodedImage(stream.getvalue(), "x"), channels=3)
    expected = np.rot90(np.asarray(pixels), -1)
    assert upright.shape == expected.shape
    assert abs(upright.astype(int) - expected).mean() < 6


@pytest.mark.skipif(reads_heif(), reason="pillow-heif is installed")
def test_heic_without_pillow_heif_is_named_with_the_way_to_read_it():
    with pytest.raises(DataError, match=r"an HEIC photograph, which is not read here.*resnetlab\[heif\]"):
        decode(EncodedImage(boxes(b"mif1"), "a.jpg"), channels=3)


@pytest.mark.parametrize("name", ["x.csv", "x.tar", "x.npz", "x.zip", "x.parquet"])
def test_a_pipe_is_not_waited_for(name, tmp_path):
    os.mkfifo(tmp_path / name)

    with pytest.raises(DataError, match="is no plain file, but a pipe or a device"):
        open_source(str(tmp_path / name))


def test_a_pipe_among_the_images_of_a_table_is_refused_by_name(tmp_path):
    folder = write_folder(tmp_path, {"": {"a": 3, "b": 3}})
    os.mkfifo(tmp_path / "a" / "pipe.jpg")
    rows = [f"{path.relative_to(folder)},{path.parent.name}" for path in sorted(folder.glob("*/*"))]
    (tmp_path / "t.csv").write_text("\n".join(["path,label", *rows]))

    with pytest.raises(DataError, match=r"a/pipe\.jpg: cannot be read: it is no plain file, but a pipe"):
        _ = open_source(str(tmp_path / "t.csv")).fingerprint
