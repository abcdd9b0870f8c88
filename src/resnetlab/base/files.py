"""All our own writing. What is committed here survives a crash at any moment.

A file is written under a temporary name, flushed to the disk, renamed, and its directory flushed;
a directory is committed the same way, with one rename. Nothing else in the package opens a path
for writing (locks.py below does so for this file), so that a fault can be injected, and every failure
told, in one place.

Temporary names carry a mark of ours, `.resnetlab-PROCESS-MACHINE-NAME`, and only what has it in full
is ever cleaned away. What is written in place (journals, locks, downloads) is never written through a
link: it would be another file that grows, or is cut.
"""

import contextlib
import errno
import hashlib
import os
import platform
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from resnetlab.base.locks import HELD, close, lock, open_directory, open_own, telling
from resnetlab.base.locks import DirectoryLock as DirectoryLock
from resnetlab.base.locks import existing_parent as existing_parent
from resnetlab.base.locks import refuse_foreign as refuse_foreign
from resnetlab.base.locks import refuse_locked as refuse_locked
from resnetlab.base.locks import refuse_unwritable as refuse_unwritable
from resnetlab.base.locks import run_above as run_above
from resnetlab.base.locks import wait_for_lock as wait_for_lock
from resnetlab.errors import WriteError

_MARK = re.compile(r"\.resnetlab-(\d+)-([0-9a-f]{8})-(.+)", re.DOTALL)
_MACHINE = hashlib.sha256(platform.node().encode()).hexdigest()[:8]
_LONGEST_NAME = 200  # bytes of a name within a temporary one: file systems allow 255
_FLUSHED_AT_ONCE = 16
_WITHOUT_FLUSH = (errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)


@dataclass(frozen=True)
class Former:
    """Temporary names of version 0.1.0, which carry no mark: surely ours only with what they hold."""

    name: re.Pattern[str]
    holds: re.Pattern[str] | None = None
    """The names of the files in such a directory, of which it has no others; None: it is a plain file."""


def temporary_path(path: Path) -> Path:
    """Return the name beside `path` under which this process writes what becomes `path`."""
    return path.with_name(f".resnetlab-{os.getpid()}-{_MACHINE}-{_shortened(path.name)}")


def _shortened(name: str) -> str:
    while len(os.fsencode(name)) > _LONGEST_NAME:
        name = name[:-1]
    return name


def _flush_directory(path: Path) -> None:
    if os.name == "nt":  # directories cannot be opened there; the rename itself is journalled
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _WITHOUT_FLUSH:  # some network file systems cannot, and need not
            raise
    finally:
        os.close(descriptor)


def flush_directory(path: Path) -> None:
    """Wait until the names in a directory are on the disk."""
    with telling(path, "write"):
        _flush_directory(path)


def _flush_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _flush_tree(directory: Path) -> None:
    """Wait until all in a directory is on the disk.

    Several files at a time: the file system then commits them together. 300 files of 100 kB take
    0.3 s in place of the 1.1 s of one after another, and no other program's data is waited for, as
    `os.sync` would.
    """
    folders = [(Path(folder), names) for folder, _, names in os.walk(directory)]
    paths = [folder / name for folder, names in folders for name in names]
    with ThreadPoolExecutor(_FLUSHED_AT_ONCE) as pool:
        for _ in pool.map(_flush_file, paths):
            pass
    for folder, _ in reversed(folders):
        _flush_directory(folder)


def refuse_links(path: Path, within: Path) -> None:
    """Raise if a link between `within`, a directory of ours, and `path` leads elsewhere.

    Raises:
        WriteError: If so.
    """
    parts = path.relative_to(within).parts
    for count in range(1, len(parts) + 1):
        if (above := within.joinpath(*parts[:count])).is_symlink():
            raise WriteError(
                f"{above} is a link: nothing is written outside {within} through it",
                hint="Remove the link, or put the directory itself in its place.",
            )


def make_directory(path: Path, *, within: Path | None = None) -> None:
    """Make the directory and those above it, if they are not there.

    Args:
        path: The directory.
        within: The directory of ours that it lies in: no link between them leads elsewhere.

    Raises:
        WriteError: If it cannot be made, or a link within `within` leads to it.
    """
    if within is not None:
        refuse_links(path, within)
    with telling(path, "make the directory"):
        missing = [p for p in (path, *path.parents) if not p.exists()]
        path.mkdir(parents=True, exist_ok=True)
        for made in missing:
            _flush_directory(made.parent)


def _write_new(path: Path, content: bytes | Iterable[bytes], *, flushes: bool = True) -> None:
    with path.open("xb") as stream:
        stream.writelines([content] if isinstance(content, bytes) else content)
        if flushes:
            stream.flush()
            os.fsync(stream.fileno())


def _clear(temporary: Path) -> None:
    """Remove what lies under a temporary name of this process: an earlier one had the same number."""
    if temporary.is_dir() and not temporary.is_symlink():
        shutil.rmtree(temporary)
    else:
        temporary.unlink(missing_ok=True)


def _give_name(temporary: Path, path: Path) -> None:
    """Rename a directory to what may be an empty one, which on Windows has to go first."""
    try:
        temporary.rename(path)
    except (FileExistsError, PermissionError):
        if not path.is_dir():
            raise
        path.rmdir()  # refused unless it is empty
        temporary.rename(path)
    _flush_directory(path.parent)


def _bytes(content: bytes | str) -> bytes:
    """Return a file's content; a text's names that are no UTF-8, as files may have, in their own bytes."""
    if not isinstance(content, str):
        return content
    try:
        return content.encode(errors="surrogateescape")
    except UnicodeEncodeError:  # half of a letter, which JSON can hold, and no name of a file
        whole = (ascii(letter)[1:-1] if _is_half(letter) else letter for letter in content)
        return "".join(whole).encode(errors="surrogateescape")


def _is_half(letter: str) -> bool:
    return "\ud800" <= letter < "\udc80" or "\udcff" < letter <= "\udfff"


def write_file(path: Path, content: bytes | str | Iterable[bytes]) -> None:
    """Replace `path` by `content` whole or not at all; the file's mode follows the umask.

    What is too large for the memory comes in pieces; what their iterator raises is raised. A link at `path`
    is replaced, and what it leads to stays as it is.
    """
    temporary = temporary_path(path)
    with telling(path, "write", needs=len(content) if isinstance(content, bytes | str) else 0):
        try:
            _clear(temporary)
            _write_new(temporary, _bytes(content) if isinstance(content, bytes | str) else content)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        _flush_directory(path.parent)


def try_writing(path: Path) -> None:
    """Raise unless a file can be written at `path`; what is there stays as it is.

    Raises:
        WriteError: If not.
    """
    temporary = temporary_path(path)
    with telling(path, "write"):
        _clear(temporary)
        _write_new(temporary, b"")
        temporary.unlink()


def write_part(path: Path, content: bytes | str | Iterable[bytes]) -> None:
    """Write a new file, and the directories above it, within a `growing_directory`, which flushes it.

    What is too large for the memory comes in pieces; what their iterator raises is raised.
    """
    with telling(path, "write"):
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_new(path, _bytes(content) if isinstance(content, bytes | str) else content, flushes=False)


def commit_directory(path: Path, contents: Mapping[str, bytes]) -> None:
    """Make the directory `path` with these files, whole or not at all.

    The files are written in the mapping's order under a temporary name beside `path`, which one
    rename commits. `path` may be an empty directory.

    Raises:
        WriteError: If anything could not be written; nothing is left behind then.
    """
    temporary = temporary_path(path)
    with telling(path, "write", needs=sum(map(len, contents.values()))):
        try:
            _clear(temporary)
            temporary.mkdir()
            for name, content in contents.items():
                _write_new(temporary / name, content)
            _flush_directory(temporary)
            _give_name(temporary, path)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise


@contextlib.contextmanager
def growing_directory(path: Path) -> Iterator[Path]:
    """Give a directory to fill by `write_part`, which is flushed and becomes `path` at the end, or goes.

    `path` may be an empty directory. What killed processes left that made the same is removed.

    Raises:
        WriteError: If it cannot be made, flushed or renamed.
    """
    growing = temporary_path(path)
    try:
        make_directory(path.parent)
        remove_leftovers(path.parent, of=path.name)
        with telling(path, "write"):
            _clear(growing)
            growing.mkdir()
        with _in_use(growing):
            yield growing
        with telling(path, "write"):
            _flush_tree(growing)
            _give_name(growing, path)
    except BaseException:
        shutil.rmtree(growing, ignore_errors=True)
        raise


@contextlib.contextmanager
def _in_use(directory: Path) -> Iterator[None]:
    """Lock a growing directory, where that can be done, so that nobody takes it for a leftover."""
    with telling(directory, "open"):
        descriptor = open_directory(directory)
    try:
        with contextlib.suppress(OSError):
            lock(descriptor, shared=False)
        yield
    finally:
        close(descriptor)


def remove_directory(path: Path) -> None:
    """Remove a directory and all in it, first renaming it so that a half-removed one is not seen."""
    with telling(path, "remove"):
        doomed = temporary_path(path)
        path.rename(doomed)
        shutil.rmtree(doomed)


def remove_leftovers(
    directory: Path, *, of: str = "", is_held: bool = False, former: Former | None = None
) -> list[str]:
    """Remove what killed processes of ours left unfinished in `directory`; return what could not be.

    Only what has our mark in full goes, as a plain file or a directory, and nothing where `directory`
    is itself a link: what it leads to may belong to many.

    Args:
        directory: Where to look.
        of: Only leftovers of what would have had this name.
        is_held: Whether the caller holds the directory's lock, so that nobody else is writing there;
            if not, only the leftovers of this machine's dead processes go.
        former: Names without the mark that are ours too; only with `is_held`.
    """
    problems: list[str] = []
    if directory.is_symlink():
        return problems
    try:
        entries = [entry for entry in os.scandir(directory) if entry.name.startswith(".")]
    except OSError:  # not there, or not to be read: what is done there next will tell
        return problems
    for entry in entries:
        try:
            if _is_leftover(entry, of, is_held=is_held) or (is_held and former and _is_former(entry, former)):
                _clear(Path(entry.path))
        except OSError as error:
            problems.append(f"A leftover could not be removed: {entry.path}: {error.strerror or error}")
    return problems


def _is_leftover(entry: "os.DirEntry[str]", of: str, *, is_held: bool) -> bool:
    match = _MARK.fullmatch(entry.name)
    is_ours = entry.is_file(follow_symlinks=False) or entry.is_dir(follow_symlinks=False)
    if match is None or not is_ours or (of and match[3] != _shortened(of)):
        return False
    return is_held or (match[2] == _MACHINE and _is_gone(int(match[1])) and not _is_in_use(entry))


def _is_former(entry: "os.DirEntry[str]", former: Former) -> bool:
    if not former.name.fullmatch(entry.name):
        return False
    if former.holds is None:
        return entry.is_file(follow_symlinks=False)
    return entry.is_dir(follow_symlinks=False) and all(
        former.holds.fullmatch(each.name) and each.is_file(follow_symlinks=False)
        for each in os.scandir(entry.path)
    )


def _is_gone(process: int) -> bool:
    """Whether no process of this machine has that number; False where it cannot be known."""
    if os.name == "nt" or process == os.getpid():  # there, os.kill(..., 0) is no question
        return False
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return True
    except OSError:
        return False
    return False


def _is_in_use(entry: "os.DirEntry[str]") -> bool:
    """Whether a process that cannot be seen from here, in another container, is filling a directory."""
    if not entry.is_dir(follow_symlinks=False):
        return False
    descriptor = open_directory(Path(entry.path))
    try:
        lock(descriptor, shared=True)
    except OSError as error:
        return error.errno in HELD
    finally:
        close(descriptor)
    return False


def cut_file(path: Path, length: int) -> None:
    """Cut the file back to its first `length` bytes; a missing file becomes an empty one."""
    with telling(path, "cut back"):
        with os.fdopen(open_own(path, os.O_WRONLY | os.O_APPEND), "ab") as stream:
            stream.truncate(length)
            stream.flush()
            os.fsync(stream.fileno())
        _flush_directory(path.parent)


def rename_file(path: Path, new_path: Path) -> None:
    """Give a complete file its final name."""
    with telling(new_path, "write"):
        path.replace(new_path)
        _flush_directory(new_path.parent)


def remove_file(path: Path) -> None:
    """Remove the file, if it is there."""
    with telling(path, "remove"):
        path.unlink(missing_ok=True)


class Appender:
    """A file that grows by whole records. `length` is its size in bytes.

    Records reach the operating system at once (a killed process loses none) and the disk with
    `flush` (a lost machine loses none written before it).
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with telling(path, "open"):
            descriptor = open_own(path, os.O_WRONLY | os.O_APPEND)
            self._stream: IO[bytes] = os.fdopen(descriptor, "ab", buffering=0)
        self.length, self._is_torn = self._stream.tell(), False

    def write(self, record: bytes) -> int:
        """Append one record; after an error, in the place of what may be there of the last one."""
        with telling(self.path, "write"):
            if self._is_torn:
                self._stream.truncate(self.length)
            written, self._is_torn = 0, True
            while written < len(record):
                written += self._stream.write(record[written:])
        self._is_torn = False
        self.length += len(record)
        return len(record)

    def flush(self) -> None:
        """Wait until all records are on the disk."""
        with telling(self.path, "write"):
            os.fsync(self._stream.fileno())

    def close(self) -> None:
        """Close the file."""
        self._stream.close()


@contextlib.contextmanager
def doing(action: str, hint: str) -> Iterator[None]:
    """Begin the WriteErrors of what is done inside with the action, and give them its hint.

    Args:
        action: What is done, e.g. "packing into copy".
        hint: What to do once there is room, or the right to write.
    """
    try:
        yield
    except WriteError as error:
        raise WriteError(f"{action}: {error.args[0]}", hint=hint) from error


def remark(text: str) -> None:
    """Say on standard error why nothing goes on."""
    from rich.console import Console

    Console(stderr=True).print(f"resnetlab: {text}", markup=False, highlight=False, soft_wrap=True)
