"""CIFAR-10 and CIFAR-100 as their author publishes them: binary or python layout, folder or tar."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from resnetlab.base.units import first_of
from resnetlab.data.archives.container import read_files
from resnetlab.data.archives.pickles import PickledArray, read_pickle
from resnetlab.data.arrays.published import CONTENTS, content_digest, other_files
from resnetlab.data.sources.choices import FLAG, LEFT_OPEN, Choices
from resnetlab.data.sources.source import Source, Split
from resnetlab.errors import DataError, UsageError

OFFICIAL_SAMPLES = {"train": 50_000, "test": 10_000}

CIFAR10_NAMES = "airplane automobile bird cat deer dog frog horse ship truck".split()  # noqa: SIM905

CIFAR100_NAMES = (  # noqa: SIM905
    "apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle "
    "bowl boy bridge bus butterfly camel can castle caterpillar cattle "
    "chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur "
    "dolphin elephant flatfish forest fox girl hamster house kangaroo keyboard "
    "lamp lawn_mower leopard lion lizard lobster man maple_tree motorcycle mountain "
    "mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree "
    "plain plate poppy porcupine possum rabbit raccoon ray road rocket "
    "rose sea seal shark shrew skunk skyscraper snail snake spider "
    "squirrel streetcar sunflower sweet_pepper table tank telephone television tiger tractor "
    "train trout tulip turtle wardrobe whale willow_tree wolf woman worm"
).split()

COARSE_NAMES = (  # noqa: SIM905
    "aquatic_mammals fish flowers food_containers fruit_and_vegetables household_electrical_devices "
    "household_furniture insects large_carnivores large_man-made_outdoor_things "
    "large_natural_outdoor_scenes large_omnivores_and_herbivores medium_mammals non-insect_invertebrates "
    "people reptiles small_mammals trees vehicles_1 vehicles_2"
).split()


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The files of one dataset in one of its forms."""

    dataset: str
    form: str
    folder: str
    train: tuple[str, ...]
    test: str
    meta: str
    names: list[str]

    labels: str = ""
    """Which of CIFAR-100's two labels are used: fine or coarse."""

    @property
    def files(self) -> tuple[str, ...]:
        """The files with images."""
        return (*self.train, self.test)

    def official_records(self, name: str) -> int:
        """Return how many records a file of the published dataset holds."""
        if name == self.test:
            return OFFICIAL_SAMPLES["test"]
        return OFFICIAL_SAMPLES["train"] // len(self.train)

    def choosing(self, label_column: str) -> "Layout":
        """Return the layout with these of CIFAR-100's labels: fine or coarse; as it is for an empty text.

        Raises:
            UsageError: If the dataset has no such labels.
        """
        kind = label_column.casefold().partition("_")[0]  # the files say fine_labels, Hugging Face fine_label
        if kind in ("", self.labels):
            return self
        if not self.labels or kind != "coarse":
            hint = "It has fine and coarse labels." if self.labels else "It has one label for each image."
            raise UsageError(
                f"{FLAG} label_column={label_column}: no such labels in {self.dataset}", hint=hint
            )
        meta = self.meta.replace("fine", "coarse")
        return replace(self, names=COARSE_NAMES, labels="coarse", meta=meta)


_PARTS = tuple(f"data_batch_{part}" for part in range(1, 6))
LAYOUTS = (
    Layout(
        dataset="cifar10",
        form="binary",
        folder="cifar-10-batches-bin",
        train=tuple(f"{part}.bin" for part in _PARTS),
        test="test_batch.bin",
        meta="batches.meta.txt",
        names=CIFAR10_NAMES,
    ),
    Layout(
        dataset="cifar10",
        form="python",
        folder="cifar-10-batches-py",
        train=_PARTS,
        test="test_batch",
        meta="batches.meta",
        names=CIFAR10_NAMES,
    ),
    Layout(
        dataset="cifar100",
        form="binary",
        folder="cifar-100-binary",
        train=("train.bin",),
        test="test.bin",
        meta="fine_label_names.txt",
        names=CIFAR100_NAMES,
        labels="fine",
    ),
    Layout(
        dataset="cifar100",
        form="python",
        folder="cifar-100-python",
        train=("train",),
        test="test",
        meta="meta",
        names=CIFAR100_NAMES,
        labels="fine",
    ),
)


PIXELS = 3 * 32 * 32


class Records(NamedTuple):
    """What one file holds."""

    pixels: npt.NDArray[np.uint8]
    """Shape (N, 3072): red, green and blue plane."""

    labels: npt.NDArray[np.int64]


def parse_records(layout: Layout, name: str, content: bytes) -> Records:
    """Read one file with images and check every record of it.

    Raises:
        DataError: Naming the file, and the bytes, or the record and its label.
    """
    parse = _parse_binary if layout.form == "binary" else _parse_python
    records = parse(layout, name, content)
    if not len(records.labels):
        raise DataError(f"{name}: holds no record")
    _check_labels(name, "label", records.labels, len(layout.names))
    return records


def _parse_binary(layout: Layout, name: str, content: bytes) -> Records:
    num_labels = 2 if layout.labels else 1
    size = num_labels + PIXELS
    if len(content) % size:
        raise DataError(
            f"{name}: {len(content):,} bytes is no whole number of records of {size:,} bytes"
            f" (the original has {size * layout.official_records(name):,} bytes)"
        )
    table = np.frombuffer(content, np.uint8).reshape(-1, size)
    if num_labels == 2:
        _check_labels(name, "coarse label", table[:, 0].astype(np.int64), len(COARSE_NAMES))
    column = 0 if layout.labels == "coarse" else num_labels - 1
    return Records(table[:, num_labels:], table[:, column].astype(np.int64))


def _parse_python(layout: Layout, name: str, content: bytes) -> Records:
    table = _read_dict(name, content)
    label_key = f"{layout.labels}_labels" if layout.labels else "labels"
    data, labels = table.get("data"), table.get(label_key)
    if not isinstance(data, PickledArray) or not isinstance(labels, list):
        raise DataError(f"{name}: has no array 'data' with a list '{label_key}'")
    try:
        pixels = data.to_array()
    except ValueError as error:
        raise DataError(f"{name}: data: {error}") from error
    if pixels.dtype != np.uint8 or pixels.shape != (len(labels), PIXELS):
        raise DataError(
            f"{name}: data is {pixels.dtype} {pixels.shape}, expected uint8 ({len(labels)}, {PIXELS})"
        )
    for index, label in enumerate(labels):
        if type(label) is not int or label.bit_length() > 31:
            raise DataError(f"{name}: record {index} has no class number but a {type(label).__name__}")
    title, other = table.get("batch_label"), "training" if name == layout.test else "testing"
    if isinstance(title, bytes | str) and _text(title).startswith(other):
        raise DataError(f"{name}: calls itself {_text(title)!r}; training and test files are mixed up")
    return Records(pixels, np.array(labels, np.int64))


def _check_labels(name: str, kind: str, labels: npt.NDArray[np.int64], num_classes: int) -> None:
    bad = np.flatnonzero((labels < 0) | (labels >= num_classes))
    if len(bad):
        raise DataError(
            f"{name}: record {bad[0]} has the {kind} {labels[bad[0]]}, {kind}s are 0 to"
            f" {num_classes - 1} ({len(bad)} such records)"
        )


def parse_class_names(layout: Layout, content: bytes | None) -> list[str]:
    """Return the names the meta file gives, or the published ones if there is no such file.

    Raises:
        DataError: If the file gives another number of names.
    """
    if content is None:
        return layout.names
    if layout.form == "binary":
        names: object = content.decode("utf-8", "replace").split()
    else:
        key = f"{layout.labels}_label_names" if layout.labels else "label_names"
        names = _read_dict(layout.meta, content).get(key)
    if not isinstance(names, list) or not all(isinstance(name, bytes | str) for name in names):
        raise DataError(f"{layout.meta}: has no list of names")
    if len(names) != len(layout.names):
        raise DataError(f"{layout.meta}: {len(names)} names, expected {len(layout.names)}")
    return [_text(name) for name in names]


def _read_dict(name: str, content: bytes) -> dict[str, object]:
    table = read_pickle(content, name)
    if not isinstance(table, dict):
        raise DataError(f"{name}: holds a {type(table).__name__}, expected a dict")
    return {_text(key): value for key, value in table.items() if isinstance(key, bytes | str)}


def _text(value: bytes | str) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


MOST_DATA_BYTES, MOST_META_BYTES = 2**28, 2**16  # the largest original files: 155 MB and 2 kB
_MOST_BYTES = {name: MOST_DATA_BYTES for layout in LAYOUTS for name in layout.files} | {
    name: MOST_META_BYTES
    for layout in LAYOUTS
    for name in (layout.meta, layout.meta.replace("fine", "coarse"))
}


_AS_IT_IS = "Remove it to have it downloaded, or give its path to use it as it is."


def read_cifar(
    path: Path, *, dataset: str = "", choices: Choices = LEFT_OPEN, for_scoring: bool = False
) -> Source[Split]:
    """Read one of the four layouts from a folder, a folder around it, or a tar archive.

    Args:
        path: What to read. It is known by its structure, not by its name.
        dataset: "cifar10" or "cifar100" demands that dataset as it was published, perhaps in other files or
            another order; otherwise other numbers are read and noted.
        choices: `label_column` takes CIFAR-100's coarse labels.
        for_scoring: Whether it is to be scored: then the file of the test images is enough.

    Raises:
        UsageError: If there are no labels as they were chosen.
        DataError: If it is no CIFAR, files are missing, or a file or record is damaged; every
            problem is named with its file, bytes, record and label.
    """
    path = _descend(path)
    contents, seen = read_files(path, _MOST_BYTES)
    layout = _recognise(path, contents, seen, for_scoring=for_scoring).choosing(choices.label_column)
    others = other_files(contents) if dataset else []
    problems: list[str] = []
    records, names = {}, layout.names
    has_train = all(name in contents for name in layout.train)
    for name in layout.files if has_train else (layout.test,):
        try:
            records[name] = parse_records(layout, name, contents.pop(name))
        except DataError as error:
            problems.append(f"{path}/{error}")
    try:
        names = parse_class_names(layout, contents.get(layout.meta))
    except DataError as error:
        problems.append(f"{path}/{error}")
    if problems:
        raise DataError("\n".join(problems))
    test = _join([records.pop(layout.test)])
    train = _join([records.pop(name) for name in layout.train]) if has_train else test
    notes = tuple(_deviations(layout, train, test))
    is_official = (len(train), len(test)) == tuple(OFFICIAL_SAMPLES.values())
    if dataset and not (is_official and layout.dataset == dataset):
        raise DataError(
            f"{path}: not the complete {dataset}: {layout.dataset}, {'; '.join(notes)}",
            hint=_AS_IT_IS,
        )
    source = Source(
        name=layout.dataset + "-coarse" * (layout.labels == "coarse"),
        class_names=tuple(names),
        train=train,
        test=test,
        origin=f"{path} ({layout.form} layout)",
        is_partial=not is_official,
        found=None if has_train else {"test": test},
        notes=notes if has_train else ("the files of training images are not all there, none is read",),
    )
    if dataset:
        _refuse_other_names(names, layout, path)
    if others:
        _refuse_another(source, dataset, path, others)
    return source


def _refuse_other_names(names: list[str], layout: Layout, path: Path) -> None:
    """Raise DataError if a meta file calls classes otherwise than the published one."""
    if wrong := [pair for pair in zip(names, layout.names, strict=True) if pair[0] != pair[1]]:
        raise DataError(
            f"{path}: not {layout.dataset} as it was published: {layout.meta} calls a class {wrong[0][0]!r},"
            f" not {wrong[0][1]!r}",
            hint=_AS_IT_IS,
        )


def _refuse_another(source: Source[Split], dataset: str, path: Path, others: list[str]) -> None:
    """Raise DataError if a source, some files of which are not as they were published, has other images."""
    if content_digest(source) != CONTENTS.get(dataset):
        what = "images or labels" if dataset in CONTENTS else "files"  # of which the content is not known
        raise DataError(
            f"{path}: not {dataset} as it was published: other {what}, by the MD5 of {first_of(others)}",
            hint=_AS_IT_IS,
        )


def _descend(path: Path) -> Path:
    """Return the known folder within `path`, if there is one; else `path`."""
    inner = [path / layout.folder for layout in LAYOUTS if (path / layout.folder).is_dir()]
    datasets = {layout.dataset for layout in LAYOUTS if path / layout.folder in inner}
    if len(datasets) > 1:
        raise DataError(f"{path} holds both CIFARs", hint=f"Choose one, e.g. {inner[0]}.")
    return inner[0] if inner else path


def _recognise(path: Path, contents: dict[str, bytes], seen: list[str], *, for_scoring: bool) -> Layout:
    """Return the layout that the files belong to: the most complete one."""
    layout = max(LAYOUTS, key=lambda each: sum(name in contents for name in each.files) / len(each.files))
    missing = [name for name in layout.files if name not in contents]
    if len(missing) == len(layout.files):
        expected = "; ".join(", ".join((each.files[0], "...", each.test)) for each in LAYOUTS)
        raise DataError(
            f"{path}: no CIFAR layout; found {first_of(seen) or 'nothing'}",
            hint=f"Expected the files of one of: {expected}.",
        )
    if missing and not (for_scoring and layout.test in contents):
        raise DataError(
            f"{path}: the {layout.form} layout of {layout.dataset} lacks {', '.join(missing)}",
            hint="Copy the missing files there, or unpack the original archive again.",
        )
    return layout


def _join(parts: list[Records]) -> Split:
    planes = np.concatenate([part.pixels for part in parts]).reshape(-1, 3, 32, 32)
    labels = np.concatenate([part.labels for part in parts])
    return Split(np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), labels)


def _deviations(layout: Layout, train: Split, test: Split) -> Iterator[str]:
    """Yield what differs from the published dataset, in which every class is equally frequent."""
    for part, split in (("train", train), ("test", test)):
        official, counts = OFFICIAL_SAMPLES[part], split.samples_per_class(len(layout.names))
        if len(split) != official:
            yield f"{part} has {len(split):,} images, the original {official:,}"
        elif min(counts) != max(counts):
            yield f"{part} has {min(counts):,} to {max(counts):,} images per class, not equally many"
