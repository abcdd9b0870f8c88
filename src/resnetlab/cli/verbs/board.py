"""`resnetlab board`. Imports no torch."""

import argparse

from resnetlab.base.paths import user_path
from resnetlab.cli.output import print_json
from resnetlab.cli.verb import set_up
from resnetlab.errors import UsageError

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
    parser.add_argument(
        "--port", type=int, metavar="N", help="where it listens; 0 takes any that is free (default: 8642)"
    )
    parser.add_argument("--open", action="store_true", help="open it in the browser")


def serve(options: argparse.Namespace) -> None:
    """Serve the board until Ctrl-C."""
    from resnetlab.board.folder import Folder
    from resnetlab.board.server import PORT, BoardServer

    port = PORT if options.port is None else options.port
    if not 0 <= port < 65536:
        raise UsageError(f"--port {port}: a port is a number from 0 to 65535")
    folder = Folder(user_path(options.folder))
    with BoardServer(folder, port) as server:
        glances = folder.look().glances
        running = sum(glance.state == "running" for glance in glances)
        if options.json:
            print_json({"url": server.url, "runs": len(glances), "running": running})
        else:
            runs = "1 run" if len(glances) == 1 else f"{len(glances):,} runs"
            print(f"{runs} in {folder.path}, {running} of them running: {server.url}")
            print("Ctrl-C ends the board; runs go on.", flush=True)
        if options.open:
            import webbrowser

            webbrowser.open(server.url)
        try:
            server.serve_forever()
        except KeyboardInterrupt as stop:
            if hasattr(stop, "exit_code"):  # SIGTERM
                raise
