"""`resnetlab plan`: what a training would take on devices that need not be here."""

import argparse
import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from resnetlab.cli.flags import add_data_set, add_set
from resnetlab.cli.output import block, chosen_form, print_json
from resnetlab.cli.verb import set_up
from resnetlab.errors import UsageError
from resnetlab.forecast.kinds import KINDS
from resnetlab.show.tables.align import markdown_table, table, titled

if TYPE_CHECKING:
    from resnetlab.cli.forecasting.asked import Asked
    from resnetlab.cli.forecasting.targets import Target
    from resnetlab.forecast.forecast import Forecast, Machine, Work
    from resnetlab.forecast.scaling import Row

_EXAMPLES = """examples:
  resnetlab plan resnet50 --data imagenet --recipe torchvision-v1 --set precision=bf16 --devices 8
  resnetlab plan resnet50 --recipe tfofficial-lars --batch-per-device 128 --devices 1,2,...,1024
  resnetlab plan resnet50 --data photos/ --devices 4 --device-kind l4 --images-per-second 310@64
  resnetlab plan resnet20 --data cifar10 --devices 1,2,4 --device-kind this
  resnetlab plan resnet50 --images 200000 --devices 16 --device-kind a100 --assume network=12.5
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Give the parser of `plan` its flags."""
    set_up(parser, plan, _EXAMPLES, needs="torch")
    parser.add_argument("model", metavar="MODEL", help="a name from `resnetlab list models`")
    parser.add_argument(
        "--data",
        default="imagenet",
        help="imagenet, cifar10, cifar100, or data that is here (default: imagenet)",
    )
    parser.add_argument(
        "--images", type=int, metavar="N", help="plan for N training images instead of --data"
    )
    parser.add_argument(
        "--devices",
        dest="counts",  # `devices` is of verbs that are started on as many
        default="1",
        metavar="N[,N...]",
        help="how many; of several, as 1,2,4 or 1,2,...,1024, a table (default: 1)",
    )
    parser.add_argument(
        "--device-kind",
        default="h100",
        metavar="KIND",
        help=f"{', '.join(KINDS)}; this: this machine, measured (default: h100)",
    )
    parser.add_argument("--recipe", metavar="NAME|FILE", help="as of `train`")
    parser.add_argument("--epochs", metavar="N", help="length of training in epochs")
    parser.add_argument("--steps", metavar="N", help="length of training in steps (optimizer updates)")
    parser.add_argument("--batch", metavar="N", help="samples per step, over all devices")
    parser.add_argument(
        "--batch-per-device", type=int, metavar="N", help="samples per step and device, however many devices"
    )
    parser.add_argument(
        "--images-per-second",
        metavar="R[@BATCH]",
        help="what one device was measured to train, at BATCH images a step (default: what it gets here)",
    )
    parser.add_argument(
        "--assume",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="put another number in the place of an assumption; may be repeated",
    )
    parser.add_argument("--markdown", action="store_true", help="tables in GitHub's Markdown")
    add_data_set(parser)
    add_set(parser)


def plan(options: argparse.Namespace) -> None:
    """Print what a training would take, or a row for each number of devices, and every assumption."""
    from resnetlab.cli.forecasting.asked import read_asked, read_counts
    from resnetlab.cli.forecasting.targets import read_target
    from resnetlab.forecast.forecast import forecast, memory_problem
    from resnetlab.forecast.scaling import scale

    _refuse_contradictions(options)
    counts = read_counts(options.counts)
    asked = read_asked(options)
    target = read_target(options, asked, counts)
    asked = dataclasses.replace(asked, recipe=target.recipe)

    def planned(devices: int) -> "tuple[Forecast, Work, Machine]":
        work = asked.work(asked.recipe_on(devices))
        machine = target.machine_on(devices)
        return forecast(work, machine, devices), work, machine

    if len(counts) == 1:
        _print_one(options, asked, target, *planned(counts[0]))
        return

    def problem_of(found: "Forecast") -> str:
        return memory_problem(found, *planned(found.devices)[1:])

    _print_rows(options, asked, target, scale(lambda devices: planned(devices)[0], problem_of, counts))


def _refuse_contradictions(options: argparse.Namespace) -> None:
    chosen_form(options)
    if options.batch is not None and options.batch_per_device is not None:
        raise UsageError("--batch and --batch-per-device exclude each other")
    if options.batch_per_device is not None and options.batch_per_device < 1:
        raise UsageError(f"--batch-per-device {options.batch_per_device}: too small")


def _print_one(
    options: argparse.Namespace,
    asked: "Asked",
    target: "Target",
    found: "Forecast",
    work: "Work",
    machine: "Machine",
) -> None:
    from resnetlab.forecast.forecast import memory_problem
    from resnetlab.forecast.words import lines_of

    problem = memory_problem(found, work, machine)
    if options.json:
        content = {"device": machine.title, "forecast": found.to_json(), "problem": problem}
        print_json(_json_of(asked, target) | content)
        return
    lines = _title(asked, target) | lines_of(found, work, machine)
    if problem:
        lines["memory"] = problem
    if options.markdown:
        print(markdown_table(("", ""), [*lines.items()], 2))
    else:
        width = max(map(len, lines))
        print("\n".join(titled(f"{title:<{width}}  ", text) for title, text in lines.items()))
    _print_assumed(options, target)


def _print_rows(options: argparse.Namespace, asked: "Asked", target: "Target", rows: "list[Row]") -> None:
    from resnetlab.forecast.scaling import where_it_stops
    from resnetlab.forecast.words import HEADER, LEGEND, cells, problems_of

    if options.json:
        content = {"rows": [row.to_json() for row in rows], "scaling": where_it_stops(rows)}
        print_json(_json_of(asked, target) | content)
        return
    if not options.markdown:
        print(block(_title(asked, target), indent="") + "\n")
    form = markdown_table if options.markdown else table
    print(form(HEADER, [cells(row) for row in rows], 0))
    texts = [*problems_of(rows), where_it_stops(rows), LEGEND]
    between = "\n\n" if options.markdown else "\n"
    print("\n" + between.join(text if options.markdown else titled("", text) for text in texts))
    _print_assumed(options, target)


def _print_assumed(options: argparse.Namespace, target: "Target") -> None:
    from resnetlab.forecast.words import assumed_rows, published_rows

    _print_sources(options, "assumed (--assume NAME=VALUE)", assumed_rows(target.assumed))
    if target.published:
        title = "published by others, ResNet-50 at 224 pixels"
        _print_sources(options, title, published_rows(target.published))


def _print_sources(options: argparse.Namespace, title: str, rows: Sequence[tuple[str, str, str]]) -> None:
    if options.markdown:
        print("\n" + markdown_table((title, "value", "source"), rows, 3))
        return
    names, values = max(len(row[0]) for row in rows), max(len(row[1]) for row in rows)
    print(f"\n{title}:")
    for name, value, source in rows:
        print(titled(f"  {name:<{names}}  {value:>{values}}  ", source))


def _title(asked: "Asked", target: "Target") -> dict[str, str]:
    data, recipe = asked.data, asked.recipe
    return {
        "plan": f"{asked.spec.name} on {data.name} by {recipe.name}, {recipe.execution.precision}",
        "data": f"{data.train:,} training and {data.test:,} test images ({data.source})",
        "measured": target.measured,
    }


def _json_of(asked: "Asked", target: "Target") -> dict[str, Any]:
    return {
        "model": asked.spec.name,
        "data": dataclasses.asdict(asked.data),
        "recipe": asked.recipe.name,
        "measured": target.measured,
        "assumed": {each.name: each.to_json() for each in target.assumed},
    }
