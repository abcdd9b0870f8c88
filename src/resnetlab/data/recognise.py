"""What lies at a path, by its content: the one place that knows all formats."""

import dataclasses
import tarfile
import zlib
from collections.abc import Callable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, cast

import numpy as np

from resnetlab.base.paths import as_word
from resnetlab.base.reading.plain import look_at
from resnetlab.base.registry import Registry, passed_over
from resnetlab.base.units import first_of
from resnetlab.data.arrays.cifar import LAYOUTS, read_cifar
from resnetlab.data.arrays.collections import CHOICES as ARRAY_CHOICES
from resnetlab.data.arrays.collections import holds_arrays, is_array_file, open_arrays, source_of_arrays
from resnetlab.data.arrays.small import hold_small
from resnetlab.data.folders.folder import CHOICES as FOLDER_CHOICES
from resnetlab.data.folders.folder import open_folder
from resnetlab.data.folders.imagenet_devkit import TRAIN_TAR
from resnetlab.data.folders.layout import Tree
from resnetlab.data.folders.table import CHOICES as CSV_CHOICES
from resnetlab.data.folders.table import SUFFIXES as TABLE_SUFFIXES
from resnetlab.data.folders.table import open_csv
from resnetlab.data.folders.zipped import open_zip
from resnetlab.data.images.kinds import image_suffixes
from resnetlab.data.records.hf_dataset import CHOICES as HF_CHOICES
from resnetlab.data.records.hf_dataset import has_table_files, open_hf_dataset
from resnetlab.data.records.shards import is_pattern
from resnetlab.data.records.tfrecord import CHOICES as TFRECORD_CHOICES
from resnetlab.data.records.tfrecord import SHARD_NAME, holds_tfds, open_tfrecord
from resnetlab.data.records.webdataset import open_webdataset
from resnetlab.data.sources.choices import Choices
from resnetlab.data.sources.encoded import AnySource, EncodedSource
from resnetlab.data.sources.leftovers import is_hidden
from resnetlab.data.sources.named_splits import SPLIT_CHOICES
from resnetlab.data.sources.parts import part_in
from resnetlab.data.sources.source import Source
from resnetlab.data.sources.wanted import Wanted
from resnetlab.errors import DataError, ResnetlabError, UsageError

_CIFAR_FILES = {name for layout in LAYOUTS for name in (*layout.files, layout.meta)}
_CIFAR_FOLDERS = {layout.folder for layout in LAYOUTS}
_KNOWN = "; ".join(
    (
        *(f"{', '.join((each.files[0], '...', each.test))}" for each in LAYOUTS),
        "train/CLASS/IMAGE and val/CLASS/IMAGE or CLASS/IMAGE (image folder)",
        "train-00000-of-01024 (TFRecord)",
        "NAME-000000.tar (WebDataset)",
        "dataset_info.json or train-00000-of-00001.parquet (Hugging Face)",
        "a .csv of path,label",
        "a .zip or .tar.gz of an image folder",
        "MNIST's train-images-idx3-ubyte, an .npz of x_train and y_train, SVHN's .mat, STL-10's .bin",
    )
)


class Format(NamedTuple):
    """A way in which people keep labelled images."""

    title: str
    """With its article, e.g. "an image folder"."""

    open: Callable[..., AnySource]
    """Takes the path, `for_scoring`, and `choices` if `knows` names any."""

    knows: tuple[str, ...] = ()
    """The names of the choices that it leaves open."""

    recognises: Callable[[Path], bool] | None = None
    """Whether data is of it; of ours `_format_at` says so, as they must be told from each other."""


FOLDER = Format("an image folder", open_folder, FOLDER_CHOICES)
CIFAR = Format("CIFAR", read_cifar, ("label_column",))
CSV = Format("a CSV", open_csv, CSV_CHOICES)
TFRECORD = Format("TFRecord shards", open_tfrecord, TFRECORD_CHOICES)
WEBDATASET = Format(
    "WebDataset shards", open_webdataset, ("image_column", "label_column", "class_names", *FOLDER_CHOICES)
)
ARRAYS = Format("a collection of arrays", open_arrays, ARRAY_CHOICES)
ZIP = Format("a .zip", open_zip, FOLDER_CHOICES)
HUGGING_FACE = Format("a Hugging Face dataset", open_hf_dataset, HF_CHOICES)

CONTAINERS = Registry(
    "container",
    {
        "folder": FOLDER,
        "cifar": CIFAR,
        "csv": CSV,
        "tfrecord": TFRECORD,
        "webdataset": WEBDATASET,
        "arrays": ARRAYS,
        "zip": ZIP,
        "hugging-face": HUGGING_FACE,
    },
)
"""Those of other packages are asked first whether data is theirs."""


def format_of(
    name: str, recognises: Callable[[Path], bool], read: Callable[[Path], Mapping[str, Any] | AnySource]
) -> Format:
    """Return the format of another package.

    Args:
        name: The container's.
        recognises: Whether a file or folder is of it.
        read: Returns a source, or images and labels by split as `source_of_arrays` takes them.
    """
    title = f"a {name} container"

    def open_it(path: Path, *, for_scoring: bool, choices: Choices) -> AnySource:
        with CONTAINERS.doing(name, f"read {path}"):
            content = read(path)
            if isinstance(content, Source):
                choices.known_to(title, ())  # its splits are what they are
                return dataclasses.replace(content, found=content.parts) if for_scoring else content
            if not isinstance(content, Mapping) or not content or not all(map(_is_split, content.items())):
                raise UsageError(
                    f"the container {name!r} read {path} as {_told(content)}",
                    hint="Due is {SPLIT: (images, labels)}, or a Source.",
                )
            pairs = {
                split: (np.asarray(images), np.asarray(labels)) for split, (images, labels) in content.items()
            }
        source = source_of_arrays(path, pairs, for_scoring=for_scoring, choices=choices)
        return cast(AnySource, source)

    return Format(title, open_it, (*SPLIT_CHOICES, "class_names"), recognises)


def _is_split(item: tuple[object, object]) -> bool:
    name, pair = item
    return isinstance(name, str) and isinstance(pair, list | tuple) and len(pair) == 2


def _told(content: object) -> str:
    """Return what was read in place of splits, for an error."""
    if not isinstance(content, Mapping) or not content:
        return "nothing" if isinstance(content, Mapping) else type(content).__name__
    name, pair = next(item for item in content.items() if not _is_split(item))
    return f"{{{name!r}: {type(pair).__name__}}}"


_ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".rar", ".7z", ".tar.bz2", ".tar.xz")


def open_path(path: Path, wanted: Wanted) -> AnySource:
    """Open whatever lies at a path, or matches it as a pattern of shards.

    Raises:
        UsageError: If its format knows no such choice.
        DataError: If it is nothing that is known, or damaged.
    """
    found, skipped = _other_format(path)
    try:
        source = _open_as(found or _format_at(path), path, wanted)
    except ResnetlabError as error:
        error.hint = "\n".join(filter(None, (error.hint, *skipped)))
        raise
    source = dataclasses.replace(source, notes=(*source.notes, *skipped)) if skipped else source
    return hold_small(source, wanted) if isinstance(source, EncodedSource) else source


def _open_as(found: Format, path: Path, wanted: Wanted) -> AnySource:
    more: dict[str, Any] = {"for_scoring": wanted.for_scoring}
    if found is TFRECORD:
        more["classes"] = wanted.classes
    source = open_chosen(found, path, wanted.choices, **more)
    if found is FOLDER and (beside := _archives_beside(path)):
        source = dataclasses.replace(source, notes=(*source.notes, beside))
    return source


def open_chosen(found: Format, path: Path, choices: Choices, **more: Any) -> AnySource:
    """Open what has a known format, with the choices that it knows, which the source keeps.

    Raises:
        UsageError: If it does not know one that was made.
        DataError: As the format's own function.
    """
    chosen = choices.known_to(found.title, found.knows)
    source = found.open(path, **({"choices": chosen} if found.knows else {}), **more)
    return dataclasses.replace(source, choices=chosen.to_json())


def _other_format(path: Path) -> tuple[Format | None, list[str]]:
    """Return the format of another package that a file or folder is of, and notes on those not asked."""
    if is_pattern(path):
        return None, []
    others, notes = CONTAINERS.others()
    for name, other in others.items():
        assert other.recognises is not None
        try:
            with CONTAINERS.doing(name, f"tell whether {path} is its own"):
                is_its_own = other.recognises(path)
        except ResnetlabError as error:
            whose = "" if isinstance(error, UsageError) else f" (the container {name!r})"
            notes.append(passed_over(error) + whose)
            continue
        if is_its_own:
            return other, notes
    return None, notes


def _format_at(path: Path) -> Format:
    if is_pattern(path):
        return WEBDATASET if ".tar" in path.name or path.suffix == ".tgz" else TFRECORD
    if not path.is_dir():
        return _file_format(path)
    found = _folder_format(path)
    if found is None:
        _refuse_unknown(path)
    return found


def _folder_format(path: Path) -> Format | None:
    try:
        inside = [each for each in [*path.iterdir(), *path.glob("*/*")] if not is_hidden(each.name)]
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    top = {each.name for each in inside if each.parent == path and each.is_file()}
    if top & _CIFAR_FILES or any((path / folder).is_dir() for folder in _CIFAR_FOLDERS):
        return CIFAR
    if "dataset_dict.json" in top or {"state.json", "dataset_info.json"} <= top:
        return HUGGING_FACE
    if TRAIN_TAR in top:
        hint = f"`resnetlab data prepare imagenet {path} OUT` unpacks them."
        raise DataError(f"{path}: holds ImageNet's original archives", hint=hint)
    if any(SHARD_NAME.search(each.name) and each.is_file() for each in inside):
        return TFRECORD
    tree = Tree(str(path))
    holds_tars = any(each.suffix == ".tar" and each.is_file() for each in inside)
    if holds_tars and not _holds_class_folders(tree):
        return WEBDATASET
    if tree.classes(""):
        return FOLDER
    if holds_tfds(path):
        return TFRECORD
    if has_table_files(path):
        return HUGGING_FACE
    if holds_arrays(path):
        return ARRAYS
    if any(_is_packed_tar(each.name) and each.is_file() and _has_images_in_tar(each) for each in inside):
        return WEBDATASET
    return FOLDER if tree.has_pictures("") else None


def _holds_class_folders(tree: Tree) -> bool:
    """Return whether there are class folders, so that tars beside them are copies, and no shards."""
    inside = tree.classes("")
    return len(inside) > 1 or any(tree.classes(name) for name in inside)


def _is_packed_tar(name: str) -> bool:
    return name.lower().endswith((".tar.gz", ".tgz"))


def _archives_beside(path: Path) -> str:
    """Return a note on archives that lie beside class folders, if there are any."""
    names = sorted(
        each.name for each in path.iterdir() if each.name.lower().endswith(_ARCHIVES) and each.is_file()
    )
    return f"archives beside the folders, not read: {first_of(names)}" if names else ""


def _file_format(path: Path) -> Format:
    try:
        look_at(path)
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if path.suffix.lower() in TABLE_SUFFIXES:
        return CSV
    if path.suffix.lower() in (".parquet", ".arrow"):
        return HUGGING_FACE
    if SHARD_NAME.search(path.name):
        return TFRECORD
    if is_array_file(path):
        return ARRAYS
    if path.suffix.lower() == ".zip":
        return ZIP
    if path.name.lower().endswith((".tar", ".tar.gz", ".tgz")) and _has_images_in_tar(path):
        return WEBDATASET
    if path.suffix.lower() in image_suffixes():
        raise DataError(
            f"{path}: one picture is no data set",
            hint="Give the folder of its class folders; `resnetlab predict` says what is in a picture.",
        )
    if way := _WAYS.get(path.suffix.lower()):
        raise DataError(f"{path}: no data that is known", hint=way)
    return CIFAR


_WAYS = dict.fromkeys((".rar", ".7z", ".bz2", ".xz", ".zst"), "Unpack it, and give the folder.") | {
    ".h5": "HDF5 is not read: write the images as an .npz of images and labels, or as files.",
    ".hdf5": "HDF5 is not read: write the images as an .npz of images and labels, or as files.",
    ".xlsx": "Save the table as a .csv.",
    ".xls": "Save the table as a .csv.",
    ".pkl": "Pickles can run programs: write the images as an .npz of images and labels.",
    ".pickle": "Pickles can run programs: write the images as an .npz of images and labels.",
    ".pt": "Pickles can run programs: write the images as an .npz of images and labels.",
    ".json": "Write path and label of each image as a .csv, or as a .jsonl with an object a line.",
}
"""What to do with files that are not read, by their suffix."""


def _has_images_in_tar(path: Path) -> bool:
    """Return whether an image comes before any file of CIFAR's."""
    try:
        with tarfile.open(path, "r:*") as archive:
            for member in islice(archive, 10_000):
                name = member.name.replace("\\", "/").rpartition("/")[2]
                if member.isfile() and (
                    name in _CIFAR_FILES or Path(name).suffix.lower() in image_suffixes()
                ):
                    return name not in _CIFAR_FILES
    except (OSError, EOFError, ValueError, OverflowError, tarfile.TarError, zlib.error):
        return False
    return False


def _refuse_unknown(path: Path) -> NoReturn:
    names = sorted(each.name + "/" * each.is_dir() for each in path.iterdir())
    hint = f"Expected one of: {_KNOWN}."
    if packed := [name for name in names if name.lower().endswith((".zip", ".tgz", ".tar.gz"))]:
        packed.sort(key=lambda name: part_in(name) != "train")
        several = ", or unpack them all into this folder" if len(packed) > 1 else ""
        hint = f"An archive is read if it is given: --data {as_word(path / packed[0])}{several}."
    raise DataError(f"{path}: no data that is known; found {first_of(names) or 'nothing'}", hint=hint)
