"""`resnetlab board`. Imports no torch."""

import argparse

from resnetlab.base.paths import user_path
from resnetlab.cli.flags import add_port
from resnetlab.cli.output import print_json
from resnetlab.cli.stopping import served_until_stopped
from resnetlab.cli.verb import set_up

_EXAMPLES = """examples:
  resnetlab board                                   the runs in runs/
  resnetlab board /data/runs --port 9000            another folder, another port
  resnetlab board --open                            and opens it in the browser

It only reads, and only browsers of this machine reach it. Of another machine, with ssh:
  ssh -L 8642:127.0.0.1:8642 MACHINE                and open http://127.0.0.1:8642/ here
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Give the parser of `board` its flags."""
    set_up(parser, serve, _EXAMPLES)
    parser.add_argument(
        "folder", nargs="?", default="runs", metavar="DIR", help="the folder that holds runs (default: runs)"
    )
    add_port(parser, 8642)


def serve(options: argparse.Namespace) -> None:
    """Serve the board until Ctrl-C."""
    from resnetlab.base.pages.ports import checked_port
    from resnetlab.board.folder import Folder
    from resnetlab.board.server import BoardServer

    port, folder = checked_port(options.port), Folder(user_path(options.folder))
    with BoardServer(folder, port) as server:
        glances = folder.look().glances
        running = sum(glance.state == "running" for glance in glances)
        if options.json:
            print_json({"url": server.url, "runs": len(glances), "running": running})
        else:
            runs = "1 run" if len(glances) == 1 else f"{len(glances):,} runs"
            print(f"{runs} in {folder.path}, {running} of them running: {server.url}")
            print("Ctrl-C ends the board; runs go on.")
        served_until_stopped(server, opens=options.open)
