"""Downloads of datasets, checked by MD5, into a cache that one can set."""

from dataclasses import dataclass
from pathlib import Path

from resnetlab.base import download
from resnetlab.base.download import RemoteFile
from resnetlab.errors import DataError


@dataclass(frozen=True)
class Download:
    """A dataset's file to be had from a URL."""

    url: str
    md5: str

    @property
    def name(self) -> str:
        """The file's name in the cache."""
        return self.url.rpartition("/")[2]


def fetch(wanted: Download, folder: Path) -> Path:
    """Return the file in `folder`, downloading it first if it is not there.

    What an interrupted download has brought stays as NAME.part, and the next call goes on there.

    Raises:
        DataError: If there is no network (or RESNETLAB_OFFLINE=1), the server refuses, the
            connection ends early, or the checksum is wrong (the file is removed then).
        WriteError: If the folder cannot be written.
    """
    remote = RemoteFile(
        wanted.url,
        digest=wanted.md5,
        algorithm="md5",
        by_hand=f"Or put {wanted.name} (md5 {wanted.md5}) into {folder} yourself.",
        absent=DataError,
        failed=DataError,
    )
    return download.fetch(remote, folder / wanted.name)
