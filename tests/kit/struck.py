"""The command line, struck by a signal at a file operation.

`python -m tests.kit.struck ROOT NUMBER SIGNAL ARGUMENTS`: what it is about to do below ROOT when it is struck
is printed first, on a line of its own, and at its end how many operations there were. In the place of
SIGKILL's operation nothing happens, but the first half of a write.
"""

import itertools
import os
import signal
import sys
from pathlib import Path

from resnetlab.cli import main
from tests.kit.disks import Disk, Operation


def strike(root: Path, at: int, number: signal.Signals, arguments: list[str]) -> int:
    """Run a command, and have it struck; return its exit code."""
    count = itertools.count()

    def watch(operation: Operation) -> None:
        if next(count) == at:
            os.write(1, f"struck at {operation}\n".encode())
            if number != signal.SIGKILL:
                signal.raise_signal(number)

    kill = {"at": at, "ends": lambda: signal.raise_signal(number)} if number == signal.SIGKILL else {}
    with Disk(root, watch=watch, **kill) as disk:  # type: ignore[arg-type]
        code = main(arguments)
    os.write(1, f"\noperations: {len(disk.operations)}\n".encode())
    return code


if __name__ == "__main__":
    folder, place, name, *rest = sys.argv[1:]
    sys.exit(strike(Path(folder), int(place), signal.Signals[name], rest))
