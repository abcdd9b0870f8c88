"""`resnetlab runs`. Imports no torch."""

import argparse
import shutil
import sys

from resnetlab.base.paths import user_path
from resnetlab.cli.output import print_json
from resnetlab.cli.verb import set_up
from resnetlab.errors import UsageError

_EXAMPLES = """examples:
  resnetlab runs                                    the runs in runs/: state, progress, accuracy, path
  resnetlab runs /data/runs --state running crashed
  resnetlab runs --csv runs.csv                     for a spreadsheet
  resnetlab board                                   the same in a browser, as they go
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Give the parser of `runs` its flags."""
    set_up(parser, list_runs, _EXAMPLES)
    parser.add_argument(
        "folder", nargs="?", default="runs", metavar="DIR", help="the folder that holds runs (default: runs)"
    )
    parser.add_argument(
        "--state",
        nargs="+",
        metavar="STATE",
        choices=("running", "waiting", "interrupted", "crashed", "damaged", "finished"),
        help="only runs in these: running, waiting, interrupted, crashed, damaged, finished",
    )
    parser.add_argument("--csv", metavar="FILE", help="write all of it with all digits; -: print that alone")


def list_runs(options: argparse.Namespace) -> None:
    """Print a table of the runs."""
    from resnetlab.base import files
    from resnetlab.board.folder import Folder
    from resnetlab.board.text import listing_csv, listing_json, listing_text

    listing = Folder(user_path(options.folder)).look()
    if options.state:
        listing = listing.only(options.state)
    if options.csv == "-":
        if options.json:
            raise UsageError("--csv - and --json print different things", hint="Choose one.")
        print(listing_csv(listing), end="")
        return
    if options.csv:
        files.write_file(user_path(options.csv), listing_csv(listing))
    if options.json:
        print_json(listing_json(listing))
        return
    print(listing_text(listing, shutil.get_terminal_size().columns if sys.stdout.isatty() else None))
