"""One of the processes of a call on several devices: python -m resnetlab.api.called FOLDER (see `calls`)."""

import signal
import sys
from multiprocessing.connection import Client
from pathlib import Path
from typing import Any

from resnetlab.api import functions
from resnetlab.api.calls import SOCKET, Answer, sendable
from resnetlab.errors import ResnetlabError
from resnetlab.parallel.streams import mark_others
from resnetlab.parallel.telling import Told
from resnetlab.parallel.world import join, joined


def main(folder: Path) -> int:
    """Do what the folder's owner asks for; one of the processes says what came of it."""
    mark_others()
    try:
        call = _say(folder, None)
        world = join()
        value = getattr(functions, call.function)(**call.arguments)
        if world.is_first:
            _say(folder, Answer(sendable(value)))
        world.close()
    except ResnetlabError as error:
        if joined().end_with(error):
            _say(folder, Answer(None, Told.of(error)))
        return error.exit_code
    except KeyboardInterrupt as stop:
        joined().end_with(stop)
        return 128 + signal.SIGINT
    return 0


def _say(folder: Path, what: Answer | None) -> Any:
    """Say what came of the call, or with None ask what it is, and return that."""
    with Client(str(folder / SOCKET), "AF_UNIX") as line:
        line.send(what)
        return line.recv()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
