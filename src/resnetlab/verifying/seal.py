"""The seal of a run: one hash of the hashes of its files, to be published beside its result.

SEAL.json  {"format": "resnetlab seal", "version": 1, "sha256": ...,
            "files": {PATH: {"bytes": ..., "sha256": ...}}}

`sha256` is that of the files' part as JSON with sorted keys and without blanks. Who changes a file can write
another seal: what holds is the hash that was published elsewhere. Not sealed are `lock`, and what is made
of the other files and may be made anew: `eval` and `report.html`; what comes later breaks no seal.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

from resnetlab.auditing.finding import Found, Promise, judged, passed
from resnetlab.base.reading.plain import open_plain, read_json
from resnetlab.base.units import counted, first_of
from resnetlab.errors import DataError, UsageError
from resnetlab.runs.directory import RunDirectory
from resnetlab.runs.manifest import list_checkpoints

NAME = "SEAL"
FORMAT, VERSION = "resnetlab seal", 1
_NOT_SEALED = {f"{NAME}.json", "lock", "report.html"}
_MADE_ANEW = "eval"
_LEAST_DIGITS = 12
"""Of a published hash: what fewer digits say may be so by chance, or was tried until it was so."""
_PART = 2**20

Files = Mapping[str, Mapping[str, Any]]


def seal_run(run: RunDirectory) -> str:
    """Write SEAL.json into a finished run, and return its hash of hashes.

    Raises:
        UsageError: If the run is not at its end: it still grows.
        DataError: If a file cannot be read.
        WriteError: If the seal cannot be written.
    """
    if not run.is_finished:
        raise UsageError(f"{run.path} is not at its end: what still grows is not sealed")
    files = _files_of(run.path)
    digest = hash_of_hashes(files)
    run.write(NAME, {"format": FORMAT, "version": VERSION, "sha256": digest, "files": files})
    return digest


def hash_of_hashes(files: Files) -> str:
    """Return the SHA-256 of the files' sizes and hashes by their paths."""
    return hashlib.sha256(json.dumps(files, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def refuse_short(expected: str) -> None:
    """Refuse what is no published hash, nor enough of one.

    Raises:
        UsageError: If it is no row of at least 12 hexadecimal digits.
    """
    if expected and not re.fullmatch(f"[0-9a-fA-F]{{{_LEAST_DIGITS},64}}", expected):
        raise UsageError(
            f"{expected!r} is no seal's hash: give at least {_LEAST_DIGITS} of its 64 hexadecimal digits"
        )


def sealed(run: RunDirectory) -> str:
    """Return the hash of hashes that a run is sealed by; "" if it is not."""
    try:
        return str(_read(run).get("sha256", ""))
    except (FileNotFoundError, DataError):
        return ""


def look_at_seal(run: RunDirectory, expected: str) -> tuple[Promise, Found] | None:
    """Compare a run's files with its seal, if it has one, and its hash with the one that is expected.

    Args:
        run: The run.
        expected: The hash of hashes that was published, or its first 12 digits or more; "" if none is known.
    """
    try:
        seal = _read(run)
    except FileNotFoundError:
        return (SEAL, judged([f"there is no {NAME}.json"], "")) if expected else None
    except DataError as error:
        return SEAL, judged([str(error.args[0])], "")
    problems = [*_broken(run, seal)]
    digest = hash_of_hashes(seal["files"])
    if seal.get("sha256") != digest:
        problems.append(f"{NAME}.json is not of its own hash")
    if expected and not digest.startswith(expected.lower()):
        problems.append(f"its hash is {digest[:12]}, not {expected[:12]}")
    if problems:
        return SEAL, judged(problems, "")
    later = sorted({*_paths(run.path)} - {*seal["files"]})
    added = f"; come since: {first_of(later, 3)}" if later else ""
    return SEAL, passed(f"{counted(len(seal['files']), 'file')} of {digest[:12]}{added}")


SEAL = Promise(
    "seal", "every sealed file as it was, by the hash of hashes", "what was published is what is here"
)


def _read(run: RunDirectory) -> dict[str, Any]:
    try:
        seal = read_json(run.path / f"{NAME}.json")
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:
        raise DataError(f"{NAME}.json cannot be read: {error}") from error
    files = seal.get("files") if isinstance(seal, dict) else None
    if not isinstance(files, dict) or not all(isinstance(entry, dict) for entry in files.values()):
        raise DataError(f"{NAME}.json is no seal")
    if (seal.get("format"), seal.get("version")) != (FORMAT, VERSION):
        raise DataError(f"{NAME}.json is of format {seal.get('format')!r}, version {seal.get('version')!r}")
    return dict(seal)


def _broken(run: RunDirectory, seal: Mapping[str, Any]) -> Iterator[str]:
    there = {*_paths(run.path)}
    for name, told in seal["files"].items():
        if name not in there:
            yield f"{name} is gone"
        elif _entry(run.path / name) != told:
            yield f"{name} was changed"


def _files_of(root: Path) -> dict[str, dict[str, Any]]:
    return {name: _entry(root / name) for name in sorted(_paths(root))}


def _paths(root: Path) -> Iterator[str]:
    """Yield the paths of a run's files, relative to it, with slashes; links and hidden files are none.

    `checkpoints` alone may be a link to a directory, in which others may have files beside its checkpoints.
    """
    linked = RunDirectory(root).checkpoints
    tops = [path for _, path in list_checkpoints(linked)] if linked.is_symlink() else []
    for folder, folders, names in chain.from_iterable(map(os.walk, [root, *tops])):
        is_top = Path(folder) == root
        folders[:] = sorted(
            each for each in folders if not (each.startswith(".") or (is_top and each == _MADE_ANEW))
        )
        for name in names:
            path = Path(folder, name)
            relative = path.relative_to(root).as_posix()
            if not name.startswith(".") and relative not in _NOT_SEALED and not path.is_symlink():
                yield relative


def _entry(path: Path) -> dict[str, Any]:
    digest, size = hashlib.sha256(), 0
    try:
        with open_plain(path, most=2**62) as stream:
            while part := stream.read(_PART):
                digest.update(part)
                size += len(part)
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    return {"bytes": size, "sha256": digest.hexdigest()}
