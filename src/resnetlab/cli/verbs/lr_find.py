"""`resnetlab lr-find`."""

import argparse
import shlex
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from resnetlab.base.paths import user_path
from resnetlab.cli.flags import (
    add_bad_samples,
    add_data_set,
    add_device,
    add_devices,
    add_recipe,
    add_set,
    add_threads,
    add_values,
    add_workers,
)
from resnetlab.cli.output import command_name, print_json, progress_stream, tell_beside
from resnetlab.cli.resolve import read_asked, resolve_model, told_apart
from resnetlab.cli.verb import set_up
from resnetlab.errors import UsageError

if TYPE_CHECKING:
    from resnetlab.training.asking import Asked
    from resnetlab.training.range_test.found import RangeTest

_EXAMPLES = """examples:
  resnetlab lr-find resnet20 --data digits            a curve, the rate to train with, what to type next
  resnetlab lr-find resnet20 --data cifar10 -o rates.svg
  resnetlab lr-find resnet50 --data photos/ --batch 32 --set optimizer=adamw
  resnetlab lr-find resnet20 --data digits --low 0.01 --high 3 --points 200
  resnetlab lr-find resnet20 --data digits --low 0.001 --high 1 --rise linear     as in Smith, 2015

It makes the first steps that `resnetlab train` with the same flags would make, at a rate that rises. Nothing
is kept of them but what -o names.
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Give the parser of `lr-find` its flags."""
    set_up(parser, lr_find, _EXAMPLES, needs="torch")
    parser.add_argument(
        "models", metavar="MODEL", nargs="+", help="a name from `resnetlab list models`, e.g. resnet20"
    )
    parser.add_argument("--data", help="a dataset's name or path (default: cifar10)")
    parser.add_argument(
        "--low", type=float, metavar="X", help="the first rate (default: a thousandth of the recipe's)"
    )
    parser.add_argument(
        "--high",
        type=float,
        metavar="X",
        help="the last rate, unless the loss diverges before (default: a hundred times the recipe's)",
    )
    parser.add_argument(
        "--points", type=int, default=None, metavar="N", help="steps, each at a higher rate (default: 100)"
    )
    parser.add_argument(
        "--rise",
        default="exponential",
        choices=("exponential", "linear"),
        help="by equal factors, or by equal differences as in Smith, 2015 (default: exponential)",
    )
    parser.add_argument("-o", "--out", metavar="FILE", help="the curve as a picture: .svg, .pdf or .png")
    parser.add_argument(
        "--theme", choices=("light", "dark", "print"), default="light", help="the picture's (default: light)"
    )
    parser.add_argument("--title", metavar="TEXT", help="the picture's (default: network, data and recipe)")
    add_recipe(parser, "quick, digits or photos")
    add_values(parser)
    add_bad_samples(parser)
    add_data_set(parser)
    add_workers(parser)
    add_set(parser)
    add_device(parser)
    add_devices(parser)
    add_threads(parser)
    parser.set_defaults(resume_if_begun=False)


def lr_find(options: argparse.Namespace) -> None:
    """Try rising rates, print the curve and what it suggests, and draw it if a file is named."""
    from resnetlab.show.drawing.saving import check_target
    from resnetlab.training.asking import plan_training
    from resnetlab.training.range_test.found import find_rate
    from resnetlab.training.range_test.rise import POINTS, Rise
    from resnetlab.watching.one_run import watching_bar

    world = options.world
    if options.title is not None and not options.out:
        raise UsageError("--title is of the picture, which -o names")
    if options.out:  # before steps are made
        world.from_first(lambda: check_target(user_path(options.out)))
    rise = Rise(
        low=options.low,
        high=options.high,
        points=POINTS if options.points is None else options.points,
        form=options.rise,
    )
    models, data = world.together(lambda: told_apart(options.models, options.data, world))
    if len(models) != 1:
        told = (
            f"one network is tried, got {len(models)}: {', '.join(models)}"
            if models
            else "no network is named"
        )
        raise UsageError(told, hint="E.g. resnetlab lr-find resnet20 --data digits")
    options.data = "cifar10" if data is None else data
    asked, knobs = read_asked(options)
    spec = world.together(lambda: resolve_model(models[0], knobs))
    plan, _ = plan_training(spec, asked, world, tell_beside)
    with watching_bar(progress_stream(options), "trying rates") as watcher:
        found = find_rate(plan, rise, watcher, world)
    if world.is_first:
        _print(options, found, _command(options, models[0], asked, knobs, found.lr))


def _command(
    options: argparse.Namespace, model: str, asked: "Asked", knobs: dict[str, object], lr: float | None
) -> str:
    """Return the training to type next: what was asked for, with the rate that was found; "" without one."""
    if lr is None:
        return ""
    values = {name: value for name, value in asked.values.items() if name != "lr"}
    words = ["resnetlab", "train", model, *replace(asked, values=values).words(knobs), "--lr", f"{lr:g}"]
    for name, left_open in (("device", "auto"), ("devices", None), ("threads", None), ("workers", -1)):
        if (value := getattr(options, name)) != left_open:
            words += [f"--{name}", str(value)]
    return shlex.join(words)


def _print(options: argparse.Namespace, found: "RangeTest", command: str) -> None:
    from resnetlab.watching.sight import sight_of

    files = []
    if options.out:
        if note := found.draw(options.out, theme=options.theme, title=options.title):
            print(f"{options.out}: {note}", file=sys.stderr)
        files.append(str(options.out))
    if options.json:
        print_json(found.to_json() | {"command": command, "files": files})
        return
    sight = sight_of(sys.stdout)
    print(found.text(sight.columns, sight.letters))
    print("".join(f"written: {file}\n" for file in files), end="")
    if command:
        print(f"\nWhat to type next:\n  {command.replace('resnetlab', command_name(), 1)}")
