"""`resnetlab report`. Imports no torch."""

import argparse
import sys

from resnetlab.base.paths import user_path
from resnetlab.cli.text import print_json
from resnetlab.errors import UsageError
from resnetlab.reporting import report
from resnetlab.show.drawing.saving import check_target


def report_runs(options: argparse.Namespace) -> None:
    """Print the table of the runs, and draw their curves if a file is named."""
    if options.json and options.markdown:
        raise UsageError("--json and --markdown exclude each other")
    if options.title is not None and not options.out:
        raise UsageError("--title is of the picture, which -o names")
    if options.out:
        check_target(user_path(options.out))
    found = report(options.paths)
    files = []
    if options.out:  # what cannot be drawn is told before anything is printed
        if note := found.draw(options.out, theme=options.theme, title=options.title):
            print(f"{options.out}: {note}", file=sys.stderr)
        files.append(str(options.out))
    if options.csv:
        found.to_csv(options.csv)
        files.append(str(options.csv))
    if options.json:
        print_json(found.to_json() | {"files": files})
        return
    print(found.markdown() if options.markdown else found)
    if not options.markdown:
        print("".join(f"written: {file}\n" for file in files), end="")
