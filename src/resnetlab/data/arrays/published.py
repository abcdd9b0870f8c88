"""Whether images in memory are those of a dataset as it was published, in whatever order and files."""

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np

from resnetlab.data.sources.encoded import AnySource
from resnetlab.data.sources.source import Split

# Of torchvision 0.22, datasets/cifar.py; of the binary layouts from github.com/rai-project/dldataset, vision.
FILE_SUMS = {
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "test_batch": "40351d587109b95175f43aff81a1287e",
    "data_batch_1.bin": "5dd7e06a14cb22eb9f671a540d1b7c25",
    "data_batch_2.bin": "5ea93a67294ea407fff1d09f752e9692",
    "data_batch_3.bin": "942cd6a4bcdd0dd3c604fbe906cb4421",
    "data_batch_4.bin": "ae636b3ba5c66a11e91e8cb52e771fcb",
    "data_batch_5.bin": "53f37980c15c3d472c316c40844f3f0d",
    "test_batch.bin": "803d5f7f4d78ea53de84dbe85f74fb6d",
    "train": "16019d7e3df5f24257cddd939b257f8d",
    "test": "f0ef6b0ae62326f3e7ffdfab6717acfc",
    "train.bin": "6172c7755cfe09b2fe270c85cebc1b15",
    "test.bin": "4499cfba6c016c1be1438163640a0898",
}
"""MD5 of the files with images of CIFAR-10 and CIFAR-100, by their names."""

CONTENTS = {
    "cifar10": "7e542280cdfa6d73de13c9753b179ed2a82c1a59d073afb7387859a7955d7f25",
    "digits": "3a4ac37ff9f74d45b736a99ec07e586d5d3427a4de24a3e6db9dca44e42fde46",
}
"""The `content_digest` of datasets, where it is known."""


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


def other_files(contents: Mapping[str, bytes]) -> list[str]:
    """Return which of some files, by name and content, are not CIFAR's as it was published."""
    return [
        name
        for name, content in contents.items()
        if name in FILE_SUMS and hashlib.md5(content, usedforsecurity=False).hexdigest() != FILE_SUMS[name]
    ]
