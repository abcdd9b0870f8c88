"""`resnetlab bench`."""

import argparse
from typing import TYPE_CHECKING

from resnetlab.base.units import format_bytes
from resnetlab.cli.flags import add_device, add_set
from resnetlab.cli.output import block, print_json
from resnetlab.cli.resolve import resolve_model, split_settings
from resnetlab.cli.verb import set_up
from resnetlab.errors import UsageError
from resnetlab.recipe.named import named_recipe
from resnetlab.recipe.settings import Resolution

if TYPE_CHECKING:
    from resnetlab.training.speed import Speed

_LONG = 10**9
"""Images of a run that is long enough for any kernels to pay: for such a one `auto` is decided."""

_EXAMPLES = """examples:
  resnetlab bench train resnet20 --batch 128
  resnetlab bench eval resnet50 --batch 32 --set compile=off --json
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Give the parser of `bench` its flags."""
    set_up(parser, bench, _EXAMPLES, needs="torch")
    parser.add_argument("what", choices=("train", "eval"))
    parser.add_argument("model", help="e.g. resnet20")
    parser.add_argument("--batch", metavar="N", help="images per step (default: 128)")
    parser.add_argument("--steps", type=int, default=30, help="steps that are timed (default: 30)")
    parser.add_argument("--warmup", type=int, default=5, help="steps before those (default: 5)")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads (default: torch's own)")
    add_set(parser)
    add_device(parser)


def bench(options: argparse.Namespace) -> None:
    """Measure training or evaluation speed."""
    from resnetlab.training.step.device import leaving_as_found

    if options.threads < 0:
        raise UsageError(f"--threads {options.threads}: too small")
    with leaving_as_found():
        speed, is_captured = _measured(options)
    if options.json:
        print_json(speed.to_json())
        return
    kernels = "native kernels" if options.what == "train" else "not compiled"  # they make training steps
    how = {"on": "compiled", "native": kernels}.get(speed.how, "not compiled")
    how += ", captured" if is_captured and options.what == "train" else ""
    print(
        block(
            {
                options.what: f"{speed.model}, batch {speed.batch}, {speed.precision}, {how}",
                "device": f"{speed.device}, {speed.threads} threads",
                "images/s": f"{speed.images_per_second:,.1f}",
                "step": f"{speed.step_milliseconds:.1f} ms (median of {speed.steps}; "
                f"fastest {speed.fastest_milliseconds:.1f} ms; first {speed.first_step_seconds:.1f} s)",
                "GFLOP/s": f"{speed.gflops_per_second:.1f} = {100 * speed.share_of_matmul_peak:.0f} % of the "
                f"{speed.matmul_gflops_per_second:.0f} of a matrix product here",
                "data": f"{100 * speed.augmentation_share:.1f} % of the step",
                "memory": f"{format_bytes(speed.peak_memory_bytes)} at its peak",
            },
            indent="",
        )
    )


def _measured(options: argparse.Namespace) -> "tuple[Speed, bool]":
    """Return the speed, and whether whole steps would be captured in training."""
    import torch

    from resnetlab.training.choosing.choosing import settle
    from resnetlab.training.speed import measure_speed
    from resnetlab.training.step.device import obstacle_to_compile, pick_device

    if options.threads:
        torch.set_num_threads(options.threads)
    flags = [] if options.batch is None else [(f"--batch {options.batch}", "batch", options.batch)]
    texts, knobs = split_settings(options.set, flags)
    spec = resolve_model(options.model, knobs)
    resolution = Resolution(named_recipe("quick", spec.depth))
    device = pick_device(options.device)
    can_compile = device.type != "mps" and not obstacle_to_compile(device)
    compiled = {"compile": "on" if can_compile else "off"}
    resolution.suggest(compiled, "this machine")
    resolution.set_texts(texts, "flag")
    recipe, _ = settle(spec, resolution.recipe, device, samples=_LONG)
    speed = measure_speed(options.what, spec, recipe, device, steps=options.steps, warmup=options.warmup)
    return speed, recipe.execution.capture == "on"
