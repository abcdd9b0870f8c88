"""A picture of training images as the network gets them."""

import dataclasses
import io
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from resnetlab.base import files
from resnetlab.base.files import doing
from resnetlab.base.units import Duration
from resnetlab.data.feeding import Reading, fit
from resnetlab.data.images.geometry import to_picture
from resnetlab.data.sources.encoded import AnySource
from resnetlab.data.sources.leftovers import refuse_within
from resnetlab.errors import UsageError
from resnetlab.recipe import Normalisation, Recipe
from resnetlab.recipe.settings import override
from resnetlab.recipe.timeline import Timeline

_COLUMNS = 8
_GAP, _LINE, _LETTERS = 6, 20, 15  # pixels between tiles, for a class name, and of its letters
_SMALLEST_TILE = 96  # smaller images are enlarged by whole numbers
_SHOWN = {"length": Duration(1, "st"), "val": 0, "shards": 1, "accumulate": 1, "bad_samples": 0.99}
"""A batch to look at; others are shown in place of broken images."""

_CPU = torch.device("cpu")


def draw_samples(source: AnySource, recipe: Recipe, path: Path, *, number: int) -> None:
    """Write a PNG of the first batch of training, as the recipe's seed and augmentation make it.

    Pixels are shown before the normalisation, so that what is set to the mean is black.

    Raises:
        UsageError: If there are not so many images, or the file is no .png or lies in the data.
        DataError: If an image cannot be read.
    """
    refuse_within(source.folders, path, "-o")
    if path.suffix.lower() != ".png":
        raise UsageError(f"{path}: not a .png", hint="E.g. -o samples.png")
    if not 1 <= number <= len(source.train):
        raise UsageError(f"{number} of {len(source.train):,} training images cannot be shown")
    plain = Normalisation(normalise="none", pixel_range=255)
    recipe = dataclasses.replace(
        override(recipe, _SHOWN | {"batch": number}),
        normalisation=plain,
    )
    side = recipe.preparation.image_size
    height, width, channels = source.train.input_shape((side, side) if side else None)
    reading = Reading(fit(source.train, recipe, channels), recipe, _CPU, (height, width))
    timeline = Timeline(num_samples=len(source.train), batch=number, length=recipe.run.length)
    batch = reading.training_batches(source.train, timeline).at(0)
    images = batch.images.permute(0, 2, 3, 1).round().clamp(0, 255).to(torch.uint8).numpy()
    names = [source.class_names[int(label)] for label in batch.labels]
    if batch.labels_other is not None:
        others = [source.class_names[int(label)] for label in batch.labels_other]
        names = [f"{batch.weight:.2f} {a} + {b}" for a, b in zip(names, others, strict=True)]
    with doing("drawing training images", "Mend that, or choose another file with -o."):
        files.write_file(path, _grid(images, names))


def _grid(images: np.ndarray, names: list[str]) -> bytes:
    """Return a PNG of the images (N, H, W, C) in rows, each with its name below."""
    times = max(1, _SMALLEST_TILE // images.shape[1])
    images = images.repeat(times, axis=1).repeat(times, axis=2)
    _, height, width, _ = images.shape
    columns = min(_COLUMNS, len(images))
    rows = -(-len(images) // columns)
    across, down = width + _GAP, height + _LINE + _GAP
    page = Image.new("RGB", (columns * across + _GAP, rows * down + _GAP), "white")
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(_LETTERS)
    for index, (pixels, name) in enumerate(zip(images, names, strict=True)):
        x, y = _GAP + index % columns * across, _GAP + index // columns * down
        page.paste(to_picture(pixels).convert("RGB"), (x, y))
        while name and pen.textlength(name, font) > width:
            name = name[:-1]
        pen.text((x, y + height + 1), name, "black", font)
    stream = io.BytesIO()
    page.save(stream, "PNG")
    return stream.getvalue()
