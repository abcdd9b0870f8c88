"""A weight file from a URL in the cache."""

import hashlib
from pathlib import Path
from urllib.parse import urlsplit

from resnetlab.base.download import RemoteFile, cache_folder, fetch
from resnetlab.errors import CheckpointError, UsageError

BY_HAND = "Or download it elsewhere and give the file (`resnetlab import FILE`, --weights FILE)."


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
        WriteError: If the cache cannot be written.
    """
    parts = urlsplit(url)
    if parts.scheme != "https" and (parts.scheme, parts.hostname) not in (
        ("http", "127.0.0.1"),
        ("http", "localhost"),
    ):
        raise UsageError(f"{url}: weights are downloaded by https alone", hint=BY_HAND)
    remote = RemoteFile(
        url, digest=sha256, algorithm="sha256", by_hand=BY_HAND, absent=UsageError, failed=CheckpointError
    )
    return fetch(remote, _place(url, sha256))


def _place(url: str, sha256: str) -> Path:
    """Return the file's path in the cache; without a hash, each URL has a folder of its own."""
    own = sha256 or hashlib.sha256(url.encode()).hexdigest()[:16]
    return cache_folder() / "weights" / own / urlsplit(url).path.rpartition("/")[2]
