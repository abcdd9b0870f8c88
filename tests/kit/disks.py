"""A disk on which every operation is seen, and may fail: the system's calls, wrapped where Python asks them.

Our own code runs as it is. What is wrapped, for paths below one directory, are the functions of `os` and `io`
that change something; tests/faults/test_lost_writes.py holds what was seen against what really lies there.
"""

import errno
import io
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self


@dataclass(frozen=True)
class Operation:
    """One change of what lies on the disk, or a wait until it does."""

    kind: str
    """create, write, cut, flush, make (a directory), rename, remove or remove-directory; or, afterwards,
    refused: the system did not do it."""

    path: str
    to: str = ""
    """The new name, of a rename."""

    at: int = 0
    """Where it writes, or cuts, in bytes."""

    data: bytes = b""

    def __str__(self) -> str:
        return f"{self.kind} {self.path}" + f" to {self.to}" * bool(self.to)


def broken() -> None:
    """Fail as a disk does that is broken."""
    raise OSError(errno.EIO, os.strerror(errno.EIO))


class Disk:
    """Sees all that is done below a directory while it is entered.

    Args:
        root: The directory.
        at: The operation, counted from 0, in whose place `ends` is called; of a write the first half is
            made before. None: all go well.
        stays: Whether all after it end so too, those that tidy up included: what then lies on the disk is
            what a process leaves that is gone at this operation.
        ends: What happens instead.
        watch: Called before each operation.
    """

    def __init__(
        self,
        root: Path,
        *,
        at: int | None = None,
        stays: bool = False,
        ends: Callable[[], None] = broken,
        watch: Callable[[Operation], None] = lambda operation: None,
    ) -> None:
        self._root = os.path.abspath(root) + os.sep
        self._at, self._stays, self._ends, self._watch = at, stays, ends, watch
        self.operations: list[Operation] = []
        self.fired: list[Operation] = []
        """Those in whose place something else happened."""
        self._is_watching = False

    def __enter__(self) -> Self:
        self._before: dict[tuple[Any, str], Any] = {}
        for module, name in ((os, "open"), (io, "open"), (os, "fsync"), (os, "mkdir"), (os, "unlink")):
            self._wrap(module, name, getattr(self, f"_{module.__name__}_{name}"))
        for name in ("rename", "replace"):
            self._wrap(os, name, self._os_rename)
        self._wrap(os, "rmdir", self._os_rmdir)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for (module, name), function in self._before.items():
            setattr(module, name, function)

    def _wrap(self, module: Any, name: str, wrapper: Callable[..., Any]) -> None:
        really = self._before[module, name] = getattr(module, name)
        setattr(module, name, lambda *values, **more: wrapper(really, *values, **more))

    def do(
        self, operation: Operation, act: Callable[[], Any], half: Callable[[], object] | None = None
    ) -> Any:
        """Perform one operation, or what is to happen in its place."""
        if self._is_watching or not self._is_below(operation.path):
            return act()
        self._is_watching = True
        try:
            self._watch(operation)
        finally:
            self._is_watching = False
        number = len(self.operations)
        self.operations.append(operation)
        if self._at is not None and (number == self._at or (self._stays and number > self._at)):
            self.fired.append(operation)
            if half and number == self._at:
                half()
            self._ends()
        try:
            return act()
        except OSError:
            self.operations[number] = replace(operation, kind="refused")
            raise

    def _is_below(self, path: str) -> bool:
        return (path + os.sep).startswith(self._root)

    # The calls.

    def _os_open(self, really: Any, path: Any, flags: int, *values: Any, **more: Any) -> int:
        def act() -> int:
            return int(really(path, flags, *values, **more))

        if not flags & os.O_CREAT:
            return act()
        return int(self.do(Operation("create", _whole(path)), act))

    def _io_open(self, really: Any, file: Any, mode: str = "r", *values: Any, **more: Any) -> Any:
        if not set(mode) & set("wax+"):
            return really(file, mode, *values, **more)
        path = _of(file) if isinstance(file, int) else _whole(file)

        def act() -> Any:
            return really(file, mode, *values, **more)

        stream = act() if isinstance(file, int) else self.do(Operation("create", path), act)
        return _Stream(self, stream, path, appends="a" in mode) if self._is_below(path) else stream

    def _os_fsync(self, really: Any, descriptor: int) -> None:
        self.do(Operation("flush", _of(descriptor)), lambda: really(descriptor))

    def _os_mkdir(self, really: Any, path: Any, *values: Any, **more: Any) -> None:
        self.do(Operation("make", _whole(path)), lambda: really(path, *values, **more))

    def _os_rename(self, really: Any, path: Any, to: Any, **more: Any) -> None:
        self.do(Operation("rename", _whole(path), _whole(to)), lambda: really(path, to, **more))

    def _os_unlink(self, really: Any, path: Any, *, dir_fd: int | None = None) -> None:
        self.do(Operation("remove", _whole(path, dir_fd)), lambda: really(path, dir_fd=dir_fd))

    def _os_rmdir(self, really: Any, path: Any, *, dir_fd: int | None = None) -> None:
        self.do(Operation("remove-directory", _whole(path, dir_fd)), lambda: really(path, dir_fd=dir_fd))


class _Stream:
    """A file that is open for writing; what is written is with the system at once."""

    def __init__(self, disk: Disk, stream: Any, path: str, *, appends: bool) -> None:
        self._disk, self._stream, self._path, self._appends = disk, stream, path, appends

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def _write(self, data: bytes) -> int:
        written = int(self._stream.write(data))
        self._stream.flush()
        return written

    def write(self, data: bytes) -> int:
        at = os.fstat(self._stream.fileno()).st_size if self._appends else self._stream.tell()
        operation = Operation("write", _of(self._stream.fileno()), at=at, data=bytes(data))
        half = bytes(data[: len(data) // 2])
        return int(self._disk.do(operation, lambda: self._write(data), lambda: self._write(half)))

    def writelines(self, lines: Iterable[bytes]) -> None:
        for line in lines:
            self.write(line)

    def truncate(self, size: int | None = None) -> Any:
        at = self._stream.tell() if size is None else size
        operation = Operation("cut", _of(self._stream.fileno()), at=at)
        return self._disk.do(operation, lambda: self._stream.truncate(at))


def _of(descriptor: int) -> str:
    return os.readlink(f"/proc/self/fd/{descriptor}")


def _whole(path: Any, directory: int | None = None) -> str:
    above = "" if directory is None else _of(directory)
    return os.path.abspath(os.path.join(above, os.fsdecode(path)))
