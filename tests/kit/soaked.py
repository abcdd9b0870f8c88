"""The command line where the clock is set again and again: `python -m tests.kit.soaked ARGUMENTS`."""

import sys
import time

from resnetlab.cli import main

_EVERY_SECONDS = 2.0
_STEPS_SECONDS = (0.0, -86_400.0 * 365, 3600.0, -30.0, 86_400.0 * 3650)


def steps_of_the_clock() -> None:
    """Have `time.time` step back and forth: by seconds, by an hour, by years."""
    really = time.time

    def stepping() -> float:
        number = int(time.monotonic() / _EVERY_SECONDS)
        return really() + _STEPS_SECONDS[number % len(_STEPS_SECONDS)]

    time.time = stepping


if __name__ == "__main__":
    steps_of_the_clock()
    sys.exit(main(sys.argv[1:]))
