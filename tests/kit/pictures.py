"""Small pictures: as pixels, as bytes of a file, and in folders."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image


def picture(
    seed: int = 0,
    *,
    size: tuple[int, int] = (40, 32),
    mode: str = "RGB",
    form: str = "JPEG",
    smooth: bool = True,
    **options: Any,
) -> bytes:
    """Return the bytes of an image of (width, height) that depends on the seed."""
    rng = np.random.default_rng(seed)
    cells = rng.integers(0, 256, (2, 3, 3)).astype(np.uint8)
    image = Image.fromarray(cells).resize(
        size, Image.Resampling.BICUBIC if smooth else Image.Resampling.NEAREST
    )
    stream = io.BytesIO()
    image.convert(mode).save(stream, form, **options)
    return stream.getvalue()


def write_folder(root: Path, counts: Mapping[str, Mapping[str, int]], *, suffix: str = ".jpg") -> Path:
    """Write root/PART/CLASS/NUMBER.jpg; counts is {part: {class: number}}, a part may be ""."""
    seed = 0
    for part, classes in counts.items():
        for name, number in classes.items():
            folder = root / part / name
            folder.mkdir(parents=True, exist_ok=True)
            for index in range(number):
                seed += 1
                (folder / f"{index:03}{suffix}").write_bytes(picture(seed))
    return root


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
