"""ImageNet (ILSVRC 2012) from the archives that its authors publish to a folder of images.

ILSVRC2012_img_train.tar holds 1,000 tars, nXXXXXXXX.tar, of JPEGs; ILSVRC2012_img_val.tar holds 50,000
JPEGs; the devkit (ILSVRC2012_devkit_t12.tar.gz, or its folder) says which class each of these has:
data/ILSVRC2012_validation_ground_truth.txt has an ILSVRC2012_ID per line, and data/meta.mat says which
wnid (nXXXXXXXX) such an ID is.
"""

import contextlib
import os
import re
import tarfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, cast

from resnetlab.base import files
from resnetlab.base.files import doing, remark
from resnetlab.data.archives.tars import AGAIN, inner, opened, read_member, regular_members
from resnetlab.data.folders.imagenet_devkit import TRAIN_TAR, TRUTH, VAL_IMAGE, VAL_TAR, WNID, read_truth
from resnetlab.errors import DataError

OFFICIAL_IMAGES = {"train": 1_281_167, "val": 50_000}
_CLASS_TAR = re.compile(r"(n\d{8})\.tar")
_TRAIN_IMAGE = re.compile(r"(n\d{8})_\d+\.JPEG")
_FORMER = files.Former(
    re.compile(rf"\.{WNID.pattern}\.\d+"), re.compile(f"{_TRAIN_IMAGE.pattern}|{VAL_IMAGE.pattern}")
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
    out of an archive but plain files with the expected names. If another process prepares into the
    folder, it is waited for, which is said. About 150 GB are needed besides the
    archives.

    Args:
        tars: The folder with the two tars and the devkit, as an archive or unpacked.
        out: The folder to make.
        is_subset: Whether other numbers of images than the official ones will do.
        progress: Is told the split, and how many classes of how many are done.

    Raises:
        DataError: If an archive is missing or damaged, or the numbers of images are not the tars' or
            not the official ones; classes that were written stay.
        WriteError: If the disk is full, say.
    """
    tars, out = Path(tars), Path(out)
    missing = [name for name in (TRAIN_TAR, VAL_TAR) if not (tars / name).is_file()]
    if missing:
        hint = "They can be had from https://image-net.org after registration."
        raise DataError(f"{tars}: {' and '.join(missing)} not there", hint=hint)
    class_of = read_truth(tars)
    images, written = {"train": 0, "val": 0}, 0
    hint = "Mend that and run the same command again: it goes on with the classes that are not there."
    with contextlib.ExitStack() as stack:
        stack.enter_context(doing(f"unpacking ImageNet into {out}", hint))
        files.make_directory(out)
        writer = f"a preparation of ImageNet by process {os.getpid()}"
        stack.enter_context(files.wait_for_lock(out, writer, remark))
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
        if match := VAL_IMAGE.fullmatch(name):
            number = int(match[1])
            if not 1 <= number <= len(class_of):
                raise DataError(f"{VAL_TAR}: {name}, but {TRUTH} has {len(class_of):,} lines")
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
