import gzip
import io
import os
import tarfile

import pytest

from resnetlab.data.archives import container
from resnetlab.data.archives.container import read_files
from resnetlab.data.archives.tars import all_members, opened
from resnetlab.errors import DataError

LIMITS = {"wanted": 1000, "other": 10}


def write_tar(path, members, mode="w:gz"):
    with tarfile.open(path, mode) as archive:
        for member, content in members:
            info = tarfile.TarInfo(member) if isinstance(member, str) else member
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def linked(name, kind, target):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def test_only_files_with_the_plain_names_are_read(tmp_path):
    members = [
        ("folder/wanted", b"yes"),
        ("/other", b"absolute"),
        ("../other", b"above"),
        ("folder/../other", b"around"),
        ("a/b/other", b"deep"),
        ("folder/unknown", b"no"),
    ]

    found = read_files(write_tar(tmp_path / "x.tar.gz", members), LIMITS)

    assert found.contents == {"wanted": b"yes"}
    assert found.names == [name for name, _ in members]
    assert sorted(tmp_path.iterdir()) == [tmp_path / "x.tar.gz"]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_a_link_or_device_under_a_wanted_name_is_refused(kind, tmp_path):
    path = write_tar(tmp_path / "x.tar.gz", [(linked("folder/wanted", kind, "/etc/hostname"), b"")])

    with pytest.raises(DataError, match="folder/wanted: a link or device"):
        read_files(path, LIMITS)


def test_links_under_other_names_are_passed_over(tmp_path):
    members = [(linked("folder", tarfile.SYMTYPE, "/etc"), b""), ("folder/wanted", b"yes")]

    assert read_files(write_tar(tmp_path / "x.tar", members, "w"), LIMITS).contents == {"wanted": b"yes"}


def test_the_same_name_twice_is_refused(tmp_path):
    path = write_tar(tmp_path / "x.tar.gz", [("a/wanted", b"1"), ("b/wanted", b"2")])

    with pytest.raises(DataError, match="has wanted twice"):
        read_files(path, LIMITS)


def test_a_member_above_its_limit_is_refused(tmp_path):
    path = write_tar(tmp_path / "x.tar.gz", [("wanted", bytes(1001))])

    with pytest.raises(DataError, match="1,001 bytes; at most 1,000"):
        read_files(path, LIMITS)


def test_a_file_of_a_folder_above_its_limit_is_refused(tmp_path):
    (tmp_path / "wanted").write_bytes(bytes(1001))

    with pytest.raises(DataError, match="1,001 bytes; at most 1,000"):
        read_files(tmp_path, LIMITS)


def test_a_pipe_in_a_folder_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "wanted")

    with pytest.raises(DataError, match="wanted: no plain file"):
        read_files(tmp_path, LIMITS)


def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(container, "MOST_BYTES", 50_000)
    path = write_tar(tmp_path / "x.tar.gz", [("unknown", bytes(100_000)), ("wanted", b"yes")])
    assert path.stat().st_size < 1000

    with pytest.raises(DataError, match=r"unpacks to more than 48\.8 KiB"):
        read_files(path, LIMITS)


def test_an_archive_of_too_many_members_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(container, "MOST_MEMBERS", 5)
    path = write_tar(tmp_path / "x.tar.gz", [(str(number), b"") for number in range(6)])

    with pytest.raises(DataError, match="more than 5 members"):
        read_files(path, LIMITS)


def test_an_archive_cut_anywhere_is_refused(tmp_path):
    whole = write_tar(tmp_path / "x.tar.gz", [("wanted", bytes(range(250)))]).read_bytes()
    path = tmp_path / "cut.tar.gz"

    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError, match=r"cut\.tar\.gz"):
            read_files(path, LIMITS)


def test_a_wrong_checksum_at_the_end_of_the_gzip_is_refused(tmp_path):
    path = write_tar(tmp_path / "x.tar.gz", [("wanted", b"yes")])
    content = bytearray(path.read_bytes())
    content[-8] ^= 1  # the CRC-32, which tarfile itself never looks at
    path.write_bytes(content)

    with pytest.raises(DataError, match="CRC check failed"):
        read_files(path, LIMITS)


@pytest.mark.parametrize(
    "content", [b"", b"<html>not found</html>" * 99, gzip.compress(b"hello" * 999, mtime=0)]
)
def test_a_file_that_is_no_archive_is_refused(content, tmp_path):
    (tmp_path / "x.tar.gz").write_bytes(content)

    with pytest.raises(DataError, match="not a readable tar archive"):
        read_files(tmp_path / "x.tar.gz", LIMITS)


def test_an_archive_that_windows_made_is_read(tmp_path):
    path = write_tar(tmp_path / "a.tar.gz", [("cifar\\a.bin", b"1"), ("..\\b.bin", b"2")])

    assert read_files(path, {"a.bin": 9, "b.bin": 9}).contents == {"a.bin": b"1"}


HOSTILE = {
    "of more bytes than there are": {"size": str(10**15), "path": "unwanted"},
    "of fewer than none": {"size": "-5"},
    "sparse by no numbers": {"GNU.sparse.map": "x", "GNU.sparse.size": "a"},
    "sparse by a map that is none": {"GNU.sparse.major": "1", "GNU.sparse.minor": "0"},
}


@pytest.mark.parametrize("headers", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_headers_that_lie_about_a_member_are_refused_at_once(headers, mode, tmp_path):
    info = tarfile.TarInfo("wanted")
    info.pax_headers = headers
    path = tmp_path / "x.tar"
    with tarfile.open(path, mode, format=tarfile.PAX_FORMAT) as archive:
        info.size = 5
        archive.addfile(info, io.BytesIO(b"12345"))

    with pytest.raises(DataError, match=r"x\.tar"):
        read_files(path, LIMITS)
    if mode == "w":
        with pytest.raises(DataError, match=r"x\.tar"), opened(path) as archive:
            [*all_members(archive, str(path))]
