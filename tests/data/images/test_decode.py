import io
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from PIL import Image, ImageDraw, PngImagePlugin

from resnetlab.data.images.decode import decode, image_facts, image_size
from resnetlab.data.images.image import EncodedImage
from resnetlab.data.images.kinds import kind_of
from resnetlab.errors import DataError
from tests.kit.pictures import picture

ORIENTATION = 0x0112


def encoded(image, form="PNG", **options):
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return EncodedImage(stream.getvalue(), "train/cat/17.jpg")


def pixels_of(image, channels=3, **options):
    return decode(image, channels=channels, **options)


def corners(size=(30, 20)):
    """A picture whose corners differ: red, green, blue, white from the top left, row by row."""
    image = Image.new("RGB", size)
    draw = ImageDraw.Draw(image)
    width, height = size
    for index, colour in enumerate(("red", "lime", "blue", "white")):
        x, y = index % 2 * width // 2, index // 2 * height // 2
        draw.rectangle((x, y, x + width // 2 - 1, y + height // 2 - 1), fill=colour)
    return image


def with_orientation(value):
    exif = Image.Exif()
    exif[ORIENTATION] = value
    return exif


@pytest.mark.parametrize("form", ["PNG", "BMP", "WEBP", "TIFF", "PPM", "GIF"])
def test_lossless_formats_give_the_pixels_whatever_the_name(form):
    image = corners()

    found = pixels_of(encoded(image, form, **({"lossless": True} if form == "WEBP" else {})))

    assert (found.dtype, found.flags.writeable, found.shape) == (np.uint8, True, (20, 30, 3))
    np.testing.assert_array_equal(found, np.asarray(image))


def test_grey_has_one_channel_and_is_601_luma():
    grey = pixels_of(encoded(corners()), channels=1)

    assert grey.shape == (20, 30, 1)
    assert [int(grey[y, x, 0]) for y in (0, -1) for x in (0, -1)] == [76, 150, 29, 255]  # .299 .587 .114
    np.testing.assert_array_equal(pixels_of(encoded(Image.new("L", (3, 2), 77))), np.full((2, 3, 3), 77))


UPRIGHT = {  # what is done to the stored pixels, from the EXIF specification's table of orientations
    1: lambda p: p,
    2: lambda p: p[:, ::-1],
    3: lambda p: p[::-1, ::-1],
    4: lambda p: p[::-1],
    5: lambda p: p.transpose(1, 0, 2),
    6: lambda p: np.rot90(p, -1),
    7: lambda p: p[::-1, ::-1].transpose(1, 0, 2),
    8: lambda p: np.rot90(p),
}


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("value", range(1, 9))
def test_the_exif_orientation_is_applied(value, form):
    options = {"exif": with_orientation(value), **({"lossless": True} if form == "WEBP" else {})}
    image = encoded(corners((32, 16)), form, **options)
    stored = pixels_of(encoded(corners((32, 16)), form, **({"lossless": True} if form == "WEBP" else {})))

    np.testing.assert_array_equal(pixels_of(image), UPRIGHT[value](stored))
    assert image_size(image) == pixels_of(image).shape[:2]


@pytest.mark.parametrize("value", [0, 9, 77])
def test_nonsense_in_exif_is_no_error(value):
    assert pixels_of(encoded(corners(), "JPEG", exif=with_orientation(value))).shape == (20, 30, 3)
    broken = encoded(corners(), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff\1")
    assert pixels_of(broken).shape == (20, 30, 3)
    assert image_size(broken) == (20, 30)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "CMYK", "YCbCr", "RGBA", "LA", "I;16", "I", "F"])
def test_every_mode_becomes_rgb_and_grey(mode):
    form = {"CMYK": "JPEG", "YCbCr": "JPEG", "F": "TIFF", "I": "TIFF"}.get(mode, "PNG")
    if mode in ("I;16", "I", "F"):
        values = np.arange(6).reshape(2, 3) * 13107  # 5 of them are 65535
        kind = {"I;16": np.uint16, "I": np.int32, "F": np.float32}[mode]
        image = Image.fromarray((values / (65535 if mode == "F" else 1)).astype(kind))
    else:
        image = Image.new("RGB", (3, 2), (200, 100, 50)).convert(mode)

    found, grey = (pixels_of(encoded(image, form), channels) for channels in (3, 1))

    assert (found.shape, grey.shape) == ((2, 3, 3), (2, 3, 1))
    if mode in ("I;16", "I", "F"):
        np.testing.assert_array_equal(grey[..., 0], np.arange(6).reshape(2, 3) * 51)
    elif mode not in ("1", "L", "LA"):
        assert np.abs(found.astype(int) - (200, 100, 50)).max() <= (30 if mode == "P" else 3)


def test_floats_beyond_one_are_clipped_and_those_that_are_no_numbers_refused():
    values = np.array([[-5.0, *[100.4] * 18, 300.0]], np.float32)
    assert pixels_of(encoded(Image.fromarray(values), "TIFF"), 1).ravel().tolist() == [0, *[100] * 18, 255]
    with pytest.raises(DataError, match=r"17\.jpg: damaged: has values that are no numbers"):
        pixels_of(encoded(Image.fromarray(values * np.nan), "TIFF"))


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (np.array([[0, 70000, 900000]], np.int32), "from 0 to 900000, read are 0 to 65,535"),
        (np.array([[-1000, 0, 3000]], np.int32), "from -1000 to 3000, read are 0 to 65,535"),
        (np.array([[0, 4000, 60000]], np.float32), "from 0 to 60000, read are 0 to 255"),
    ],
)
def test_a_measure_is_not_taken_for_a_white_picture(values, told):
    with pytest.raises(DataError, match=f"has values {told}"):
        pixels_of(encoded(Image.fromarray(values), "TIFF"), 1)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "RGB", "L"])
def test_what_is_transparent_is_white(mode):
    if mode in ("RGBA", "LA"):
        image = encoded(Image.new(mode, (2, 2), (0,) * len(mode)))
    else:
        key = 0 if mode != "RGB" else (0, 0, 0)
        image = encoded(Image.new(mode, (2, 2), key), transparency=key)

    assert pixels_of(image).tolist() == [[[255] * 3] * 2] * 2
    assert pixels_of(image, 1).tolist() == [[[255]] * 2] * 2


def test_half_transparent_is_half_white():
    assert pixels_of(encoded(Image.new("RGBA", (1, 1), (0, 100, 200, 128)))).tolist() == [[[127, 177, 227]]]


@pytest.mark.parametrize("turned", [1, 6])
@pytest.mark.parametrize(
    ("at_least", "expected"),
    [((100, 100), (200, 400)), ((101, 200), (200, 400)), ((200, 400), (200, 400)), ((90, 100), (100, 200)),
     ((50, 100), (50, 100)), ((1, 1), (50, 100)), ((900, 900), (400, 800)), ((300, 300), (400, 800))],
)  # fmt: skip
def test_a_large_jpeg_is_decoded_smaller_but_never_too_small(turned, at_least, expected):
    """The picture is 400 x 800 (height x width); draft mode can halve it three times."""
    image = encoded(corners((800, 400)), "JPEG", exif=with_orientation(turned))
    if turned == 6:
        at_least, expected = at_least[::-1], expected[::-1]

    found = pixels_of(image, at_least=at_least).shape[:2]

    whole = (400, 800) if turned == 1 else (800, 400)
    assert found == whole or all(side >= least for side, least in zip(found, at_least, strict=True))
    assert found == best(whole, at_least)


def best(whole, at_least):
    """The smallest of the four sizes that is large enough, else the whole."""
    sizes = [tuple(side // divisor for side in whole) for divisor in (8, 4, 2, 1)]
    enough = [size for size in sizes if all(a >= b for a, b in zip(size, at_least, strict=True))]
    return min(enough, default=whole)


def test_draft_mode_shows_the_same_picture():
    image = EncodedImage(picture(3, size=(400, 320), quality=95), "p")

    small = pixels_of(image, at_least=(80, 100)).astype(int)
    whole = pixels_of(image).astype(int)
    assert small.shape == (80, 100, 3)
    assert np.abs(whole.reshape(80, 4, 100, 4, 3).mean((1, 3)) - small).mean() < 2


def test_one_pixel_is_allowed():
    assert pixels_of(encoded(Image.new("RGB", (1, 1), "red"), "JPEG"), at_least=(224, 224)).shape == (1, 1, 3)


def test_of_an_animation_the_first_frame_is_taken():
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    image = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])

    assert pixels_of(image)[0, 0].tolist() == [255, 0, 0]


def test_a_multi_picture_jpeg_is_read():
    image = encoded(corners((64, 64)), "MPO", save_all=True, append_images=[corners((64, 64))])

    assert image_facts(image).format == "MPO"
    assert pixels_of(image, at_least=(16, 16)).shape == (16, 16, 3)


def png_header(width, height):
    """A PNG that says it is large and has no pixels."""

    def chunk(kind, content):
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(10)))


WHOLE = picture(1, size=(256, 256), quality=95)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "an empty file"),
        (b"<!DOCTYPE html><html>404</html>", "not an image: the bytes look like an HTML page"),
        (b"\n <html><body>", "look like an HTML page"),
        (b'<?xml version="1.0"?><svg>', "look like an SVG drawing"),
        (b'{"error": "not found"}', "look like text"),
        (b"version https://git-lfs.github.com/spec/v1\n", "look like a Git LFS pointer"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "look like an HEIC photograph"),
        (bytes(1000), "look like nothing but zeros"),
        (b"%PDF-1.4", "look like a PDF document"),
        (WHOLE[:200], r"bytes look like a JPEG"),
        (WHOLE[: len(WHOLE) // 2], r"damaged: image file is truncated .*a JPEG, [\d,]+ bytes"),
        (WHOLE[:2], "not an image: the bytes look like no image format"),
        (picture(1, form="PNG")[:-30], r"damaged: .*look like a PNG"),
        (png_header(8, 8), "damaged: .*a PNG"),
        (png_header(20_000, 20_000), "too large, more than 178,956,970 pixels .a decompression bomb"),
        (png_header(100_000, 100_000), "too large, more than 178,956,970 pixels .a decompression bomb"),
    ],
)
def test_what_cannot_be_decoded_is_told_with_place_and_cause(data, message):
    with pytest.raises(DataError, match=rf"^train/cat/17\.jpg: .*{message}"):
        decode(EncodedImage(data, "train/cat/17.jpg"), channels=3)


def test_just_below_the_limit_is_no_bomb(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)  # without Pillow's own guard ours still holds

    assert image_size(EncodedImage(png_header(178_956, 1000), "p")) == (1000, 178_956)
    with pytest.raises(DataError, match="too large"):
        image_size(EncodedImage(png_header(178_957, 1001), "p"))


def test_a_gif_named_jpg_is_read_by_its_content():
    image = encoded(corners(), "GIF")

    assert image.place.endswith(".jpg")
    assert pixels_of(image).shape == (20, 30, 3)
    assert kind_of(image.data).words == "a GIF"


def test_random_damage_is_a_data_error_or_an_image():
    rng = np.random.default_rng(print("seed 7") or 7)
    wholes = [picture(2, form=form) for form in ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM")]
    for number in range(350):
        data = bytearray(wholes[number % 7])
        for _ in range(rng.integers(1, 6)):
            data[rng.integers(len(data))] = rng.integers(256)
        image = EncodedImage(bytes(data[: rng.integers(1, len(data) + 1)]), "p")
        for read in (image_size, image_facts, pixels_of):
            try:
                read(image)
            except DataError as error:
                assert str(error).startswith("p: ")


def test_the_size_is_read_from_the_header_alone():
    assert image_size(EncodedImage(WHOLE[:700], "p")) == (256, 256)
    with pytest.raises(DataError, match=r"^p: not an image"):
        image_size(EncodedImage(b"x", "p"))
    with pytest.raises(DataError, match=r"^p: an empty file"):
        image_facts(EncodedImage(b"", "p"))


@pytest.mark.parametrize("key", ["Raw profile type exif", "XML:com.adobe.xmp"])
@pytest.mark.parametrize("is_compressed", [False, True])
def test_the_size_of_a_png_that_text_turns_is_that_of_its_pixels(key, is_compressed):
    """ImageMagick writes EXIF as hexadecimal text; Adobe's XMP can be compressed."""
    info = PngImagePlugin.PngInfo()
    if key.startswith("Raw"):
        exif = Image.Exif()
        exif[ORIENTATION] = 6
        content = exif.tobytes()
        info.add_text(key, f"\nexif\n{len(content):8}\n{content.hex()}\n", zip=is_compressed)
    else:
        rdf = '<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/>'
        info.add_itxt(key, f"<x:xmpmeta>{rdf}</x:xmpmeta>", zip=is_compressed)
    image = encoded(Image.new("RGB", (32, 16)), pnginfo=info)

    assert image_size(image) == decode(image, channels=3).shape[:2] == (32, 16)


def test_pillows_warning_of_large_images_is_not_shown():
    program = (
        "import sys; from resnetlab.data.images.decode import image_size; "
        "from resnetlab.data.images.image import EncodedImage; "
        "print(image_size(EncodedImage(sys.stdin.buffer.read(), 'p')))"
    )

    ran = subprocess.run(
        [sys.executable, "-c", program], input=png_header(12_000, 10_000), capture_output=True, check=True
    )

    assert (ran.stdout, ran.stderr) == (b"(10000, 12000)\n", b"")
