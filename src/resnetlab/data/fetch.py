"""Downloads: resumable, checked by MD5 at the end, into a cache that one can set."""

import hashlib
import os
import sys
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException, HTTPMessage, HTTPResponse
from pathlib import Path
from typing import IO
from urllib.error import HTTPError
from urllib.parse import urlsplit

from resnetlab import files
from resnetlab.data.doing import doing
from resnetlab.errors import DataError, LockedError
from resnetlab.units import format_bytes

MOST_BYTES = 2**30
TIMEOUT_SECONDS = 30
CHUNK_BYTES = 2**18


@dataclass(frozen=True)
class Download:
    """A file to be had from a URL."""

    url: str
    md5: str

    @property
    def name(self) -> str:
        """The file's name in the cache."""
        return self.url.rpartition("/")[2]


def cache_folder() -> Path:
    """Return RESNETLAB_CACHE, else XDG_CACHE_HOME/resnetlab, else ~/.cache/resnetlab."""
    if own := os.environ.get("RESNETLAB_CACHE"):
        return Path(own).expanduser()
    shared = os.environ.get("XDG_CACHE_HOME")
    return (Path(shared) if shared else Path.home() / ".cache") / "resnetlab"


def fetch(download: Download, folder: Path) -> Path:
    """Return the file in `folder`, downloading it first if it is not there.

    What an interrupted download has brought stays as NAME.part, and the next call goes on there.

    Raises:
        DataError: If there is no network (or RESNETLAB_OFFLINE=1), the server refuses, the
            connection ends early, or the checksum is wrong (the file is removed then).
        LockedError: If another process is downloading into the folder.
    """
    target = folder / download.name
    if target.exists():
        return target
    by_hand = f"Or put {download.name} (md5 {download.md5}) into {folder} yourself."
    if os.environ.get("RESNETLAB_OFFLINE", "0") not in ("", "0"):
        raise DataError(
            f"{download.name} is not in {folder}, and RESNETLAB_OFFLINE forbids to download it",
            hint=f"Unset RESNETLAB_OFFLINE to download {download.url}. {by_hand}",
        )
    hint = f"Mend that, or name another folder in RESNETLAB_CACHE; then run the same command again. {by_hand}"
    with doing(f"downloading {download.url}", hint):
        return _fetch_locked(download, folder, by_hand)


def _fetch_locked(download: Download, folder: Path, by_hand: str) -> Path:
    target, part = folder / download.name, folder / f"{download.name}.part"
    files.make_directory(folder)
    try:
        lock = files.DirectoryLock(folder, f"a download by process {os.getpid()}")
    except LockedError as error:
        raise LockedError(error.args[0], hint="Wait until it has ended.") from error
    with lock:
        try:
            _download(download.url, part)
        except HTTPError as error:
            raise DataError(f"{download.url}: {error}", hint=by_hand) from error
        except (OSError, HTTPException) as error:
            have = format_bytes(part.stat().st_size if part.exists() else 0)
            raise DataError(
                f"{download.url}: the download broke off after {have}: {error or type(error)}",
                hint=f"Run the same command again to go on from there. {by_hand}",
            ) from error
        _check_md5(part, download, by_hand)
        files.rename_file(part, target)
    return target


def _download(url: str, part: Path) -> None:
    """Append to `part` what the server has beyond it."""
    start = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"User-Agent": "resnetlab"})
    if start:
        request.add_header("Range", f"bytes={start}-")
    opener = urllib.request.build_opener(_SameSchemeOnly(urlsplit(url).scheme))
    try:
        response: HTTPResponse = opener.open(request, timeout=TIMEOUT_SECONDS)
    except HTTPError as error:
        if error.code == 416 and start:  # nothing beyond what we have: the checksum will tell
            return
        raise
    with response:
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

    length = response.headers.get("Content-Length")
    total = appender.length + int(length) if length else None
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
                raise DataError(f"{response.url}: sends more than {format_bytes(MOST_BYTES)}")
    if total is not None and appender.length < total:
        raise HTTPException(f"the server said {total:,} bytes")


def _check_md5(part: Path, download: Download, by_hand: str) -> None:
    with part.open("rb") as stream:
        found = hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if found != download.md5:
        files.remove_file(part)
        raise DataError(
            f"{download.url}: the file has the md5 {found}, expected {download.md5}; removed it",
            hint=f"Run the same command again to download it anew. {by_hand}",
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
