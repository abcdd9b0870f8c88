"""A weight file from a URL into the cache: whole and checked, or not there under its name."""

import hashlib
import os
import sys
import urllib.request
from http.client import HTTPException, HTTPMessage, HTTPResponse
from pathlib import Path
from typing import IO
from urllib.error import HTTPError
from urllib.parse import urlsplit

from resnetlab import files
from resnetlab.errors import CheckpointError, LockedError, UsageError
from resnetlab.units import format_bytes

MOST_BYTES = 2**31
TIMEOUT_SECONDS = 30
CHUNK_BYTES = 2**18
BY_HAND = "Or download it elsewhere and give the file (`resnetlab import FILE`, --weights FILE)."


def is_offline() -> bool:
    """Return whether RESNETLAB_OFFLINE forbids to ask any server."""
    return os.environ.get("RESNETLAB_OFFLINE", "0") not in ("", "0")


def cache_folder() -> Path:
    """Return the folder `weights` in RESNETLAB_CACHE, XDG_CACHE_HOME/resnetlab or ~/.cache/resnetlab."""
    own, shared = os.environ.get("RESNETLAB_CACHE"), os.environ.get("XDG_CACHE_HOME")
    base = Path(own).expanduser() if own else Path(shared or Path.home() / ".cache") / "resnetlab"
    return base / "weights"


def download(url: str, *, sha256: str = "") -> Path:
    """Return the file of a URL in the cache, downloading it first if it is not there.

    What an interrupted download has brought stays as NAME.part if `sha256` is given: the next call
    goes on there.

    Args:
        url: https, or http of this machine.
        sha256: The first digits of the content's SHA-256; without it the length alone is checked.

    Raises:
        UsageError: If the server has no such file, or the scheme is another.
        CheckpointError: If there is no network (or RESNETLAB_OFFLINE=1), the server refuses, the
            connection ends early, or the hash is wrong (nothing is kept then).
        LockedError: If another process is downloading it.
    """
    parts = urlsplit(url)
    if parts.scheme != "https" and (parts.scheme, parts.hostname) not in (
        ("http", "127.0.0.1"),
        ("http", "localhost"),
    ):
        raise UsageError(f"{url}: weights are downloaded by https alone", hint=BY_HAND)
    folder, name = _place(url, sha256)
    target, part = folder / name, folder / f"{name}.part"
    if target.exists():
        return target
    if is_offline():
        raise CheckpointError(
            f"{url} is not in the cache, and RESNETLAB_OFFLINE forbids to download it",
            hint=f"Unset RESNETLAB_OFFLINE. {BY_HAND}",
        )
    files.make_directory(folder)
    try:
        lock = files.DirectoryLock(folder, f"a download by process {os.getpid()}")
    except LockedError as error:
        raise LockedError(error.args[0], hint="Wait until it has ended.") from error
    with lock:
        if not sha256:  # what there is may be of another content
            files.remove_file(part)
        try:
            _receive(url, part, is_hashed=bool(sha256))
        except HTTPError as error:
            kind = UsageError if error.code in (404, 410) else CheckpointError
            raise kind(f"{url}: the server says {error.code} {error.reason}", hint=BY_HAND) from error
        except (OSError, HTTPException, ValueError) as error:
            have = format_bytes(part.stat().st_size if part.exists() else 0)
            raise CheckpointError(
                f"{url}: the download broke off after {have}: {error or type(error).__name__}",
                hint=f"Run the same command again. {BY_HAND}",
            ) from error
        _check(url, part, sha256)
        files.rename_file(part, target)
    return target


def _place(url: str, sha256: str) -> tuple[Path, str]:
    """Return the folder and name in the cache; without a hash, each URL has a folder of its own."""
    name = urlsplit(url).path.rpartition("/")[2]
    own = sha256 or hashlib.sha256(url.encode()).hexdigest()[:16]
    return cache_folder() / own, name


def _receive(url: str, part: Path, *, is_hashed: bool) -> None:
    """Append to `part` what the server has beyond it."""
    start = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"User-Agent": "resnetlab"})
    if start:
        request.add_header("Range", f"bytes={start}-")
    opener = urllib.request.build_opener(_SameSchemeOnly(urlsplit(url).scheme))
    try:
        response: HTTPResponse = opener.open(request, timeout=TIMEOUT_SECONDS)
    except HTTPError as error:
        if error.code == 416 and start:  # nothing beyond what we have: the hash will tell
            return
        raise
    with response:
        if response.headers.get_content_type() == "text/html":
            raise CheckpointError(f"{url}: the server sends a web page, not the file", hint=BY_HAND)
        if not is_hashed and response.length is None and not response.chunked:
            raise HTTPException("the server does not say how long the file is")
        if response.status != 206:
            files.cut_file(part, 0)
        elif not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
            raise HTTPException(f"asked for byte {start}, got {response.headers['Content-Range']}")
        appender = files.Appender(part)
        try:
            _append(response, appender)
        finally:
            appender.flush()
            appender.close()


def _append(response: HTTPResponse, appender: files.Appender) -> None:
    from rich.console import Console
    from rich.progress import DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    total = None if response.length is None else appender.length + response.length
    progress = Progress(
        *Progress.get_default_columns()[:2],
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
    )
    with progress:
        bar = progress.add_task(appender.path.stem, total=total, completed=appender.length)
        while chunk := response.read1(CHUNK_BYTES):
            progress.advance(bar, appender.write(chunk))
            if appender.length > MOST_BYTES:
                raise CheckpointError(f"{response.url}: sends more than {format_bytes(MOST_BYTES)}")
    if total is not None and appender.length < total:
        raise HTTPException(f"the server said {total:,} bytes")


def _check(url: str, part: Path, sha256: str) -> None:
    with part.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if not found.startswith(sha256):
        files.remove_file(part)
        raise CheckpointError(
            f"{url}: the SHA-256 of the file begins with {found[:8]}, expected {sha256}; removed it",
            hint=f"Run the same command again to download it anew. {BY_HAND}",
        )


class _SameSchemeOnly(urllib.request.HTTPRedirectHandler):
    """Follow redirects to https or to the scheme that was asked for, and to nothing else."""

    def __init__(self, scheme: str) -> None:
        self._scheme = scheme

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        if urlsplit(newurl).scheme not in ("https", self._scheme):
            raise HTTPError(newurl, code, f"redirected to {newurl}, refused", headers, fp)
        return super().redirect_request(req, fp, code, msg, headers, newurl)
