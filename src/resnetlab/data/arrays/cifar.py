"""CIFAR-10 and CIFAR-100 as their author publishes them: binary or python layout, folder or tar."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from resnetlab.data.archives.container import read_files
from resnetlab.data.arrays.cifar_layouts import LAYOUTS, OFFICIAL_SAMPLES, Layout
from resnetlab.data.arrays.cifar_records import Records, parse_class_names, parse_records
from resnetlab.data.sources.choices import LEFT_OPEN, Choices
from resnetlab.data.sources.source import Source, Split
from resnetlab.errors import DataError

MOST_DATA_BYTES, MOST_META_BYTES = 2**28, 2**16  # the largest original files: 155 MB and 2 kB
_MOST_BYTES = {name: MOST_DATA_BYTES for layout in LAYOUTS for name in layout.files} | {
    name: MOST_META_BYTES
    for layout in LAYOUTS
    for name in (layout.meta, layout.meta.replace("fine", "coarse"))
}


def read_cifar(
    path: Path, *, dataset: str = "", choices: Choices = LEFT_OPEN, for_scoring: bool = False
) -> Source[Split]:
    """Read one of the four layouts from a folder, a folder around it, or a tar archive.

    Args:
        path: What to read. It is known by its structure, not by its name.
        dataset: "cifar10" or "cifar100" demands that dataset with the official number of images;
            otherwise other numbers are read and noted.
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
            hint="Remove it to have it downloaded, or give its path to use it as it is.",
        )
    return Source(
        name=layout.dataset + "-coarse" * (layout.labels == "coarse"),
        class_names=tuple(names),
        train=train,
        test=test,
        origin=f"{path} ({layout.form} layout)",
        is_partial=not is_official,
        found=None if has_train else {"test": test},
        notes=notes if has_train else ("the files of training images are not all there, none is read",),
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
        found = ", ".join(seen[:6]) + (", ..." if len(seen) > 6 else "")
        expected = "; ".join(", ".join((each.files[0], "...", each.test)) for each in LAYOUTS)
        raise DataError(
            f"{path}: no CIFAR layout; found {found or 'nothing'}",
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
