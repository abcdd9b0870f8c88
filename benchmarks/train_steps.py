"""Train on random images for ever and print the images of every step: for side_by_side.py and cpu.py.

    python benchmarks/train_steps.py resnet20 --batch 128 --set compile=off

The step is that of `resnetlab bench train`: augmentation, forward, backward, update.
"""

import argparse

import torch

from resnetlab.cli.resolve import resolve_model, split_settings
from resnetlab.network.spec import ModelSpec
from resnetlab.recipe import Recipe
from resnetlab.recipe.named import named_recipe
from resnetlab.recipe.settings import Resolution
from resnetlab.training.speed import training
from telling import repeat


def parser_of(description: str | None) -> argparse.ArgumentParser:
    """Return the parser of what says which network is to do what."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--steps", type=int, default=0, help="0, the default, goes on for ever")
    return parser


def asked(options: argparse.Namespace) -> tuple[ModelSpec, Recipe]:
    """Return the network and the recipe."""
    if options.threads:
        torch.set_num_threads(options.threads)
    texts, knobs = split_settings(options.set)
    spec = resolve_model(options.model, knobs)
    resolution = Resolution(named_recipe("he2015", spec.depth))
    resolution.set_texts(
        {"batch": str(options.batch), "length": "1000000000st", "compile": "off"} | texts, "flag"
    )
    return spec, resolution.recipe


def main() -> None:
    """Train and print."""
    parser = parser_of(__doc__)
    parser.add_argument("--images", type=int, default=0, help="in memory; 0, the default, makes two batches")
    options = parser.parse_args()
    spec, recipe = asked(options)
    program = training(spec, recipe, torch.device(options.device), num_samples=options.images).program
    repeat(
        lambda index: program.run(1), options.batch, options.steps,
        compiles=recipe.execution.compile == "on",
    )  # fmt: skip


if __name__ == "__main__":
    main()
