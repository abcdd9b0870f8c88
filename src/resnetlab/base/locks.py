"""The right to write into a directory, and how a file is opened in which we write in place.

Beneath files.py, through which everything else comes here.
"""

import contextlib
import errno
import os
import re
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import IO

from resnetlab.base.paths import as_word
from resnetlab.base.units import format_bytes
from resnetlab.errors import LockedError, WriteError

HELD = (errno.EWOULDBLOCK, errno.EACCES, errno.EDEADLK)
"""What the system says if another holds a lock."""

_ENOUGH_BYTES = 2**20  # for what is written in small parts
_LOOK_SECONDS = 0.5
_TRIES, _PAUSE = 5, 0.02  # somebody may be looking whether a lock is free, which takes no time
_BLANK = b" \t\r\n\0"  # zeros are what a power cut may leave of it: nobody waits until it is on the disk
_HOLDER = re.compile(rb"[^\n]{0,200}process \d+[^\n]{0,500}")


@contextlib.contextmanager
def telling(path: Path, action: str, *, needs: int = 0) -> Iterator[None]:
    """Turn an operating system's refusal into a WriteError that names the path and the cause.

    Args:
        path: What is changed.
        action: How, as an infinitive.
        needs: The bytes that it takes on the disk, if they are known.
    """
    try:
        yield
    except OSError as error:
        hint = "Mend that, and do it again."
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            hint = f"{_why_full(path, needs)} Make room, and do it again."
        if run := run_above(path):
            hint += f" `resnetlab resume {as_word(run)}` loses nothing that was saved."
        raise WriteError(f"could not {action} {path}: {error.strerror or error}", hint=hint) from error


def _why_full(path: Path, needs: int) -> str:
    free = shutil.disk_usage(existing_parent(path)).free
    if free > max(needs, _ENOUGH_BYTES):
        return f"{format_bytes(free)} are free, but a quota, or the number of files, is used up."
    return (
        f"The disk is full ({format_bytes(free)} free{f', {format_bytes(needs)} needed' if needs else ''})."
    )


def run_above(path: Path) -> Path | None:
    """Return the run at or above `path`: a directory with a recipe.json."""
    above = (path.absolute(), *path.absolute().parents)
    return next((each for each in above if os.path.isfile(os.path.join(each, "recipe.json"))), None)


def existing_parent(path: Path) -> Path:
    """Return the nearest directory at or above `path` that exists."""
    path = path.absolute()
    while not path.is_dir():
        path = path.parent
    return path


def refuse_unwritable(path: Path) -> None:
    """Raise if a directory cannot be made at `path`, or nothing written into the one there; changes nothing.

    Raises:
        WriteError: If so.
    """
    with telling(path, "write into" if path.is_dir() else "make the directory"):
        there = next(each for each in (path.absolute(), *path.absolute().parents) if each.exists())
        if not there.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, f"{there} is a file")
        if not os.access(there, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, f"nothing can be written into {there}")


def refuse_foreign(path: Path) -> None:
    """Raise if `path` is no plain file with this one name: what is written there would go elsewhere.

    Raises:
        WriteError: If it is a link, a directory, a device, or has a second name (a hard link).
    """
    with telling(path, "open"):
        try:
            facts = path.lstat()
        except FileNotFoundError:
            return
    _refuse_strange(path, facts)


def _refuse_strange(path: Path, facts: os.stat_result) -> None:
    if stat.S_ISLNK(facts.st_mode):
        raise WriteError(
            f"{path} is a link: nothing is written through it, to another file",
            hint="Remove the link, or put the file itself in its place.",
        )
    if not stat.S_ISREG(facts.st_mode):
        raise WriteError(f"{path} is no plain file", hint="Move it away.")
    if facts.st_nlink > 1:
        quoted = as_word(path)
        raise WriteError(
            f"{path} is a hard link: the same file has another name, and would change there too",
            hint=f"Make it a file of its own: cp -p {quoted} {quoted}.own && mv {quoted}.own {quoted}",
        )


def open_own(path: Path, flags: int) -> int:
    """Return a descriptor of a file of ours that is written in place, made if it is not there.

    Raises:
        WriteError: As `refuse_foreign`.
        OSError: If it cannot be opened.
    """
    refuse_foreign(path)
    for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY"):  # in case that it is exchanged just now
        flags |= getattr(os, name, 0)
    descriptor = os.open(path, flags | os.O_CREAT, 0o666)
    try:
        _refuse_strange(path, os.fstat(descriptor))
    except WriteError:
        os.close(descriptor)
        raise
    return descriptor


def open_directory(path: Path) -> int | None:
    """Return a descriptor of a directory; None on Windows, where there are none."""
    return None if os.name == "nt" else os.open(path, os.O_RDONLY)


def close(descriptor: int | None) -> None:
    """Close what `open_directory` returned."""
    if descriptor is not None:
        os.close(descriptor)


def lock(descriptor: int | None, *, shared: bool) -> None:
    """Lock a file or, elsewhere than on Windows, a directory; the kernel frees it at our death.

    Raises:
        OSError: If another has it (one of HELD), or it cannot be locked.
    """
    if descriptor is None:
        return
    if os.name == "nt":
        import msvcrt

        os.lseek(descriptor, 0x7FFFFFFF, os.SEEK_SET)  # far past the text, which stays readable
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    else:
        import fcntl

        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)


class DirectoryLock:
    """The right to write into a directory, held by at most one process.

    The kernel frees the lock when its holder dies, however it dies. What is locked is the directory
    itself, which nobody can remove by mistake, and the file `lock` in it, which says who holds it: for
    systems that do not lock directories (NFS, Windows), and for version 0.1.0. Use as a context manager.

    Raises:
        LockedError: If another process holds it, naming that process.
        WriteError: If `lock` is a link or a file of others.
    """

    def __init__(self, directory: Path, holder: str) -> None:
        self.directory, self.path, self._text = directory, directory / "lock", holder.encode()
        for _ in range(_TRIES):
            self._take()
            if self._is_that_of_the_path():
                break
            self._close()  # somebody removed the file between our opening and our locking it
        else:
            raise WriteError(f"{self.path} is removed again and again", hint="Find out by whom.")
        try:
            self._sign()
        except BaseException:  # a caller may keep the traceback, and go on
            self._close()
            raise

    def _take(self) -> None:
        with telling(self.directory, "open"):
            self._directory = open_directory(self.directory)
        try:
            with contextlib.suppress(WriteError):  # no locks of directories there: the file's is left
                _lock_or_tell(self._directory, self.directory)
            self._stream = self._open_file()
        except BaseException:
            close(self._directory)
            raise

    def _open_file(self) -> IO[bytes]:
        with telling(self.path, "open"):
            stream = os.fdopen(open_own(self.path, os.O_RDWR), "r+b", buffering=0)
            try:
                _lock_or_tell(stream.fileno(), self.directory)
                stream.seek(0)
                if (text := stream.read(1000).strip(_BLANK)) and not _HOLDER.fullmatch(text):
                    raise WriteError(
                        f"{self.path} is no lock of ours: it holds other text",
                        hint="Move it away, or choose another directory.",
                    )
            except BaseException:
                stream.close()
                raise
        return stream

    def _sign(self) -> None:
        with telling(self.path, "write"):
            self._stream.truncate(0)
            self._stream.seek(0)
            self._stream.write(self._text)

    def _is_that_of_the_path(self) -> bool:
        return _is_at(self._stream.fileno(), self.path)

    def check(self) -> None:
        """Raise unless the directory is still ours; a lock file that was removed is made anew.

        Raises:
            WriteError: If the directory was removed or moved away.
            LockedError: If another process has taken it, where directories cannot be locked.
        """
        if self._directory is not None and not _is_at(self._directory, self.directory):
            raise WriteError(
                f"{self.directory} was removed or moved away while it was being written",
                hint="If it was moved, `resnetlab resume` goes on with it where it lies now.",
            )
        if self._is_that_of_the_path():
            return
        stream = self._open_file()
        self._stream.close()
        self._stream = stream
        self._sign()

    def release(self) -> None:
        """Give the directory free."""
        with contextlib.suppress(OSError):
            self._stream.truncate(0)  # so that nobody reads of a holder that is gone
        self._close()

    def _close(self) -> None:
        self._stream.close()
        close(self._directory)
        self._directory = None

    def __enter__(self) -> "DirectoryLock":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def wait_for_lock(directory: Path, holder: str, tell: Callable[[str], None]) -> DirectoryLock:
    """Return the directory's lock, as soon as nobody else has it.

    Args:
        directory: What is locked.
        holder: As whom.
        tell: Is told once who has it, if somebody has.

    Raises:
        WriteError: As `DirectoryLock`.
    """
    told = False
    while True:
        try:
            return DirectoryLock(directory, holder)
        except LockedError as error:
            if not told:
                tell(f"{error.args[0]}: waiting until it has ended")
            told = True
        time.sleep(_LOOK_SECONDS)


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether what is open is what lies at `path`."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except OSError:
        return False


def refuse_locked(directory: Path) -> None:
    """Raise if another process holds the directory's lock; changes nothing.

    Raises:
        LockedError: If so, naming that process.
    """
    with telling(directory, "read"):
        if not directory.is_dir():
            return
        descriptor = open_directory(directory)
        try:
            with contextlib.suppress(WriteError):  # no locks of directories there
                _lock_or_tell(descriptor, directory, shared=True)
        finally:
            close(descriptor)
        path = directory / "lock"
        refuse_foreign(path)
        if path.exists():
            with path.open("rb") as stream:
                _lock_or_tell(stream.fileno(), directory, shared=True)


def holder_of(directory: Path) -> str | None:
    """Return who holds a directory's lock, None if nobody does; changes nothing, and waits for nothing."""
    for path in (directory, directory / "lock"):
        flags = os.O_RDONLY
        for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY"):
            flags |= getattr(os, name, 0)
        try:
            descriptor = os.open(path, flags)
        except OSError:  # Windows opens no directories
            continue
        try:
            lock(descriptor, shared=True)
        except OSError as error:
            if error.errno in HELD:
                return _signed(directory / "lock") or "another process"
        finally:
            os.close(descriptor)
    return None


def _lock_or_tell(descriptor: int | None, directory: Path, *, shared: bool = False) -> None:
    for attempt in range(_TRIES):
        try:
            lock(descriptor, shared=shared)
            return
        except OSError as error:
            if error.errno not in HELD:
                raise WriteError(
                    f"cannot lock {directory}: {error.strerror}",
                    hint="Choose a directory on a file system with locks, e.g. a local disk.",
                ) from error
            if attempt == _TRIES - 1:
                raise LockedError(
                    f"{directory} is in use by {_holder(directory / 'lock')}",
                    hint="Wait until it has ended. A new run can go to another directory with --out.",
                ) from error
        time.sleep(_PAUSE)


def _holder(path: Path) -> str:
    """Return who holds a lock; its holder may need a moment to say so."""
    for _ in range(20):
        if held_by := _signed(path):
            return held_by
        time.sleep(0.05)
    return "another process"


def _signed(path: Path) -> str:
    """Return what a lock's holder has written into its file; "" if that cannot be read."""
    with contextlib.suppress(OSError, WriteError):
        refuse_foreign(path)
        with path.open("rb") as stream:
            return stream.read(1000).decode(errors="replace").strip()
    return ""
