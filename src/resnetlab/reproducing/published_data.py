"""Whether what lies here is a dataset as it was published, image by image."""

import hashlib
from collections.abc import Sequence

import numpy as np

from resnetlab.data.sources.encoded import AnySource
from resnetlab.data.sources.source import Source, Split
from resnetlab.errors import DataError
from resnetlab.reproducing.datasets import DATASETS


def content_digest(source: AnySource) -> str:
    """Return a SHA-256 of the training and test images with the names of their classes, in whatever order.

    Copies of a dataset whose records lie in another order have the same; their fingerprints differ. Images in
    files, which may be encoded otherwise with the same pixels, have none: "".
    """
    if not isinstance(source.train, Split) or not isinstance(source.test, Split):
        return ""
    digest = hashlib.sha256()
    for split in (source.train, source.test):
        each = sorted(_sample(split, index, source.class_names) for index in range(len(split.labels)))
        digest.update(b"".join(each) + b"\n")
    return digest.hexdigest()


def _sample(split: Split, index: int, names: Sequence[str]) -> bytes:
    pixels = np.ascontiguousarray(split.images[index])
    about = f"{names[int(split.labels[index])]} {pixels.shape} "
    return hashlib.sha256(about.encode() + pixels.tobytes()).digest()


def refuse_other_data(source: Source[Split] | AnySource, name: str, content: str) -> None:
    """Refuse data of which nobody published the numbers that its results would stand beside.

    Args:
        source: The data.
        name: Of the dataset that it should be, one of `DATASETS`.
        content: The data's `content_digest`.

    Raises:
        DataError: If it is another, with what differs.
    """
    wanted = DATASETS[name]
    pairs = {
        "training images": (len(source.train.labels), wanted.train),
        "test images": (len(source.test.labels), wanted.test),
        "classes": (len(source.class_names), wanted.classes),
    }
    told = [f"{found:,} {what} ({due:,})" for what, (found, due) in pairs.items() if found != due]
    if not told and wanted.content and content != wanted.content:
        told = [f"other images or labels (content {content[:12] or 'in files'}, not {wanted.content[:12]})"]
    if told:
        raise DataError(
            f"{source.origin or source.name} is not {name} as it was published: {', '.join(told)}",
            hint="Results on other data cannot stand beside published ones. `resnetlab train` takes any.",
        )
