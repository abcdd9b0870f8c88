"""`resnetlab report`. Imports no torch."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from resnetlab.base.paths import user_path
from resnetlab.cli.output import chosen_form, print_table
from resnetlab.cli.verb import set_up
from resnetlab.errors import UsageError

if TYPE_CHECKING:
    from resnetlab.reporting import Report

_EXAMPLES = """examples:
  resnetlab report runs/RUN                         one run, with the published error beside it
  resnetlab report runs/RUN -o report.html          all of it on a page: curves, confusions, mistakes, recipe
  resnetlab report runs/RUN -o card.md              its model card, as the Hugging Face hub reads it
  resnetlab report runs/figure6 -o figure6.svg      all runs in a folder: a table over seeds, and the curves
  resnetlab report runs/a runs/b --markdown
  resnetlab report runs --csv runs.csv
  resnetlab report runs/a runs/b --record-to results        each finished run as one small file
  resnetlab report results                                  the same table of these files, without the runs
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Give the parser of `report` its flags."""
    set_up(parser, report_runs, _EXAMPLES)
    parser.add_argument(
        "paths",
        nargs="+",
        metavar="PATH",
        help="a run, a folder that holds runs, a record (.json), or a folder of records",
    )
    parser.add_argument(
        "-o",
        "--out",
        metavar="FILE",
        help="a page of everything: .html, its data: .json; a run's model card: .md; or error over steps:"
        " .svg, .pdf or .png",
    )
    parser.add_argument("--markdown", action="store_true", help="the table in GitHub's Markdown")
    parser.add_argument("--latex", action="store_true", help="the table in LaTeX (booktabs)")
    parser.add_argument("--csv", metavar="FILE", help="write the table with all digits")
    parser.add_argument(
        "--record-to",
        metavar="DIR",
        help="write each finished run as a record into this folder: RUN.json, at most 20 kB, with recipe, "
        "network, data and code by hash, machine, date, errors and curves. `report` does so because it reads "
        "these files as it reads runs; `reproduce --records` takes them in",
    )
    parser.add_argument(
        "--theme", choices=("light", "dark", "print"), default="light", help="the picture's (default: light)"
    )
    parser.add_argument("--title", metavar="TEXT", help="the picture's or page's (default: data and recipe)")


def report_runs(options: argparse.Namespace) -> None:
    """Print the table of the runs, and draw their curves if a file is named."""
    from resnetlab.reporting import PAGES, report
    from resnetlab.show.drawing.saving import SUFFIXES, refuse_target
    from resnetlab.watching.sight import sight_of

    form = chosen_form(options)
    if options.title is not None and not options.out:
        raise UsageError("--title is of the picture or page, which -o names")
    is_page = False
    if options.out:
        refuse_target(user_path(options.out), (*PAGES, *SUFFIXES), "report")
        is_page = user_path(options.out).suffix.lower() in PAGES
    found = report(options.paths)
    files = []
    if is_page:
        found.page(options.out, title=options.title)
        files.append(str(options.out))
    elif options.out:  # what cannot be drawn is told before anything is printed
        if note := found.draw(options.out, theme=options.theme, title=options.title):
            print(f"{options.out}: {note}", file=sys.stderr)
        files.append(str(options.out))
    if options.csv:
        found.to_csv(options.csv)
        files.append(str(options.csv))
    if options.record_to:
        files += map(str, _record(found, user_path(options.record_to)))
    print_table(found, form, files, text=found.text(sight_of(sys.stdout).columns))


def _record(found: "Report", folder: Path) -> list[Path]:
    """Write the records of the finished runs, and say of which runs there is none."""
    from resnetlab.reporting.records.making import write_records

    runs = [run for group in found.groups for run in group.runs]
    of_runs = [run for run in runs if not run.made_by]
    if not any(run.is_finished for run in of_runs):
        raise UsageError(
            "no finished run to write down: "
            + ("all of these are records already" if not of_runs else "none of these is at its end"),
            hint="Name directories of runs that `resnetlab train` or `resume` has ended.",
        )
    for run in of_runs:
        if not run.is_finished:
            print(f"no record of {run.path}, which is not at its end", file=sys.stderr)
    return write_records([run for run in of_runs if run.is_finished], folder)
