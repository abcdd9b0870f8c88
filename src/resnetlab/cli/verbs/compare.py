"""`resnetlab compare`. Imports no torch."""

import argparse

from resnetlab.cli.output import print_json
from resnetlab.cli.verb import set_up
from resnetlab.errors import UsageError

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

    forms = [form for form in ("json", "markdown", "latex") if getattr(options, form)]
    if len(forms) > 1:
        raise UsageError(f"{' and '.join(f'--{form}' for form in forms)} exclude each other")
    found = compare(*options.paths, flips=options.flips)
    files = []
    if options.csv:
        found.to_csv(options.csv)
        files.append(str(options.csv))
    if options.json:
        print_json(found.to_json() | {"files": files})
        return
    print(found.markdown() if options.markdown else found.latex() if options.latex else found)
    if not forms:
        print("".join(f"\nwritten: {file}\n" for file in files), end="")
