"""Small CIFARs in all four layouts, complete in structure, with known pixels and labels."""

import pickle
import struct
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from resnetlab.data.arrays.cifar import COARSE_NAMES, LAYOUTS, Layout
from resnetlab.data.sources.source import Split


class Python2Pickler(pickle._Pickler):
    """Writes byte strings and NumPy's names as Python 2 did, which is how the originals are encoded."""

    dispatch: ClassVar = dict(pickle._Pickler.dispatch)

    def save_bytes(self, value):
        head = b"U" + bytes([len(value)]) if len(value) < 256 else b"T" + struct.pack("<i", len(value))
        self.write(head + value)
        self.memoize(value)

    def save_name(self, value, name=None):
        module = "numpy.core.multiarray" if value.__name__ == "_reconstruct" else "numpy"
        self.write(f"c{module}\n{value.__name__}\n".encode())
        self.memoize(value)

    def save_text(self, value):
        self.save_bytes(value.encode())

    dispatch[bytes] = save_bytes
    dispatch[str] = save_text
    dispatch[type] = dispatch[type(np.zeros(0).__reduce__()[0])] = save_name


def write_pickle(path: Path, content: object) -> None:
    """Write `content` as Python 2 would have."""
    with path.open("wb") as stream:
        Python2Pickler(stream, protocol=2).dump(content)


class SmallCifar:
    """The records of a small CIFAR, and how to write them in each layout."""

    def __init__(self, dataset: str) -> None:
        self.layouts = [layout for layout in LAYOUTS if layout.dataset == dataset]
        self.num_classes = len(self.layouts[0].names)
        rng = np.random.default_rng(8)
        sizes = {"train": 100 * (2 if dataset == "cifar100" else 1), "test": 100}
        self.planes = {k: rng.integers(0, 256, (n, 3072)).astype(np.uint8) for k, n in sizes.items()}
        self.labels = {k: rng.permutation(n) % self.num_classes for k, n in sizes.items()}
        self.coarse = {k: labels % 20 for k, labels in self.labels.items()}

    def split(self, part: str) -> Split:
        """Return what a reader should make of a part, pixel by pixel."""
        images = np.empty((len(self.planes[part]), 32, 32, 3), np.uint8)
        for channel in range(3):
            for row in range(32):
                first = channel * 1024 + row * 32
                images[:, row, :, channel] = self.planes[part][:, first : first + 32]
        return Split(images, self.labels[part].astype(np.int64))

    def write(self, folder: Path, form: str) -> Layout:
        """Write the layout of this form into the folder."""
        layout = next(layout for layout in self.layouts if layout.form == form)
        folder.mkdir(parents=True, exist_ok=True)
        shares = np.array_split(np.arange(len(self.planes["train"])), len(layout.train))
        for name, share in zip(layout.train, shares, strict=True):
            self.write_file(folder / name, layout, "train", share)
        self.write_file(folder / layout.test, layout, "test", np.arange(len(self.planes["test"])))
        if form == "binary":
            (folder / layout.meta).write_text("\n".join(layout.names) + "\n\n")
        else:
            key = b"fine_label_names" if layout.dataset == "cifar100" else b"label_names"
            meta = {key: [name.encode() for name in layout.names]}
            if layout.dataset == "cifar100":
                meta[b"coarse_label_names"] = [name.encode() for name in COARSE_NAMES]
            write_pickle(folder / layout.meta, meta)
        return layout

    def write_file(self, path: Path, layout: Layout, part: str, chosen: np.ndarray) -> None:
        """Write one file with these records of the part."""
        planes, labels, coarse = (table[part][chosen] for table in (self.planes, self.labels, self.coarse))
        is_hundred = layout.dataset == "cifar100"
        if layout.form == "binary":
            columns = [coarse[:, None], labels[:, None]] if is_hundred else [labels[:, None]]
            path.write_bytes(np.concatenate([*columns, planes], axis=1).astype(np.uint8).tobytes())
            return
        title = {"train": b"training batch 1 of 1", "test": b"testing batch 1 of 1"}[part]
        names = [f"image_{number}.png".encode() for number in chosen]
        content = {b"batch_label": title, b"data": planes, b"filenames": names}
        if is_hundred:
            content |= {b"fine_labels": labels.tolist(), b"coarse_labels": coarse.tolist()}
        else:
            content |= {b"labels": labels.tolist()}
        write_pickle(path, content)


@pytest.fixture
def small_cifars() -> dict[str, SmallCifar]:
    """The two datasets, by name."""
    return {dataset: SmallCifar(dataset) for dataset in ("cifar10", "cifar100")}


@pytest.fixture
def cifar10(small_cifars) -> SmallCifar:
    """CIFAR-10 with 100 training and 100 test images."""
    return small_cifars["cifar10"]
