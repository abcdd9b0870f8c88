"""A parser of bytes from outside: whole inputs for it, what changes them, and how it is called."""

import random
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from resnetlab.errors import ResnetlabError
from tests.fuzz.mutations import Change, of_bytes, of_json, of_text
from tests.kit.outside import READERS

MOST_BYTES = 1 << 22
"""Of an input."""


@dataclass(frozen=True)
class Opened:
    """A parser, ready."""

    seeds: Sequence[bytes]
    """Whole inputs, which it reads."""
    call: Callable[[bytes], object]
    """Gives it an input."""
    change: Change


@dataclass(frozen=True, kw_only=True)
class Target:
    """A parser of bytes from outside."""

    make: Callable[[Path], Sequence[bytes]]
    """Makes whole inputs, and in this folder what else there has to be."""
    call: Callable[[bytes, Path], object]
    """Gives it an input; the folder is that of `make`."""
    kind: str = "bytes"
    """Or text, json, lines (of JSON), by which it is changed."""
    tokens: Sequence[str | bytes] = ()
    """Pieces that mean something to it."""
    allowed: tuple[type[BaseException], ...] = (ResnetlabError,)
    """What it may raise."""
    fit: Callable[[bytes], bytes] | None = None
    """Makes sums and lengths within an input right, as a share of the changed ones have them."""
    change: Callable[[Sequence[bytes]], Change] | None = None
    """Given the whole inputs, makes what changes them, if not its kind does."""
    most_growth: int = 256 << 20
    """Bytes of memory that it may take."""
    is_guarded: bool = False
    """The product calls it in a process whose time and memory have limits, so neither is a finding here."""

    def open(self, folder: Path) -> Opened:
        """Make its inputs, and see that it reads them."""
        seeds = [*self.make(folder)]
        for seed in seeds:
            self.call(seed, folder)
        return Opened(seeds, lambda content: self.call(content, folder), self._change(seeds))

    def _change(self, seeds: Sequence[bytes]) -> Change:
        words = [each if isinstance(each, str) else each.decode("latin-1") for each in self.tokens]
        if self.change is not None:
            plain = self.change(seeds)
        elif self.kind in ("json", "lines"):
            plain = of_json(seeds[0], are_lines=self.kind == "lines", tokens=words)
        elif self.kind == "text":
            plain = of_text(words, seeds)
        else:
            plain = of_bytes(
                [each.encode() if isinstance(each, str) else each for each in self.tokens], seeds
            )
        return fitted(plain, self.fit) if self.fit else plain


_FITTED = 0.7


def fitted(change: Change, fit: Callable[[bytes], bytes], share: float = _FITTED) -> Change:
    """Return a change after which sums are right in a share of what it made, where there is what to fit."""

    def both(content: bytes, rng: random.Random) -> bytes:
        changed = change(content, rng)
        return fit(changed) if rng.random() < share else changed

    return both


@dataclass(frozen=True)
class Packed:
    """Inputs that are archives: their members are changed and packed, or the archive as it is."""

    pack: Callable[[Mapping[str, bytes]], bytes]
    members: Mapping[str, bytes]
    changes: Mapping[str, Change] = field(default_factory=dict)
    """Of members, if not as bytes."""
    raw: float = 0.3
    """The share that is changed as it is."""
    tokens: Sequence[bytes] = ()
    favoured: str = ""
    """The member that half of the changes are of."""

    def __call__(self, seeds: Sequence[bytes]) -> Change:
        """Return what changes the archive."""
        as_it_is = of_bytes(self.tokens, seeds)
        plain = of_bytes(self.tokens, [*self.members.values()])
        names = [*self.members]

        def change(content: bytes, rng: random.Random) -> bytes:
            if rng.random() < self.raw:
                return as_it_is(content, rng)
            members = dict(self.members)
            name = self.favoured if self.favoured and rng.random() < 0.5 else rng.choice(names)
            kind = rng.randrange(20)
            if kind == 0:
                del members[name]
            elif kind == 1:
                members[rng.choice((f"{name}x", f"../{name}", f"a/{name}", name.swapcase()))] = members.pop(
                    name
                )
            elif kind == 2:
                members[rng.choice(names)] = members[name]
            else:
                members[name] = self.changes.get(name, plain)(members[name], rng)
            return self.pack(members)

        return change


def in_a_file(name: str, read: Callable[[Path], object]) -> Callable[[bytes, Path], object]:
    """Return what writes an input into a file, and has it read; given the file's path."""

    def call(content: bytes, folder: Path) -> object:
        path = folder / name
        path.write_bytes(content)
        return read(path)

    return call


def in_a_folder(name: str, read: Callable[[Path], object]) -> Callable[[bytes, Path], object]:
    """Return what writes an input into a file of the folder, and has the folder read."""

    def call(content: bytes, folder: Path) -> object:
        (folder / name).write_bytes(content)
        return read(folder)

    return call


def of_reader(name: str, *, writes: bool = False, **more: Any) -> Target:
    """Return the target that is a reader of the kit, of which it has its file, whole and damaged.

    Args:
        name: The reader's.
        writes: Whether it changes what it reads, so that each time there has to be a copy.
        more: What the target has beside it.
    """
    reader = READERS[name]

    def make(folder: Path) -> Sequence[bytes]:
        reader.make(folder)
        reader.fit(folder)
        return [(folder / reader.file).read_bytes()]

    def call(content: bytes, folder: Path) -> object:
        if writes:
            folder = _copied(folder)
        (folder / reader.file).write_bytes(content)
        reader.fit(folder)
        return reader.read(folder)

    return Target(**{"make": make, "call": call, "kind": reader.kind} | more)


def _copied(folder: Path) -> Path:
    copy = folder.with_name(f"{folder.name}-copy")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(folder, copy)
    return copy
