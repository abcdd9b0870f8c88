"""The verbs that train: train, finetune."""

import argparse
from typing import Any

from resnetlab.cli.verb import (
    add_at_once,
    add_bad_samples,
    add_data_set,
    add_device,
    add_place,
    add_set,
    add_verb,
    add_workers,
    later,
)
from resnetlab.cli.verbs import examples


def add_train(verbs: Any) -> None:
    """Add `resnetlab train`."""
    train = add_verb(verbs, "train", "train a network", later("train", "train"), examples.TRAIN_EXAMPLES)
    train.add_argument(
        "models", nargs="+", metavar="MODEL", help="names from `resnetlab list models`, e.g. resnet20"
    )
    train.add_argument("--data", default="cifar10", help="a dataset's name or path (default: cifar10)")
    train.add_argument(
        "--seeds", type=int, metavar="N", help="train each network N times, with --seed, --seed + 1, ..."
    )
    add_at_once(train)
    _add_training(train, "quick, digits or photos")


def add_finetune(verbs: Any) -> None:
    """Add `resnetlab finetune`."""
    tune = add_verb(
        verbs, "finetune", "train a network on with your own classes, from trained weights",
        later("train", "finetune"), examples.FINETUNE_EXAMPLES,
    )  # fmt: skip
    tune.add_argument(
        "model", nargs="?", help="the weights' network (default: the one that the weights are of)"
    )
    tune.add_argument(
        "--weights",
        required=True,
        metavar="WEIGHTS",
        help="a run, a checkpoint, a model folder; a file of torchvision, timm, Keras, TensorFlow, ...; "
        "hf:OWNER/NAME, torchvision:NAME",
    )
    add_place(tune)
    tune.add_argument("--data", required=True, help="a folder with a folder of images for each class, ...")
    tune.add_argument(
        "--head",
        choices=("reset", "keep-shared", "strict"),
        help="the classifier: anew (default); keep the classes that both have, by name; keep it whole",
    )
    tune.add_argument(
        "--freeze", metavar="PART", help="what is not to learn: stem, stage1, ... up to there; body; none"
    )
    tune.add_argument(
        "--bn",
        choices=("train", "frozen-statistics", "frozen"),
        help="BN where it learns (default: train; frozen-statistics for batches below 16)",
    )
    tune.add_argument("--balance", choices=("none", "loss"), help="loss: each class counts alike")
    _add_training(tune, "finetune")


def _add_training(parser: argparse.ArgumentParser, recipe: str) -> None:
    """Add the flags that every training has."""
    parser.add_argument(
        "--recipe",
        metavar="NAME|FILE",
        help=f"a recipe's name, or a .json or .toml file of values (default: {recipe})",
    )
    parser.add_argument("--out", metavar="DIR", help="the run's directory (default: runs/MODEL-DATA-...)")
    parser.add_argument("--epochs", metavar="N", help="length of training in epochs")
    parser.add_argument("--steps", metavar="N", help="length of training in steps (optimizer updates)")
    parser.add_argument("--batch", metavar="N", help="samples per step, over all devices")
    parser.add_argument("--lr", metavar="X", help="peak learning rate for the whole batch")
    parser.add_argument("--seed", metavar="N", help="source of every random number (default: 0)")
    parser.add_argument(
        "--val", metavar="N|X%", help="training samples held out for validation, or their share"
    )
    parser.add_argument(
        "--patience", metavar="N", help="evaluations without a better validation accuracy that end training"
    )
    add_bad_samples(parser)
    add_data_set(parser)
    add_workers(parser)
    parser.add_argument("--checkpoint-every", metavar="N", help="steps between checkpoints")
    parser.add_argument("--stop-at", metavar="X", help="accuracy in [0, 1] at which training ends")
    parser.add_argument(
        "--deterministic",
        action="store_const",
        const="true",
        help="CUDA: only algorithms that repeat exactly",
    )
    add_set(parser)
    add_device(parser)
    parser.add_argument(
        "--dry-run", action="store_true", help="print the resolved run, its time and memory; train nothing"
    )
