"""`resnetlab compare`. Imports no torch."""

import argparse

from resnetlab.cli.output import chosen_form, print_table
from resnetlab.cli.verb import set_up

_EXAMPLES = """examples:
  resnetlab compare runs/plain20 runs/resnet20      two studies: means over seeds, by Welch's t
  resnetlab compare runs/figure6                    all networks of a study, each pair
  resnetlab compare runs/a runs/b --csv flips.csv   two runs; every image that one alone got right
  resnetlab compare a-eval b-eval --latex           evaluations of any networks on the same images

Runs that differ in nothing but the seed are one side, wherever they lie. The test on the same images
needs the answers of `resnetlab eval`.
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Give the parser of `compare` its flags."""
    set_up(parser, compare_networks, _EXAMPLES)
    parser.add_argument(
        "paths", nargs="+", metavar="PATH", help="a run, a folder of runs, or a folder that `eval` wrote"
    )
    parser.add_argument("--markdown", action="store_true", help="tables in GitHub's Markdown")
    parser.add_argument("--latex", action="store_true", help="tables in LaTeX (booktabs)")
    parser.add_argument(
        "--flips", type=int, default=5, metavar="N", help="images to list that one side alone got right (5)"
    )
    parser.add_argument("--csv", metavar="FILE", help="write all of these images")


def compare_networks(options: argparse.Namespace) -> None:
    """Print whether the networks differ by more than chance."""
    from resnetlab.reporting.comparing import compare

    form = chosen_form(options)
    found = compare(*options.paths, flips=options.flips)
    files = []
    if options.csv:
        found.to_csv(options.csv)
        files.append(str(options.csv))
    print_table(found, form, files, between="\n")
