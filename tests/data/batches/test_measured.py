"""On which images a normalisation is measured."""

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

from resnetlab.data.batches.preprocessing import fit_preprocessing
from resnetlab.data.images.image import EncodedImage
from resnetlab.data.sources.encoded import EncodedSplit
from resnetlab.recipe import Normalisation, Preparation


@dataclass
class EveryOther:
    """2,047 grey images of one pixel: 0, 1, 2, ... at the even places; at the odd ones no images."""

    read_ones: set[int]

    def __len__(self) -> int:
        return 2047

    def read(self, index: int) -> EncodedImage:
        self.read_ones.add(index)
        if index % 2:
            return EncodedImage(b"no image", self.place(index))
        stream = io.BytesIO()
        Image.new("L", (1, 1), index // 2 % 256).save(stream, "PNG")
        return EncodedImage(stream.getvalue(), self.place(index))

    def place(self, index: int) -> str:
        return str(index)

    def size(self, index: int) -> int:
        return 1


def test_it_is_measured_on_1024_images_evenly_spaced() -> None:
    reader = EveryOther(set())
    split = EncodedSplit(reader, np.arange(2047), np.zeros(2047, np.int64))

    found = fit_preprocessing(Preparation(), Normalisation(pixel_range=255), split, 1)

    assert reader.read_ones == set(range(0, 2047, 2))
    assert found.normaliser.mean is not None and found.normaliser.std is not None
    np.testing.assert_allclose(found.normaliser.mean, [np.mean(np.arange(1024) % 256)])
    np.testing.assert_allclose(found.normaliser.std, [np.std(np.arange(1024) % 256)])
