"""The list of files, sizes and SHA-256 sums that makes a checkpoint true."""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from resnetlab.base.plaindata import to_json_bytes
from resnetlab.base.reading.plain import read_json, read_plain
from resnetlab.errors import CheckpointError

FORMAT = 1
NAME = "MANIFEST.json"
_CHECKPOINT = re.compile(r"step-(\d{8,})")
_FILE = re.compile(r"[\w-][\w.-]*", re.ASCII)


def make_manifest(contents: Mapping[str, bytes], *, step: int, identity: str) -> bytes:
    """Return the manifest of a checkpoint of these files.

    Args:
        contents: File names and contents.
        step: Updates made so far.
        identity: Hash of the run the checkpoint belongs to.
    """
    files = {
        name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in contents.items()
    }
    return to_json_bytes({"format": FORMAT, "step": step, "identity": identity, "files": files})


def read_manifest(directory: Path) -> dict[str, Any]:
    """Return the manifest of the checkpoint in `directory`, its form checked, its files not.

    Raises:
        CheckpointError: If it is missing, damaged or of a later format.
    """
    path = directory / NAME
    try:
        manifest = read_json(path)
        form = (manifest["format"], int(manifest["step"]), str(manifest["identity"]))
        files = {
            str(name): (int(entry["bytes"]), str(entry["sha256"]))
            for name, entry in manifest["files"].items()
        }
    except OSError as error:
        raise CheckpointError(f"{directory} is no checkpoint: cannot read {NAME} ({error})") from error
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise CheckpointError(f"{path} is damaged: {error!r}") from error
    if form[0] != FORMAT:
        raise CheckpointError(
            f"{path} is of format {form[0]!r}; this version reads format {FORMAT}",
            hint="Read it with the version of resnetlab that wrote it, or a later one.",
        )
    return {"step": form[1], "identity": form[2], "files": files}


def read_verified(directory: Path) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Return the manifest and the contents of all its files, each checked by size and SHA-256.

    Raises:
        CheckpointError: If any file is missing or not what the manifest says; all are named.
    """
    manifest = read_manifest(directory)
    contents: dict[str, bytes] = {}
    problems: list[str] = []
    for name, (size, digest) in manifest["files"].items():
        if not _FILE.fullmatch(name):
            raise CheckpointError(f"{directory / NAME} names a file outside it: {name!r}")
        try:
            found = (directory / name).stat().st_size  # before it is read
            if found != size:
                problems.append(f"{name} is {found:,} bytes, the manifest says {size:,}")
                continue
            content = read_plain(directory / name, most=size)
        except OSError as error:
            problems.append(f"{name} cannot be read ({error.strerror})")
            continue
        except ValueError as error:
            problems.append(f"{name} cannot be read ({error})")
            continue
        if hashlib.sha256(content).hexdigest() != digest:
            problems.append(f"{name} has other bytes than the manifest says (SHA-256)")
        contents[name] = content
    if problems:
        raise CheckpointError(f"{directory}: " + "; ".join(problems))
    return manifest, contents


def list_checkpoints(parent: Path) -> list[tuple[int, Path]]:
    """Return (step, directory) of what is named like a checkpoint, oldest first, unverified."""
    if not parent.is_dir():
        return []
    found = []
    for path in parent.iterdir():
        match = _CHECKPOINT.fullmatch(path.name)
        if match and path.is_dir() and not path.is_symlink():
            found.append((int(match[1]), path))
    return sorted(found)
