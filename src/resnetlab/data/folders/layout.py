"""Which folders are splits and which are classes: found by names and by what lies in them, or refused."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from resnetlab.base.units import first_of
from resnetlab.data.images.kinds import has_image_suffix, kind_of_file
from resnetlab.data.sources.leftovers import holds_papers, holds_runs, is_hidden
from resnetlab.data.sources.parts import parts_of, refuse_two_of_a_part, split_name
from resnetlab.errors import DataError

_DEEPEST = 32
_ANY_PICTURES = frozenset({
    "images", "image", "img", "imgs", "jpg", "jpeg", "jpegs", "jpegimages", "png", "pictures", "photos",
    "data", "all",
})  # fmt: skip
"""Names of folders that hold pictures and are no class."""
_PIECES = frozenset({
    "fold", "folds", "kfold", "cv", "batch", "part", "subset", "chunk", "shard", "split", "session", "group",
})  # fmt: skip
"""What parts of one collection are called, beside a number."""

_KINDS = _ANY_PICTURES | {
    "color", "colour", "rgb", "grayscale", "greyscale", "gray", "grey", "segmented", "segmentation", "mask",
    "masks", "annotations", "augmented", "original", "raw", "cropped", "resized", "processed",
}  # fmt: skip
"""What several kinds of the same pictures are called."""


@dataclass(frozen=True)
class Layout:
    """Where splits and classes lie, relative to the folder that was given, with "/"."""

    splits: Mapping[str, str]
    """By split, the folder that its class folders lie in; {"train": ""} if they lie at the top."""

    unsorted: Mapping[str, str] = field(default_factory=dict)
    """By split, the folder of one whose pictures lie in no class folders."""

    left_out: Sequence[str] = ()
    """Folders with pictures beside the splits."""

    notes: list[str] = field(default_factory=list)
    """What to say of it."""

    within_classes: bool = False
    """Whether each class folder holds the splits, as cat/train and cat/test."""

    @property
    def is_undivided(self) -> bool:
        """Whether there are class folders alone, and no splits."""
        return [*self.splits] == ["train"] and not self.unsorted and not self.within_classes


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False


class Tree:
    """The folders below a root, as far as they have been looked into."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._folders: dict[str, tuple[str, ...]] = {}
        self._pictures: dict[str, bool] = {}

    def folders(self, folder: str) -> tuple[str, ...]:
        """Return the names of the folders in a folder, sorted; not those of systems, nor runs."""
        if folder not in self._folders:
            with os.scandir(self._path(folder)) as entries:
                inside = [each for each in entries if not is_hidden(each.name) and _is_folder(each)]
            self._folders[folder] = (*sorted(each.name for each in inside if not holds_runs(each.path)),)
        return self._folders[folder]

    def has_pictures(self, folder: str) -> bool:
        """Return whether pictures lie in the folder itself, of whatever format."""
        if folder not in self._pictures:
            self._pictures[folder] = any(is_picture(path) for path in self._files(folder))
        return self._pictures[folder]

    def has_any(self, folder: str) -> bool:
        """Return whether pictures lie in the folder or below it."""
        done, ahead = set[str](), [folder]
        while ahead:
            each = ahead.pop()
            real = os.path.realpath(self._path(each))
            if real not in done:
                done.add(real)
                if self.has_pictures(each):
                    return True
                ahead += [join(each, name) for name in self.folders(each)]
        return False

    def is_of_papers(self, folder: str) -> bool:
        """Return whether lists and documents lie in and below the folder, and nothing else."""
        return holds_papers(self._path(folder))

    def classes(self, folder: str) -> tuple[str, ...]:
        """Return the names of the folders in a folder that have pictures in them or below."""
        return tuple(name for name in self.folders(folder) if self.has_any(join(folder, name)))

    def unwrapped(self, folder: str) -> str:
        """Return the folder, or that in it which is alone in it and holds the class folders."""
        for _ in range(_DEEPEST):
            inside = self.classes(folder)
            inner = join(folder, inside[0]) if len(inside) == 1 else ""
            if not inner or self.has_pictures(folder) or self.has_pictures(inner) or not self.classes(inner):
                break
            folder = inner
        return folder

    def _files(self, folder: str) -> Iterator[str]:
        with os.scandir(self._path(folder)) as entries:
            yield from (each.path for each in entries if not is_hidden(each.name) and each.is_file())

    def _path(self, folder: str) -> str:
        return os.path.join(self._root, folder) if folder else self._root


def is_picture(path: str) -> bool:
    """Return whether a file is a picture, also one of a format that is not read."""
    return has_image_suffix(path) or kind_of_file(path).state != "other"


def join(folder: str, name: str) -> str:
    """Return folder/name."""
    return f"{folder}/{name}" if folder else name


def find_layout(where: str, tree: Tree) -> Layout:
    """Return how the pictures in a folder are laid out.

    Folders that are called what splits are called, and hold the same class folders, are splits. Any
    other folders are classes. One folder alone is looked into.

    Args:
        where: The folder, as the user wrote it, for errors.
        tree: What is below it.

    Raises:
        DataError: If both readings are possible, or the pictures are in no class folders.
        OSError: If a folder cannot be read.
    """
    folder = ""
    found = _splits_in(where, tree, folder)
    for _ in range(_DEEPEST):
        inner = None if found else _only_folder(tree, folder)
        if inner is None:
            break
        folder = join(folder, inner)
        found = _splits_in(where, tree, folder)
    found = found or _classes_in(where, tree, folder)
    notes = [f"read is {folder}/, the only folder there with pictures"] if folder else []
    return replace(found, notes=[*notes, *found.notes])


def _only_folder(tree: Tree, folder: str) -> str | None:
    """Return the one folder that can hold the classes or the splits, if there is only one."""
    if tree.has_pictures(folder):
        return None
    inside = tree.classes(folder)
    if len(inside) != 1:
        return None
    inner = join(folder, inside[0])
    others = [
        name
        for name in tree.folders(folder)
        if name != inside[0] and not tree.is_of_papers(join(folder, name))
    ]
    is_wrapper = bool(tree.classes(inner)) and not tree.has_pictures(inner)
    if others and not any(split_name(name) for name in tree.classes(tree.unwrapped(inner))):
        return None
    return inside[0] if is_wrapper else None


@dataclass(frozen=True)
class _Candidate:
    """A folder whose name speaks of a split."""

    name: str
    part: str
    rest: str
    place: str
    """Where its class folders lie, if it has any."""

    classes: tuple[str, ...]

    def goes_with(self, other: "_Candidate") -> bool:
        """Return whether the names are of one collection, as seg_train and seg_test are."""
        return self.rest == other.rest or not (self.rest and other.rest)


def _candidates(tree: Tree, folder: str) -> list[_Candidate]:
    found = []
    for name in tree.classes(folder):
        said = split_name(name)
        if said is None:
            continue
        place = tree.unwrapped(join(folder, name))
        classes = tree.classes(place)
        if len(classes) == 1 and _is_no_class(classes[0]):
            classes = ()
        found.append(_Candidate(name, said.part, said.rest, place, classes))
    return found


def _is_no_class(name: str) -> bool:
    return name.casefold() in _ANY_PICTURES or name.startswith("ILSVRC") or split_name(name) is not None


def _splits_in(where: str, tree: Tree, folder: str) -> Layout | None:
    """Return the splits that lie in a folder; None if its folders are classes, or only one of another kind.

    Raises:
        DataError: If they could be either, or a split is not sorted into classes.
    """
    tops = tree.classes(folder)
    candidates = _candidates(tree, folder)
    if not candidates:
        return _within_classes(where, tree, folder, tops)
    trains = [each for each in candidates if each.part == "train" and each.classes]
    if not trains:
        return _without_a_sorted_train(where, tree, folder, candidates)
    train = min(trains, key=lambda each: len(each.rest))
    family = _without_further([each for each in candidates if each.goes_with(train)], train)
    sharing = [each for each in candidates if each not in family and set(each.classes) & set(train.classes)]
    if sharing:
        _refuse_both_readings(where, [train.name, *(each.name for each in sharing)], train.classes)
    others = [name for name in tops if name not in {each.name for each in family}]
    if len(family) == 1 and others and not train.rest:
        _refuse_both_readings(where, [train.name], train.classes, beside=others)
    if len(family) == 1 and (train.rest or are_splits(train.classes)):
        return None  # a class, or a folder around the splits
    return _layout_of(where, tree, folder, family, train, others)


def _without_further(family: Sequence[_Candidate], train: _Candidate) -> list[_Candidate]:
    """Return the family without folders of pictures for a split that another, sorted one is called plainly.

    As test-multiple_fruits beside Test. Where both have class folders, either could be meant.
    """
    plain = {each.part for each in family if each.classes and each.rest == train.rest}
    return [each for each in family if each.classes or each.rest == train.rest or each.part not in plain]


def _layout_of(
    where: str,
    tree: Tree,
    folder: str,
    family: Sequence[_Candidate],
    train: _Candidate | None,
    others: Sequence[str] = (),
) -> Layout:
    """Return the layout of these splits; what has no class folders of train's is unsorted."""
    refuse_two_of_a_part(where, (each.name for each in family))
    part = parts_of(where, (each.name for each in family))
    is_sorted = {each.name: _is_sorted_like(each, train) for each in family}
    empty = [name for name in tree.folders(folder) if name not in tree.classes(folder)]
    notes = [f"{name}/ holds no pictures" for name in empty if (said := split_name(name)) and not said.rest]
    called = [f"{each.name}/ is the {part[each.name]} split" for each in family if _is_unusual(each.name)]
    notes += [", ".join(called)] if called else []
    beside = ["the pictures beside the splits"] if tree.has_pictures(folder) else []
    return Layout(
        splits={part[each.name]: each.place for each in family if is_sorted[each.name]},
        unsorted={part[each.name]: join(folder, each.name) for each in family if not is_sorted[each.name]},
        left_out=[*(join(folder, name) + "/" for name in others), *beside],
        notes=notes,
    )


def _is_unusual(name: str) -> bool:
    return name.casefold() not in ("train", "val", "valid", "validation", "test")


def are_splits(names: Sequence[str]) -> bool:
    """Return whether all the names are of splits, and of several."""
    said = [split_name(name) for name in names]
    return all(each and not each.rest for each in said) and len({each.part for each in said if each}) > 1


def _is_sorted_like(each: _Candidate, train: _Candidate | None) -> bool:
    """Return whether a split has class folders; one folder that train does not have is none."""
    return len(each.classes) > 1 or bool(set(each.classes) & set(train.classes if train else each.classes))


def _within_classes(where: str, tree: Tree, folder: str, tops: Sequence[str]) -> Layout | None:
    """Return the layout if every class folder holds the splits, as cat/train and cat/test."""
    if len(tops) < 2:
        return None
    alike = []
    for name in tops:
        inside = tree.classes(join(folder, name))
        said = [split_name(each) for each in inside]
        parts = {each.part for each in said if each and not each.rest}
        if None in said or "train" not in parts or len(parts) < 2 or tree.has_pictures(join(folder, name)):
            return None
        alike.append(set(tree.classes(join(join(folder, name), inside[-1]))))
    if len(shared := set.intersection(*alike)) > 1:
        each = first_of([f"{name}/" for name in tops])
        raise DataError(
            f"{where}: {each} each hold the same splits of the same folders ({first_of(sorted(shared))}): "
            "they seem to be kinds of pictures, not classes",
            hint=f"Give one of them: --data {join(where, join(folder, tops[0]))}.",
        )
    note = "the splits lie within the class folders"
    return Layout({"train": folder}, notes=[note], within_classes=True)


def _without_a_sorted_train(
    where: str, tree: Tree, folder: str, candidates: Sequence[_Candidate]
) -> Layout | None:
    """Return the splits where none that is called train has class folders; see `_splits_in`."""
    tops = tree.classes(folder)
    others = [name for name in tops if name not in {each.name for each in candidates}]
    ordered = [each for each in candidates if each.classes]
    train = next((each for each in candidates if each.part == "train"), None)
    if train is not None:
        family = [each for each in candidates if each.goes_with(train)]
        if len({each.part for each in family}) > 1 or (not others and not train.rest):
            _refuse_unsorted(where, folder, family, others)
        return None
    first = candidates[0]
    if not others and all(each.goes_with(first) for each in candidates):
        if ordered and (len(tops) > 1 or not first.rest):
            return _layout_of(where, tree, folder, candidates, None)
        if not ordered and not first.rest:
            _refuse_unsorted(where, folder, candidates, others)
    shared = [each for each in ordered if not each.rest and set(each.classes) & set(others)]
    if shared:
        each = shared[0]
        raise DataError(
            f"{where}: {each.name}/ holds {first_of(each.classes)}, which lie beside it too: are "
            f"{first_of(others)} the training images of these classes, or is {each.name} a class of its own?",
            hint=f"If they are, move them into a folder train/; else rename {each.name}/.",
        )
    return None


def _refuse_both_readings(
    where: str, names: Sequence[str], classes: Sequence[str], beside: Sequence[str] = ()
) -> None:
    folders = " and ".join(f"{name}/" for name in names)
    rest = f", with {first_of([f'{name}/' for name in beside])} beside" if beside else ""
    away = ", and move the others away" if beside else ""
    hint = (
        f"If they are splits, call them train/ and val/ or test/{away}; "
        "if they are classes, call them something without a split's word, or take the folders out of them."
    )
    said = f"splits with the classes {first_of(classes)}, or classes themselves"
    raise DataError(f"{where}: {folders}{rest}: these can be {said}", hint=hint)


def _refuse_unsorted(where: str, folder: str, family: Sequence[_Candidate], others: Sequence[str]) -> None:
    trains_first = sorted(family, key=lambda each: each.part != "train")
    flat = [join(folder, each.name) for each in trains_first if not each.classes]
    beside = f" ({first_of([f'{name}/' for name in others])} beside)" if others else ""
    text = f"the pictures in {' and '.join(f'{name}/' for name in flat)} lie in no class folders{beside}"
    raise UnsortedError(where, text, flat)


class UnsortedError(DataError):
    """Pictures lie in no class folders; `folders` says in which they do."""

    def __init__(self, where: str, problem: str, folders: Sequence[str]) -> None:
        super().__init__(f"{where}: {problem}")
        self.problem, self.folders = problem, [*folders]


def _refuse_kinds(where: str, tops: Sequence[str], names: str) -> None:
    """Raise a DataError if folders that hold the same are called as parts or kinds of a collection are."""
    words = {re.sub(r"[\d\W_]+", "", name).casefold() for name in tops}
    folders = first_of([f"{name}/" for name in tops])
    if words <= _PIECES:
        raise DataError(
            f"{where}: {folders} each hold the same folders ({names}): they seem to be parts of one"
            " data set, not classes",
            hint="Put them together, or call them train/, val/ and test/; a CSV of path,label will do, too.",
        )
    if words <= _KINDS:
        raise DataError(
            f"{where}: {folders} each hold the same folders ({names}): they seem to be kinds of the same"
            " pictures, not classes",
            hint=f"Give one of them: --data {join(where, tops[0])}.",
        )


def _classes_in(where: str, tree: Tree, folder: str) -> Layout:
    """Return the layout if the folders in a folder are the classes."""
    inside = [join(folder, name) for name in tree.classes(folder)]
    if not inside and tree.has_pictures(folder):
        raise UnsortedError(where, "its pictures lie in no class folders", [folder])
    if (
        len(inside) == 1
        and not tree.classes(inside[0])
        and tree.classes(folder)[0].casefold() in _ANY_PICTURES
    ):
        raise UnsortedError(where, f"the pictures in {inside[0]}/ lie in no class folders", inside)
    alike = [set(tree.classes(each)) for each in inside]
    notes = []
    if len(inside) > 1 and len(set.intersection(*alike)) > 1:
        names = first_of(sorted(set.intersection(*alike)))
        _refuse_kinds(where, tree.classes(folder), names)
        notes.append(
            f"all of {first_of([f'{each}/' for each in inside])} hold the same folders ({names}), which are "
            "taken for parts of the classes, not for classes"
        )
    return Layout({"train": folder}, notes=notes)
