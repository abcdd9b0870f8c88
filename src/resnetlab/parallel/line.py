"""The line from a process to the command that launched it: who it is, and how it ends.

Each end sees at once when the other dies, however that happens.
"""

import contextlib
import json
import os
import select
import socket
from dataclasses import asdict

from resnetlab.parallel.processes import Process

VARIABLE = "RESNETLAB_LAUNCHER"
"""Names the socket on which the launching command listens."""


class Line:
    """The end of the line at the process that was launched."""

    def __init__(self, rank: int) -> None:
        self._socket: socket.socket | None = None
        if path := os.environ.get(VARIABLE):
            self._socket = socket.socket(socket.AF_UNIX)
            try:
                self._socket.connect(path)
            except OSError:  # it was killed before we came
                return
            self._say({"rank": rank, "process": asdict(Process.own())})

    @property
    def is_cut(self) -> bool:
        """Whether there was a launching command, and it is gone."""
        if self._socket is None:
            return False
        try:
            return bool(select.select([self._socket], [], [], 0)[0]) and not self._socket.recv(1)
        except OSError:
            return True

    def report(self, exit_code: int) -> None:
        """Say how this process ends."""
        self._say({"exit_code": exit_code})

    def _say(self, facts: dict[str, object]) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.sendall(json.dumps(facts).encode() + b"\n")
