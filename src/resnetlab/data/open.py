"""Sources by name or path: the one way from what a user writes after --data to a source."""

import dataclasses
import os
from pathlib import Path
from typing import NoReturn

from resnetlab.base.download import cache_folder
from resnetlab.base.paths import user_path
from resnetlab.data import SOURCES
from resnetlab.data.arrays.cifar import LAYOUTS
from resnetlab.data.arrays.made import open_digits, open_synthetic
from resnetlab.data.fetch import Download, fetch
from resnetlab.data.recognise import CIFAR, open_chosen, open_path
from resnetlab.data.records.shards import is_pattern
from resnetlab.data.sources.choices import LEFT_OPEN, Choices
from resnetlab.data.sources.encoded import AnySource
from resnetlab.errors import DataError, UsageError, nearest

_SITE = "https://www.cs.toronto.edu/~kriz"
DOWNLOADS = {  # the first is downloaded (it needs no pickle), the others are used if they are there
    "cifar10": (
        Download(f"{_SITE}/cifar-10-binary.tar.gz", "c32a1d4ab5d03f1284b67883e8d87530"),
        Download(f"{_SITE}/cifar-10-python.tar.gz", "c58f30108f718f92721af3b95e74349a"),
    ),
    "cifar100": (
        Download(f"{_SITE}/cifar-100-binary.tar.gz", "03b5dce01913d631647c71ecec9e9cb8"),
        Download(f"{_SITE}/cifar-100-python.tar.gz", "eb9058c3a382ffc7106e4002c42a8d85"),
    ),
}


def open_source(
    name_or_path: str,
    *,
    classes: int | None = None,
    image_size: int = 32,
    channels: int = 3,
    download: bool = True,
    holds_small: bool = True,
    for_scoring: bool = False,
    choices: Choices = LEFT_OPEN,
    as_channels: int | None = None,
) -> AnySource:
    """Open and check a source, whose pixels are in memory or whose images are read from files.

    Args:
        name_or_path: One of SOURCES, or the path of a CIFAR, an image folder, a CSV, TFRecord or
            WebDataset shards (a folder or a pattern) or a Hugging Face dataset. A folder with the
            name of a source is reached as "./digits".
        classes: Of the synthetic sources (None is 10); for TFRecords as `open_tfrecord` takes it; the
            others have their own.
        image_size: Side in pixels, of the synthetic sources.
        channels: Of the synthetic sources.
        download: Whether a dataset that is not in the cache may be downloaded.
        holds_small: Whether small images of one size are decoded into memory at once.
        for_scoring: Whether a path is to be scored: its splits are taken as they are found, nothing is
            divided, and any of them is enough (`Source.found`).
        choices: What the data leaves open, e.g. `Choices.of({"label_column": "breed"})`.
        as_channels: How small images held in memory are read: 3 for RGB, 1 for grey, None as they are,
            which is grey if all of them are.

    Raises:
        UsageError: If there is neither such a name nor such a path, or a choice does not go with the data.
        DataError: If what is there is damaged or nothing that is known, or cannot be downloaded.
    """
    name_or_path = str(name_or_path)
    if not name_or_path.strip():  # a shell's variable that is not set; as a path it would be the folder here
        raise UsageError("the data's name is empty", hint="A dataset's name or the path of your images.")
    if name_or_path in SOURCES and name_or_path not in DOWNLOADS:
        choices.known_to(name_or_path, ())
    if name_or_path == "digits":
        return open_digits()
    if name_or_path in ("synthetic", "synthetic-random"):
        return open_synthetic(
            classes=10 if classes is None else classes,
            image_size=image_size,
            channels=channels,
            learnable=name_or_path == "synthetic",
        )
    if name_or_path in DOWNLOADS:
        return _open_published(name_or_path, download, choices)
    path = user_path(name_or_path)
    if not (path.exists() or is_pattern(path)):
        _refuse_unknown(name_or_path)
    return open_path(
        path,
        classes=classes,
        holds_small=holds_small,
        for_scoring=for_scoring,
        choices=choices,
        as_channels=as_channels,
    )


def _refuse_unknown(name_or_path: str) -> NoReturn:
    separators = [separator for separator in (os.sep, os.altsep) if separator]
    if any(separator in name_or_path for separator in separators) or user_path(name_or_path).suffix:
        raise DataError(f"{name_or_path}: no such file or folder")
    known = f"Known: {', '.join(SOURCES)}, and the path of your images (docs/data.md)."
    raise UsageError(
        f"no data of this name, and no such path: {name_or_path}",
        hint=f"{nearest(name_or_path, SOURCES)} {known}".strip(),
    )


def open_to_fit(
    name_or_path: str,
    size: tuple[int, int],
    *,
    classes: int | None = None,
    channels: int = 3,
    choices: Choices = LEFT_OPEN,
) -> AnySource:
    """Open a source for a network that takes images of this size, as `open_source` does.

    Small images in memory have their own size. If that is another one, their files are read as they
    are needed instead, so that each can be resized.

    Args:
        name_or_path: See `open_source`.
        size: Height and width of the network's input, in pixels.
        classes: See `open_source`.
        channels: See `open_source`.
        choices: See `open_source`.

    Raises:
        UsageError, DataError: As `open_source`.
    """
    source = open_source(
        name_or_path, classes=classes, image_size=size[0], channels=channels, choices=choices
    )
    path = user_path(name_or_path)
    if source.reads_files or source.train.image_shape[:2] == size:
        return source
    if name_or_path in SOURCES or not path.exists():
        return source
    return open_path(path, classes=classes, holds_small=False, choices=choices)


def _open_published(dataset: str, download: bool, choices: Choices) -> AnySource:
    """Return the published dataset, with a word on a folder of its name that lies here."""
    here = f"The folder {dataset} that lies here is reached as ./{dataset}." * Path(dataset).is_dir()
    try:
        folder = _find_or_fetch(dataset, cache_folder(), download)
        source = open_chosen(CIFAR, folder, choices, dataset=dataset)
    except DataError as error:
        error.hint = f"{here}\n{error.hint}".strip()
        raise
    return dataclasses.replace(source, notes=(*source.notes, here)) if here else source


def _find_or_fetch(dataset: str, folder: Path, download: bool) -> Path:
    """Return what the cache has of the dataset, a folder or an archive; download it if nothing."""
    candidates = [folder / layout.folder for layout in LAYOUTS if layout.dataset == dataset]
    candidates += [folder / download.name for download in DOWNLOADS[dataset]]
    present = next((path for path in candidates if path.exists()), None)
    if present is None and not download:
        raise DataError(
            f"{dataset} is not in the cache {folder}", hint=f"`resnetlab data fetch {dataset}` downloads it."
        )
    return present or fetch(DOWNLOADS[dataset][0], folder)
