"""A list with holes in a shard has not its bytes in one piece, and is not read as if it had."""

import io
import tarfile
from pathlib import Path

import pytest

from resnetlab.data.records.webdataset import open_webdataset
from tests.kit.pictures import picture
from tests.kit.tars import write_tar

HOLE_BYTES = 100_000


def _add_sparse(archive: tarfile.TarFile, name: str) -> None:
    """Add a file that is a hole and nothing else, as `tar --sparse --format=posix` writes it."""
    pieces = f"1\n{HOLE_BYTES}\n0\n".encode().ljust(tarfile.BLOCKSIZE, b"\0")
    member = tarfile.TarInfo(f"GNUSparseFile.0/{name}")
    member.size = len(pieces)
    member.pax_headers = {
        "GNU.sparse.major": "1",
        "GNU.sparse.minor": "0",
        "GNU.sparse.name": name,
        "GNU.sparse.realsize": str(HOLE_BYTES),
    }
    archive.addfile(member, io.BytesIO(pieces))


def test_a_shard_with_a_sparse_list_is_indexed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESNETLAB_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "data"
    pictures = {f"{place}/{name}.jpg": picture(1) for place in ("cat", "dog") for name in "abcd"}
    write_tar(folder / "a-0.tar", pictures)
    with tarfile.open(folder / "a-0.tar", "a", format=tarfile.PAX_FORMAT) as archive:
        _add_sparse(archive, "train.txt")
    with tarfile.open(folder / "a-0.tar") as archive:
        assert archive.getmember("train.txt").issparse()
    assert (folder / "a-0.tar").stat().st_size < HOLE_BYTES

    names = open_webdataset(folder).class_names
    (kept,) = (tmp_path / "cache" / "shards").iterdir()
    made = kept.stat()

    assert open_webdataset(folder).class_names == names == ("cat", "dog")
    assert kept.stat().st_ino == made.st_ino
