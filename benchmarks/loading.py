"""Images per second and core, from JPEG files to training batches of 224 pixels, beside torchvision's.

    python benchmarks/loading.py [--images 200] [--rounds 5] [--folder DIR]

Ours: uint8 batches (64, 224, 224, 3) by the recipe torchvision-v1; the flip and the normalisation follow
on the device. torchvision's: ImageFolder, RandomResizedCrop(224), RandomHorizontalFlip and ToTensor in
torch's DataLoader, float32 batches. Both in one process with one thread, the same files, in turns; the
median of the rounds counts. torchvision need not be installed; then only ours is measured.
"""

import argparse
import io
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from PIL import Image

from resnetlab.base import files
from resnetlab.data.batches.loader import ForTraining, Images, Request
from resnetlab.data.batches.preparation import TrainingPreparation
from resnetlab.data.folders.folder import open_folder
from resnetlab.data.records.webdataset import open_webdataset
from resnetlab.data.sources.encoded import EncodedSplit
from resnetlab.data.tools.pack import pack_source
from resnetlab.recipe.named import named_recipe

BATCH, SIDE = 64, 224
SIZES = {"500 x 375": (500, 375), "2,000 x 1,500": (2000, 1500)}
QUALITY = 90


def photograph(seed: int, size: tuple[int, int]) -> bytes:
    """Return a JPEG with the spectrum of a photograph: amplitudes fall as 1 / frequency."""
    rng, (width, height) = np.random.default_rng(seed), size
    rows, columns = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None, :]
    frequency = np.maximum(np.hypot(rows, columns), 1 / max(size))
    planes = []
    for colour in (1.0, 0.25, 0.25):  # brightness varies more than colour
        phases = np.exp(2j * np.pi * rng.random(frequency.shape))
        plane = np.fft.irfft2(phases / frequency, s=(height, width))
        planes.append(128 + 48 * colour * plane / plane.std())
    ycc = np.clip(np.stack(planes, axis=-1), 0, 255).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(ycc, "YCbCr").convert("RGB").save(stream, "JPEG", quality=QUALITY)
    return stream.getvalue()


def write_photographs(root: Path, count: int, size: tuple[int, int]) -> None:
    """Write two classes of photographs, as ImageFolder and we read them."""
    for index in range(count):
        folder = root / "train" / f"class{index % 2}"
        files.make_directory(folder)
        if not (folder / f"{index:05}.jpg").exists():
            files.write_file(folder / f"{index:05}.jpg", photograph(index, size))


def ours(split: EncodedSplit) -> Callable[[int], int]:
    """Return a function that loads all images once, in the epoch it is given, and counts them."""
    config = named_recipe("torchvision-v1").preparation
    images = Images(split, ForTraining(TrainingPreparation(config, 0), (SIDE, SIDE)), skips=False)

    def load(epoch: int) -> int:
        done = 0
        for start in range(0, len(split), BATCH):
            samples = np.arange(start, min(start + BATCH, len(split)))
            done += len(images[Request(samples, np.full(len(samples), epoch), SIDE)].images)
        return done

    return load


def torchvisions(root: Path) -> Callable[[int], int] | None:
    """Return the same of torchvision's, or None if it is not installed."""
    try:
        from torchvision import datasets, transforms
    except ImportError:
        return None
    steps = [transforms.RandomResizedCrop(SIDE), transforms.RandomHorizontalFlip(), transforms.ToTensor()]
    folder = datasets.ImageFolder(str(root / "train"), transforms.Compose(steps))
    loader = torch.utils.data.DataLoader(folder, batch_size=BATCH)

    return lambda epoch: sum(len(images) for images, _ in loader)


def measure(ways: dict[str, Callable[[int], int]], rounds: int) -> dict[str, float]:
    """Return images per second of each way, which are called in turns."""
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for epoch in range(rounds + 1):  # the first fills the caches
        for name, load in ways.items():
            started = time.perf_counter()
            count = load(epoch)
            rates[name].append(count / (time.perf_counter() - started))
    return {name: statistics.median(values[1:]) for name, values in rates.items()}


def main() -> None:
    """Make the photographs, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=200, help="of each size (default: 200)")
    parser.add_argument("--rounds", type=int, default=5, help="passes over them (default: 5)")
    parser.add_argument("--folder", help="where the photographs are kept (default: nowhere)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as temporary:
        for title, size in SIZES.items():
            root = Path(options.folder or temporary) / title.replace(" ", "").replace(",", "")
            write_photographs(root, options.images, size)
            source = open_folder(root)
            root_packed = Path(temporary) / f"{root.name}-packed"
            pack_source(source, root_packed)
            ways = {"ours": ours(source.train), "ours, packed": ours(open_webdataset(root_packed).train)}
            if theirs := torchvisions(root):
                ways["torchvision"] = theirs
            rates = measure(ways, options.rounds)
            base = rates.get("torchvision", rates["ours"])
            print(f"{title} pixels, {len(source.train)} images:")
            for name, rate in rates.items():
                print(f"  {name:<14} {rate:8.1f} images/s and core  {rate / base:6.2f}")


if __name__ == "__main__":
    main()
