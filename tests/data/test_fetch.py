"""Downloads of datasets, from a server on this machine."""

import gzip
import hashlib
import io
import time
import urllib.request
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http.client import HTTPMessage
from pathlib import Path
from urllib.error import HTTPError

import numpy as np
import pytest

from resnetlab.base import files
from resnetlab.base.download import RemoteFile, _SameSchemeOnly, cache_folder, fetch, fetch_first
from resnetlab.data import SOURCES
from resnetlab.data.downloads import COLLECTIONS, DOWNLOADS, Collection, archive_at
from resnetlab.data.open import open_source
from resnetlab.errors import DataError, WriteError
from tests.kit.hub_server import Answer, Site
from tests.kit.pictures import picture
from tests.kit.tars import tar_bytes

CONTENT = bytes(range(256)) * 4000  # 1 MB: more than one chunk
MD5 = hashlib.md5(CONTENT).hexdigest()


@pytest.fixture
def site(site: Site) -> Site:
    """The server on this machine, with the content as its one file."""
    site.answers["/data.tar.gz"] = Answer(CONTENT)
    return site


@pytest.fixture
def download(site: Site) -> RemoteFile:
    return archive_at(f"{site.url}/data.tar.gz", MD5)


def test_a_download_is_whole_checked_and_not_repeated(
    site: Site, download: RemoteFile, tmp_path: Path
) -> None:
    first, second = fetch(download, tmp_path / "new"), fetch(download, tmp_path / "new")

    assert first == second == tmp_path / "new" / "data.tar.gz"
    assert first.read_bytes() == CONTENT
    assert not (tmp_path / "new" / "data.tar.gz.part").exists()
    assert site.asked == [("GET", "/data.tar.gz", None)]


def test_a_broken_off_download_goes_on_where_it_stopped(
    site: Site, download: RemoteFile, tmp_path: Path
) -> None:
    site.answers["/data.tar.gz"].cut_at = 300_000

    with pytest.raises(
        DataError, match=r"broke off after 293\.0 KiB.*\nRun the same.* to go on from there\."
    ):
        fetch(download, tmp_path)
    assert (tmp_path / "data.tar.gz.part").read_bytes() == CONTENT[:300_000]
    assert not (tmp_path / "data.tar.gz").exists()
    site.answers["/data.tar.gz"].cut_at = None

    assert fetch(download, tmp_path).read_bytes() == CONTENT
    assert site.asked[1] == ("GET", "/data.tar.gz", "bytes=300000-")


def test_a_server_without_ranges_is_read_from_the_start(
    site: Site, download: RemoteFile, tmp_path: Path
) -> None:
    site.answers["/data.tar.gz"].knows_ranges = False
    (tmp_path / "data.tar.gz.part").write_bytes(b"x" * 1000)

    assert fetch(download, tmp_path).read_bytes() == CONTENT


def test_a_server_that_answers_another_range_is_refused(
    site: Site, download: RemoteFile, tmp_path: Path
) -> None:
    site.answers["/data.tar.gz"].range_start = 1001
    (tmp_path / "data.tar.gz.part").write_bytes(CONTENT[:1000])

    with pytest.raises(DataError, match="asked for byte 1000, got bytes 1001-"):
        fetch(download, tmp_path)
    assert (tmp_path / "data.tar.gz.part").read_bytes() == CONTENT[:1000]


def test_a_part_that_was_complete_already_is_checked_and_taken(download: RemoteFile, tmp_path: Path) -> None:
    (tmp_path / "data.tar.gz.part").write_bytes(CONTENT)

    assert fetch(download, tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize("part", [b"", b"wrong start", CONTENT + b"too long"])
def test_a_wrong_checksum_removes_the_file(download: RemoteFile, part: bytes, tmp_path: Path) -> None:
    if part:
        (tmp_path / "data.tar.gz.part").write_bytes(part)
    expected = MD5 if part else "0" * 32

    with pytest.raises(DataError, match=rf"has the md5 [0-9a-f]{{32}}, expected {expected}; removed it"):
        fetch(archive_at(download.url, expected), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]


@pytest.mark.parametrize("status", [403, 404, 500])
def test_a_refusal_of_the_server_says_where_to_put_the_file(
    site: Site, download: RemoteFile, status: int, tmp_path: Path
) -> None:
    site.answers["/data.tar.gz"] = Answer(status=status)

    with pytest.raises(DataError, match=rf"server says {status}.*\nOr put data\.tar\.gz \(md5 {MD5}\) into"):
        fetch(download, tmp_path)


def test_mirrors_are_tried_in_turn_each_by_its_own_hash(
    site: Site, download: RemoteFile, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site.answers["/data.tar.gz"].cut_at = 300_000
    site.answers["/gone.tar.gz"] = Answer(status=404)
    site.answers["/other.tar.gz"] = Answer(CONTENT[::-1])
    site.answers["/last.tar.gz"] = Answer(CONTENT[::-1])
    places = [download, *(archive_at(f"{site.url}/{name}.tar.gz", MD5) for name in ("gone", "other"))]
    right = archive_at(f"{site.url}/last.tar.gz", hashlib.md5(CONTENT[::-1]).hexdigest())

    found = fetch_first([*places, right], tmp_path)

    assert (found.name, found.read_bytes()) == ("last.tar.gz", CONTENT[::-1])
    assert [path for _, path, _ in site.asked] == [f"/{n}.tar.gz" for n in ("data", "gone", "other", "last")]
    assert {path.name for path in tmp_path.iterdir()} == {"lock", "last.tar.gz"}
    told = capsys.readouterr().err
    assert f"broke off after 293.0 KiB: the server said 1,024,000 bytes; trying {places[1].url}" in told
    assert "removed it; trying" in told


def test_a_mirror_goes_on_with_what_another_has_brought(
    site: Site, download: RemoteFile, tmp_path: Path
) -> None:
    site.answers["/data.tar.gz"].cut_at = 300_000
    site.answers["/mirror/data.tar.gz"] = Answer(CONTENT)

    found = fetch_first([download, archive_at(f"{site.url}/mirror/data.tar.gz", MD5)], tmp_path)

    assert found.read_bytes() == CONTENT
    assert site.asked[-1] == ("GET", "/mirror/data.tar.gz", "bytes=300000-")


def test_what_no_place_has_is_one_error_that_names_all(
    site: Site, download: RemoteFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.answers["/data.tar.gz"] = Answer(status=500)
    places = [download, archive_at(f"{site.url}/nowhere.tar.gz", MD5)]

    with pytest.raises(DataError) as error:
        fetch_first(places, tmp_path)
    assert [place.url in str(error.value) for place in places] == [True, True]
    assert "none of 2 places has it" in str(error.value)
    assert f"put data.tar.gz (md5 {MD5}) into {tmp_path}" in error.value.hint

    monkeypatch.setenv("RESNETLAB_OFFLINE", "1")
    with pytest.raises(DataError, match=r"^data\.tar\.gz is not in .* forbids to download it"):
        fetch_first(places, tmp_path)


def test_a_redirect_to_http_is_followed(site: Site, download: RemoteFile, tmp_path: Path) -> None:
    site.answers["/moved"] = site.answers["/data.tar.gz"]
    site.answers["/data.tar.gz"] = Answer(status=302, headers={"Location": f"{site.url}/moved"})

    assert fetch(download, tmp_path).read_bytes() == CONTENT
    assert [path for _, path, _ in site.asked] == ["/data.tar.gz", "/moved"]


@pytest.mark.parametrize("scheme", ["file", "ftp", "data"])
def test_a_redirect_to_anything_else_is_refused(
    site: Site, download: RemoteFile, scheme: str, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(CONTENT)  # would pass the checksum
    site.answers["/data.tar.gz"] = Answer(status=302, headers={"Location": f"{scheme}://{secret}"})

    with pytest.raises(DataError, match=r"redirected to ftp:.*, refused|is not allowed"):
        fetch(download, tmp_path)
    assert not (tmp_path / "data.tar.gz").exists()


def test_a_redirect_from_https_to_http_is_refused() -> None:
    request = urllib.request.Request("https://example.org/data")

    with pytest.raises(HTTPError, match=r"redirected to http://example\.org/x, refused"):
        _SameSchemeOnly("https").redirect_request(
            request, None, 302, "Found", HTTPMessage(), "http://example.org/x"
        )


def test_a_server_that_sends_too_much_is_stopped(
    download: RemoteFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("resnetlab.base.download.MOST_BYTES", 500_000)

    with pytest.raises(DataError, match=r"sends more than 488\.3 KiB\nOr put"):
        fetch(download, tmp_path)


def test_no_server_is_an_error_with_the_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")

    with pytest.raises(DataError, match=r"broke off after 0 B: .*Connection refused.*\n.*Or put"):
        fetch(archive_at("http://127.0.0.1:9/data.tar.gz", MD5), tmp_path)


def test_offline_asks_nobody_and_says_where_to_put_the_file(
    site: Site, download: RemoteFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESNETLAB_OFFLINE", "1")

    with pytest.raises(DataError, match=rf"RESNETLAB_OFFLINE forbids.*\n.*md5 {MD5}\) into {tmp_path}"):
        fetch(download, tmp_path)
    assert site.asked == []

    (tmp_path / "data.tar.gz").write_bytes(CONTENT)
    assert fetch(download, tmp_path) == tmp_path / "data.tar.gz"


def test_a_download_by_another_is_waited_for_and_used(
    site: Site, download: RemoteFile, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    held = files.DirectoryLock(tmp_path, "a download of data.tar.gz by process 17")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(fetch, download, tmp_path)
        time.sleep(1.5)
        assert not waiting.done()
        (tmp_path / "data.tar.gz").write_bytes(CONTENT)
        held.release()
        assert waiting.result(timeout=20) == tmp_path / "data.tar.gz"
    assert site.asked == []
    told = f"resnetlab: {tmp_path} is in use by a download of data.tar.gz by process 17: waiting"
    assert capsys.readouterr().err.count(told) == 1


def test_the_lock_of_a_dead_download_keeps_nobody_waiting(download: RemoteFile, tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("a download of data.tar.gz by process 17")  # the kernel has freed it

    assert fetch(download, tmp_path).read_bytes() == CONTENT


def test_the_cache_can_be_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("RESNETLAB_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert cache_folder() == tmp_path / ".cache" / "resnetlab"
    monkeypatch.setenv("XDG_CACHE_HOME", "/shared")
    assert str(cache_folder()) == "/shared/resnetlab"
    monkeypatch.setenv("RESNETLAB_CACHE", "~/own")
    assert cache_folder() == tmp_path / "own"


def test_a_named_dataset_is_downloaded_into_the_cache(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server's file is no archive: that it is opened and refused shows that it was fetched."""
    monkeypatch.setenv("RESNETLAB_CACHE", str(tmp_path))
    site.answers["/cifar-10-binary.tar.gz"] = site.answers["/data.tar.gz"]
    monkeypatch.setitem(DOWNLOADS, "cifar10", (archive_at(f"{site.url}/cifar-10-binary.tar.gz", MD5),))

    with pytest.raises(DataError, match=r"cifar-10-binary\.tar\.gz: not a readable tar archive"):
        open_source("cifar10")

    assert (tmp_path / "cifar-10-binary.tar.gz").read_bytes() == CONTENT


def test_the_official_addresses_are_https() -> None:
    sites = ("https://www.cs.toronto.edu/~kriz/cifar-10", "https://dataset.bj.bcebos.com/cifar/cifar-10")
    every = [download for downloads in DOWNLOADS.values() for download in downloads]

    assert len(every) == 6
    assert all(download.url.startswith(sites) for download in every)
    assert len({(download.name, download.digest) for download in every}) == 4  # a mirror has the same file
    for downloads in DOWNLOADS.values():
        assert downloads[0].url.startswith(sites[0])
        assert downloads[-1].url.startswith(sites[1])


def test_a_collection_of_several_files_is_fetched_once_and_opened_as_its_folder(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two files: three training images and two of test, as MNIST has them; the first place lacks one."""
    monkeypatch.setenv("RESNETLAB_CACHE", str(tmp_path))
    places = []
    for part, count in (("train", 3), ("t10k", 2)):
        for kind, sides in (("images-idx3", [28, 28]), ("labels-idx1", [])):
            sizes = b"".join(size.to_bytes(4, "big") for size in [count, *sides])
            values = bytes(range(count)) if kind == "labels-idx1" else bytes(count * 28 * 28)
            content = gzip.compress(bytes([0, 0, 8, 1 + len(sides)]) + sizes + values)
            name = f"{part}-{kind}-ubyte.gz"
            site.answers[f"/mirror/{name}"] = Answer(content)
            if part == "train":
                site.answers[f"/own/{name}"] = Answer(content)
            digest = hashlib.md5(content).hexdigest()
            places.append(tuple(archive_at(f"{site.url}/{at}/{name}", digest) for at in ("own", "mirror")))
    monkeypatch.setitem(COLLECTIONS, "mnist", Collection(tuple(places)))

    for _ in range(2):
        source = open_source("mnist")
        assert (source.name, len(source.train.labels), len(source.test.labels)) == ("mnist", 3, 2)

    there = {path.name for path in (tmp_path / "mnist").iterdir()} - {"lock"}
    assert there == {remote.name for remote, _ in places}
    asked = [address for _, address, _ in site.asked]
    assert len(asked) == 6 and sum(address.startswith("/mirror/t10k") for address in asked) == 2
    (tmp_path / "mnist" / places[0][0].name).unlink()
    with pytest.raises(DataError, match=r"of mnist is not in the cache .*\n.*data fetch mnist` downloads it"):
        open_source("mnist", download=False)


def test_collections_have_hashes_and_names_that_are_listed() -> None:
    for name, collection in COLLECTIONS.items():
        assert name in SOURCES
        for places in collection.files:
            assert len({(remote.name, remote.digest) for remote in places}) == 1
            assert len(places[0].digest) == 32
        assert collection.members or collection.opens in ("", collection.files[0][0].name)
        assert not collection.members or len(collection.files) == 1


def _idx(array: np.ndarray) -> bytes:
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.astype(np.uint8).tobytes()


def _emnist(split: str) -> dict[str, bytes]:
    made = {"mapping.txt": b"1 65 97\n2 66 98\n"}
    for part, count in (("train", 6), ("test", 4)):
        made[f"{part}-images-idx3-ubyte.gz"] = gzip.compress(
            _idx(np.arange(count * 784).reshape(count, 28, 28))
        )
        made[f"{part}-labels-idx1-ubyte.gz"] = gzip.compress(_idx(1 + np.arange(count) % 2))
    return {f"gzip/emnist-{split}-{name}": content for name, content in made.items()}


def _served(site: Site, name: str, content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a server here give this in the place of a dataset's archive."""
    real = COLLECTIONS[name]
    file = real.files[0][0].name
    site.answers[f"/{file}"] = Answer(content)
    remote = archive_at(f"{site.url}/{file}", hashlib.md5(content).hexdigest())
    monkeypatch.setitem(COLLECTIONS, name, replace(real, files=((remote,),)))


def test_the_divisions_of_emnist_come_from_one_download(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as packed:
        for split in ("letters", "balanced"):
            for name, content in _emnist(split).items():
                packed.writestr(name, content)
    for name in ("emnist-letters", "emnist-balanced"):
        _served(site, name, stream.getvalue(), monkeypatch)

    for name in ("emnist-letters", "emnist-balanced", "emnist-letters"):
        source = open_source(name)
        assert (source.name, source.class_names) == (name, ("Aa", "Bb"))
        assert (len(source.train), len(source.test)) == (6, 4)
        assert (
            source.train.images[0, 1, 0, 0] == 1
        )  # the second of its first column, as it is stored in a row

    assert [path for _, path, _ in site.asked] == ["/gzip.zip"]
    (cache_folder() / "emnist" / "gzip.zip").unlink()
    assert len(open_source("emnist-letters", download=False).train) == 6  # what was taken out is enough
    with pytest.raises(DataError, match=r"gzip\.zip of emnist-digits is not in the cache"):
        open_source("emnist-digits", download=False)


def test_stl_10_comes_without_its_unlabelled_images(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    content = {
        "unlabeled_X.bin": bytes(9),
        "class_names.txt": b"airplane\nbird\n",
        "fold_indices.txt": b"0 1\n",
    }
    for part in ("train", "test"):
        content |= {f"{part}_X.bin": bytes(4 * 3 * 96 * 96), f"{part}_y.bin": bytes([1, 2, 1, 2])}
    members = {f"stl10_binary/{name}": each for name, each in content.items()}
    _served(site, "stl10", tar_bytes(members, "w:gz"), monkeypatch)

    source = open_source("stl10")

    assert (source.class_names, source.train.images.shape) == (("airplane", "bird"), (4, 96, 96, 3))
    there = {path.name for path in (cache_folder() / "stl10" / "stl10_binary").iterdir()}
    assert there == {*content} - {"unlabeled_X.bin"}


def test_an_archive_that_lacks_a_file_leaves_nothing_half_unpacked(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as packed:
        packed.writestr("gzip/emnist-letters-mapping.txt", "1 65\n")
    _served(site, "emnist-letters", stream.getvalue(), monkeypatch)

    with pytest.raises(DataError, match=r"gzip\.zip: holds no emnist-letters-train-images-idx3-ubyte\.gz"):
        open_source("emnist-letters")

    assert not (cache_folder() / "emnist" / "letters").exists()


def test_tiny_imagenet_is_read_in_its_archive(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Training images by class, validation images in one folder with a table, test images without labels."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as packed:
        rows = []
        for number, wnid in enumerate(("n01443537", "n02124075")):
            for index in range(3):
                place = f"tiny-imagenet-200/train/{wnid}/images/{wnid}_{index}.JPEG"
                packed.writestr(place, picture(number * 10 + index, size=(64, 64)))
            packed.writestr(
                f"tiny-imagenet-200/train/{wnid}/{wnid}_boxes.txt", f"{wnid}_0.JPEG\t0\t0\t9\t9\n"
            )
            packed.writestr(
                f"tiny-imagenet-200/val/images/val_{number}.JPEG", picture(50 + number, size=(64, 64))
            )
            rows.append(f"val_{number}.JPEG\t{wnid}\t0\t0\t9\t9\n")
        packed.writestr("tiny-imagenet-200/val/val_annotations.txt", "".join(rows))
        packed.writestr("tiny-imagenet-200/test/images/test_0.JPEG", picture(90, size=(64, 64)))
        packed.writestr("tiny-imagenet-200/wnids.txt", "n02124075\nn01443537\n")
        packed.writestr("tiny-imagenet-200/words.txt", "n01443537\tgoldfish, Carassius auratus\n")
    _served(site, "tiny-imagenet-200", stream.getvalue(), monkeypatch)

    source = open_source("tiny-imagenet-200")

    assert (source.name, source.class_names) == ("tiny-imagenet-200", ("n01443537", "n02124075"))
    assert (len(source.train), source.test.labels.tolist()) == (6, [0, 1])
    assert source.train.image_shape == (64, 64, 3)


def test_a_cache_that_cannot_be_written_is_said_to_be_settable(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"1")

    with pytest.raises(WriteError, match=r"^downloading http://localhost/a: could not make") as raised:
        fetch(archive_at("http://localhost/a", MD5), tmp_path / "file" / "cache")

    assert "RESNETLAB_CACHE" in raised.value.hint


@pytest.mark.parametrize("kind", ["symbolic", "hard", "dangling"])
@pytest.mark.parametrize("digest", [MD5, ""])
def test_nothing_is_written_through_a_link_that_lies_where_a_download_grows(
    kind: str, digest: str, site: Site, tmp_path: Path
) -> None:
    precious, part = tmp_path / "precious.txt", tmp_path / "new" / "data.tar.gz.part"
    precious.write_text("mine")
    part.parent.mkdir()
    if kind == "hard":
        part.hardlink_to(precious)
    else:
        part.symlink_to(precious if kind == "symbolic" else tmp_path / "nowhere")

    with pytest.raises(WriteError, match=r"data\.tar\.gz\.part is a (hard )?link"):
        fetch(archive_at(f"{site.url}/data.tar.gz", digest), part.parent)

    assert precious.read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "precious.txt"]


def test_what_lies_beside_a_download_stays(download: RemoteFile, tmp_path: Path) -> None:
    for name in (".git", ".resnetlab-7-00000000-data.tar.gz", ".data.tar.gz.77"):
        (tmp_path / name).mkdir()
    (tmp_path / "other.part").write_text("mine")

    fetch(download, tmp_path)

    assert len(list(tmp_path.iterdir())) == 6
