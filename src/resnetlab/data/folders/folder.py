"""A folder of image files: SPLIT/CLASS/... or CLASS/..., classes in plain `sorted()` order."""

import os
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from resnetlab.base.units import first_of
from resnetlab.data.folders.layout import Layout, Tree, UnsortedError, are_splits, find_layout, join
from resnetlab.data.folders.lists import Shelf
from resnetlab.data.folders.split_lists import CHOICE as SPLIT_LIST
from resnetlab.data.folders.split_lists import listed_splits, unused_note
from resnetlab.data.folders.unsorted import pictures_below, read_list, refuse_unsorted
from resnetlab.data.images.kinds import FORMAT_BY_SUFFIX, LeftOut, has_image_suffix, kind_of_file
from resnetlab.data.sources.choices import LEFT_OPEN, Choices
from resnetlab.data.sources.encoded import EncodedSource, FileReader, Names
from resnetlab.data.sources.labelling import class_name_problems, plainly_spelt, refuse
from resnetlab.data.sources.leftovers import holds_papers, holds_runs, is_hidden
from resnetlab.data.sources.parts import divide_by_part, parts_of, source_from_parts
from resnetlab.errors import DataError, nearest

_LAYOUT_HINT = (
    "Expected train/CLASS/IMAGE and val/CLASS/IMAGE, or CLASS/IMAGE, "
    f"with images as {', '.join(sorted(FORMAT_BY_SUFFIX))}."
)

_PARTS_OF_COLLECTIONS = frozenset({
    "labeled", "unlabeled", "labelled", "unlabelled", "support", "query", "gallery", "probe"
})  # fmt: skip
"""What parts of collections are called that are for other tasks than plain training."""

Classes = Mapping[str, list[str]]
"""Class names with their images' paths, relative to the source's folder."""


@dataclass
class _Seen(LeftOut):
    """What lies in the folder and is not read."""

    strays: list[str] = field(default_factory=list)
    passed_over: list[str] = field(default_factory=list)
    papers: list[str] = field(default_factory=list)
    runs: list[str] = field(default_factory=list)
    class_folders: dict[str, str] = field(default_factory=dict)
    """The place of each by its real path."""
    same: list[str] = field(default_factory=list)
    loops: list[str] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)
    broken_links: list[str] = field(default_factory=list)
    specials: list[str] = field(default_factory=list)

    def notes(self) -> Iterator[str]:
        yield from super().notes()
        told = (
            ("not in a class folder of a split, not read", self.strays),
            ("left by the system or a program, with pictures in it, not read", self.passed_over),
            ("lists and documents only, and no class", self.papers),
            ("runs of resnetlab, not read", self.runs),
            ("class folders that are one and the same by links, read as different ones", self.same),
            ("links to a folder that they lie in, not followed", self.loops),
            ("links to a folder that the class has, not followed", self.repeated),
            ("neither files nor folders, not read", self.specials),
            ("links that lead nowhere, not read", self.broken_links),
        )
        yield from (f"{text}: {first_of(sorted(places))}" for text, places in told if places)


CHOICES = (SPLIT_LIST,)


def open_folder(path: Path, *, for_scoring: bool = False, choices: Choices = LEFT_OPEN) -> EncodedSource:
    """Open DIR/{train,val,test}/CLASS/*.jpg or DIR/CLASS/*.jpg.

    Class folders may hold folders. "valid" and "validation" mean val; without such folders the splits are
    those of the lists beside them (`listed_splits`), else a fifth of each class is held out. Links are
    followed. Hidden files are passed over in silence, other files that are no images by their suffix are
    counted in the notes.

    Args:
        path: The folder.
        for_scoring: Whether it is to be scored: see `source_from_parts`.
        choices: `split_list`.

    Raises:
        UsageError: If lists were chosen that are not there.
        DataError: If there is no image, a training class folder is empty, a class is in another
            split but not in train, or there is one class only; all problems are named.
    """
    path = Path(path)
    seen = _Seen()
    try:
        layout = find_layout(str(path), Tree(str(path)))
        found = _found(path, layout, seen, for_scoring=for_scoring)
    except UnsortedError as error:
        refuse_unsorted(str(path), str(path), error.folders, error.problem)
    except OSError as error:
        raise DataError(f"{error.filename or path}: cannot be read: {error.strerror or error}") from error
    class_names = sorted(set().union(*found.values()))
    if not for_scoring and len(class_names) == 1 and layout.is_undivided:
        folder = f"{layout.splits['train']}/{class_names[0]}".lstrip("/")
        refuse_unsorted(
            str(path), str(path), [folder], f"needs at least two classes, has 1 ({class_names[0]})"
        )
    refuse(str(path), _problems(class_names, found, seen, for_scoring=for_scoring), hint=_LAYOUT_HINT)
    items = [
        (part, label, place)
        for part, classes in found.items()
        for label, name in enumerate(class_names)
        for place in classes.get(name, ())
    ]
    reader = FileReader(os.path.abspath(path), Names.of(place for _, _, place in items))
    labels = np.array([label for _, label, _ in items], np.int64)
    parts, said = [part for part, _, _ in items], unused_note(choices.split_list)
    if layout.is_undivided:
        places = [place for _, _, place in items]
        parts, said = listed_splits(
            Shelf(str(path)), str(path), layout.splits["train"], places, choices.split_list
        )
    source = source_from_parts(
        name=path.resolve().name,
        origin=str(path),
        class_names=class_names,
        parts=divide_by_part(reader, parts, labels),
        notes=[*layout.notes, *said, *seen.notes()],
        for_scoring=for_scoring,
    )
    inside = (*layout.splits.values(), *layout.unsorted.values())
    return replace(source, folders=tuple(os.path.abspath(path / folder) for folder in inside))


def _found(path: Path, layout: Layout, seen: _Seen, *, for_scoring: bool) -> dict[str, Classes]:
    """Return the classes of each split with their pictures.

    Raises:
        DataError: If a split other than test lies in no class folders, and no list sorts it.
    """
    found = {part: _classes(path, folder, seen) for part, folder in sorted(layout.splits.items())}
    if layout.within_classes:
        found = _by_inner_folder(str(path), layout.splits["train"], found["train"])
    seen.strays += layout.left_out
    for part, folder in layout.unsorted.items():
        places = sorted(pictures_below(str(path), folder))
        listed = read_list(Shelf(str(path)), folder, part, [*found.get("train", {})], places)
        if listed:
            found[part], by = listed
            layout.notes.append(f"{folder}/ is sorted into classes by {by}")
        elif part == "test" and not for_scoring:
            layout.notes.append(
                f"the pictures in {folder}/ lie in no class folders and have no labels: not read"
            )
        else:
            text = (
                f"the pictures in {folder}/ lie in no class folders, and no list says which class they have"
            )
            refuse_unsorted(str(path), str(path), [folder], text, is_listable=True)
    return found


def _by_inner_folder(where: str, folder: str, classes: Classes) -> dict[str, Classes]:
    """Return the splits of CLASS/SPLIT/IMAGE."""
    depth = folder.count("/") + 1 if folder else 0
    names = {place.split("/")[depth + 1] for places in classes.values() for place in places}
    said = parts_of(where, names)
    found: dict[str, dict[str, list[str]]] = {}
    for name, places in classes.items():
        for place in places:
            part = said[place.split("/")[depth + 1]]
            found.setdefault(part, {}).setdefault(name, []).append(place)
    return dict(found)


def _classes(root: Path, folder: str, seen: _Seen) -> Classes:
    """Return the class folders in root/folder with their images."""
    classes = {}
    above = frozenset({os.path.realpath(root), os.path.realpath(root / folder)})
    for entry, place in _visible(root / folder, folder, seen):
        if entry.is_dir():
            first = seen.class_folders.setdefault(os.path.realpath(entry.path), place)
            if first != place:
                seen.same.append(f"{first} and {place}")
            images = sorted(_images(entry, place, above, seen, set()))
            if images or not holds_papers(entry.path):
                classes[entry.name] = images
            else:
                seen.papers.append(f"{place}/")
        elif has_image_suffix(entry.name):
            seen.strays.append(place)
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
    inside = _visible(folder, place, seen)
    for entry, inner in sorted(inside, key=lambda each: each[0].name):  # so that the same one is the first
        if entry.is_dir():
            yield from _images(entry, inner, above | {real}, seen, done)
        elif entry.is_file():
            kind = kind_of_file(entry.path)
            if kind.state == "read":
                yield inner
            else:
                seen.count(kind)
        else:
            (seen.broken_links if entry.is_symlink() else seen.specials).append(inner)


def _visible(folder: os.PathLike[str], place: str, seen: _Seen) -> Iterator[tuple[os.DirEntry[str], str]]:
    """Yield what lies in a folder with its place; what is a system's or a run of ours is noted."""
    with os.scandir(folder) as entries:
        inside = [*entries]
    for entry in inside:
        inner = join(place, entry.name)
        if is_hidden(entry.name):
            if entry.is_dir() and _holds_pictures(entry.path):
                seen.passed_over.append(inner)
        elif entry.is_dir() and holds_runs(entry.path):
            seen.runs.append(inner)
        else:
            yield entry, inner


def _holds_pictures(folder: str) -> bool:
    return any(has_image_suffix(name) for _, _, names in os.walk(folder) for name in names)


def _problems(
    class_names: list[str], found: Mapping[str, Classes], seen: _Seen, *, for_scoring: bool
) -> Iterator[str]:
    number = sum(len(images) for classes in found.values() for images in classes.values())
    if few := [*seen.problems(number)]:
        yield from few
        return
    if not number:
        yield "has no images in class folders"
        return
    if for_scoring:
        return
    yield from class_name_problems(class_names)
    train = found.get("train")
    if train is None:
        yield f"has no train folder, only {' and '.join(found)}"
        return
    if are_splits(class_names) or {name.casefold() for name in class_names} <= _PARTS_OF_COLLECTIONS:
        yield f"its only classes would be {first_of(class_names)}, which are names of splits"
    if empty := [name for name, images in sorted(train.items()) if not images]:
        yield f"class folders without an image in train: {first_of(empty)}"
    for part, classes in found.items():
        if unknown := sorted(set(classes) - set(train)):
            similar = _spelt_alike(unknown, train) or (
                nearest(unknown[0], train) if len(unknown) == 1 else ""
            )
            yield f"classes in {part} that are not in train: {first_of(unknown)}. {similar}".strip()


def _spelt_alike(unknown: Sequence[str], known: Iterable[str]) -> str:
    """Return which names differ from known ones in nothing but how they are spelt."""
    alike = {plainly_spelt(name): name for name in known}
    pairs = [(name, alike[key]) for name in unknown if (key := plainly_spelt(name)) in alike]
    if all(unicodedata.normalize("NFC", a) == unicodedata.normalize("NFC", b) for a, b in pairs) and pairs:
        names = first_of([name for name, _ in pairs])
        return f"{names}: the letters are composed in another way there (NFD, as of macOS, and NFC)."
    told = first_of([f"{name!r} and {other!r}" for name, other in pairs])
    return f"Capitals or blanks differ: {told}." if pairs else ""
