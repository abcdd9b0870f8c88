"""Pictures in odd forms, and files with odd names."""

import io
import os
import re
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from resnetlab.base.reading import plain
from resnetlab.cli import main
from resnetlab.data.images.decode import decode
from resnetlab.data.images.image import EncodedImage
from resnetlab.errors import DataError, UsageError
from resnetlab.trained.artefact import write_folder
from resnetlab.trained.predict import Classifier
from resnetlab.trained.predict.pictures import encode, find_files
from resnetlab.trained.predict.reading import read_file
from tests.kit.artefacts import small_artefact
from tests.kit.pictures import pixels, write_pictures
from tests.kit.small_runs import CPU


def content(picture: Image.Image, form: str) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, form)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("mode", "values"),
    [("F", np.linspace(0, 255, 12)), ("F", np.linspace(0, 1, 12)), ("I", np.linspace(0, 65_535, 12)),
     ("I;16", np.linspace(0, 65_535, 12))],
)  # fmt: skip
def test_numbers_that_are_no_bytes_are_read_as_from_a_file(mode: str, values: np.ndarray) -> None:
    kind = {"F": np.float32, "I": np.int32, "I;16": np.uint16}[mode]
    picture = Image.fromarray(values.reshape(3, 4).astype(kind))
    assert picture.mode == mode
    expected = decode(EncodedImage(content(picture, "TIFF"), "file"), channels=3)

    assert np.array_equal(decode(encode(picture), channels=3), expected)
    assert expected.max() > 250


@pytest.mark.parametrize("mode", ["RGBA", "RGBa", "PA", "LA", "La"])
def test_what_is_transparent_is_white_in_every_mode(mode: str) -> None:
    clear = Image.new("LA" if mode.startswith("L") else "RGBA", (4, 4), 0)
    picture = clear if mode == clear.mode else clear.convert(mode)
    if mode == "PA":
        picture = Image.new("PA", (4, 4), 0)
    assert picture.mode == mode

    assert (decode(encode(picture), channels=3) == 255).all()


def test_a_picture_of_pillow_that_is_cut_short_is_a_data_error() -> None:
    whole = content(Image.fromarray(pixels(0, (200, 200))), "JPEG")
    opened = Image.open(io.BytesIO(whole[: len(whole) // 2]))

    with pytest.raises(DataError, match="image 3: damaged: "):
        encode(opened, "image 3")


def test_nothing_is_no_picture_and_no_pictures_have_no_features() -> None:
    with pytest.raises(UsageError, match=r"uint8 \(0, 0, 3\) is no image"):
        encode(np.zeros((0, 0, 3), np.uint8))
    artefact = small_artefact()
    features = Classifier(artefact.model(), artefact, artefact.preprocessing, CPU).features([])
    assert (features.shape, features.dtype) == ((0, 64), np.float32)


@pytest.mark.parametrize(
    ("name", "told", "hint"),
    [
        ("s3://example.com/cat.jpg", "s3://example.com/cat.jpg: cannot be read", "Download it first"),
        ("file:///home/me/cat.jpg", "file:///home/me/cat.jpg: cannot be read", "Give the path alone"),
        ("a\0b.png", "cannot be read: ", "-print0"),
    ],
)
def test_a_name_that_is_no_path_is_told_with_what_to_do(name: str, told: str, hint: str) -> None:
    with pytest.raises(DataError, match=re.escape(told)) as caught:
        read_file(Path(name))

    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (lambda: (pixels(index, (40, 40)) for index in range(2)), "a generator is no path"),
        (lambda: io.BytesIO(b"GIF89a"), "a BytesIO is no path"),
        (lambda: bytearray(b"GIF89a"), "a bytearray is no path"),
        (lambda: {"a.png"}, "a set is no path"),
        (lambda: None, "a NoneType is no path"),
        (lambda: torch.zeros(3, 40, 40), "a Tensor is no path"),
    ],
)
def test_what_is_neither_a_picture_nor_a_list_of_them_is_told(given, told: str) -> None:  # type: ignore[no-untyped-def]
    classifier = Classifier.of(small_artefact(side=40), device=CPU)

    for ask in (classifier.predict, classifier.features):
        with pytest.raises(UsageError, match=told):
            ask(given())


def test_a_folder_means_its_visible_images_and_those_behind_links_once(tmp_path: Path) -> None:
    write_pictures(tmp_path / "album" / ".thumbnails", 1)
    write_pictures(tmp_path / "elsewhere", 2)
    (first,) = write_pictures(tmp_path / "album", 1)
    (tmp_path / "album" / "._0.png").write_bytes(b"AppleDouble")
    (tmp_path / "album" / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "album" / "loop").symlink_to(tmp_path / "album")

    linked = [str(tmp_path / "album" / "link" / f"{index}.png") for index in range(2)]
    assert find_files([str(tmp_path / "album")]) == [str(first), *linked]


def given(monkeypatch: pytest.MonkeyPatch, stdin: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), "utf-8"))


def test_standard_input_holds_names_and_no_image(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, b"caf\xe9.png\r\n\n  b\xe2\x80\xa8c.png \n")
    assert find_files(["-"]) == [os.fsdecode(b"caf\xe9.png"), "b\u2028c.png"]
    given(monkeypatch, content(Image.fromarray(pixels(0)), "PNG"))
    with pytest.raises(UsageError, match=r"is a PNG image; - reads paths.*\n.*own path"):
        find_files(["-"])


def test_a_zero_byte_in_a_name_is_a_data_error(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, b"a*\0b.png")

    (name,) = find_files(["-"])

    with pytest.raises(DataError, match=r"'a\*\\x00b.png': cannot be read"):
        read_file(Path(name))


def test_a_name_that_is_no_utf8_is_printed_and_written_in_its_own_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_folder(small_artefact(), Path("net"))
    name = b"caf\xe9.png"
    try:
        Path(os.fsdecode(name)).write_bytes(content(Image.fromarray(pixels(0)), "PNG"))
    except OSError:
        pytest.skip("this file system takes no such name")
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(open(1, "wb", closefd=False), "utf-8"))  # noqa: SIM115

    for flags in ([], ["--csv", "-"], ["--csv", "a.csv", "--features", "f.csv"]):
        assert main(["predict", "net", os.fsdecode(name), *flags]) == 0
        sys.stdout.flush()
        printed = capfdbinary.readouterr().out
        assert (name in printed) == (len(flags) < 3)
    assert Path("a.csv").read_bytes().splitlines()[1].startswith(name)
    assert Path("f.csv").read_bytes().splitlines()[1].startswith(name)


def test_an_output_that_cannot_be_written_is_told_before_the_images_are_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "old.csv").write_text("old")
    write_folder(small_artefact(), tmp_path / "net")
    command = ["predict", str(tmp_path / "net"), "nowhere.jpg"]

    assert main([*command, "--csv", str(tmp_path / "file" / "a.csv")]) == 74
    assert main([*command, "--features", str(tmp_path / "file" / "a.npz")]) == 74
    assert main([*command, "--csv", str(tmp_path)]) == 2
    assert "nowhere.jpg" not in capsys.readouterr().err
    assert main([*command, "--csv", str(tmp_path / "new" / "a.csv")]) == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "net", "new", "old.csv"]
    assert (tmp_path / "old.csv").read_text() == "old"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_read_and_not_waited_for_where_nobody_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plain, "PATIENCE_SECONDS", 0.1)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    with pytest.raises(DataError, match="it is a pipe, and nobody wrote for"):
        read_file(pipe)
    monkeypatch.setattr(plain, "PATIENCE_SECONDS", 20.0)
    whole = content(Image.new("RGB", (9, 9)), "PNG") * 1000  # more than a pipe holds at once
    writer = threading.Thread(target=pipe.write_bytes, args=(whole,))
    writer.start()
    found = read_file(pipe).data
    writer.join()
    assert found == whole


def test_a_tilde_is_a_home_where_it_was_written_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file ~tmp.jpg in a folder ended `predict`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for place in ("home/a.png", "~/a.png", "~nobody.png"):
        Path(place).parent.mkdir(exist_ok=True)
        Path(place).write_bytes(content(Image.new("RGB", (2, 2), (len(place), 0, 0)), "PNG"))

    files = find_files(["~nobody.png", ".", "*.png", "./~", "~/a.png"])

    assert sorted(len(read_file(each).data) for each in files) == sorted(
        len(Path(each).read_bytes()) for each in files
    )
    assert read_file(Path("~/a.png")).data == Path("~/a.png").read_bytes()
    assert encode("~/a.png").data == encode(Path("~/a.png")).data == Path("home/a.png").read_bytes()
    assert encode("~nobody.png").data == Path("~nobody.png").read_bytes()
