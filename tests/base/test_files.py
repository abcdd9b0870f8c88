"""What is written reaches the disk in an order that a lost machine cannot turn around."""

import errno
import os
import shutil
import stat
from pathlib import Path
from types import SimpleNamespace

import pytest

from resnetlab.base import files
from resnetlab.errors import WriteError


@pytest.fixture
def record(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the system was asked for: "flush NAME" and "rename NAME", names without the mark."""
    asked: list[str] = []
    fsync, rename, replace = os.fsync, os.rename, os.replace

    def name_of(path: object) -> str:
        name = Path(str(path)).name
        return name.split("-", 3)[3] + "*" if name.startswith(".resnetlab-") else name

    def flush(descriptor: int) -> None:
        asked.append(f"flush {name_of(os.readlink(f'/proc/self/fd/{descriptor}'))}")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", flush)
    for name, act in (("rename", rename), ("replace", replace)):

        def moved(old: object, new: object, act: object = act) -> None:
            asked.append(f"rename {name_of(new)}")
            act(old, new)  # type: ignore[operator]

        monkeypatch.setattr(os, name, moved)
    return asked


def test_a_file_is_flushed_before_its_rename_and_its_directory_after(
    tmp_path: Path, record: list[str]
) -> None:
    files.write_file(tmp_path / "a", "1")

    assert record == ["flush a*", "rename a", f"flush {tmp_path.name}"]


def test_a_directory_is_flushed_with_all_in_it_before_its_rename(tmp_path: Path, record: list[str]) -> None:
    files.commit_directory(tmp_path / "new", {"a": b"1", "b": b"2"})

    assert record == ["flush a", "flush b", "flush new*", "rename new", f"flush {tmp_path.name}"]


def test_a_growing_directory_is_flushed_once_at_its_end(tmp_path: Path, record: list[str]) -> None:
    with files.growing_directory(tmp_path / "new") as growing:
        for name in ("x/a", "x/b", "y/c", "d"):
            files.write_part(growing / name, name)
        assert record == []

    assert sorted(record[:4]) == ["flush a", "flush b", "flush c", "flush d"]
    assert sorted(record[4:6]) == ["flush x", "flush y"]
    assert record[6:] == ["flush new*", "rename new", f"flush {tmp_path.name}"]


def test_the_parent_of_every_new_directory_is_flushed(tmp_path: Path, record: list[str]) -> None:
    files.make_directory(tmp_path / "a" / "b" / "c")

    assert sorted(record) == sorted([f"flush {tmp_path.name}", "flush a", "flush b"])


def test_a_rename_and_a_cut_are_flushed(tmp_path: Path, record: list[str]) -> None:
    files.cut_file(tmp_path / "a", 0)
    files.rename_file(tmp_path / "a", tmp_path / "b")

    assert record == ["flush a", f"flush {tmp_path.name}", "rename b", f"flush {tmp_path.name}"]


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.ENOSYS])
def test_where_directories_cannot_be_flushed_the_work_goes_on(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", refuse)

    files.make_directory(tmp_path / "made")
    files.write_file(tmp_path / "a", "1")
    files.commit_directory(tmp_path / "new", {"a": b"1"})
    with files.growing_directory(tmp_path / "grown") as growing:
        files.write_part(growing / "a", "1")

    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "grown", "made", "new"]


def test_a_disk_that_fails_is_not_taken_for_one_that_cannot_flush(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", broken)

    with pytest.raises(WriteError, match="Input/output error"):
        files.make_directory(tmp_path / "made")
    with (
        pytest.raises(WriteError, match="Input/output error"),
        files.growing_directory(tmp_path / "grown") as growing,
    ):
        files.write_part(growing / "a", "1")
    assert not (tmp_path / "grown").exists()


@pytest.mark.parametrize(
    ("free", "told"),
    [
        (1000, "The disk is full (1000 B free, 2.0 MiB needed). Make room"),
        (5 << 30, "5.0 GiB are free, but a quota, or the number of files, is used up. Make room"),
    ],
)
def test_a_full_disk_is_told_with_what_is_free_and_what_it_takes(
    free: int, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=free))

    with pytest.raises(WriteError, match=r"could not write .*new: No space left") as error:
        files.commit_directory(tmp_path / "new", {"a": bytes(2**21), "b": b""})

    assert told in error.value.hint
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [FileExistsError(17, "File exists"), PermissionError(13, "Access denied")])
def test_an_empty_directory_is_taken_where_a_rename_needs_a_free_name(
    error: OSError, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on Windows."""
    rename = os.rename

    def onto_nothing(old: Path, new: Path) -> None:
        if os.path.lexists(new):
            raise error
        rename(old, new)

    monkeypatch.setattr(os, "rename", onto_nothing)
    for name in ("committed", "grown", "full"):
        (tmp_path / name).mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("all of it")

    files.commit_directory(tmp_path / "committed", {"a": b"1"})
    with files.growing_directory(tmp_path / "grown") as growing:
        files.write_part(growing / "a", "1")
    with pytest.raises(WriteError, match="not empty"):
        files.commit_directory(tmp_path / "full", {"a": b"1"})

    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")) == [
        "committed", "committed/a", "full", "full/thesis.tex", "grown", "grown/a",
    ]  # fmt: skip
