"""Data is known by its images, in whatever order they lie, and other data is refused."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from resnetlab.data.arrays.published import content_digest
from resnetlab.data.open import open_source
from resnetlab.data.sources.source import Source, Split
from resnetlab.errors import DataError
from resnetlab.reproducing.datasets import DATASETS
from resnetlab.reproducing.published_data import refuse_other_data


@pytest.fixture(scope="module")
def digits() -> Any:
    return open_source("digits")


def _with_train(source: Source[Split], images: Any, labels: Any) -> Source[Split]:
    return replace(source, train=Split(images, labels))


def test_another_order_of_the_records_is_the_same_data(digits: Any) -> None:
    order = np.random.default_rng(0).permutation(len(digits.train.labels))
    shuffled = _with_train(digits, digits.train.images[order], digits.train.labels[order])

    assert shuffled.fingerprint != digits.fingerprint
    assert content_digest(shuffled) == content_digest(digits) == DATASETS["digits"].content
    refuse_other_data(shuffled, "digits", content_digest(shuffled))


@pytest.mark.parametrize("what", ["a pixel", "a label"])
def test_one_pixel_or_label_makes_it_other_data(digits: Any, what: str) -> None:
    images, labels = digits.train.images.copy(), digits.train.labels.copy()
    if what == "a pixel":
        images[700, 5, 5, 1] ^= 1
    else:
        labels[700] = (labels[700] + 1) % 10
    changed = _with_train(digits, images, labels)

    with pytest.raises(DataError, match="is not digits as it was published: other images or labels"):
        refuse_other_data(changed, "digits", content_digest(changed))


def test_other_numbers_of_images_are_told(digits: Any) -> None:
    with pytest.raises(DataError, match=r"1,438 training images \(50,000\), 359 test images \(10,000\)"):
        refuse_other_data(digits, "cifar10", content_digest(digits))
