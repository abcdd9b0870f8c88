"""A fine-tuning's suggestions suit what is given, in whatever spelling; and images that are not square."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import resnetlab
from resnetlab.cli.parser import build_parser
from resnetlab.cli.resolve import read_asked
from resnetlab.data.sources.source import Split
from resnetlab.errors import UsageError
from resnetlab.recipe import Recipe
from resnetlab.recipe.named import named_recipe
from resnetlab.recipe.settings import override
from resnetlab.trained.transfer import Tuning, open_trained, plan_tuning
from resnetlab.training.asking import Asked
from tests.kit.pictures import write_pictures
from tests.kit.small_finetunings import suggested
from tests.kit.small_runs import small_source

SPELLINGS = ("set", "group", "file", "recipe", "python")


def tuning(spelling: str, weights: Path, data: Path, scratch: Path, values: dict[str, Any]) -> Tuning:
    """A plan with these values of the recipe, given in one of the ways."""
    flags = ["finetune", "--weights", str(weights), "--data", str(data)]
    recipe: Recipe = named_recipe("finetune")
    match spelling:
        case "set":
            flags += [word for name, value in values.items() for word in ("--set", f"{name}={value}")]
        case "group":
            groups = {"val": "run", "batch": "run", "image_size": "preparation", "bn": "transfer"}
            named = {f"{groups[name]}.{name}": value for name, value in values.items()}
            flags += [word for name, value in named.items() for word in ("--set", f"{name}={value}")]
        case "file":
            lines = [f"{name} = {value!r}" for name, value in values.items()]
            (scratch / "mine.toml").write_text("\n".join(lines))
            flags += ["--recipe", str(scratch / "mine.toml")]
        case "recipe":
            return plan_tuning(weights, Asked(data=str(data), recipe=override(recipe, values)))
        case "python":
            return plan_tuning(weights, Asked(data=str(data), recipe="finetune", values=values))
    return plan_tuning(weights, read_asked(build_parser().parse_args(flags))[0])


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_of_a_value_gives_the_same_run(
    spelling: str, folder: Path, photos: Path, tmp_path: Path
) -> None:
    """Weights of 32 px out of 36: at 40 px out of 45, shifted by an eighth; 8 of 12 images are left."""
    recipe = tuning(spelling, folder, photos, tmp_path, {"image_size": 40, "val": 4}).plan.recipe

    preparation = recipe.preparation
    assert (preparation.image_size, preparation.resize, preparation.train_crop) == (40, 45, "none")
    assert recipe.augmentation.crop_padding == 5
    assert (recipe.run.batch, recipe.transfer.bn, str(recipe.run.length)) == (4, "frozen-statistics", "500st")


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_batch_that_is_given_counts_for_bn(
    spelling: str, folder: Path, photos: Path, tmp_path: Path
) -> None:
    """12 images would be learnt in batches of 6; what is given of BN stays."""

    def bn(**values: Any) -> str:
        return tuning(spelling, folder, photos, tmp_path, values).plan.recipe.transfer.bn

    assert (bn(batch=3), bn(batch=3, bn="frozen")) == ("frozen-statistics", "frozen")


def test_bn_trains_from_sixteen_images_on(folder: Path, tmp_path: Path) -> None:
    """By the flag, and by microbatches."""
    for name in ("fox", "owl"):
        write_pictures(tmp_path / "many" / "train" / name, 20, (70, 60))
        write_pictures(tmp_path / "many" / "test" / name, 1, (70, 60))

    def bn(*flags: str) -> str:
        words = ["finetune", "--weights", str(folder), "--data", str(tmp_path / "many"), *flags]
        return plan_tuning(folder, read_asked(build_parser().parse_args(words))[0]).plan.recipe.transfer.bn

    assert [bn("--batch", count) for count in ("1", "15", "16", "32")] == [
        "frozen-statistics", "frozen-statistics", "train", "train",
    ]  # fmt: skip
    assert bn("--batch", "32", "--set", "accumulate=3") == "frozen-statistics"
    assert bn("--batch", "32", "--set", "accumulate=2") == "train"
    assert bn("--batch", "32", "--set", "shards=4") == "frozen-statistics"
    assert bn("--batch", "32", "--set", "shards=4", "--set", "shard_bn=sync") == "train"


def test_the_batch_that_is_suggested_can_be_cut_into_the_shards_that_are_given(
    folder: Path, photos: Path
) -> None:
    def batch(shards: int) -> int:
        words = ["finetune", "--weights", str(folder), "--data", str(photos), "--set", f"shards={shards}"]
        return plan_tuning(folder, read_asked(build_parser().parse_args(words))[0]).plan.recipe.run.batch

    assert [batch(shards) for shards in (1, 2, 4, 5, 7)] == [6, 6, 4, 5, 7]


def test_one_image_at_a_time_is_refused_where_bn_cannot_train(photos: Path, tmp_path: Path) -> None:
    spec = resnetlab.model_spec("resnet18").with_(width=0.125)
    run = resnetlab.train(
        spec.with_(classes=2), data=str(photos), image_size=32, batch=4, steps=1, out=tmp_path / "run",
        workers=0, device="cpu",
    ).run  # fmt: skip
    common = {"data": str(photos), "batch": 1, "steps": 1, "workers": 0, "device": "cpu"}

    with pytest.raises(UsageError, match="BN cannot be trained on one number a channel") as caught:
        resnetlab.finetune(run, out=tmp_path / "refused", bn="train", **common)
    assert "--bn frozen-statistics" in caught.value.hint and not (tmp_path / "refused").exists()
    assert resnetlab.finetune(run, out=tmp_path / "tuned", **common).step == 1


def write_oblong(root: Path, size: tuple[int, int]) -> Path:
    """A folder of 12 training and 4 test images, all of this (height, width)."""
    draws = np.random.default_rng(1)
    for part, count in (("train", 6), ("test", 2)):
        for name in ("fox", "owl"):
            (root / part / name).mkdir(parents=True)
            for number in range(count):
                pixels = draws.integers(0, 256, (*size, 3)).astype(np.uint8)
                Image.fromarray(pixels).save(root / part / name / f"{number}.png")
    return root


@pytest.mark.parametrize(
    ("weights", "data", "shape", "sides"),
    [
        ((24, 32), (24, 32), (24, 32, 3), (0, 0)),  # small files of their size: held in memory
        ((24, 32), (70, 90), (24, 24, 3), (24, 24)),
        ((24, 32), (20, 20), (24, 24, 3), (24, 24)),
        ((70, 90), (70, 90), (70, 90, 3), (0, 0)),  # files of their size, read as they are
        ((70, 90), (90, 70), (70, 70, 3), (70, 70)),
        ((32, 32), (24, 40), (32, 32, 3), (32, 32)),
        ((80, 80), (70, 90), (80, 80, 3), (80, 80)),
    ],
)
def test_oblong_images_on_either_side(
    tmp_path: Path,
    weights: tuple[int, int],
    data: tuple[int, int],
    shape: tuple[int, int, int],
    sides: tuple[int, int],
) -> None:
    common = {"device": "cpu", "workers": 0, "steps": 1, "batch": 4}
    spec = resnetlab.model_spec("resnet8").with_(width=0.25, classes=2)
    old, new = write_oblong(tmp_path / "old", weights), write_oblong(tmp_path / "new", data)
    run = resnetlab.train(spec, data=str(old), recipe="quick", out=tmp_path / "run", **common).run

    plan = plan_tuning(run, Asked(data=str(new), values={"batch": 4})).plan
    tuned = resnetlab.finetune(run, data=str(new), out=tmp_path / "tuned", **common)

    assert plan.image_shape == shape
    assert (plan.recipe.preparation.image_size, plan.recipe.preparation.resize) == sides
    assert resnetlab.evaluate(tuned.run, workers=0, device="cpu").scores.correct == tuned.correct


def test_oblong_images_that_are_no_files(folder: Path) -> None:
    """They stay as they are, shifted by an eighth of the shorter side."""
    source = small_source()
    parts = {p: Split(s.images[:, :8].copy(), s.labels) for p, s in source.parts.items()}
    recipe = suggested(named_recipe("finetune"), open_trained(folder), replace(source, **parts)).recipe

    assert recipe.preparation.image_size == 0
    assert recipe.augmentation.crop_padding == 1
