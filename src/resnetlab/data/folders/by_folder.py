"""Splits and classes of images in an archive, by the folders in their paths, as of those in a folder."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from resnetlab.base.units import first_of
from resnetlab.data.folders.layout import Layout, Tree, UnsortedError, find_layout, join
from resnetlab.data.folders.lists import Shelf, plain_path
from resnetlab.data.folders.split_lists import listed_splits, unused_note
from resnetlab.data.folders.unsorted import classes_in_names, read_list
from resnetlab.data.sources.parts import parts_of
from resnetlab.errors import DataError

_EXPECTED = "Expected SPLIT/CLASS/IMAGE or CLASS/IMAGE in the archive, or a label beside each image."


class ByFolder(NamedTuple):
    """What the folders of an archive say of each of its images."""

    parts: list[str]
    """The split; empty for an image that is left out."""

    labels: list[str]
    """The class; of an image that is left out any."""

    notes: list[str]

    splits: Sequence[str]
    """The folders that the class folders lie in."""

    def is_in_class(self, place: str) -> bool:
        """Return whether a file lies in a class folder of a split, or below it."""
        return any(_below(plain_path(place), folder) for folder in self.splits)


class _Listed(Tree):
    """The folders that a list of images' paths speaks of."""

    def __init__(self, places: Sequence[str]) -> None:
        super().__init__("")
        self._with_pictures = {place.rpartition("/")[0] for place in places}
        inside: dict[str, set[str]] = {"": set()}
        for folder in self._with_pictures:
            above = ""
            for name in folder.split("/") if folder else ():
                inside.setdefault(above, set()).add(name)
                above = join(above, name)
                inside.setdefault(above, set())
        self._inside: Mapping[str, tuple[str, ...]] = {
            folder: (*sorted(names),) for folder, names in inside.items()
        }

    def folders(self, folder: str) -> tuple[str, ...]:
        """Return the names of the folders in a folder, sorted."""
        return self._inside[folder]

    def has_pictures(self, folder: str) -> bool:
        """Return whether images lie in the folder itself."""
        return folder in self._with_pictures

    def has_any(self, folder: str) -> bool:
        """Return whether images lie in the folder or below it, as in all that there are."""
        return folder in self._inside

    def is_of_papers(self, folder: str) -> bool:
        """Return whether there is nothing but lists and documents: of images, never."""
        return False


def by_folder(
    places: Sequence[str],
    where: str,
    shelf: Shelf,
    *,
    for_scoring: bool = False,
    split_list: str = "",
) -> ByFolder:
    """Return the split and the class of each image; the rules are those of an image folder.

    Args:
        places: Paths with "/" between the folders, at least one.
        where: The archive, for errors.
        shelf: The files beside the images.
        for_scoring: Whether it is to be scored: then a test split without class folders is an error, too.
        split_list: See `listed_splits`.

    Raises:
        UsageError: If lists were chosen that are not there.
        DataError: If folders can be splits or classes, or a split is not sorted into classes.
    """
    paths = [plain_path(place) for place in places]
    try:
        layout = find_layout(where, _Listed(paths))
    except UnsortedError as error:
        raise DataError(f"{where}: {error.problem}, e.g. {paths[0]}", hint=_hint(paths)) from error
    except DataError as error:
        raise DataError(error.args[0], hint=f"Unpack it. {error.hint or ''}".strip()) from error
    parts, labels = _parts(paths, layout), _labels(paths, layout)
    if not for_scoring and len(set(labels)) == 1:
        raise DataError(f"{where}: needs at least two classes, has 1 ({labels[0]})", hint=_hint(paths))
    notes = [*layout.notes]
    for part, folder in layout.unsorted.items():
        notes += _sort(paths, parts, labels, where, shelf, part, folder, for_scoring=for_scoring)
    if left := [place for place, part in zip(paths, parts, strict=True) if not part]:
        notes.append(f"images in no class folder of a split, left out: {len(left):,} (e.g. {left[0]})")
    if layout.is_undivided:
        inside = [index for index, part in enumerate(parts) if part]
        listed = listed_splits(
            shelf, where, layout.splits["train"], [paths[index] for index in inside], split_list
        )
        for index, part in zip(inside, listed.parts, strict=True):
            parts[index] = part
        notes += listed.notes
    else:
        notes += unused_note(split_list)
    return ByFolder(parts, labels, notes, [*layout.splits.values()])


def _sort(
    paths: Sequence[str], parts: list[str], labels: list[str], where: str, shelf: Shelf, part: str,
    folder: str, *, for_scoring: bool,
) -> list[str]:  # fmt: skip
    """Put the images of a split without class folders where a list says, and return what to say of it.

    Raises:
        DataError: If no list sorts them, and the split is not one that can be left out.
    """
    classes = {label for label, own in zip(labels, parts, strict=True) if own == "train"}
    inside = [index for index, path in enumerate(paths) if path.startswith(f"{folder}/")]
    listed = read_list(shelf, folder, part, sorted(classes), [paths[index] for index in inside])
    if listed is None:
        if part == "test" and not for_scoring:
            return []
        raise DataError(f"{where}: the pictures in {folder}/ lie in no class folders", hint=_hint(paths))
    found, by = listed
    label_of = {path: label for label, places in found.items() for path in places}
    for index in inside:
        parts[index], labels[index] = part, label_of[paths[index]]
    return [f"{folder}/ is sorted into classes by {by}"]


def _below(path: str, folder: str) -> list[str]:
    """Return the folders of a path below a folder that it lies in; none if it does not."""
    if folder and not path.startswith(f"{folder}/"):
        return []
    return path[len(folder) :].strip("/").split("/")[:-1]


def _parts(paths: Sequence[str], layout: Layout) -> list[str]:
    if layout.within_classes:
        inner = [_below(path, layout.splits["train"])[1] for path in paths]
        said = parts_of("", set(inner))
        return [said[name] for name in inner]
    return [
        next((part for part, folder in layout.splits.items() if _below(path, folder)), "") for path in paths
    ]


def _labels(paths: Sequence[str], layout: Layout) -> list[str]:
    found = [
        next((below[0] for folder in layout.splits.values() if (below := _below(path, folder))), "")
        for path in paths
    ]
    some = next(filter(None, found))
    return [label or some for label in found]


def _hint(paths: Sequence[str]) -> str:
    classes = classes_in_names([path.rpartition("/")[2] for path in paths])
    said = f"Their names seem to say the class ({first_of(classes)}). " if classes else ""
    return f"{said}{_EXPECTED} If a table in it says the classes, unpack it: --data TABLE.csv."
