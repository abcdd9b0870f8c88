"""Compute one batch after another for ever and print the images of every step: our inference in cpu.py.

    python benchmarks/eval_steps.py resnet20 --batch 16 --set compile=on --set precision=bf16

The step is that of `resnetlab bench eval`: uint8 images in memory, normalised, to logits. compile=native
takes kernels of our own for the logits.
"""

import argparse
from typing import Any

import torch

from resnetlab.models import build
from resnetlab.native.inference import NativeInference, Precision
from resnetlab.training.speed import Step, evaluation_step
from telling import repeat
from train_steps import asked, parser_of


def step_of(options: argparse.Namespace) -> tuple[Step, bool]:
    """Return what makes a step, and whether torch compiles it."""
    spec, recipe = asked(options)
    step, prepare = evaluation_step(spec, recipe, torch.device(options.device))
    if recipe.execution.compile != "native":
        return step, recipe.execution.compile == "on"
    precision: Precision = "bf16" if recipe.execution.precision == "bf16" else "fp32"
    network = NativeInference(build(spec, seed=0).eval(), precision)
    batches: Any = prepare
    return torch.inference_mode()(lambda index: network(batches(index).images)), False


def main() -> None:
    """Compute and print."""
    options = parser_of(__doc__).parse_args()
    step, compiles = step_of(options)
    repeat(step, options.batch, options.steps, compiles=compiles)


if __name__ == "__main__":
    main()
