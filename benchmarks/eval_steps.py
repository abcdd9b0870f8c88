"""Compute one batch after another for ever and print the images of every step: our inference in cpu.py.

    python benchmarks/eval_steps.py resnet20 --batch 16 --engine native
    python benchmarks/eval_steps.py resnet20 --batch 16 --set compile=on --set precision=bf16

The step is that of `resnetlab bench eval`: uint8 images in memory, normalised, to logits. Engines compute in
fp32; in bf16, compile=native takes kernels of our own for the logits.
"""

import argparse
from collections.abc import Callable
from typing import cast

import torch

from resnetlab.data.batches.batches import Batch
from resnetlab.engines.choosing import Work, choose
from resnetlab.engines.names import AUTO, ENGINES
from resnetlab.models import build
from resnetlab.native.inference import NativeInference
from resnetlab.training.speed import Step, evaluation
from telling import repeat
from train_steps import asked, parser_of

_MANY_STEPS = 10_000
"""For which an engine is chosen, where it is not named."""


def step_of(options: argparse.Namespace) -> tuple[Step, bool]:
    """Return what makes a step, and whether torch compiles it.

    Raises:
        SystemExit: If the engine cannot make it.
    """
    spec, recipe = asked(options)
    making = evaluation(spec, recipe, torch.device(options.device))
    network, batches = build(spec, seed=0).eval(), cast("Callable[[int], Batch]", making.prepare)
    answers: Callable[[torch.Tensor], torch.Tensor]
    if options.engine:
        size = (spec.input_size, spec.input_size)
        work = Work(_MANY_STEPS * options.batch, options.batch, size)
        engine = choose(options.engine, network, work, lambda: batches(0).images)
        if options.engine not in (AUTO, engine.name):
            raise SystemExit(f"engine {options.engine}: {engine.said}")
        answers = engine.answers or network
    elif recipe.execution.compile == "native":
        answers = NativeInference(network, "bf16" if recipe.execution.precision == "bf16" else "fp32")
    else:
        return making.step, recipe.execution.compile == "on"
    return torch.inference_mode()(lambda index: answers(batches(index).images)), False


def main() -> None:
    """Compute and print."""
    parser = parser_of(__doc__)
    parser.add_argument("--engine", choices=(AUTO, *ENGINES), default="", help="default: as compile says")
    options = parser.parse_args()
    step, compiles = step_of(options)
    repeat(step, options.batch, options.steps, compiles=compiles)


if __name__ == "__main__":
    main()
