"""ImageNet's archives as they are downloaded, of 3 classes, with 9 training and 5 validation pictures."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from resnetlab.data.folders.imagenet_devkit import DEVKIT, TRAIN_TAR, VAL_TAR
from tests.kit.pictures import picture
from tests.kit.tars import tar_bytes, write_tar

WNIDS = ("n01440764", "n01443537", "n02979186")
TRUTH = (2, 3, 1, 1, 3)
"""Of the five validation pictures: the ID of the class."""


def meta_mat(wnids: Sequence[str] = WNIDS) -> bytes:
    """A meta.mat of the devkit's form: a struct array in which inner synsets come after the leaves."""
    from scipy.io import savemat

    rows = [(index, wnid, "words", 0) for index, wnid in enumerate((*wnids, "n00001740"), start=1)]
    kind = [("ILSVRC2012_ID", "O"), ("WNID", "O"), ("words", "O"), ("num_children", "O")]
    stream = io.BytesIO()
    savemat(stream, {"synsets": np.array(rows, dtype=kind)})
    return stream.getvalue()


def devkit() -> dict[str, bytes]:
    """The development kit's files of which something is read."""
    return {
        f"{DEVKIT}/data/ILSVRC2012_validation_ground_truth.txt": "".join(
            f"{each}\n" for each in TRUTH
        ).encode(),
        f"{DEVKIT}/data/meta.mat": meta_mat(),
    }


def write_imagenet_tars(folder: Path) -> Path:
    """Write the three archives into the folder, and return it."""
    classes = {
        f"{wnid}.tar": tar_bytes({f"{wnid}_{n}.JPEG": picture(10 * k + n) for n in range(k + 2)} | {"x": b""})
        for k, wnid in enumerate(WNIDS)
    }
    write_tar(folder / TRAIN_TAR, classes)
    write_tar(folder / VAL_TAR, {f"ILSVRC2012_val_{n:08}.JPEG": picture(100 + n) for n in (3, 1, 5, 2, 4)})
    write_tar(folder / f"{DEVKIT}.tar.gz", devkit(), "w:gz")
    return folder
