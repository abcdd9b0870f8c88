"""Checkpoints: named tensors and JSON in a directory that one rename commits. Never pickle.

    checkpoints/step-00001000/  model.safetensors  optimizer.safetensors
                                [ema.safetensors]  [slow.safetensors]
                                state.json  MANIFEST.json

The newest checkpoint is the one with the highest step whose manifest verifies. A committed one is
never changed, only removed or renamed. slow holds lookahead's slow weights.

A resume (`training/session.py`) loads the newest one and cuts metrics.jsonl back to the `metrics_length` in
its state.json, whose SHA-256 must be `metrics_digest`; the same steps then write the same rows again.
"""

import contextlib
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
from torch import Tensor

from resnetlab.base import files
from resnetlab.base.plaindata import to_json_bytes
from resnetlab.base.reading.plain import parse_json
from resnetlab.base.units import first_of
from resnetlab.errors import CheckpointError, WriteError
from resnetlab.runs.finite import first_non_finite
from resnetlab.runs.manifest import NAME, make_manifest, read_manifest, read_verified
from resnetlab.runs.manifest import list_checkpoints as list_checkpoints

Tensors = dict[str, Tensor]
_SUFFIX = ".safetensors"
_FILE = re.compile(r"\w+\.safetensors|(state|MANIFEST)\.json")


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint holds: groups of named tensors and the JSON state beside them."""

    path: Path
    step: int
    identity: str
    tensors: Mapping[str, Tensors]
    state: Mapping[str, Any]


def checkpoint_name(step: int) -> str:
    """Return the directory name of the checkpoint after `step` updates."""
    return f"step-{step:08d}"


def save_checkpoint(
    parent: Path, *, step: int, identity: str, tensors: Mapping[str, Tensors], state: Mapping[str, Any],
    is_first_try: bool = True,
) -> Path:  # fmt: skip
    """Write one checkpoint, whole or not at all, and return its directory.

    A checkpoint of this step that verifies already stays as it is: the same step of a run is the
    same state. A damaged one is set aside; what is none of this run's stays, and is an error.

    Args:
        parent: The run's `checkpoints` directory.
        step: Updates made so far.
        identity: Hash of the run.
        tensors: Groups of named tensors, on any device; each group becomes one file.
        state: Plain JSON data.
        is_first_try: Else one that verifies is set aside as well: it may be read from memory alone.

    Raises:
        WriteError: If it cannot be written, or something else has its name; earlier checkpoints are
            untouched.
    """
    path = parent / checkpoint_name(step)
    if path.is_symlink() or path.exists():
        if not is_own(path, identity):
            raise WriteError(
                f"{path} is there, and is no checkpoint of this run", hint="Move it away, and resume the run."
            )
        with contextlib.suppress(CheckpointError):
            manifest, _ = read_verified(path)
            if is_first_try and (manifest["step"], manifest["identity"]) == (step, identity):
                files.flush_directory(parent)  # which a process that was killed may not have come to
                return path
        set_aside(path)
    contents = {
        f"{group}{_SUFFIX}": safetensors.torch.save(
            {name: tensor.detach().cpu().contiguous() for name, tensor in named.items()}
        )
        for group, named in tensors.items()
    }
    contents["state.json"] = to_json_bytes(state)
    contents[NAME] = make_manifest(contents, step=step, identity=identity)
    files.commit_directory(path, contents)
    return path


def load_checkpoint(path: Path) -> Checkpoint:
    """Return a checkpoint whose every byte was verified; its tensors lie on the CPU.

    Raises:
        CheckpointError: If it is not whole, or holds a number that is not finite: none is saved with it.
    """
    manifest, contents = read_verified(path)
    tensors, name = dict[str, Tensors](), "state.json"
    try:
        state = parse_json(contents[name])
        for name, content in contents.items():
            if name.endswith(_SUFFIX):
                tensors[name.removesuffix(_SUFFIX)] = safetensors.torch.load(content)
    except (safetensors.SafetensorError, ValueError, KeyError) as error:
        raise CheckpointError(f"{path / name}: cannot be read ({error!r})") from error
    if not isinstance(state, dict) or state.get("step", manifest["step"]) != manifest["step"]:
        raise CheckpointError(f"{path}: state.json is not that of step {manifest['step']}")
    for group, named in tensors.items():
        if bad := first_non_finite(named):
            raise CheckpointError(f"{path / group}{_SUFFIX}: {bad} is not finite")
    return Checkpoint(path, manifest["step"], manifest["identity"], tensors, state)


def load_newest(
    parent: Path, *, identity: str = "", take: Callable[[Checkpoint], None] = lambda checkpoint: None
) -> tuple[Checkpoint | None, list[str]]:
    """Return the newest checkpoint that verifies and can be taken, and what was wrong with newer ones.

    Args:
        parent: The run's `checkpoints` directory.
        identity: If given, checkpoints of other runs are refused.
        take: Goes on with a checkpoint, or raises CheckpointError: then the one before it is tried.
    """
    problems: list[str] = []
    for step, path in reversed(list_checkpoints(parent)):
        try:
            checkpoint = load_checkpoint(path)
        except CheckpointError as error:
            problems.append(str(error))
            continue
        if identity and checkpoint.identity != identity:
            problems.append(f"{path} belongs to another run")
            continue
        if checkpoint.step != step:
            problems.append(f"{path} is the checkpoint of step {checkpoint.step}, by another name")
            continue
        try:
            take(checkpoint)
        except CheckpointError as error:
            problems.append(f"{path}: {error.args[0]}")
            continue
        return checkpoint, problems
    return None, problems


def is_own(path: Path, identity: str) -> bool:
    """Whether what is named like a checkpoint is one of this run, whole or damaged."""
    if path.is_symlink() or not path.is_dir():
        return False
    try:
        return bool(read_manifest(path)["identity"] == identity)
    except CheckpointError:  # damaged: only a checkpoint's files lie in one
        names = [each.name for each in path.iterdir()]
        return bool(names) and all(_FILE.fullmatch(name) for name in names)


def set_aside(path: Path) -> None:
    """Rename a checkpoint that cannot be used, so that it is in nobody's way and not lost."""
    number, target = 0, path.with_name(f"unusable-{path.name}")
    while target.exists():
        number += 1
        target = path.with_name(f"unusable-{path.name}-{number}")
    files.rename_file(path, target)


def retain(parent: Path, *, keep: int, identity: str, spare: Collection[int] = ()) -> list[str]:
    """Remove this run's superseded checkpoints: all but the newest `keep` and the steps to spare.

    What is not named like a checkpoint, is a link, has another run's manifest or holds files that are
    no checkpoint's stays.

    Returns:
        What could not be removed, and why: the next call tries it again.
    """
    own, problems = [], files.remove_leftovers(parent, is_held=True)
    for step, path in list_checkpoints(parent):
        try:
            manifest = read_manifest(path)
        except CheckpointError:
            continue
        if manifest["identity"] == identity and manifest["step"] == step:
            own.append((step, path))
    for step, path in own[: -max(keep, 1)]:
        if step in spare:
            continue
        if others := sorted(each.name for each in path.iterdir() if not _FILE.fullmatch(each.name)):
            problems.append(f"{path} is superseded and stays: it holds {first_of(others, 3)}")
            continue
        try:
            files.remove_directory(path)
        except WriteError as error:
            problems.append(f"{path} is superseded and stays: {error.args[0]}")
    return problems
