"""Sources by name or path: the one way from what a user writes after --data to a source."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

from resnetlab.base import files
from resnetlab.base.download import cache_folder, fetch_first
from resnetlab.base.paths import meant_path, user_path
from resnetlab.data import SOURCES
from resnetlab.data.archives.taking_out import take_out
from resnetlab.data.arrays.cifar import LAYOUTS
from resnetlab.data.arrays.made import open_digits, open_synthetic
from resnetlab.data.downloads import COLLECTIONS, DOWNLOADS
from resnetlab.data.recognise import CIFAR, open_chosen, open_path
from resnetlab.data.records.shards import is_pattern
from resnetlab.data.sources.choices import FLAG, LEFT_OPEN, Choices
from resnetlab.data.sources.encoded import AnySource
from resnetlab.data.sources.wanted import Wanted
from resnetlab.errors import DataError, ResnetlabError, UsageError, nearest


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
        classes: How many the synthetic sources have (None is 10), and TFRecords; other data has its own.
        image_size: Side in pixels, of the synthetic sources.
        channels: Of the synthetic sources.
        download: Whether a dataset that is not in the cache may be downloaded.
        holds_small: Whether small images of one size are decoded into memory at once.
        for_scoring: Whether it is to be scored: its splits are taken as they are found, nothing is divided,
            and any of them is enough.
        choices: What the data leaves open, such as which column is the label:
            `Choices.of({"label_column": "breed"})`, as `--data-set` on the command line.
        as_channels: How small images held in memory are read: 3 for RGB, 1 for grey, None as they are, which
            is grey if all of them are.

    Raises:
        UsageError: If there is neither such a name nor such a path, or a choice does not go with the data.
        DataError: If what is there is damaged or nothing that is known, or cannot be downloaded.
    """
    wanted = Wanted(
        classes=classes,
        image_size=image_size,
        channels=channels,
        download=download,
        holds_small=holds_small,
        for_scoring=for_scoring,
        choices=choices,
        as_channels=as_channels,
    )
    return open_data(name_or_path, wanted)


def open_data(name_or_path: str, wanted: Wanted) -> AnySource:
    """Do what `open_source` does, which is its public form, as everything else here opens data.

    Raises:
        UsageError, DataError: As `open_source`.
    """
    name = str(name_or_path)
    if not name.strip():  # a shell's variable that is not set; as a path it would be the folder here
        raise UsageError("the data's name is empty", hint="A dataset's name or the path of your images.")
    if name in DOWNLOADS:
        return _open_published(name, wanted)
    if name in COLLECTIONS:
        return _open_collection(name, wanted)
    if name in SOURCES:
        wanted.choices.known_to(name, ())
        if name == "digits":
            return open_digits()
        return open_synthetic(
            classes=10 if wanted.classes is None else wanted.classes,
            image_size=wanted.fits[0] if wanted.fits else wanted.image_size,
            channels=wanted.channels,
            learnable=name == "synthetic",
        )
    path = user_path(name)
    if not (path.exists() or is_pattern(path)):
        _refuse_unknown(name)
    try:
        return open_path(path, wanted)
    except UsageError as error:
        error.hint = f"{error.hint}\n{_as_inherited(error, wanted.choices)}".strip()
        raise


def _as_inherited(error: UsageError, choices: Choices) -> str:
    """Return what to say of a choice that is refused and that nobody made for this data."""
    said = {f"{FLAG} {name}=": getattr(choices, name) for name in sorted(choices.inherited)}
    refused = [(flag, value) for flag, value in said.items() if flag + value in error.args[0]]
    return "\n".join(
        f"{flag}{value} is how the network's own data was read: {flag}VALUE says how this data is"
        f"{', none that no lists divide it' * flag.endswith('split_list=')}."
        for flag, value in refused
    )


def absolute_source(text: str) -> str:
    """Return a data source's name as it is, a path to one, or a pattern, made absolute."""
    if text in SOURCES:
        return text
    path = user_path(text)
    if path.exists():
        return str(path.resolve())
    return os.path.abspath(path) if is_pattern(path) else text


def _refuse_unknown(name_or_path: str) -> NoReturn:
    separators = [separator for separator in (os.sep, os.altsep) if separator]
    if any(separator in name_or_path for separator in separators) or user_path(name_or_path).suffix:
        is_remote = "://" in name_or_path or name_or_path.startswith("hf:")
        raise DataError(
            f"{name_or_path}: no such file or folder",
            hint="Download it, and give its path." if is_remote else meant_path(user_path(name_or_path)),
        )
    known = f"Known: {', '.join(SOURCES)}, and the path of your images (docs/data.md)."
    if re.fullmatch(r"imagenet(-?(1k|2012))?|ilsvrc(-?2012)?", name_or_path.casefold()):
        raise UsageError(
            f"{name_or_path} is not fetched, as its terms ask for an account, and no folder here",
            hint="Give a folder with its train/ and val/, which `resnetlab data prepare imagenet` makes"
            " of its archives. imagenette-320 is fetched: ten of its classes.",
        )
    meant = nearest(name_or_path, SOURCES, most=1) or meant_path(user_path(name_or_path))
    raise UsageError(
        f"no data of this name, and no such path: {name_or_path}",
        hint=f"{meant} {known}".strip(),
    )


_OF_0_1_0 = {"split_list": "none"}
"""How data was read when there was nothing to choose: lists beside a folder were not looked for."""


def reopen_source(
    recorded: Mapping[str, Any],
    data: str | None = None,
    choices: Choices = LEFT_OPEN,
    *,
    for_scoring: bool = False,
) -> AnySource:
    """Return the source that a run's data.json records, from where it was or from where it lies now.

    Args:
        recorded: What data.json holds.
        data: Where it lies now; None is where it was.
        choices: Win over those that the run recorded. Of these, data elsewhere passes over what its
            format does not know.
        for_scoring: See `Wanted`.

    Raises:
        DataError, UsageError: If it cannot be opened.
    """
    reads_files = (
        recorded["reads_files"]
        if "reads_files" in recorded
        else "image_size" in recorded["preprocessing"]  # runs of earlier versions
    )
    is_of_0_1_0 = "choices" not in recorded
    earlier = Choices.of(_OF_0_1_0 if is_of_0_1_0 else recorded["choices"])
    if earlier.class_names and not Path(earlier.class_names).is_file():
        earlier = replace(earlier, listed=tuple(recorded["class_names"]))
    wanted = replace(
        Wanted.of_network(recorded["image_shape"], len(recorded["class_names"])),
        choices=choices.over(earlier, elsewhere=is_of_0_1_0 or data is not None),
        holds_small=not reads_files,
        for_scoring=for_scoring,
    )
    try:
        return open_data(recorded["source"] if data is None else data, wanted)
    except ResnetlabError as error:
        if data is not None or (isinstance(error, UsageError) and choices.to_json()):
            raise
        is_there = user_path(recorded["source"]).exists()
        hint = "" if is_there else "Say where it lies now with --data."
        raise DataError(f"cannot open the run's data: {error}", hint=hint) from error


def _open_published(dataset: str, wanted: Wanted) -> AnySource:
    """Return the published dataset, with a word on a folder of its name that lies here."""
    here = f"The folder {dataset} that lies here is reached as ./{dataset}." * Path(dataset).is_dir()
    try:
        folder = _find_or_fetch(dataset, cache_folder(), wanted.download)
        source = open_chosen(CIFAR, folder, wanted.choices, dataset=dataset)
    except DataError as error:
        error.hint = f"{here}\n{error.hint}".strip()
        raise
    return replace(source, notes=(*source.notes, here)) if here else source


def _open_collection(name: str, wanted: Wanted) -> AnySource:
    """Return a dataset of several files, which lie in a folder of its name in the cache, as any such folder.

    Raises:
        DataError: If some are not there and cannot be downloaded, or may not be.
    """
    collection = COLLECTIONS[name]
    folder = cache_folder() / (collection.folder or name)
    opened = folder / collection.opens
    if not (collection.members and opened.is_dir()):
        for places in collection.files:
            if not wanted.download and not any((folder / remote.name).exists() for remote in places):
                raise DataError(
                    f"{places[0].name} of {name} is not in the cache {folder}",
                    hint=f"`resnetlab data fetch {name}` downloads it.",
                )
            found = fetch_first(places, folder)
        if collection.members:
            _take_out(found, collection.members, opened)
    return replace(open_path(opened, wanted), name=name)


def _take_out(archive: Path, members: Sequence[str], folder: Path) -> None:
    """Make the folder of these files in an archive, whole or not at all, once."""
    holder = f"unpacking {archive.name} by process {os.getpid()}"
    with files.wait_for_lock(archive.parent, holder, files.remark):
        if not folder.is_dir():  # another process may have been first
            files.commit_directory(folder, take_out(archive, members))


def _find_or_fetch(dataset: str, folder: Path, download: bool) -> Path:
    """Return what the cache has of the dataset, a folder or an archive; download it if nothing."""
    candidates = [folder / layout.folder for layout in LAYOUTS if layout.dataset == dataset]
    candidates += [folder / remote.name for remote in DOWNLOADS[dataset]]
    present = next((path for path in candidates if path.exists()), None)
    if present is None and not download:
        raise DataError(
            f"{dataset} is not in the cache {folder}", hint=f"`resnetlab data fetch {dataset}` downloads it."
        )
    return present or fetch_first(DOWNLOADS[dataset], folder)
