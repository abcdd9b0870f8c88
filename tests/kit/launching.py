"""A command that launches a test's processes: `python -m tests.kit.launching NUMBER PROGRAM ARGUMENTS`."""

import sys

from resnetlab.parallel.launch import launch
from tests.kit.worlds import PROGRAMS

if __name__ == "__main__":
    sys.exit(launch(int(sys.argv[1]), sys.argv[2:], module=PROGRAMS))
