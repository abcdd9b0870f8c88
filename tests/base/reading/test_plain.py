"""What is no plain file is told before it is read, and what no run can have written is no JSON of one."""

import json
import os
from pathlib import Path

import pytest

from resnetlab.base.reading.plain import open_plain, parse_json, read_json, read_plain, read_text, refuse_more


def test_a_pipe_a_device_and_a_directory_are_told_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    for path in (tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(ValueError, match="it is no plain file, but a pipe or a device"):
            read_plain(path)
    with pytest.raises(IsADirectoryError):
        read_plain(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path / "link")
    with pytest.raises(OSError, match="symbolic links"):
        read_plain(tmp_path / "link")


def grown(path: Path, written: int, size: int, at: int = 0) -> Path:
    """Write a file of `size` bytes, of which so many were written."""
    with path.open("wb") as stream:
        stream.seek(at)
        stream.write(b"x" * written)
        stream.truncate(size)
    return path


def test_a_file_that_was_hardly_written_is_not_read_into_memory(tmp_path: Path) -> None:
    for place, written in ((0, 0), (0, 4096), (2**32, 2**20)):
        with pytest.raises(ValueError, match=r"it has 8,589,934,592 bytes, of which .* were ever written"):
            read_plain(grown(tmp_path / "x", written, 2**33, place))
    assert len(read_plain(grown(tmp_path / "x", 0, 2**26))) == 2**26  # as small as that it may be
    with open_plain(grown(tmp_path / "x", 2**21, 2**27, 2**24)) as stream:
        assert stream.read(1) == b"\0"  # from its beginning


def holed(path: Path, pieces: int, *, every: int, size: int) -> Path:
    """Write a file of 4 KiB pieces with holes between them."""
    with path.open("wb") as stream:
        for number in range(pieces):
            os.pwrite(stream.fileno(), b"x" * 4096, number * every)
        stream.truncate(size)
    return path


def test_a_copy_without_its_zeros_may_have_holes_without_number(tmp_path: Path) -> None:
    with open_plain(holed(tmp_path / "copy", 6000, every=2**18 + 2**16, size=2**31 - 2**27)) as stream:
        assert stream.read(2) == b"xx"
    with pytest.raises(ValueError, match="were ever written"):  # many at its beginning, then none
        read_plain(holed(tmp_path / "hostile", 6000, every=2**13, size=2**40))


def test_a_file_may_be_limited(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"12345")

    assert read_plain(tmp_path / "x", most=5) == b"12345"
    with pytest.raises(ValueError, match="it has 5 bytes, more than can be"):
        read_plain(tmp_path / "x", most=4)


@pytest.mark.parametrize(
    "text",
    ["NaN", "[Infinity]", "-Infinity", "1e999", "-1E+0400", "9" * 301, "9" * 400 + ".5", "[" * 10**5,
     "1" + "0" * 250 + "e99", '{"a":' * 10**5, "", "\ufeff1"],
)  # fmt: skip
def test_what_no_run_writes_is_no_json(text: str) -> None:
    with pytest.raises(ValueError):
        parse_json(text.encode())


def test_other_numbers_are_what_they_are() -> None:
    for number in (1e308, -1e-320, 5e-324, 10**299, 0.1, 1.5e300):
        assert parse_json(json.dumps([number]).encode()) == [number]


def test_another_programs_json_may_hold_more(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text('\ufeff{"limit": Infinity}', encoding="utf-8")

    assert read_json(path, is_ours=False) == {"limit": float("inf")}
    path.write_text("[" * 10**5)
    with pytest.raises(ValueError, match="nested too deep"):
        read_json(path, is_ours=False)


def test_lines_end_as_python_has_them(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"\xef\xbb\xbfa\r\nb\rc\n")

    assert read_text(tmp_path / "x", encoding="utf-8-sig") == "a\nb\nc\n"


def test_few_bytes_do_not_stand_for_many() -> None:
    refuse_more(2**26, 1, "x")
    refuse_more(2**30, 2**24, "x")
    with pytest.raises(ValueError, match="x would take 1,073,741,824 bytes, of 10,000,000 in the file"):
        refuse_more(2**30, 10**7, "x")
