"""How many images a dataset has, and of what kind; those known by name need not be here. No torch."""

from dataclasses import dataclass

from resnetlab.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class DataFacts:
    """What the length and the reading of a run depend on."""

    name: str
    train: int
    """Training images."""
    test: int
    classes: int
    side: int = 0
    """Of images in memory in pixels; 0 for files, which the recipe enlarges or shrinks."""
    reads_files: bool = False
    """Whether images are decoded from files as they are needed."""
    file_bytes: float = 0.0
    """Of a file, on average."""
    source: str = ""


KNOWN = {
    facts.name: facts
    for facts in (
        DataFacts(
            name="imagenet", train=1_281_167, test=50_000, classes=1000, reads_files=True,
            file_bytes=147_897_477_120 / 1_281_167,
            source="ILSVRC 2012 (Russakovsky et al., 2015, table 2); its training archive has 138 GiB",
        ),
        DataFacts(
            name="cifar10", train=50_000, test=10_000, classes=10, side=32,
            source="Krizhevsky, 2009",
        ),
        DataFacts(
            name="cifar100", train=50_000, test=10_000, classes=100, side=32,
            source="Krizhevsky, 2009",
        ),
    )
}  # fmt: skip
"""Datasets by name, as `--data` takes them; what the others have is seen when they are opened."""


def made_up(images: int, classes: int, side: int = 0) -> DataFacts:
    """Return the facts of a dataset of which nothing is known but its size.

    Args:
        images: For training; a twentieth of them more are for testing.
        classes: Of the network.
        side: Of images in memory; 0 for files of ImageNet's size.

    Raises:
        UsageError: If there are none.
    """
    if images < 1:
        raise UsageError(f"--images {images}: a dataset has at least 1")
    return DataFacts(
        name=f"{images:,} images",
        train=images,
        test=max(1, images // 20),
        classes=classes,
        side=side,
        reads_files=not side,
        file_bytes=0.0 if side else KNOWN["imagenet"].file_bytes,
        source="--images; a twentieth more for testing, files as large as ImageNet's",
    )
