import functools
import hashlib
import http.server
import threading
import urllib.request
from dataclasses import dataclass, field
from http.client import HTTPMessage
from urllib.error import HTTPError

import pytest

from resnetlab import files
from resnetlab.data.fetch import Download, _SameSchemeOnly, cache_folder, fetch
from resnetlab.data.open import DOWNLOADS, open_source
from resnetlab.errors import DataError, LockedError, WriteError

CONTENT = bytes(range(256)) * 4000  # 1 MB: more than one chunk
MD5 = hashlib.md5(CONTENT).hexdigest()


@dataclass
class Behaviour:
    """What the server does, and what it was asked."""

    cut_at: int | None = None
    redirect: str = ""
    knows_ranges: bool = True
    status: int = 0
    wrong_range: bool = False
    asked: list[tuple[str, str | None]] = field(default_factory=list)


class Handler(http.server.BaseHTTPRequestHandler):
    def __init__(self, behaviour, *arguments):
        self.behaviour = behaviour
        super().__init__(*arguments)

    def do_GET(self) -> None:
        behaviour, wanted = self.behaviour, self.headers["Range"]
        behaviour.asked.append((self.path, wanted))
        if behaviour.status:
            self.send_error(behaviour.status)
            return
        if behaviour.redirect and self.path != "/moved":
            self.send_response(302)
            self.send_header("Location", behaviour.redirect)
            self.end_headers()
            return
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
        if start >= len(CONTENT):
            self.send_error(416)
            return
        is_part = wanted and behaviour.knows_ranges
        body = CONTENT[start:] if is_part else CONTENT
        self.send_response(206 if is_part else 200)
        self.send_header("Content-Length", str(len(body)))
        if is_part:
            first = start + behaviour.wrong_range
            self.send_header("Content-Range", f"bytes {first}-{len(CONTENT) - 1}/{len(CONTENT)}")
        self.end_headers()
        self.wfile.write(body[: behaviour.cut_at])

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server(monkeypatch):
    """A real HTTP server on this machine: its behaviour and its address."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv("RESNETLAB_OFFLINE", raising=False)
    behaviour = Behaviour()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, behaviour)) as running:
        threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
        behaviour.url = f"http://127.0.0.1:{running.server_port}"
        yield behaviour
        running.shutdown()


def test_a_download_is_whole_checked_and_not_repeated(server, tmp_path):
    download = Download(f"{server.url}/data.tar.gz", MD5)

    first, second = fetch(download, tmp_path / "new"), fetch(download, tmp_path / "new")

    assert first == second == tmp_path / "new" / "data.tar.gz"
    assert first.read_bytes() == CONTENT
    assert not (tmp_path / "new" / "data.tar.gz.part").exists()
    assert server.asked == [("/data.tar.gz", None)]


def test_a_broken_off_download_goes_on_where_it_stopped(server, tmp_path):
    download = Download(f"{server.url}/data.tar.gz", MD5)
    server.cut_at = 300_000

    with pytest.raises(DataError, match=r"broke off after 293\.0 KiB.*\nRun the same command again"):
        fetch(download, tmp_path)
    assert (tmp_path / "data.tar.gz.part").read_bytes() == CONTENT[:300_000]
    assert not (tmp_path / "data.tar.gz").exists()
    server.cut_at = None

    assert fetch(download, tmp_path).read_bytes() == CONTENT
    assert server.asked[1] == ("/data.tar.gz", "bytes=300000-")


def test_a_server_without_ranges_is_read_from_the_start(server, tmp_path):
    server.knows_ranges = False
    (tmp_path / "data.tar.gz.part").write_bytes(b"x" * 1000)

    assert fetch(Download(f"{server.url}/data.tar.gz", MD5), tmp_path).read_bytes() == CONTENT


def test_a_server_that_answers_another_range_is_refused(server, tmp_path):
    server.wrong_range = True
    (tmp_path / "data.tar.gz.part").write_bytes(CONTENT[:1000])

    with pytest.raises(DataError, match="asked for byte 1000, got bytes 1001-"):
        fetch(Download(f"{server.url}/data.tar.gz", MD5), tmp_path)
    assert (tmp_path / "data.tar.gz.part").read_bytes() == CONTENT[:1000]


def test_a_part_that_was_complete_already_is_checked_and_taken(server, tmp_path):
    (tmp_path / "data.tar.gz.part").write_bytes(CONTENT)

    assert fetch(Download(f"{server.url}/data.tar.gz", MD5), tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize("part", [b"", b"wrong start", CONTENT + b"too long"])
def test_a_wrong_checksum_removes_the_file(server, part, tmp_path):
    if part:
        (tmp_path / "data.tar.gz.part").write_bytes(part)
    expected = MD5 if part else "0" * 32

    with pytest.raises(DataError, match=rf"has the md5 [0-9a-f]{{32}}, expected {expected}; removed it"):
        fetch(Download(f"{server.url}/data.tar.gz", expected), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]


@pytest.mark.parametrize("status", [403, 404, 500])
def test_a_refusal_of_the_server_says_where_to_put_the_file(server, status, tmp_path):
    server.status = status

    with pytest.raises(DataError, match=rf"HTTP Error {status}.*\nOr put data\.tar\.gz \(md5 {MD5}\) into"):
        fetch(Download(f"{server.url}/data.tar.gz", MD5), tmp_path)


def test_a_redirect_to_http_is_followed(server, tmp_path):
    server.redirect = f"{server.url}/moved"

    assert fetch(Download(f"{server.url}/data.tar.gz", MD5), tmp_path).read_bytes() == CONTENT
    assert [path for path, _ in server.asked] == ["/data.tar.gz", "/moved"]


@pytest.mark.parametrize("scheme", ["file", "ftp", "data"])
def test_a_redirect_to_anything_else_is_refused(server, scheme, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(CONTENT)  # would pass the checksum
    server.redirect = f"{scheme}://{secret}"

    with pytest.raises(DataError, match=r"redirected to ftp:.*, refused|is not allowed"):
        fetch(Download(f"{server.url}/data.tar.gz", MD5), tmp_path)
    assert not (tmp_path / "data.tar.gz").exists()


def test_a_redirect_from_https_to_http_is_refused():
    request = urllib.request.Request("https://example.org/data")

    with pytest.raises(HTTPError, match=r"redirected to http://example\.org/x, refused"):
        _SameSchemeOnly("https").redirect_request(
            request, None, 302, "Found", HTTPMessage(), "http://example.org/x"
        )


def test_a_server_that_sends_too_much_is_stopped(server, tmp_path, monkeypatch):
    monkeypatch.setattr("resnetlab.data.fetch.MOST_BYTES", 500_000)

    with pytest.raises(DataError, match=r"sends more than 488\.3 KiB"):
        fetch(Download(f"{server.url}/data.tar.gz", MD5), tmp_path)


def test_no_server_is_an_error_with_the_way_out(tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")

    with pytest.raises(DataError, match=r"broke off after 0 B: .*Connection refused.*\n.*Or put"):
        fetch(Download("http://127.0.0.1:9/data.tar.gz", MD5), tmp_path)


def test_offline_asks_nobody_and_says_where_to_put_the_file(server, tmp_path, monkeypatch):
    monkeypatch.setenv("RESNETLAB_OFFLINE", "1")
    download = Download(f"{server.url}/data.tar.gz", MD5)

    with pytest.raises(DataError, match=rf"RESNETLAB_OFFLINE forbids.*\n.*md5 {MD5}\) into {tmp_path}"):
        fetch(download, tmp_path)
    assert server.asked == []

    (tmp_path / "data.tar.gz").write_bytes(CONTENT)
    assert fetch(download, tmp_path) == tmp_path / "data.tar.gz"


def test_two_downloads_at_once_are_refused(server, tmp_path):
    with files.DirectoryLock(tmp_path, "somebody"), pytest.raises(LockedError, match="in use by somebody"):
        fetch(Download(f"{server.url}/data.tar.gz", MD5), tmp_path)


def test_the_cache_can_be_set(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("RESNETLAB_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert cache_folder() == tmp_path / ".cache" / "resnetlab"
    monkeypatch.setenv("XDG_CACHE_HOME", "/shared")
    assert str(cache_folder()) == "/shared/resnetlab"
    monkeypatch.setenv("RESNETLAB_CACHE", "~/own")
    assert cache_folder() == tmp_path / "own"


def test_a_named_dataset_is_downloaded_into_the_cache(server, tmp_path, monkeypatch):
    """The server's file is no archive: that it is opened and refused shows that it was fetched."""
    monkeypatch.setenv("RESNETLAB_CACHE", str(tmp_path))
    download = Download(f"{server.url}/cifar-10-binary.tar.gz", MD5)
    monkeypatch.setitem(DOWNLOADS, "cifar10", (download,))

    with pytest.raises(DataError, match=r"cifar-10-binary\.tar\.gz: not a readable tar archive"):
        open_source("cifar10")

    assert (tmp_path / "cifar-10-binary.tar.gz").read_bytes() == CONTENT


def test_the_official_addresses_are_https():
    urls = [download.url for downloads in DOWNLOADS.values() for download in downloads]

    assert len(urls) == 4
    assert all(url.startswith("https://www.cs.toronto.edu/~kriz/cifar-10") for url in urls)


def test_a_cache_that_cannot_be_written_is_said_to_be_settable(tmp_path):
    (tmp_path / "file").write_bytes(b"1")

    with pytest.raises(WriteError, match=r"^downloading http://localhost/a: could not make") as raised:
        fetch(Download("http://localhost/a", MD5), tmp_path / "file" / "cache")

    assert "RESNETLAB_CACHE" in raised.value.hint
