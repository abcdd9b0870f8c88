"""What a disk may hold after a power cut: of what was done, all or part of what nobody waited for is lost.

The model is POSIX's, which promises least: the content of a file is kept by an fsync of the file, a name by
one of its directory, in whatever order both were made.
"""

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from tests.kit.disks import Operation


@dataclass
class File:
    """A file's content, and as much of it as is on the disk."""

    now: bytes = b""
    kept: bytes = b""


@dataclass
class Directory:
    """A directory's names, and those that are on the disk."""

    now: "dict[str, Node]" = field(default_factory=dict)
    kept: "dict[str, Node]" = field(default_factory=dict)


Node = File | Directory
Tree = dict[str, bytes | None]
"""The content of files by their paths; directories have None."""

Loss = tuple[Callable[[], str], Callable[[], str]]
"""What is left of a directory: its names "now" or "kept"; of a file: "now", "kept", or with "zeros"."""


def losses(rng: random.Random) -> dict[str, Loss]:
    """Return the ways to lose: four worst cases, and each node in a way of its own."""
    return {
        "all that was not waited for": (lambda: "kept", lambda: "kept"),
        "contents, not names": (lambda: "now", lambda: "kept"),
        "contents, zeros in their place": (lambda: "now", lambda: "zeros"),
        "names, not contents": (lambda: "kept", lambda: "now"),
        "anything": (lambda: rng.choice(["now", "kept"]), lambda: rng.choice(["now", "kept", "zeros"])),
    }


class Replay:
    """A directory to which recorded operations are done again, in memory.

    Args:
        root: The directory; it is empty at first, and on the disk.
        ignores: Flushes that are passed over, as on a disk that lies.
    """

    def __init__(self, root: Path, ignores: Callable[[Operation], bool] = lambda operation: False) -> None:
        self._root, self._ignores = root, ignores
        self._top = Directory()

    def do(self, operation: Operation) -> None:
        """Do one operation."""
        if operation.kind == "refused":
            return
        above, name = self._place(operation.path)
        match operation.kind:
            case "create":
                above.now.setdefault(name, File())
            case "make":
                above.now[name] = Directory()
            case "rename":
                target, new = self._place(operation.to)
                target.now[new] = above.now.pop(name)
            case "remove" | "remove-directory":
                above.now.pop(name, None)
            case "flush":
                if not self._ignores(operation):
                    node = self._node(operation.path)
                    node.kept = node.now if isinstance(node, File) else {**node.now}
            case "cut" | "write":
                file = above.now[name]
                assert isinstance(file, File)
                rest = file.now[operation.at + len(operation.data) :] if operation.kind == "write" else b""
                file.now = file.now[: operation.at].ljust(operation.at, b"\0") + operation.data + rest

    def _node(self, path: str) -> Node:
        node: Node = self._top
        for part in PurePath(path).relative_to(self._root).parts:
            assert isinstance(node, Directory)
            node = node.now[part]
        return node

    def _place(self, path: str) -> tuple[Directory, str]:
        if PurePath(path) == self._root:  # whose own name is no matter here
            return Directory(), ""
        above = self._node(str(PurePath(path).parent))
        assert isinstance(above, Directory)
        return above, PurePath(path).name

    def after(self, loss: Loss) -> Tree:
        """Return what lies there after a power cut."""
        return dict(_left(self._top, "", loss))


def _left(directory: Directory, path: str, loss: Loss) -> Iterable[tuple[str, bytes | None]]:
    of_directory, of_file = loss
    for name, node in sorted((directory.now if of_directory() == "now" else directory.kept).items()):
        inner = f"{path}/{name}".lstrip("/")
        if isinstance(node, Directory):
            yield inner, None
            yield from _left(node, inner, loss)
            continue
        match of_file():
            case "now":
                yield inner, node.now
            case "kept":
                yield inner, node.kept
            case _:
                same = next(
                    (n for n, (a, b) in enumerate(zip(node.now, node.kept, strict=False)) if a != b),
                    min(len(node.now), len(node.kept)),
                )
                yield inner, node.now[:same] + bytes(len(node.now) - same)


def put(tree: Tree, folder: Path) -> None:
    """Make a tree on the real disk, below a new folder."""
    folder.mkdir()
    for path, content in tree.items():
        if content is None:
            (folder / path).mkdir()
        else:
            (folder / path).write_bytes(content)


def held(folder: Path) -> Tree:
    """Return what really lies below a folder."""
    return {
        str(path.relative_to(folder)): None if path.is_dir() else path.read_bytes()
        for path in sorted(folder.rglob("*"))
    }
