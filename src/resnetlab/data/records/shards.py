"""Files like train-00003-of-01024 or photos-000017.tar: finding them, and what is missing of them."""

import glob
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from resnetlab.base.units import first_of
from resnetlab.data.sources.parts import parts_of, sayer_of
from resnetlab.errors import DataError

_BRACES = re.compile(r"\{(?:(?P<first>\d+)\.\.(?P<last>\d+)|(?P<words>[^{}]*,[^{}]*))\}")


class Shards(NamedTuple):
    """Shards that lie below one folder."""

    root: Path
    names: list[str]
    """Their paths below it, sorted."""
    notes: list[str]
    """What lies there and is not read."""


def find_shards(pattern: Path, suffix: re.Pattern[str]) -> Shards:
    """Return the shards that a user means.

    Where one lies packed beside itself, as gunzip --keep leaves it, the packed one is not read.

    Args:
        pattern: A file, a folder (searched two levels deep), or a pattern with *, ?, [...] and
            {000..127}.
        suffix: What a shard's name must match.

    Raises:
        DataError: If there are none, or one that the braces promise is missing.
    """
    text = str(pattern)
    if pattern.is_dir():
        inside = sorted([*pattern.iterdir(), *pattern.glob("*/*")])
        found = [path for path in inside if suffix.search(path.name) and not path.name.startswith(".")]
        root = pattern
    else:
        expanded = _expand(text)
        found = sorted({Path(path) for each in expanded for path in _matches(each)})
        if len(expanded) > 1 and (missing := [each for each in expanded if not _matches(each)]):
            raise DataError(f"{pattern}: {len(missing)} of {len(expanded)} are missing: {first_of(missing)}")
        found = [path for path in found if suffix.search(path.name)]
        root = Path(os.path.commonpath([path.parent for path in found])) if found else pattern
    every = [path.relative_to(root).as_posix() for path in found if path.is_file()]
    if not every:
        raise DataError(f"{pattern}: no shards there")
    there = set(every)
    copies = {name for name in every if _unpacked_name(name) in there}
    note = f"packed copies of shards that lie beside them, not read: {first_of(sorted(copies))}"
    return Shards(root, [name for name in every if name not in copies], [note] if copies else [])


def _unpacked_name(name: str) -> str:
    """Return what a packed shard is called when it is unpacked; nothing if it is not packed."""
    if name.endswith(".tgz"):
        return f"{name.removesuffix('.tgz')}.tar"
    return name.removesuffix(".gz") if name.endswith(".gz") else ""


def is_pattern(path: Path) -> bool:
    """Return whether a path, which may have signs of a pattern in its name, is not there as it stands."""
    return any(sign in str(path) for sign in "*?[{") and not path.exists()


def _matches(text: str) -> list[str]:
    """Return what a pattern matches; the folders above its first sign are meant as they are called."""
    path = Path(text)
    if path.exists():
        return [text]
    head = next((folder for folder in path.parents if folder.is_dir()), Path())
    return glob.glob(os.path.join(glob.escape(str(head)), path.relative_to(head)))


def _expand(text: str) -> list[str]:
    """Return the texts that {000..127} and {train,val} stand for."""
    match = _BRACES.search(text)
    if match is None:
        return [text]
    if match["words"]:
        numbers = match["words"].split(",")
    else:
        first, last = match["first"], match["last"]
        numbers = [f"{number:0{len(first)}}" for number in range(int(first), int(last) + 1)]
    return [each for n in numbers for each in _expand(text[: match.start()] + n + text[match.end() :])]


def shard_parts(shards: Sequence[str]) -> dict[str, str]:
    """Return the split of each shard: that which its name or folder says, else train.

    Raises:
        DataError: If some say one and others do not, or one says eval beside test and val.
    """
    sayers = {shard: sayer_of(shard) for shard in shards}
    said = parts_of(first_of(shards, 1), filter(None, dict.fromkeys(sayers.values())))
    parts = {shard: said.get(sayer or "") for shard, sayer in sayers.items()}
    unknown = [shard for shard, part in parts.items() if part is None]
    if 0 < len(unknown) < len(shards):
        raise DataError(f"{first_of(unknown)}: of which split, beside shards named train, val or test?")
    return {shard: part or "train" for shard, part in parts.items()}
