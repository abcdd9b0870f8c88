"""Pictures of a split that lie in no class folders: a list beside them may say their classes."""

import os
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import NoReturn

from resnetlab.base.paths import as_word
from resnetlab.base.units import first_of
from resnetlab.data.folders.imagenet_devkit import validation_classes
from resnetlab.data.folders.lists import MOST_BYTES, Shelf, labels_by_name
from resnetlab.data.folders.table import open_csv
from resnetlab.data.images.kinds import has_image_suffix
from resnetlab.data.sources.choices import FLAG, Choices
from resnetlab.data.sources.leftovers import is_hidden
from resnetlab.data.sources.parts import part_in
from resnetlab.errors import DataError, UsageError

_NUMBERED = re.compile(r"(?P<name>[^\W\d_]+|n\d{8})[\s._()-]*\d+")


def read_list(
    shelf: Shelf, folder: str, part: str, class_names: Sequence[str], places: Sequence[str]
) -> tuple[Mapping[str, list[str]], str] | None:
    """Return the places of a split's pictures by class, and what said so; None if nothing does.

    A list is a text of a name and a class a line, as Tiny-ImageNet's val_annotations.txt: in the split's
    folder, or, with the split in its name, in the folder above. It must name every picture, and no other
    class than those of the training images. Of ImageNet, the devkit's ground truth will do.

    Args:
        shelf: The files beside the pictures.
        folder: The split's folder.
        part: Which split it is.
        class_names: The training classes.
        places: The paths of the split's pictures.
    """
    above = os.path.dirname(folder)
    for within, needs_part in ((folder, False), (above, True)):
        for name in shelf.lists(within):
            if not needs_part or part_in(name) == part:
                place = f"{within}/{name}".lstrip("/")
                if found := _by_class(places, labels_by_name(shelf.lines(place)), class_names):
                    return found, place
    if not shelf.root:
        return None
    for devkit in (folder, above, f"{above}/devkit".lstrip("/")):
        names = [PurePosixPath(place).name for place in places]
        label_of = validation_classes(Path(shelf.root, devkit), names)
        if label_of and (found := _by_class(places, label_of, class_names)):
            return found, "ImageNet's ground truth"
    return None


def pictures_below(root: str, folder: str) -> Iterator[str]:
    """Yield the paths, relative to the root, of the pictures in a folder and below it."""
    for within, folders, names in os.walk(os.path.join(root, folder)):
        folders[:] = [name for name in folders if not is_hidden(name)]
        relative = os.path.relpath(within, root).replace(os.sep, "/")
        yield from (f"{relative}/{name}" for name in names if not is_hidden(name) and has_image_suffix(name))


def _by_class(
    places: Sequence[str], label_of: Mapping[str, str], class_names: Sequence[str]
) -> dict[str, list[str]] | None:
    known, found = set(class_names), dict[str, list[str]]()
    names = [PurePosixPath(place).name for place in places]
    if len(set(names)) < len(names):
        return None
    for place, name in zip(places, names, strict=True):
        label = label_of.get(name, label_of.get(name.rpartition(".")[0], ""))
        if label not in known:
            return None
        found.setdefault(label, []).append(place)
    return found


def refuse_unsorted(
    where: str, root: str, folders: Sequence[str], text: str, *, is_listable: bool = False
) -> NoReturn:
    """Raise a DataError for pictures without class folders, which says how to sort them.

    Args:
        where: The data as the user wrote it.
        root: Its path.
        folders: Where these pictures lie.
        text: What is wrong.
        is_listable: Whether `read_list` would take a list of their classes.
    """
    places = [place for folder in folders for place in pictures_below(root, folder)]
    names = [PurePosixPath(place).name for place in places]
    within = f"{folders[0]}/" if folders[0] else ""
    hint = f"Sort them into a folder for each class ({within}CLASS/IMAGE)"
    if is_listable:
        hint += f", put a list of NAME CLASS in {within} (as Tiny-ImageNet's val_annotations.txt)"
        if any(name.startswith("ILSVRC2012_val_") for name in names):
            hint += ", or the devkit's ILSVRC2012_validation_ground_truth.txt and meta.mat beside"
    tables = [] if is_listable else _tables(root, where, folders[0])
    hint += f", or give a table: --data {' or --data '.join(tables)}." if tables else (
        ", or give a CSV of path,label (docs/data.md)."
    )  # fmt: skip
    if classes := classes_in_names(names):
        example = next(name for name in names if name.startswith(classes[0]))
        hint = f"Their names seem to say the class ({first_of(classes)}), e.g. {example}. {hint}"
    raise DataError(f"{where}: {text}", hint=hint)


def _tables(root: str, where: str, pictures: str) -> list[str]:
    """Return the tables in the folder, or one deeper, that say of pictures there which class they have.

    A list that does so with choices has them with it. Where there is none, those that may do so when its
    columns are chosen, which opening one tells.

    Args:
        root: The data's path.
        where: The same, as the user wrote it.
        pictures: The folder below it in which the pictures lie.
    """
    found, others = [], []
    for path in sorted([*Path(root).glob("*"), *Path(root).glob("*/*")]):
        is_table = path.suffix.lower() in (".csv", ".tsv", ".jsonl", ".txt") and path.is_file()
        if is_table and not is_hidden(path.name) and path.stat().st_size <= MOST_BYTES:
            place = as_word(os.path.join(where, path.relative_to(root)))
            try:
                found.append((-len(open_csv(path).train), place))
            except DataError:
                if path.suffix.lower() != ".txt":
                    others.append(place)
                elif chosen := _chosen(path, os.path.relpath(os.path.join(root, pictures), path.parent)):
                    number, choices = chosen
                    flags = [f"{FLAG} {shlex.quote(f'{name}={text}')}" for name, text in choices.items()]
                    found.append((-number, " ".join([place, *flags])))
    return [place for _, place in sorted(found)[:3]] or others[:3]


def _chosen(path: Path, folder: str) -> tuple[int, dict[str, str]] | None:
    """Return of how many pictures a list says the class, and with which choices; None if it says none."""
    for column in ({}, {"label_column": "2"}):
        choices = {"image_folder": folder, **column}
        try:
            return len(open_csv(path, choices=Choices.of(choices), for_scoring=True).train), choices
        except (DataError, UsageError):
            continue
    return None


def classes_in_names(names: Sequence[str]) -> list[str]:
    """Return the classes that most of the pictures' names begin with, as cat.0.jpg; none if they say none."""
    found: dict[str, int] = {}
    for name in names:
        if match := _NUMBERED.match(name.rpartition(".")[0]):
            found[match["name"]] = found.get(match["name"], 0) + 1
    classes = sorted(name for name, count in found.items() if count > 1)
    is_told = 1 < len(classes) <= len(names) // 2 and 2 * sum(found[name] for name in classes) > len(names)
    return classes if is_told else []
