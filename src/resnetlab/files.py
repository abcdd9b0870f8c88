"""All our own writing. What is committed here survives a crash at any moment.

A file is written under a temporary name, flushed to the disk, renamed, and its directory flushed;
a directory is committed the same way, with one rename. Nothing else in the package opens a path
for writing, so that a fault can be injected, and every failure told, in one place.
"""

import contextlib
import errno
import os
import shlex
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO

from resnetlab.errors import LockedError, WriteError
from resnetlab.units import format_bytes


@contextlib.contextmanager
def _telling(path: Path, action: str) -> Iterator[None]:
    """Turn an operating system's refusal into a WriteError that names the path and the cause."""
    try:
        yield
    except OSError as error:
        hint = "Mend that, and do it again."
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            free = format_bytes(shutil.disk_usage(existing_parent(path)).free)
            hint = f"The disk is full ({free} free). Make room, and do it again."
        if run := _run_above(path):
            hint += f" `resnetlab resume {shlex.quote(str(run))}` loses nothing that was saved."
        raise WriteError(f"could not {action} {path}: {error.strerror or error}", hint=hint) from error


def _run_above(path: Path) -> Path | None:
    """Return the run at or above `path`: a directory with a recipe.json."""
    above = (path.absolute(), *path.absolute().parents)
    return next((each for each in above if os.path.isfile(os.path.join(each, "recipe.json"))), None)


def existing_parent(path: Path) -> Path:
    """Return the nearest directory at or above `path` that exists."""
    path = path.absolute()
    while not path.is_dir():
        path = path.parent
    return path


def _flush_directory(path: Path) -> None:
    if os.name == "nt":  # directories cannot be opened there; the rename itself is journalled
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_directory(path: Path) -> None:
    """Make the directory and those above it, if they are not there."""
    with _telling(path, "make the directory"):
        missing = [p for p in (path, *path.parents) if not p.exists()]
        path.mkdir(parents=True, exist_ok=True)
        for made in missing:
            _flush_directory(made.parent)


def _write_flushed(path: Path, content: bytes) -> None:
    with path.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def write_file(path: Path, content: bytes | str) -> None:
    """Replace `path` by `content` whole or not at all; the file's mode follows the umask."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with _telling(path, "write"):
        try:
            _write_flushed(temporary, content.encode() if isinstance(content, str) else content)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        _flush_directory(path.parent)


def commit_directory(path: Path, contents: Mapping[str, bytes]) -> None:
    """Make the directory `path` with these files, whole or not at all.

    The files are written in the mapping's order into `.NAME.PID`, which one rename commits.
    A leftover of an earlier, killed attempt is removed first.

    Raises:
        WriteError: If anything could not be written; nothing is left behind then.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with _telling(path, "write"):
        try:
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.mkdir(parents=True)
            for name, content in contents.items():
                _write_flushed(temporary / name, content)
            _flush_directory(temporary)
            temporary.rename(path)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        _flush_directory(path.parent)


@contextlib.contextmanager
def growing_directory(path: Path) -> Iterator[Path]:
    """Give a directory to fill file by file, `.NAME.PID`, which becomes `path` at the end, or goes.

    `path` may be an empty directory. A leftover of a killed process with the same number is removed.

    Raises:
        WriteError: If it cannot be made or renamed.
    """
    growing = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        if growing.exists():
            remove_directory(growing)
        make_directory(growing)
        yield growing
        rename_file(growing, path)
    except BaseException:
        with contextlib.suppress(WriteError):
            remove_directory(growing)
        raise


def remove_directory(path: Path) -> None:
    """Remove a directory and all in it, first renaming it so that a half-removed one is not seen."""
    with _telling(path, "remove"):
        doomed = path.with_name(f".{path.name.lstrip('.')}.removed")
        path.rename(doomed)
        shutil.rmtree(doomed)


def remove_leftovers(directory: Path) -> None:
    """Remove what killed processes left under temporary (dotted) names in `directory`.

    Only for a directory whose lock the caller holds: nobody else can be writing there.
    """
    with _telling(directory, "clean up"):
        for path in directory.iterdir():
            if path.name.startswith("."):
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink()


def cut_file(path: Path, length: int) -> None:
    """Cut the file back to its first `length` bytes; a missing file becomes an empty one."""
    with _telling(path, "cut back"):
        with path.open("ab") as stream:
            stream.truncate(length)
            stream.flush()
            os.fsync(stream.fileno())
        _flush_directory(path.parent)


def rename_file(path: Path, new_path: Path) -> None:
    """Give a complete file its final name."""
    with _telling(new_path, "write"):
        path.replace(new_path)
        _flush_directory(new_path.parent)


def remove_file(path: Path) -> None:
    """Remove the file, if it is there."""
    with _telling(path, "remove"):
        path.unlink(missing_ok=True)


class Appender:
    """A file that grows by whole records. `length` is its size in bytes.

    Records reach the operating system at once (a killed process loses none) and the disk with
    `flush` (a lost machine loses none written before it).
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with _telling(path, "open"):
            self._stream: IO[bytes] = path.open("ab", buffering=0)
        self.length = self._stream.tell()

    def write(self, record: bytes) -> int:
        """Append one record."""
        with _telling(self.path, "write"):
            written = 0
            while written < len(record):
                written += self._stream.write(record[written:])
        self.length += len(record)
        return len(record)

    def flush(self) -> None:
        """Wait until all records are on the disk."""
        with _telling(self.path, "write"):
            os.fsync(self._stream.fileno())

    def close(self) -> None:
        """Close the file."""
        self._stream.close()


class DirectoryLock:
    """The right to write into a directory, held by at most one process.

    The kernel frees the lock when its holder dies, however it dies. The file `lock` says who holds
    it. Use as a context manager.

    Raises:
        LockedError: If another process holds it, naming that process.
    """

    def __init__(self, directory: Path, holder: str) -> None:
        self.path = directory / "lock"
        with _telling(self.path, "open"):
            self._stream = self.path.open("a+b")
        try:
            _lock_or_tell(self._stream, directory)
        except LockedError:
            self._stream.close()
            raise
        with _telling(self.path, "write"):
            self._stream.truncate(0)
            self._stream.write(holder.encode())
            self._stream.flush()

    def release(self) -> None:
        """Give the directory free."""
        with contextlib.suppress(OSError):
            self._stream.truncate(0)  # so that nobody reads of a holder that is gone
        self._stream.close()

    def __enter__(self) -> "DirectoryLock":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def refuse_locked(directory: Path) -> None:
    """Raise if another process holds the directory's lock; changes nothing.

    Raises:
        LockedError: If so, naming that process.
    """
    path = directory / "lock"
    if path.exists():
        with _telling(path, "read"), path.open("rb") as stream:
            _lock_or_tell(stream, directory, shared=True)


def _lock_or_tell(stream: IO[bytes], directory: Path, *, shared: bool = False) -> None:
    try:
        _lock(stream, shared=shared)
    except OSError as error:
        if error.errno not in (errno.EWOULDBLOCK, errno.EACCES, errno.EDEADLK):
            raise WriteError(
                f"cannot lock {directory}: {error.strerror}",
                hint="Choose a directory on a file system with locks, e.g. a local disk.",
            ) from error
        raise LockedError(
            f"{directory} is in use by {_holder(stream)}",
            hint="Wait until it has ended. A new run can go to another directory with --out.",
        ) from error


def _holder(stream: IO[bytes]) -> str:
    """Return who holds a lock; its holder may need a moment to say so."""
    for _ in range(20):
        stream.seek(0)
        if held_by := stream.read().decode(errors="replace").strip():
            return held_by
        time.sleep(0.05)
    return "another process"


def _lock(stream: IO[bytes], *, shared: bool) -> None:
    if os.name == "nt":
        import msvcrt

        stream.seek(0x7FFFFFFF)  # a byte far past the text, so that the text stays readable
        msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    else:
        import fcntl

        fcntl.flock(stream, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
