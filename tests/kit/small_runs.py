"""A net of one unit per stage and a run of 40 short steps that uses everything that could go wrong.

The recipe has augmentation, mixup, stochastic depth, an EMA, accumulation, evaluation in mid-epoch
and batches that run across epochs: 60 samples, 8 per step.
"""

import functools
from pathlib import Path
from typing import Any

import torch

from resnetlab.base.units import Duration
from resnetlab.data.arrays.made import open_synthetic
from resnetlab.data.sources.source import Source, Split
from resnetlab.network.catalog import model_spec
from resnetlab.network.spec import ModelSpec
from resnetlab.recipe import Recipe
from resnetlab.recipe.named import named_recipe
from resnetlab.recipe.settings import override
from resnetlab.runs.directory import RunDirectory, claim_new
from resnetlab.runs.records import read_records
from resnetlab.training.observer import Observer
from resnetlab.training.planning import RunPlan, make_plan, plan_of
from resnetlab.training.session import resume, start
from resnetlab.training.trainer import Trainer

CPU = torch.device("cpu")
FILES = ("model.safetensors", "optimizer.safetensors", "ema.safetensors", "slow.safetensors")


def small_source() -> Source[Split]:
    """60 training and 30 test images of 3 classes."""
    train, test = (Split(split.images.copy(), split.labels.copy()) for split in _small_splits())
    return Source(name="small", class_names=("a", "b", "c"), train=train, test=test)


@functools.cache
def _small_splits() -> tuple[Split, Split]:
    full = open_synthetic(classes=3, image_size=32, channels=3, learnable=True)

    def cut(split: Split, count: int) -> Split:
        return Split(images=split.images[:count, ::2, ::2], labels=split.labels[:count])  # 16 x 16: quick

    return cut(full.train, 60), cut(full.test, 30)


def small_recipe(**changes: Any) -> Recipe:
    """The recipe described above, with changes."""
    values: dict[str, Any] = {
        "length": Duration(40, "st"),
        "batch": 8,
        "mixup": 0.4,
        "ema_decay": 0.9,
        "accumulate": 2,
        "log_every": 3,
        "checkpoint_every": 10,
        "keep_checkpoints": 100,
        "eval_every": Duration(1, "ep"),
        "compile": "off",
        "cutout": 4,
        "report": False,  # which takes as long as three steps of these
    }
    values |= changes
    values["length"] = Duration.parse(str(values["length"]))
    return override(named_recipe("quick"), values)


def small_plan(**changes: Any) -> RunPlan:
    """A plan for the smallest CIFAR net (8 layers) on the small source."""
    return _plan_of(model_spec("resnet8").with_(width=0.5), changes)


def two_stage_plan(**changes: Any) -> RunPlan:
    """The same for a net of two units, one of which changes size: where more of them show no more."""
    narrow = {"stem_width": 8, "widths": (8, 16), "out_channels": (8, 16)}
    spec = model_spec("resnet8").with_(**narrow, blocks=(1, 1), strides=(1, 2), shortcut_dropout=0.2)
    return _plan_of(spec, changes)


def _plan_of(spec: ModelSpec, changes: dict[str, Any]) -> RunPlan:
    spec = spec.with_(classes=3, stochastic_depth=0.3)
    return make_plan(spec, small_source(), "small", small_recipe(**changes), CPU)


def train(trainer: Trainer) -> None:
    """Train to the end, listening to signals as the command does."""
    with trainer.interrupt:
        trainer.train()


def train_whole(out: Path, plan: RunPlan) -> RunDirectory:
    """Train a plan from beginning to end without an interruption."""
    with claim_new(out):
        trainer = start(plan, RunDirectory(out), Observer())
        train(trainer)
        trainer.close()
    return RunDirectory(out)


def go_on(run: RunDirectory, source: Source[Split]) -> Trainer:
    """Return a trainer for the rest of a run, as `resnetlab resume` makes it."""
    return resume(run, plan_of(read_records(run), source, CPU), Observer())


def finish(run: RunDirectory) -> None:
    """Train the rest of a run."""
    trainer = go_on(run, small_source())
    train(trainer)
    trainer.close()


def final_bytes(run: RunDirectory, step: int = 40) -> dict[str, bytes]:
    """The bytes that must not depend on interruptions."""
    folder = run.checkpoints / f"step-{step:08d}"
    found = {name: (folder / name).read_bytes() for name in FILES if (folder / name).exists()}
    return found | {"metrics.jsonl": run.metrics.read_bytes()}
