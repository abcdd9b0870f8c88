"""`resnetlab reproduce`: a published table or figure, made here beside its published numbers."""

import argparse
import sys
from typing import TYPE_CHECKING

from resnetlab.base.paths import as_word, user_path
from resnetlab.cli.flags import add_at_once, add_data_set, add_device, add_set, add_threads, add_workers
from resnetlab.cli.output import block, command_name, opening, print_json
from resnetlab.cli.verb import set_up
from resnetlab.errors import UsageError

if TYPE_CHECKING:
    from resnetlab.reproducing.making import Prepared
    from resnetlab.reproducing.planning import Request

_EXAMPLES = """examples:
  resnetlab list reproductions
  resnetlab reproduce he2015-figure6 --budget smoke            the machinery, in about a minute
  resnetlab reproduce he2015-figure6 --budget tenth --dry-run  rows, lengths, and what it takes here
  resnetlab reproduce he2015-figure6 --budget tenth --data cifar-10-batches-bin --seeds 3
  resnetlab reproduce he2015-figure6 --only plain20 plain56 --out shared/figure6
  resnetlab reproduce he2015-table6 --records docs/results/records

The same command goes on with what was interrupted. Several processes, also on machines that share the folder,
share the runs out. docs/reproduce.md has the rest.
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Give the parser of `reproduce` its flags."""
    set_up(parser, reproduce, _EXAMPLES, needs="torch")
    parser.add_argument("name", metavar="NAME", help="one of `resnetlab list reproductions`")
    parser.add_argument(
        "--budget",
        default="full",
        metavar="NAME",
        help="full, half or tenth of the published length, or smoke, a trial of a minute (default: full)",
    )
    parser.add_argument("--only", nargs="+", default=[], metavar="ROW", help="these rows alone")
    parser.add_argument(
        "--seeds",
        type=int,
        default=1,
        metavar="N",
        help="each row N times, with seeds 0, 1, ... (default: 1)",
    )
    parser.add_argument(
        "--data",
        action="append",
        default=[],
        metavar="[NAME=]PATH",
        help="where the data lies; of several datasets, which one it is: cifar100=PATH (default: downloaded)",
    )
    parser.add_argument("--out", metavar="DIR", help="the folder of the runs (default: runs/NAME-BUDGET)")
    parser.add_argument(
        "--records",
        nargs="+",
        action="extend",
        default=[],
        metavar="PATH",
        help="records, or folders of records, of runs that were made elsewhere and are not made again",
    )
    add_threads(parser)
    add_at_once(parser)
    add_data_set(parser)
    add_workers(parser)
    add_set(parser, "the recipe, such as precision or compile")
    add_device(parser)
    parser.add_argument(
        "--dry-run", action="store_true", help="print rows, lengths and the time here; train nothing"
    )


def reproduce(options: argparse.Namespace) -> None:
    """Show what there is to make and what it takes, make it, and print the table."""
    from resnetlab.cli.output import progress_stream, tell_beside
    from resnetlab.reproducing.making import make, prepare
    from resnetlab.watching.a_study import watching_study

    request = _read(options)
    out = user_path(options.out) if options.out else None
    prepared = prepare(request, out, records=options.records, at_once=options.at_once, tell=tell_beside)
    for path, differences in prepared.refused.items():
        print(f"{path} is not taken for the run of its name: {' '.join(differences)}", file=sys.stderr)
    if not options.json or options.dry_run:
        _print_prepared(options, prepared)
    if options.dry_run:
        return
    with watching_study(progress_stream(options)) as watcher:
        table, written = make(prepared, watcher)
    if options.json:
        elsewhere = {"made_elsewhere": watcher.elsewhere, "refused": dict(prepared.refused)}
        files = [*map(str, written)]
        print_json({"out": str(prepared.out), **table.to_json(), **elsewhere, "files": files})
        return
    print(f"\n{table}\n\nWhat to type next:")
    page = next(path for path in written if path.suffix == ".html")
    told = {opening(page): "the table and the figure on a page"}
    if len(table.origins) < len(table.records):  # else none of them is in the folder
        told[f"{command_name()} report {as_word(prepared.out)}"] = "the runs one by one"
    print(block(told))


def _read(options: argparse.Namespace) -> "Request":
    """Return what the flags ask for.

    Raises:
        UsageError: If a name or a value is none.
    """
    from resnetlab.cli.resolve import split_settings
    from resnetlab.data.sources.choices import Choices
    from resnetlab.recipe.settings import read_texts
    from resnetlab.reproducing.budgets import budget_of
    from resnetlab.reproducing.named import reproduction
    from resnetlab.reproducing.planning import Request

    texts, knobs = split_settings(options.set)
    if knobs:
        raise UsageError(
            f"--set {next(iter(knobs))}: the rows of a reproduction say what their networks are",
            hint="`resnetlab train` takes any network.",
        )
    return Request(
        reproduction=reproduction(options.name),
        budget=budget_of(options.budget),
        only=options.only,
        seeds=options.seeds,
        data=_read_data(options.data),
        choices=Choices.parse(options.data_set),
        values=read_texts(texts),
        device=options.device,
        workers=options.workers,
    )


def _read_data(texts: list[str]) -> dict[str, str]:
    """Return where datasets lie, by name, or under "" the place whose dataset was not named."""
    from resnetlab.reproducing.datasets import DATASETS

    found: dict[str, str] = {}
    for text in texts:
        name, equals, place = text.partition("=")
        name, place = (name, place) if equals and name in DATASETS else ("", text)
        if name in found:
            raise UsageError(f"--data {text}: where {name or 'the data'} lies is given twice")
        found[name] = place
    return found


def _print_prepared(options: argparse.Namespace, prepared: "Prepared") -> None:
    """Print what is to be made, and what it takes."""
    from resnetlab.base.units import format_seconds
    from resnetlab.show.tables.align import table, titled

    request = prepared.request
    header, rows = prepared.cells()
    if options.json:
        keyed = [dict(zip(header, row, strict=True)) for row in rows]
        about = {"reproduction": request.reproduction.name, "budget": request.budget.name}
        seconds = {name: cost.seconds for name, cost in prepared.costs.items()}
        about |= {"out": str(prepared.out)}
        print_json(about | {"runs": keyed, "seconds": seconds, "refused": dict(prepared.refused)})
        return
    print(f"{request.reproduction.name}: {request.reproduction.title}")
    print(titled("budget  ", f"{request.budget.name}, {request.budget.words}"))
    print(titled("folder  ", str(prepared.out)) + "\n")
    print(table(header, rows, left=2))
    left = len(prepared.costs)
    told = f"about {format_seconds(prepared.seconds)} on this machine as it is now, one run after another"
    print(f"\n{left} of {len(rows)} runs to make{': ' + told if left else ''}.", flush=True)
