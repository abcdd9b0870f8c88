"""The layout of a run directory; making, locking and opening one. Imports no torch.

run/  recipe.json spec.json data.json environment.json   what was asked for, resolved
      weights.json initial.safetensors                   the weights it began with, if not the seed's
      continues.json                                     the run that it goes on from, if it does
      metrics.jsonl                                      rows by step, no clock times
      events.jsonl                                       start, resume, save, ... with times
      tensorboard/  checkpoints/step-00001000/  eval/    what training and evaluation left
      lock          RESULT.json                          its holder; the end, only at the end
      samples.json samples.png or .jpg                   some training images, for the page
      report.html                                        all of it on a page, when training ended
"""

import contextlib
import hashlib
import os
import platform
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from resnetlab.base import files
from resnetlab.base.paths import as_word, meant_path
from resnetlab.base.plaindata import to_json_bytes
from resnetlab.base.reading.plain import read_json
from resnetlab.base.units import first_of
from resnetlab.errors import DataError, ResnetlabError, UsageError
from resnetlab.runs.journal import read_rows

_DEFINING = ("recipe", "spec", "data")
BAD_SAMPLE = "bad-sample"
"""The event in events.jsonl that notes a broken image file."""

SPEED = "speed"
"""The event that notes how many images a second the run trains on."""

OFTEN = {"save", SPEED}
"""Events that come again and again, of which a reader in haste needs the last alone."""

CONTINUES = "continues"
"""Of a run that trains on from another one: the file that says which, without its suffix."""
_FORM_OF_DATA: dict[str, type] = {
    "name": str, "source": str, "fingerprint": str, "class_names": list, "image_shape": list,
    "preprocessing": dict, "val_indices": list,
}  # fmt: skip
_FORMER_FILES = files.Former(
    re.compile(
        r"\.((spec|data|environment|recipe|weights|continues|RESULT|study)\.json|initial\.safetensors)\.\d+\.tmp"
    )
)
_FORMER_CHECKPOINTS = files.Former(
    re.compile(r"\.step-\d{8,}\.(\d+|removed)"), re.compile(r"\w+\.safetensors|(state|MANIFEST)\.json")
)
_BEFORE_THE_RECIPE = (
    "lock", "spec.json", "data.json", "environment.json", "weights.json", "initial.safetensors",
    f"{CONTINUES}.json",
)  # fmt: skip
"""What a process leaves that was killed while it began a run: always a lock; recipe.json is written last."""


@dataclass(frozen=True)
class RunDirectory:
    """A run's directory and the names in it."""

    path: Path

    lock: files.DirectoryLock | None = field(default=None, compare=False, repr=False)
    """The right to write into it, if this process has it."""

    @property
    def checkpoints(self) -> Path:
        """Where the checkpoints lie."""
        return self.path / "checkpoints"

    @property
    def metrics(self) -> Path:
        """The rows of training and evaluation."""
        return self.path / "metrics.jsonl"

    @property
    def events(self) -> Path:
        """What happened when."""
        return self.path / "events.jsonl"

    @property
    def tensorboard(self) -> Path:
        """Where the event files lie."""
        return self.path / "tensorboard"

    def read(self, name: str) -> dict[str, Any]:
        """Return the content of NAME.json.

        Raises:
            DataError: If it is missing or damaged.
        """
        path = self.path / f"{name}.json"
        try:
            content = read_json(path)
        except FileNotFoundError as error:
            raise DataError(f"{self.path} is not a whole run: no {path.name}") from error
        except OSError as error:
            raise DataError(f"{path} cannot be read: {error.strerror or error}") from error
        except ValueError as error:
            raise DataError(f"{path} is damaged: {error}") from error
        if not isinstance(content, dict):
            raise DataError(f"{path} is damaged: not a JSON object")
        if name == "data" and (problems := _problems_of_data(content)):
            raise DataError(f"{path} is damaged: {'; '.join(problems)}")
        return content

    @contextlib.contextmanager
    def telling_of(self, name: str) -> Iterator[None]:
        """Say of what cannot be, inside, that NAME.json says it.

        Raises:
            DataError: In the place of a UsageError.
        """
        try:
            yield
        except UsageError as error:
            raise DataError(f"{self.path / name}.json: {error.args[0]}", hint=error.hint) from error

    def check(self) -> None:
        """Raise if the directory, which this process has locked, is not its own any more.

        Raises:
            WriteError: If it was removed or moved away.
            LockedError: If another process has taken it.
        """
        if self.lock is not None:
            self.lock.check()

    def remove_leftovers(self) -> list[str]:
        """Remove what killed processes left unfinished; return what could not be. Needs the lock.

        Where `checkpoints` is a link, to a larger disk, nothing is removed there: others may use it.
        """
        real = self.path.resolve()
        return [
            *files.remove_leftovers(real, is_held=True, former=_FORMER_FILES),
            *files.remove_leftovers(real / self.checkpoints.name, is_held=True, former=_FORMER_CHECKPOINTS),
        ]

    def write(self, name: str, content: dict[str, Any]) -> None:
        """Write NAME.json, whole or not at all."""
        self.check()
        path = self.path / f"{name}.json"
        files.make_directory(path.parent)
        files.write_file(path, to_json_bytes(content))

    @property
    def is_finished(self) -> bool:
        """Whether the run came to its end."""
        return (self.path / "RESULT.json").exists()

    @property
    def begins_trained(self) -> bool:
        """Whether it began with weights of another training, which weights.json names."""
        return (self.path / "weights.json").exists()

    @property
    def continues(self) -> bool:
        """Whether it goes on from another run, which continues.json names."""
        return (self.path / f"{CONTINUES}.json").exists()

    def identity(self) -> str:
        """Return the hash of what defines the run: recipe, spec, data and what it began with."""
        also = {"weights": self.begins_trained, CONTINUES: self.continues}
        names = (*_DEFINING, *(name for name, is_there in also.items() if is_there))
        defining = {name: self.read(name) for name in names}
        return hashlib.sha256(to_json_bytes(defining)).hexdigest()


def _problems_of_data(content: dict[str, Any]) -> list[str]:
    """Return what is not as every version has written data.json."""
    problems = [
        f"no {name}" if name not in content else f"{name} is no {kind.__name__}"
        for name, kind in _FORM_OF_DATA.items()
        if not isinstance(content.get(name), kind)
    ]
    if not problems:
        shape, indices = content["image_shape"], content["val_indices"]
        if len(shape) != 3 or not all(type(side) is int and 0 < side < 2**20 for side in shape):
            problems.append("image_shape is no height, width and channels")
        if not all(type(index) is int and 0 <= index < 2**40 for index in indices):
            problems.append("val_indices are no places of samples")
        if not all(isinstance(each, str) for each in content["class_names"]):
            problems.append("class_names are no texts")
    return problems


def lock_run(path: Path) -> files.DirectoryLock:
    """Take the sole right to write into a run directory.

    Raises:
        LockedError: If another process has it.
    """
    when = time.strftime("%Y-%m-%d %H:%M:%S")
    return files.DirectoryLock(path, f"process {os.getpid()} on {platform.node()}, since {when}")


def claim_new(path: Path, refuse: Callable[[Path], None] | None = None) -> files.DirectoryLock:
    """Make the directory for a new run, or take an empty one, and return its lock.

    Args:
        path: The directory.
        refuse: Raises UsageError if the directory cannot be taken; left out, as a run's.

    Raises:
        LockedError: If another process is using it.
        UsageError: If it holds anything already; nothing in it was changed then.
    """
    refuse_taken(path, refuse)
    files.make_directory(path)
    lock = lock_run(path)
    try:
        (refuse or _refuse_used)(path)
    except UsageError:
        lock.release()
        raise
    return lock


def refuse_taken(path: Path, refuse: Callable[[Path], None] | None = None) -> None:
    """Refuse a directory that `claim_new` would, before there is anything to put there; changes nothing.

    Raises:
        LockedError: If another process is using it.
        UsageError: If it holds anything already.
        WriteError: If it cannot be made.
    """
    files.refuse_locked(path)  # before looking inside: what is being made is not whole yet
    (refuse or _refuse_used)(path)
    files.refuse_unwritable(path)


def claim_new_or_begun(path: Path) -> files.DirectoryLock:
    """Return the lock of a directory that is a run's already, begun or finished, or that is made for one.

    Raises:
        LockedError: If another process is using it.
        UsageError: If it holds anything else; nothing in it was changed then.
    """
    return claim_new(path, lambda path: None if is_run(path) else _refuse_used(path))


def refuse_file(path: Path) -> None:
    """Raise UsageError if there is a file where a directory is wanted."""
    if path.exists() and not path.is_dir():
        raise UsageError(f"{path} is a file, not a directory", hint="Choose another one with --out.")


def _refuse_used(path: Path) -> None:
    refuse_file(path)
    if not path.is_dir():
        return
    names = {entry.name for entry in path.iterdir() if not entry.name.startswith(".")}
    if not names or ("lock" in names and names <= set(_BEFORE_THE_RECIPE)):
        return
    if not is_run(path):
        raise UsageError(f"{path} is not empty and no run", hint="Choose another directory with --out.")
    is_finished, command = RunDirectory(path).is_finished, f"resnetlab resume {as_word(path)}"
    way = f"`{command} --epochs N` trains on from it" if is_finished else f"`{command}` goes on with it"
    raise UsageError(
        f"{path} already holds {'a finished' if is_finished else 'an unfinished'} run",
        hint=f"{way}; {elsewhere(path)}",
    )


def not_taken(path: Path) -> Path:
    """Return the path, or the first of path-2, path-3, ... at which nothing lies."""
    number, found = 1, path
    while os.path.lexists(found):
        number += 1
        found = path.with_name(f"{path.name}-{number}")
    return found


def elsewhere(path: Path) -> str:
    """Return how to have a run, or a study, beside the one that is at the path."""
    free = as_word(not_taken(path))
    return f"--out {free} (in Python out=) is free, and without it each gets a folder of its own."


def is_run(path: str | Path) -> bool:
    """Return whether the directory at `path` is a run."""
    return os.path.isfile(os.path.join(path, "recipe.json"))


def runs_in(path: Path) -> list[str]:
    """Return the names of the runs that lie in a directory."""
    return sorted(each.parent.name for each in path.glob("*/recipe.json") if is_run(each.parent))


def open_run(path: Path) -> RunDirectory:
    """Return the run at `path`.

    Raises:
        UsageError: If there is none.
    """
    if not path.is_dir():
        raise UsageError(f"no run at {path}: there is no such directory", hint=meant_run(path))
    if not is_run(path):
        found = [f"{what}: {first_of(names)}." for what, names in _inside(path).items() if names]
        raise UsageError(
            f"{path} is no run: it holds no recipe.json",
            hint=" ".join(found) or "`resnetlab train` makes one with --out.",
        )
    return RunDirectory(path)


def _inside(path: Path) -> dict[str, list[str]]:
    """Return the runs that lie in a directory, and the directories there that hold some, as studies do."""
    runs = runs_in(path)
    below = {each.relative_to(path).parts[0] for each in path.glob("*/*/recipe.json")}
    return {"Runs are in it": runs, "Folders of runs are in it": sorted(below.difference(runs))}


def meant_run(path: Path) -> str:
    """Return "Did you mean runs/first?" where something like it lies beside a path or in runs/, or ""."""
    return meant_path(path) or meant_path(path.parent / "runs" / path.name)


def began(run: RunDirectory) -> float:
    """Return when a run began, in seconds since 1970; 0 if its events do not say so."""
    with contextlib.suppress(ResnetlabError, LookupError, TypeError, ValueError):
        return float(read_rows(run.events, passes_over_damage=True)[0]["time"])
    return 0.0


def broken_images(run: RunDirectory) -> dict[tuple[str, int], str]:
    """Return the broken images that a run has met so far, by part and sample, and in their order.

    In which order they were met depends on how many processes looked.
    """
    met = {
        (row["part"], row["sample"]): row["problem"]
        for row in read_rows(run.events, passes_over_damage=True)
        if row.get("event") == BAD_SAMPLE and _is_whole(row)
    }
    return dict(sorted(met.items()))


def processes_before(run: RunDirectory) -> int:
    """Return how many processes made a run when it was last begun or gone on with; 0 if it never was."""
    rows = read_rows(run.events, passes_over_damage=True)
    named = [row.get("processes", [""]) for row in rows if row.get("event") in ("start", "resume")]
    return len(named[-1]) if named and isinstance(named[-1], list) else 0


def _is_whole(row: Mapping[str, Any]) -> bool:
    kinds = {"part": str, "sample": int, "problem": str}
    return all(isinstance(row.get(name), kind) for name, kind in kinds.items())
