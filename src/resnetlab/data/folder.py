"""A folder of image files: SPLIT/CLASS/... or CLASS/..., classes in plain `sorted()` order."""

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from resnetlab.data.encoded import EncodedSource, FileReader, Names
from resnetlab.data.labelling import class_name_problems, first_of, refuse
from resnetlab.data.parts import PARTS, divide_by_part, refuse_two_of_a_part, source_from_parts
from resnetlab.errors import DataError, nearest

IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm"}
)
_SYSTEM_FILES = frozenset({"thumbs.db", "desktop.ini", "__macosx"})
_LAYOUT_HINT = (
    "Expected train/CLASS/IMAGE and val/CLASS/IMAGE, or CLASS/IMAGE, "
    f"with images as {', '.join(sorted(IMAGE_SUFFIXES))}."
)

Classes = Mapping[str, list[str]]
"""Class names with their images' paths, relative to the source's folder."""


@dataclass
class _Seen:
    """What lies in the folder and is not read."""

    other_suffixes: Counter[str] = field(default_factory=Counter)
    strays: list[str] = field(default_factory=list)
    loops: list[str] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)
    broken_links: list[str] = field(default_factory=list)
    specials: list[str] = field(default_factory=list)

    def notes(self) -> Iterator[str]:
        if self.other_suffixes:
            kinds = first_of([suffix or "no suffix" for suffix in sorted(self.other_suffixes)])
            yield f"no images by their suffix, not read: {self.other_suffixes.total()} files ({kinds})"
        if self.strays:
            yield f"not in a class folder of a split, not read: {first_of(sorted(self.strays))}"
        if self.loops:
            yield f"links to a folder that they lie in, not followed: {first_of(sorted(self.loops))}"
        if self.repeated:
            yield f"links to a folder that the class has, not followed: {first_of(sorted(self.repeated))}"
        if self.specials:
            yield f"neither files nor folders, not read: {first_of(sorted(self.specials))}"
        if self.broken_links:
            yield f"links that lead nowhere, not read: {first_of(sorted(self.broken_links))}"


def open_folder(path: Path, *, for_scoring: bool = False) -> EncodedSource:
    """Open DIR/{train,val,test}/CLASS/*.jpg or DIR/CLASS/*.jpg.

    Class folders may hold folders. "valid" and "validation" mean val; without such folders a fifth
    of each class is held out. Links are followed. Hidden files are passed over in silence, other
    files that are no images by their suffix are counted in the notes.

    Args:
        path: The folder.
        for_scoring: Whether it is to be scored: see `source_from_parts`.

    Raises:
        DataError: If there is no image, a training class folder is empty, a class is in another
            split but not in train, or there is one class only; all problems are named.
    """
    path = Path(path)
    seen = _Seen()
    try:
        folders = _part_folders(path, seen)
        found = {part: _classes(path, folder, seen) for part, folder in folders.items()}
    except OSError as error:
        raise DataError(f"{error.filename or path}: cannot be read: {error.strerror or error}") from error
    class_names = sorted(set().union(*found.values()))
    refuse(str(path), _problems(class_names, found, for_scoring=for_scoring), hint=_LAYOUT_HINT)
    items = [
        (part, label, place)
        for part, classes in found.items()
        for label, name in enumerate(class_names)
        for place in classes.get(name, ())
    ]
    reader = FileReader(os.path.abspath(path), Names.of(place for _, _, place in items))
    labels = np.array([label for _, label, _ in items], np.int64)
    return source_from_parts(
        name=path.resolve().name,
        origin=str(path),
        class_names=class_names,
        parts=divide_by_part(reader, [part for part, _, _ in items], labels),
        notes=[*seen.notes()],
        for_scoring=for_scoring,
    )


def _part_folders(path: Path, seen: _Seen) -> dict[str, str]:
    """Return the folder of each split, or {"train": ""} if the class folders lie in `path` itself.

    "train" is a split when it holds folders, so that bus, car and train are three classes.
    """
    top = [entry.name for entry in _visible(path) if entry.is_dir()]
    named = [(PARTS[name.casefold()], name) for name in top if name.casefold() in PARTS]
    if not any(entry.is_dir() for _, name in named for entry in _visible(path / name)):
        return {"train": ""}
    refuse_two_of_a_part(str(path), (name for _, name in named))
    seen.strays += [name + "/" for name in top if name.casefold() not in PARTS]
    return dict(sorted(named))


def _classes(root: Path, folder: str, seen: _Seen) -> Classes:
    """Return the class folders in root/folder with their images."""
    classes = {}
    prefix = f"{folder}/" if folder else ""
    above = frozenset({os.path.realpath(root), os.path.realpath(root / folder)})
    for entry in _visible(root / folder):
        if entry.is_dir():
            classes[entry.name] = sorted(_images(entry, prefix + entry.name, above, seen, set()))
        elif _is_image(entry):
            seen.strays.append(prefix + entry.name)
    return classes


def _images(
    folder: os.DirEntry[str], place: str, above: frozenset[str], seen: _Seen, done: set[str]
) -> Iterator[str]:
    """Yield the places of the images in and below a folder, each real folder once.

    `above` are the real paths over it, `done` those that the class has had.
    """
    real = os.path.realpath(folder)
    if real in above:
        seen.loops.append(place)
        return
    if real in done:
        seen.repeated.append(place)
        return
    done.add(real)
    for entry in sorted(_visible(folder), key=lambda entry: entry.name):  # so that the same one is the first
        inner = f"{place}/{entry.name}"
        if _is_image(entry) and entry.is_file():
            yield inner
        elif entry.is_dir():
            yield from _images(entry, inner, above | {real}, seen, done)
        elif entry.is_file():
            seen.other_suffixes[os.path.splitext(entry.name)[1].lower()] += 1
        else:
            (seen.broken_links if entry.is_symlink() else seen.specials).append(inner)


def _visible(folder: os.PathLike[str]) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        return [entry for entry in entries if not is_hidden(entry.name)]


def is_hidden(name: str) -> bool:
    """Return whether a file or folder is the system's or its owner's own, which is not read."""
    return name.startswith(".") or name.lower() in _SYSTEM_FILES


def _is_image(entry: os.DirEntry[str]) -> bool:
    return os.path.splitext(entry.name)[1].lower() in IMAGE_SUFFIXES


def _problems(class_names: list[str], found: Mapping[str, Classes], *, for_scoring: bool) -> Iterator[str]:
    if not any(images for classes in found.values() for images in classes.values()):
        yield "has no images in class folders"
        return
    if for_scoring:
        return
    yield from class_name_problems(class_names)
    train = found.get("train")
    if train is None:
        yield f"has no train folder, only {' and '.join(found)}"
        return
    if empty := [name for name, images in sorted(train.items()) if not images]:
        yield f"class folders without an image in train: {first_of(empty)}"
    for part, classes in found.items():
        if unknown := sorted(set(classes) - set(train)):
            similar = nearest(unknown[0], train) if len(unknown) == 1 else ""
            yield f"classes in {part} that are not in train: {first_of(unknown)}. {similar}".strip()
