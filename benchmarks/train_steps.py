"""Train on random images for ever and print the images of every step: for side_by_side.py.

    python benchmarks/train_steps.py resnet20 --batch 128 --set compile=off

The step is that of `resnetlab bench train`: augmentation, forward, backward, update.
"""

import argparse
import itertools

import torch

from resnetlab.cli.resolve import resolve_model, split_settings
from resnetlab.recipe.named import named_recipe
from resnetlab.recipe.settings import Resolution
from resnetlab.training.speed import training_step


def main() -> None:
    """Train and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--set", action="append", default=[])
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    texts, knobs = split_settings(options.set)
    spec = resolve_model(options.model, knobs)
    resolution = Resolution(named_recipe("he2015", spec.depth))
    resolution.set_texts(
        {"batch": str(options.batch), "length": "1000000000st", "compile": "off"} | texts, "flag"
    )
    step, _ = training_step(spec, resolution.recipe, torch.device(options.device))
    for index in itertools.count():
        step(index)
        print(options.batch, flush=True)


if __name__ == "__main__":
    main()
