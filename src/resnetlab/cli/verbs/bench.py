"""`resnetlab bench`."""

import argparse
import sys
from typing import TYPE_CHECKING

from resnetlab.base import files
from resnetlab.base.paths import user_path
from resnetlab.base.units import format_bytes
from resnetlab.cli.flags import add_device, add_engine, add_set, add_threads
from resnetlab.cli.output import block, print_json
from resnetlab.cli.resolve import resolve_model, split_settings
from resnetlab.cli.verb import set_up
from resnetlab.engines.names import AUTO
from resnetlab.errors import UsageError
from resnetlab.recipe import Recipe
from resnetlab.recipe.named import named_recipe
from resnetlab.recipe.settings import Resolution, override

if TYPE_CHECKING:
    from resnetlab.training.speed import Speed
    from resnetlab.training.timing.profile import Profile

_LONG = 10**9
"""Images of a run that is long enough for any kernels to pay: for such a one `auto` is decided."""

_EXAMPLES = """examples:
  resnetlab bench train resnet20 --batch 128
  resnetlab bench eval resnet50 --batch 32 --json
  resnetlab bench eval resnet20 --engine onnxruntime      as `eval --engine` makes the answers
  resnetlab bench train resnet20 --profile --trace step.json    where the time goes
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Give the parser of `bench` its flags."""
    set_up(parser, bench, _EXAMPLES, needs="torch")
    parser.add_argument("what", choices=("train", "eval"))
    parser.add_argument("model", help="e.g. resnet20")
    parser.add_argument("--batch", metavar="N", help="images per step (default: 128)")
    parser.add_argument("--steps", type=int, default=30, help="steps that are timed (default: 30)")
    parser.add_argument("--warmup", type=int, default=5, help="steps before those (default: 5)")
    parser.add_argument(
        "--remeasure",
        action="store_true",
        help="measure anew what this machine can do at its best, which is kept from call to call",
    )
    parser.add_argument(
        "--profile",
        action="store_true",
        help="also say where the time goes, by kind of work and for each kind of convolution (CPU)",
    )
    parser.add_argument(
        "--trace",
        metavar="FILE",
        help="write the profiled steps as a trace for ui.perfetto.dev or chrome://tracing",
    )
    add_set(parser)
    add_device(parser)
    add_threads(parser)
    add_engine(parser)


def bench(options: argparse.Namespace) -> None:
    """Measure training or evaluation speed."""
    from resnetlab.training.step.device import leaving_as_found
    from resnetlab.watching.sight import sight_of

    with leaving_as_found():
        speed, profile, is_captured = _measured(options)
    trace = {"trace": options.trace} if options.trace else {}
    if options.json:
        print_json(speed.to_json() | ({"profile": profile.to_json()} if profile else {}) | trace)
        return
    how = _how(options, speed, is_captured)
    facts = {
        options.what: f"{speed.model}, batch {speed.batch}, {speed.precision}, {how}",
        "device": f"{speed.device}, {speed.threads} thread{'s' if speed.threads > 1 else ''}",
        "images/s": f"{speed.images_per_second:,.1f}",
        "step": f"{speed.step_milliseconds:.1f} ms (median of {speed.steps}; "
        f"fastest {speed.fastest_milliseconds:.1f} ms; first {speed.first_step_seconds:.1f} s)",
        "GFLOP/s": _rate(speed),
        "data": f"{100 * speed.augmentation_share:.1f} % of the step",
        "memory": f"{format_bytes(speed.peak_memory_bytes)} at its peak",
    }
    sight = sight_of(sys.stdout)
    print(block(facts | trace, indent="", columns=sight.columns))
    if profile:
        from resnetlab.training.timing.words import lines_of

        print("\n" + "\n".join(lines_of(profile, is_ascii=sight.letters == "ascii")))


def _how(options: argparse.Namespace, speed: "Speed", is_captured: bool) -> str:
    if speed.engine_said:
        return f"engine {speed.engine_said}"
    how = "compiled" if speed.how == "on" else "not compiled"
    if speed.how == "native" and options.what == "train":  # they make training steps
        from resnetlab.native.building import instructions

        how = f"native kernels by {instructions(is_half=speed.precision == 'bf16')}"
    return how + (", captured" if is_captured and options.what == "train" else "")


def _rate(speed: "Speed") -> str:
    """Return how much is computed a second, beside the best that was seen here."""
    best = f"{speed.machine_gflops_per_second:,.0f}, {speed.machine_rate_by}"
    told = (
        f"{speed.gflops_per_second:,.1f}, {100 * speed.share_of_machine:.0f} % of the best seen here: {best}"
    )
    if speed.is_machine_busy:
        told += (
            f". Something else is using the processor: that makes {speed.machine_gflops_now:,.0f} at this "
            "moment, and all of this is too slow"
        )
    return told


def _measured(options: argparse.Namespace) -> "tuple[Speed, Profile | None, bool]":
    """Return the speed, the profile if it is asked for, and whether training would capture whole steps."""
    from resnetlab.training.choosing.choosing import settle
    from resnetlab.training.speed import measure_speed
    from resnetlab.training.step.device import obstacle_to_compile, pick_device
    from resnetlab.training.timing.benched import measure_profiled

    flags = [] if options.batch is None else [(f"--batch {options.batch}", "batch", options.batch)]
    trace = user_path(options.trace) if options.trace else None
    if trace:  # before seconds are spent
        files.try_writing(trace)
    texts, knobs = split_settings(options.set, flags)
    spec = resolve_model(options.model, knobs)
    resolution = Resolution(named_recipe("quick", spec.depth))
    device = pick_device(options.device)
    can_compile = device.type != "mps" and not obstacle_to_compile(device)
    compiled = {"compile": "on" if can_compile else "off"}
    scores = {"precision": "fp32"} if options.what == "eval" else {}  # as every score is computed
    resolution.suggest(compiled | scores, "this machine")
    resolution.set_texts(texts, "flag")
    recipe, _ = settle(spec, resolution.recipe, device, samples=_LONG)
    is_captured = recipe.execution.capture == "on"
    engine = _engine(options, recipe, says_compile="compile" in texts)
    recipe = override(recipe, {"compile": "off"}) if engine else recipe
    asked = {"steps": options.steps, "warmup": options.warmup, "remeasure": options.remeasure}
    if not (options.profile or options.trace):
        speed = measure_speed(options.what, spec, recipe, device, **asked, engine=engine)
        return speed, None, is_captured
    return *measure_profiled(options.what, spec, recipe, device, **asked, trace=trace), is_captured


def _engine(options: argparse.Namespace, recipe: Recipe, *, says_compile: bool) -> str:
    """Return who makes the logits, or "" where the network in torch is measured as the recipe's compile says.

    Raises:
        UsageError: If an engine is asked for where there is none to choose.
    """
    why = ""
    if options.what == "train":
        why = "it makes a trained network's answers, and no training steps"
    elif recipe.execution.precision != "fp32":
        why = f"engines compute in fp32, not in {recipe.execution.precision}"
    elif says_compile:
        why = "compile, which is set, says how torch makes the answers"
    elif options.profile or options.trace:
        why = "a profile is of torch's steps"
    if why and options.engine != AUTO:
        raise UsageError(f"--engine {options.engine} is not possible here: {why}")
    return "" if why else str(options.engine)
