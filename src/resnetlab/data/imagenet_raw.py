"""ImageNet (ILSVRC 2012) from the archives that its authors publish to a folder of images.

ILSVRC2012_img_train.tar holds 1,000 tars, nXXXXXXXX.tar, of JPEGs; ILSVRC2012_img_val.tar holds 50,000
JPEGs; the devkit (ILSVRC2012_devkit_t12.tar.gz, or its folder) says which class each of these has:
data/ILSVRC2012_validation_ground_truth.txt has an ILSVRC2012_ID per line, and data/meta.mat says which
wnid (nXXXXXXXX) such an ID is.
"""

import contextlib
import importlib
import io
import os
import re
import tarfile
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, cast

from resnetlab import files
from resnetlab.data.labelling import first_of
from resnetlab.data.tars import AGAIN, inner, opened, read_member, regular_members, slashed_name
from resnetlab.doing import doing
from resnetlab.errors import DataError

TRAIN_TAR, VAL_TAR = "ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar"
DEVKIT = "ILSVRC2012_devkit_t12"
OFFICIAL_IMAGES = {"train": 1_281_167, "val": 50_000}
_TRUTH, _META = "ILSVRC2012_validation_ground_truth.txt", "meta.mat"
_MOST_DEVKIT_BYTES = 2**26  # the original has 2.5 MB
_CLASS_TAR = re.compile(r"(n\d{8})\.tar")
_TRAIN_IMAGE = re.compile(r"(n\d{8})_\d+\.JPEG")
_WNID = re.compile(r"n[0-9]{8}")
_VAL_IMAGE = re.compile(r"ILSVRC2012_val_(\d{8})\.JPEG")
_FORMER = files.Former(
    re.compile(rf"\.{_WNID.pattern}\.\d+"), re.compile(f"{_TRAIN_IMAGE.pattern}|{_VAL_IMAGE.pattern}")
)

Progress = Callable[[str, int, int], None]
Images = Mapping[str, tarfile.TarInfo]
"""The images of a class by file name."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """What lies in the folder now."""

    images: Mapping[str, int]
    """By split: train and val."""

    written: int
    """How many of them this call wrote; the others were there."""


def prepare_imagenet(
    tars: Path, out: Path, *, is_subset: bool = False, progress: Progress | None = None
) -> Prepared:
    """Write OUT/train/nXXXXXXXX/*.JPEG and OUT/val/nXXXXXXXX/*.JPEG.

    A class appears whole, by one rename, or not at all: a call after an interruption goes on with the
    classes that are not there, and compares the number of images of those that are. Nothing is taken
    out of an archive but plain files with the expected names. About 150 GB are needed besides the
    archives.

    Args:
        tars: The folder with the two tars and the devkit, as an archive or unpacked.
        out: The folder to make.
        is_subset: Whether other numbers of images than the official ones will do.
        progress: Is told the split, and how many classes of how many are done.

    Raises:
        DataError: If an archive is missing or damaged, or the numbers of images are not the tars' or
            not the official ones; classes that were written stay.
        LockedError: If another process prepares into the same folder.
        WriteError: If the disk is full, say.
    """
    tars, out = Path(tars), Path(out)
    missing = [name for name in (TRAIN_TAR, VAL_TAR) if not (tars / name).is_file()]
    if missing:
        hint = "They can be had from https://image-net.org after registration."
        raise DataError(f"{tars}: {' and '.join(missing)} not there", hint=hint)
    class_of = _read_truth(tars)
    images, written = {"train": 0, "val": 0}, 0
    hint = "Mend that and run the same command again: it goes on with the classes that are not there."
    with contextlib.ExitStack() as stack:
        stack.enter_context(doing(f"unpacking ImageNet into {out}", hint))
        files.make_directory(out)
        stack.enter_context(files.DirectoryLock(out, f"a preparation of ImageNet by process {os.getpid()}"))
        for part, name in (("train", TRAIN_TAR), ("val", VAL_TAR)):
            files.make_directory(out / part)
            files.remove_leftovers(out / part, is_held=True, former=_FORMER)
            with opened(tars / name) as archive:
                classes = _train_classes(archive) if part == "train" else _val_classes(archive, class_of)
                for done, (total, wnid, holder, members) in enumerate(classes, start=1):
                    written += _write_class(out / part / wnid, holder, members)
                    images[part] += len(members)
                    if progress is not None:
                        progress(part, done, total)
    if not is_subset and images != OFFICIAL_IMAGES:
        found = ", ".join(f"{count:,} {part}" for part, count in images.items())
        expected = ", ".join(f"{count:,} {part}" for part, count in OFFICIAL_IMAGES.items())
        raise DataError(f"{tars}: the archives have {found} images, expected {expected}", hint=AGAIN)
    return Prepared(images, written)


def validation_classes(folder: Path, names: Sequence[str]) -> dict[str, str]:
    """Return the wnid of ImageNet's validation images by name, if they are these and the devkit is there."""
    numbers = {name: int(match[1]) for name in names if (match := _VAL_IMAGE.fullmatch(name))}
    if not names or len(numbers) < len(names):
        return {}
    try:
        class_of = _read_truth(folder)
    except DataError:
        return {}
    return {name: class_of[number - 1] for name, number in numbers.items() if 0 < number <= len(class_of)}


def _train_classes(
    archive: tarfile.TarFile,
) -> Iterator[tuple[int, str, tarfile.TarFile, Images]]:
    """Yield, class by class: the number of classes, the wnid, the tar and its images."""
    found = [(_CLASS_TAR.fullmatch(member.name), member) for member in regular_members(archive, TRAIN_TAR)]
    class_tars = [(match[1], member) for match, member in found if match]
    for wnid, member in class_tars:
        stream = cast(IO[bytes], archive.extractfile(member))
        with inner(stream, member.name) as class_tar:
            inside = regular_members(class_tar, member.name)
            yield len(class_tars), wnid, class_tar, _images_of_class(wnid, member.name, inside)


def _images_of_class(wnid: str, where: str, members: Iterable[tarfile.TarInfo]) -> Images:
    images: dict[str, tarfile.TarInfo] = {}
    for member in members:
        name = PurePosixPath(member.name).name
        match = _TRAIN_IMAGE.fullmatch(name)
        if match is None:
            continue
        if match[1] != wnid:
            raise DataError(f"{where}: {name} is of another class", hint=AGAIN)
        _refuse_twice(name, images, where)
        images[name] = member
    return images


def _refuse_twice(name: str, images: Images, where: str) -> None:
    if name in images:
        raise DataError(f"{where}: has {name} twice", hint=AGAIN)


def _val_classes(
    archive: tarfile.TarFile, class_of: Sequence[str]
) -> Iterator[tuple[int, str, tarfile.TarFile, Images]]:
    """Yield the same of the validation images, which lie in no order of classes."""
    classes: dict[str, dict[str, tarfile.TarInfo]] = defaultdict(dict)
    for member in regular_members(archive, VAL_TAR):
        name = PurePosixPath(member.name).name
        if match := _VAL_IMAGE.fullmatch(name):
            number = int(match[1])
            if not 1 <= number <= len(class_of):
                raise DataError(f"{VAL_TAR}: {name}, but {_TRUTH} has {len(class_of):,} lines")
            _refuse_twice(name, classes[class_of[number - 1]], VAL_TAR)
            classes[class_of[number - 1]][name] = member
    for wnid, images in sorted(classes.items()):
        yield len(classes), wnid, archive, images


def _write_class(folder: Path, archive: tarfile.TarFile, images: Images) -> int:
    """Write the images unless they are there; return how many were written."""
    if not images:
        raise DataError(f"{folder.name}: the archive has no image of this class", hint=AGAIN)
    if folder.is_dir():
        there = {path.name for path in folder.iterdir()}
        if there != set(images):
            raise DataError(
                f"{folder}: holds {len(there):,} files, which are not the archive's {len(images):,} images",
                hint="Remove that folder and run the same command again.",
            )
        return 0
    with files.growing_directory(folder) as growing:
        for name, member in images.items():
            files.write_part(growing / name, read_member(archive, member, folder.name))
    return len(images)


def _read_truth(tars: Path) -> list[str]:
    """Return the wnid of every validation image, in their order."""
    contents = _devkit_files(tars)
    try:
        ids = [int(line) for line in contents[_TRUTH].split()]
        synsets = importlib.import_module("scipy.io").loadmat(io.BytesIO(contents[_META]), squeeze_me=True)
        rows = synsets["synsets"]
        wnids = {int(row["ILSVRC2012_ID"]): str(row["WNID"]) for row in rows}
        class_of = [wnids[each] for each in ids]
    except Exception as error:  # SciPy raises whatever a damaged file leads it to
        raise DataError(
            f"{tars}: the devkit's {_TRUTH} and {_META} do not fit together: {error!r}"
        ) from error
    if strange := sorted(each for each in set(class_of) if not _WNID.fullmatch(each)):  # they become folders
        raise DataError(f"{tars}: {_META} names classes that are no wnids: {first_of(strange)}")
    return class_of


def _devkit_files(tars: Path) -> dict[str, bytes]:
    folders = (tars / DEVKIT / "data", tars / "data", tars)
    contents = {}
    for name in (_TRUTH, _META):
        for path in (folder / name for folder in folders):
            if path.is_file() and name not in contents:
                contents[name] = path.read_bytes()
    archive = tars / f"{DEVKIT}.tar.gz"
    if len(contents) < 2 and archive.is_file():
        contents = _from_archive(archive)
    if len(contents) < 2:
        raise DataError(
            f"{tars}: the devkit is not there",
            hint=f"Put {DEVKIT}.tar.gz, or {_TRUTH} and {_META} out of it, beside the tars.",
        )
    return contents


def _from_archive(path: Path) -> dict[str, bytes]:
    contents = {}
    try:
        with tarfile.open(path, "r|gz") as archive:
            for member in archive:
                name = PurePosixPath(slashed_name(member)).name
                if name in (_TRUTH, _META) and member.isreg() and member.size < _MOST_DEVKIT_BYTES:
                    contents[name] = cast(IO[bytes], archive.extractfile(member)).read()
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read: {error}", hint=AGAIN) from error
    return contents
