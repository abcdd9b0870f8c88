"""ImageNet's devkit: which class each of the validation images has."""

import re
import tarfile
import tempfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import IO, cast

from resnetlab.base import files
from resnetlab.base.reading.plain import look_at, read_plain
from resnetlab.base.units import first_of
from resnetlab.data.archives.mat import read_variables
from resnetlab.data.archives.tars import AGAIN, slashed_name
from resnetlab.errors import DataError

TRAIN_TAR, VAL_TAR = "ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar"
DEVKIT = "ILSVRC2012_devkit_t12"
TRUTH, _META = "ILSVRC2012_validation_ground_truth.txt", "meta.mat"
_MOST_DEVKIT_BYTES = 2**26  # the original has 2.5 MB
WNID = re.compile(r"n[0-9]{8}")
VAL_IMAGE = re.compile(r"ILSVRC2012_val_(\d{8})\.JPEG")


def validation_classes(folder: Path, names: Sequence[str]) -> dict[str, str]:
    """Return the wnid of ImageNet's validation images by name, if they are these and the devkit is there."""
    numbers = {name: int(match[1]) for name in names if (match := VAL_IMAGE.fullmatch(name))}
    if not names or len(numbers) < len(names):
        return {}
    try:
        class_of = read_truth(folder)
    except DataError:
        return {}
    return {name: class_of[number - 1] for name, number in numbers.items() if 0 < number <= len(class_of)}


def read_truth(tars: Path) -> list[str]:
    """Return the wnid of every validation image, in their order.

    Raises:
        DataError: If the devkit is not there, or not whole.
    """
    contents = _devkit_files(tars)
    rows = _synsets(contents[_META], str(tars / _META))
    try:
        ids = [int(line) for line in contents[TRUTH].split()]
        wnids = {int(row["ILSVRC2012_ID"]): str(row["WNID"]) for row in rows}
        class_of = [wnids[each] for each in ids]
    except (LookupError, ValueError) as error:
        raise DataError(f"{tars}: the devkit's {TRUTH} and {_META} do not fit together: {error!r}") from error
    if strange := sorted(each for each in set(class_of) if not WNID.fullmatch(each)):  # they become folders
        raise DataError(f"{tars}: {_META} names classes that are no wnids: {first_of(strange)}")
    return class_of


def _synsets(meta: bytes, called: str) -> Sequence[Mapping[str, int | str]]:
    with tempfile.TemporaryDirectory(prefix="resnetlab-") as folder:
        path = Path(folder) / _META
        files.write_part(path, meta)
        rows = read_variables(path, ("synsets",), called=called).rows
    if "synsets" not in rows:
        raise DataError(f"{called}: no records named synsets", hint=f"Take it out of {DEVKIT}.tar.gz again.")
    return rows["synsets"]


def _devkit_files(tars: Path) -> dict[str, bytes]:
    folders = (tars / DEVKIT / "data", tars / "data", tars)
    contents = {}
    for name in (TRUTH, _META):
        for path in (folder / name for folder in folders):
            if path.is_file() and name not in contents:
                contents[name] = _read(path)
    archive = tars / f"{DEVKIT}.tar.gz"
    if len(contents) < 2 and archive.is_file():
        contents = _from_archive(archive)
    if len(contents) < 2:
        raise DataError(
            f"{tars}: the devkit is not there",
            hint=f"Put {DEVKIT}.tar.gz, or {TRUTH} and {_META} out of it, beside the tars.",
        )
    return contents


def _read(path: Path) -> bytes:
    try:
        return read_plain(path, most=_MOST_DEVKIT_BYTES)
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read: {error}", hint=AGAIN) from error


def _from_archive(path: Path) -> dict[str, bytes]:
    contents = {}
    try:
        look_at(path)
        with tarfile.open(path, "r|gz") as archive:
            for member in archive:
                name = PurePosixPath(slashed_name(member)).name
                if name in (TRUTH, _META) and member.isreg() and member.size < _MOST_DEVKIT_BYTES:
                    contents[name] = cast(IO[bytes], archive.extractfile(member)).read()
    except (tarfile.TarError, OSError, EOFError, ValueError, OverflowError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read: {error}", hint=AGAIN) from error
    return contents
