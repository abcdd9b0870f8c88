"""What a notebook shows of a source: counts by class and split, and images as far as they can be read."""

import numpy as np

from resnetlab.data.sources.shown import counts, pictures
from resnetlab.errors import DataError


def test_of_many_classes_each_split_is_told_in_a_line() -> None:
    names = [f"c{index}" for index in range(30)]
    html = counts({"train": [*range(1, 31)], "test": [5] * 30}, names)

    assert "465" in html and "1 to 30" in html and "5 to 5" in html
    assert "30 classes: c0, c1" in html and "and 10 more" in html


def test_an_image_that_cannot_be_read_is_left_out() -> None:
    def read(index: int) -> np.ndarray:
        if index == 1:
            raise DataError("broken")
        return np.full((90, 120, 3), 10 * index, np.uint8)

    html = pictures(np.array([0, 1, 0, 2]), ("cat", "dog", "owl"), read)

    assert html.count("<img") == 2 and 'alt="cat"' in html and 'alt="owl"' in html
