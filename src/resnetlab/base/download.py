"""A file from a URL: whole and checked, or not there under its name. Resumable if a hash is known.

And what a user names alone and nobody keeps: a picture's content.
"""

import hashlib
import os
import sys
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, replace
from http.client import HTTPException, HTTPMessage, HTTPResponse
from pathlib import Path
from typing import IO
from urllib.error import HTTPError
from urllib.parse import urlsplit

from resnetlab.base import files
from resnetlab.base.files import doing, remark
from resnetlab.base.paths import user_path
from resnetlab.base.reading.plain import open_plain
from resnetlab.base.switches import is_on
from resnetlab.base.units import format_bytes
from resnetlab.errors import ResnetlabError

MOST_BYTES = 2**31
TIMEOUT_SECONDS = 30
CHUNK_BYTES = 2**18


def is_offline() -> bool:
    """Return whether RESNETLAB_OFFLINE forbids to ask any server."""
    return is_on("RESNETLAB_OFFLINE", default=False)


def cache_folder() -> Path:
    """Return RESNETLAB_CACHE, else XDG_CACHE_HOME/resnetlab, else ~/.cache/resnetlab."""
    if own := os.environ.get("RESNETLAB_CACHE"):
        return user_path(own)
    shared = os.environ.get("XDG_CACHE_HOME")
    return (Path(shared) if shared else Path.home() / ".cache") / "resnetlab"


@dataclass(frozen=True)
class RemoteFile:
    """A file to be had from a URL, and what is said if it cannot be had."""

    url: str
    digest: str
    """The first hexadecimal digits of its hash; empty if none is known: the length alone is checked."""
    algorithm: str
    """Of the hash, as hashlib names it."""
    by_hand: str
    """What to do without the download: the last sentence of every hint. {folder} is where the file goes."""
    absent: type[ResnetlabError]
    """Raised if the server has no such file."""
    failed: type[ResnetlabError]
    """Raised for everything else that keeps it from coming."""
    most_bytes: int = 0
    """That are taken; 0 is MOST_BYTES."""

    @property
    def name(self) -> str:
        """The last part of its address, which it has here too."""
        return urlsplit(self.url).path.rpartition("/")[2]


def fetch(remote: RemoteFile, folder: Path) -> Path:
    """Return the file in `folder`, downloading it first if it is not there.

    What an interrupted download has brought stays as NAME.part, and if a hash is known the next
    call goes on there. If another process is downloading into the folder, it is waited for, which is said.

    Raises:
        ResnetlabError: `remote.absent` or `remote.failed`: there is no network (or
            RESNETLAB_OFFLINE=1), the server refuses, the connection ends early, or the hash is
            wrong (nothing is kept then).
        WriteError: If the folder cannot be written.
    """
    target = folder / remote.name
    if target.exists():
        return target
    remote = replace(remote, by_hand=remote.by_hand.replace("{folder}", str(folder)))
    if is_offline():
        raise remote.failed(
            f"{target.name} is not in {folder}, and RESNETLAB_OFFLINE forbids to download it",
            hint=f"Unset RESNETLAB_OFFLINE to download {remote.url}. {remote.by_hand}",
        )
    again = "Mend that, or name another folder in RESNETLAB_CACHE; then run the same command again."
    with doing(f"downloading {remote.url}", f"{again} {remote.by_hand}"):
        files.make_directory(folder)
        holder = f"a download of {target.name} by process {os.getpid()}"
        with files.wait_for_lock(folder, holder, remark):
            if target.exists():  # brought by the one that was waited for
                return target
            part = target.with_name(f"{target.name}.part")
            _receive_all(remote, part)
            _check(remote, part)
            files.rename_file(part, target)
    return target


def fetch_first(remotes: Sequence[RemoteFile], folder: Path) -> Path:
    """Return the first of some files that can be had, any of which will do; see `fetch`.

    One that fails is said on standard error. What it has brought stays until another is whole.

    Raises:
        ResnetlabError: Of the kind that `fetch` of the last one raises, if none can be had: it names what
            kept each from coming, and what is to be done for the first.
        WriteError: If the folder cannot be written.
    """
    failures: list[ResnetlabError] = []
    for number, remote in enumerate(remotes):
        try:
            found = fetch(remote, folder)
        except (remote.absent, remote.failed) as error:
            if is_offline() or len(remotes) == 1:
                raise
            failures.append(error)
            if number + 1 < len(remotes):
                remark(f"{error.args[0]}; trying {remotes[number + 1].url}")
            continue
        for other in remotes:
            files.remove_file(folder / f"{other.name}.part")
        return found
    told = "\n".join(str(error.args[0]) for error in failures)
    raise type(failures[-1])(f"none of {len(remotes)} places has it:\n{told}", hint=failures[0].hint)


def read_address(remote: RemoteFile, *, most_bytes: int, seconds: float) -> bytes:
    """Return what a server sends, which is kept nowhere.

    Args:
        remote: Its address, and what is raised.
        most_bytes: That are taken.
        seconds: That it may take in all; a server that says nothing is left a little later at most.

    Raises:
        ResnetlabError: `remote.absent` or `remote.failed`: there is no network (or RESNETLAB_OFFLINE=1), the
            server refuses, takes too long or sends too much, or the connection ends early.
    """
    if is_offline():
        raise remote.failed(
            f"{remote.url}: RESNETLAB_OFFLINE forbids to ask for it",
            hint=f"Unset RESNETLAB_OFFLINE. {remote.by_hand}",
        )
    until = time.monotonic() + seconds
    parts = []
    have = 0
    try:
        with _opener(remote).open(_request(remote), timeout=min(seconds, TIMEOUT_SECONDS)) as response:
            while chunk := response.read1(CHUNK_BYTES):
                parts.append(chunk)
                have += len(chunk)
                if have > most_bytes:
                    told = f"{remote.url}: sends more than {format_bytes(most_bytes)}, which is too much here"
                    raise remote.failed(told, hint=remote.by_hand)
                if time.monotonic() > until:
                    raise TimeoutError(f"it takes longer than {seconds:g} s")
            if response.length:  # of what was announced, still to come
                raise HTTPException(f"{response.length:,} bytes are lacking")
    except HTTPError as error:
        raise _refused(remote, error) from error
    except (OSError, HTTPException, ValueError) as error:
        raise remote.failed(
            f"{remote.url}: cannot be had: {getattr(error, 'reason', '') or error or type(error).__name__}",
            hint=remote.by_hand,
        ) from error
    return b"".join(parts)


def _refused(remote: RemoteFile, error: HTTPError) -> ResnetlabError:
    kind = remote.absent if error.code in (404, 410) else remote.failed
    return kind(f"{remote.url}: the server says {error.code} {error.reason}", hint=remote.by_hand)


def _request(remote: RemoteFile) -> urllib.request.Request:
    return urllib.request.Request(remote.url, headers={"User-Agent": "resnetlab"})


def _opener(remote: RemoteFile) -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(_SameSchemeOnly(urlsplit(remote.url).scheme))


def _receive_all(remote: RemoteFile, part: Path) -> None:
    files.refuse_foreign(part)
    if not remote.digest:  # what there is may be of another content
        files.remove_file(part)
    try:
        _receive(remote, part)
    except HTTPError as error:
        raise _refused(remote, error) from error
    except (OSError, HTTPException, ValueError) as error:
        have = format_bytes(part.stat().st_size if part.exists() else 0)
        from_there = " to go on from there" if remote.digest else ""
        raise remote.failed(
            f"{remote.url}: the download broke off after {have}: {error or type(error).__name__}",
            hint=f"Run the same command again{from_there}. {remote.by_hand}",
        ) from error


def _receive(remote: RemoteFile, part: Path) -> None:
    """Append to `part` what the server has beyond it."""
    start = part.stat().st_size if part.exists() else 0
    request = _request(remote)
    if start:
        request.add_header("Range", f"bytes={start}-")
    try:
        response: HTTPResponse = _opener(remote).open(request, timeout=TIMEOUT_SECONDS)
    except HTTPError as error:
        if error.code == 416 and start:  # nothing beyond what we have: the hash will tell
            return
        raise
    with response:
        if response.headers.get_content_type() == "text/html":
            raise remote.failed(
                f"{remote.url}: the server sends a web page, not the file", hint=remote.by_hand
            )
        if not remote.digest and response.length is None and not response.chunked:
            raise HTTPException("the server does not say how long the file is")
        if response.status != 206:
            files.cut_file(part, 0)
        elif not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
            raise HTTPException(f"asked for byte {start}, got {response.headers['Content-Range']}")
        appender = files.Appender(part)
        try:
            _append(remote, response, appender)
        finally:
            appender.flush()
            appender.close()


def _append(remote: RemoteFile, response: HTTPResponse, appender: files.Appender) -> None:
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
            if appender.length > (most := remote.most_bytes or MOST_BYTES):
                told = f"{response.url}: sends more than {format_bytes(most)}"
                raise remote.failed(told, hint=remote.by_hand)
    if total is not None and appender.length < total:
        raise HTTPException(f"the server said {total:,} bytes")


def refuse_changed(remote: RemoteFile, target: Path) -> None:
    """Raise `remote.failed` if a file that was downloaded has another hash than it had then."""
    if wrong := _other_hash(remote, target):
        raise remote.failed(
            f"{target}: {wrong}; it was damaged since it came",
            hint=f"Remove it, and run the same command again to download it anew. {remote.by_hand}",
        )


def _check(remote: RemoteFile, part: Path) -> None:
    if wrong := _other_hash(remote, part):
        files.remove_file(part)
        raise remote.failed(
            f"{remote.url}: {wrong}; removed it",
            hint=f"Run the same command again to download it anew. {remote.by_hand}",
        )


def _other_hash(remote: RemoteFile, path: Path) -> str:
    """Return in words that a file has another hash than is known, or ""."""
    if not remote.digest:
        return ""
    digest = hashlib.new(remote.algorithm, usedforsecurity=False)
    with open_plain(path) as stream:
        while part := stream.read(CHUNK_BYTES):
            digest.update(part)
    found = digest.hexdigest()
    expected = remote.digest + "..." * (len(remote.digest) < len(found))
    told = f"the file has the {remote.algorithm} {found}, expected {expected}"
    return "" if found.startswith(remote.digest) else told


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
