"""The datasets of published numbers, as they were published."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A dataset as it was published."""

    train: int
    """Training images."""
    test: int
    """Test images."""
    classes: int
    content: str = ""
    """Its `published_data.content_digest`, where that is known."""


DATASETS = {  # of cifar100 and imagenet the numbers of images are checked alone
    "cifar10": Dataset(
        train=50_000,
        test=10_000,
        classes=10,
        content="7e542280cdfa6d73de13c9753b179ed2a82c1a59d073afb7387859a7955d7f25",
    ),
    "cifar100": Dataset(train=50_000, test=10_000, classes=100),
    "imagenet": Dataset(train=1_281_167, test=50_000, classes=1000),
    "digits": Dataset(
        train=1_438,
        test=359,
        classes=10,
        content="3a4ac37ff9f74d45b736a99ec07e586d5d3427a4de24a3e6db9dca44e42fde46",
    ),
}
