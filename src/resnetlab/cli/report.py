"""`resnetlab report`. Imports no torch."""

import argparse
from pathlib import Path

from resnetlab.cli.text import print_json
from resnetlab.drawing.saving import check_target, write_picture
from resnetlab.files import write_file
from resnetlab.reporting import draw_curves, report


def print_report(options: argparse.Namespace) -> None:
    """Print the table of runs; draw their curves if a picture is asked for."""
    out = Path(options.out) if options.out else None
    if out:
        check_target(out)
    found = report(options.paths)
    if options.csv:
        write_file(Path(options.csv), found.csv())
    if out:
        picture = draw_curves(
            found.groups, out.suffix.lower()[1:], theme=options.theme, title=options.title or ""
        )
        write_picture(out, picture)
    if options.json:
        print_json(found.to_json())
        return
    print(found.markdown() if options.markdown else found)
    written = [str(path) for path in (options.csv, out) if path]
    if written:
        print(f"\nwritten: {', '.join(written)}")
