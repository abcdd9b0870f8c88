"""A folder of small photograph-like JPEGs of different sizes, and a run of 12 short steps on it."""

from pathlib import Path
from typing import Any

from resnetlab.data.folders.folder import open_folder
from resnetlab.data.sources.encoded import EncodedSource
from resnetlab.network.catalog import model_spec
from resnetlab.training.planning import RunPlan, make_plan
from tests.kit.pictures import picture
from tests.kit.small_runs import CPU, small_recipe

COUNTS = {"train": {"cat": 9, "dog": 8, "owl": 7}, "val": {"cat": 3, "dog": 3, "owl": 3}}
STEPS = 12


def write_photographs(root: Path) -> Path:
    """24 training and 9 test images of 70 to 160 pixels a side."""
    seed = 0
    for part, classes in COUNTS.items():
        for name, number in classes.items():
            folder = root / part / name
            folder.mkdir(parents=True)
            for index in range(number):
                seed += 1
                size = (70 + 13 * seed % 90, 70 + 29 * seed % 90)
                (folder / f"{index}.jpg").write_bytes(picture(seed, size=size))
    return root


def photograph_recipe_values(**changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "length": f"{STEPS}st", "checkpoint_every": 4, "image_size": 32, "train_size": 24, "grow_to": 32,
        "train_crop": "random-resized", "auto_augment": "rand", "erasing": 0.5, "repeats": 2,
        "crop_padding": 0, "cutout": 0,
    }  # fmt: skip
    return values | changes


def photograph_plan(source: EncodedSource, *, workers: int = 0, **changes: Any) -> RunPlan:
    """A plan that uses everything that could go wrong: sizes that grow, policies, repeats, mixup, EMA."""
    spec = model_spec("resnet8").with_(classes=3, width=0.5)
    recipe = small_recipe(**photograph_recipe_values(**changes))
    return make_plan(spec, source, source.origin, recipe, CPU, workers)


def open_photographs(root: Path) -> EncodedSource:
    """Open the folder, without the command line's way of holding small images in memory."""
    return open_folder(root)
