"""Pictures in archives and at addresses, and networks by published names, from a server on this machine."""

import io
import json
import threading
import time
import zipfile
from pathlib import Path

import pytest
import safetensors.torch
from PIL import Image

from resnetlab.cli import main
from resnetlab.errors import DataError
from resnetlab.trained.artefact import write_folder
from resnetlab.trained.export.torch_names import torch_file
from resnetlab.trained.predict import Classifier, reading
from resnetlab.trained.predict.pictures import find_files
from resnetlab.trained.predict.reading import read_file
from resnetlab.weights.facts.published import PUBLISHERS, PublishedFile
from tests.kit.artefacts import small_artefact
from tests.kit.foreign_weights import lively
from tests.kit.hub_server import Answer, Site
from tests.kit.pictures import pixels


def png(seed: int) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels(seed)).save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Two pictures of ants and one of a bee, a text, and what a Mac leaves."""
    path = tmp_path / "photos.ZIP"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for seed, name in enumerate(("ant/2.png", "ant/1.png", "bee/1.png")):
            packed.writestr(name, png(seed))
        packed.writestr("notes.txt", "no picture")
        packed.writestr("__MACOSX/ant/._1.png", "AppleDouble")
    return path


def test_an_archive_means_its_pictures_each_of_which_can_be_named(
    archive: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_folder(small_artefact(), archive.with_name("net"))

    places = [f"{archive}/{name}" for name in ("ant/1.png", "ant/2.png", "bee/1.png")]
    assert find_files([str(archive)]) == places
    assert read_file(places[1]).data == read_file(Path(places[1])).data == png(0)
    with pytest.raises(DataError, match=r"photos.ZIP/bee/9\.png: there is no such image in the archive"):
        read_file(f"{archive}/bee/9.png")
    assert main(["predict", str(archive.with_name("net")), str(archive), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["images"]
    assert [(each["image"], each["truth"]) for each in told] == list(
        zip(places, ("ant", "ant", "bee"), strict=True)
    )


def test_an_archive_that_has_changed_is_read_anew(archive: Path) -> None:
    assert len(find_files([str(archive)])) == 3

    with zipfile.ZipFile(archive, "a") as packed:
        packed.writestr("bee/2.png", png(7))

    assert read_file(f"{archive}/bee/2.png").data == png(7)


def test_a_folder_called_like_an_archive_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a.zip").mkdir()
    (tmp_path / "a.zip" / "1.png").write_bytes(png(1))

    assert find_files([str(tmp_path / "a.zip")]) == [str(tmp_path / "a.zip" / "1.png")]
    assert read_file(tmp_path / "a.zip" / "1.png").data == png(1)


def test_a_picture_at_an_address_is_answered_as_its_file_is(site: Site, tmp_path: Path) -> None:
    site.answers["/cat.png?size=1"] = Answer(png(3))
    (tmp_path / "cat.png").write_bytes(png(3))
    classifier, address = Classifier.of(small_artefact(), device="cpu"), f"{site.url}/cat.png?size=1"

    there, here = (classifier.predict(name) for name in (address, tmp_path / "cat.png"))

    assert (there.answers, there.place) == (here.answers, address)
    assert read_file(Path(address)).place == address  # of which a path keeps one slash
    assert find_files([address]) == [address]


def test_what_cannot_be_had_from_an_address_is_told_and_the_others_go_on(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(reading, "MOST_BYTES", 50_000)
    site.answers |= {
        "/large.png": Answer(bytes(60_000)),
        "/cut.png": Answer(png(1), cut_at=100),
        "/page.png": Answer(b"<!doctype html><title>a picture</title>"),
        "/moved.png": Answer(status=302, headers={"Location": "file:///etc/hostname"}),
        "/good.png": Answer(png(1)),
    }
    write_folder(small_artefact(), tmp_path / "net")
    names = ["large", "cut", "page", "moved", "none", "good"]

    code = main(["predict", str(tmp_path / "net"), *(f"{site.url}/{name}.png" for name in names)])

    told = capsys.readouterr()
    assert code == 3
    assert f"{site.url}/good.png" in told.out
    for text in (
        "large.png: sends more than 48.8 KiB, which is too much here", "cut.png: cannot be had: ",
        "bytes are lacking", "page.png: not an image: the bytes look like an HTML page",
            "none.png: the server says 404",
        "moved.png: the server says 302",
        "Or download it, and give the file.", "5 of 6 images could not be read",
    ):  # fmt: skip
        assert text in told.err


def test_an_address_that_takes_too_long_is_left(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server says that more is to come, and then nothing."""
    monkeypatch.setattr(reading, "MOST_SECONDS", 0.2)
    done = threading.Event()

    class Slow(bytes):
        def __getitem__(self, key: object) -> bytes:  # type: ignore[override]
            done.wait(20)
            return b""

    site.answers["/slow.png"] = Answer(Slow(png(1)))
    begun = time.monotonic()

    with pytest.raises(DataError, match=r"slow\.png: cannot be had: timed out"):
        read_file(f"{site.url}/slow.png")

    done.set()
    assert time.monotonic() - begun < 10


@pytest.mark.parametrize("address", ["https://[::1/cat.png", "https://:80/cat.png"])
def test_what_is_no_address_is_told(address: str) -> None:
    with pytest.raises(DataError, match=r"cat\.png: "):
        read_file(address)


def test_offline_no_address_is_asked(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESNETLAB_OFFLINE", "1")

    with pytest.raises(DataError, match="RESNETLAB_OFFLINE forbids"):
        read_file(f"{site.url}/cat.png")

    assert site.asked == []


def test_a_published_network_is_asked_by_its_name_and_answers_in_words(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file as torchvision has it, small: by its name it is of ImageNet's classes."""
    file = "resnet18-f37072fd.pth"
    content = torch_file(dict(lively("resnet18", blocks=(1, 1, 1, 1), width=0.125).state_dict()))
    site.answers[f"/{file}"] = Answer(content)
    monkeypatch.setitem(PUBLISHERS["torchvision"], "resnet18", PublishedFile(f"{site.url}/{file}"))  # type: ignore[arg-type]
    (tmp_path / "cat.png").write_bytes(png(3))

    assert main(["predict", "torchvision:resnet18", str(tmp_path / "cat.png"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert all(each["class"][0] == "n" for each in told["images"][0]["answers"])
    assert main(["predict", "torchvision:resnet18", str(tmp_path / "cat.png"), "--top", "1"]) == 0
    assert "(n0" in capsys.readouterr().out
    assert [asked[1] for asked in site.asked] == [f"/{file}"]  # the second time from the cache


def test_a_repository_of_the_hub_is_asked_by_its_name(
    hub: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = safetensors.torch.save(dict(lively("resnet8", classes=2).state_dict()))
    hub.add_repository("me/bugs", {"model.safetensors": content})
    (tmp_path / "cat.png").write_bytes(png(3))

    assert main(["predict", "hf:me/bugs", str(tmp_path / "cat.png"), "--top", "1"]) == 0

    assert "cat.png" in capsys.readouterr().out
