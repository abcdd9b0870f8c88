"""The datasets of published numbers, as they were published."""

from dataclasses import dataclass

from resnetlab.data.arrays.published import CONTENTS


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A dataset as it was published."""

    train: int
    """Training images."""
    test: int
    """Test images."""
    classes: int
    content: str = ""
    """Its `data.arrays.published.content_digest`, where that is known."""


DATASETS = {  # of cifar100 and imagenet the numbers of images are checked alone
    "cifar10": Dataset(train=50_000, test=10_000, classes=10, content=CONTENTS["cifar10"]),
    "cifar100": Dataset(train=50_000, test=10_000, classes=100),
    "imagenet": Dataset(train=1_281_167, test=50_000, classes=1000),
    "digits": Dataset(train=1_438, test=359, classes=10, content=CONTENTS["digits"]),
}
