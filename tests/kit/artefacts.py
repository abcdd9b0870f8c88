"""Small trained-looking networks, and pictures as files."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from resnetlab.data.batches.normalise import Normaliser
from resnetlab.data.batches.preprocessing import Geometry, Preprocessing
from resnetlab.trained.artefact import Artefact
from tests.kit.foreign_weights import lively

MEAN, STD = np.array([0.49, 0.47, 0.42]), np.array([0.21, 0.22, 0.25])


def normaliser(kind: str = "channel", side: int = 32, channels: int = 3) -> Normaliser:
    if kind == "channel":
        return Normaliser(kind, 1, MEAN[:channels], STD[:channels])
    if kind == "per-pixel-mean":
        return Normaliser(kind, 255, np.random.default_rng(0).uniform(0, 255, (side, side, channels)))
    return Normaliser(kind, 255)


def small_artefact(
    name: str = "resnet8",
    *,
    side: int = 32,
    kind: str = "channel",
    names: tuple[str, ...] = ("ant", "bee", "cat"),
    **knobs: object,
) -> Artefact:
    """A network of 3 classes; images are made 36 px at the shorter side, cut to 32."""
    model = lively(name, classes=len(names), **knobs)
    channels = model.spec.in_channels
    geometry = Geometry(side, side + 4)
    return Artefact(
        spec=model.spec,
        class_names=names,
        preprocessing=Preprocessing(normaliser(kind, side, channels), geometry, 1 if channels == 1 else 3),
        image_shape=(side, side, channels),
        origin="made here",
        facts={"step": 7, "accuracy": 0.75, "correct": 3, "seen": 4},
        tensors=model.state_dict(),
    )


def pixels(seed: int, size: tuple[int, int] = (40, 48)) -> npt.NDArray[np.uint8]:
    """A smooth coloured picture, (height, width, 3)."""
    cells = np.random.default_rng(seed).integers(0, 256, (3, 3, 3)).astype(np.uint8)
    return np.array(Image.fromarray(cells).resize(size[::-1], Image.Resampling.BICUBIC))


def write_pictures(folder: Path, count: int, size: tuple[int, int] = (40, 48)) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{index}.png" for index in range(count)]
    for index, path in enumerate(paths):
        Image.fromarray(pixels(index, size)).save(path)
    return paths
