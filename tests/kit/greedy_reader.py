"""A program that reads as no reader of ours should: `read_apart` starts it, with what it does to itself."""

import signal
import sys
from pathlib import Path

from resnetlab.base.reading import process


def read(seconds: str, what: str) -> None:
    if what == "without a word of its memory":
        process._STATUS = Path("/proc/self/stat")
    process.accept_limits(0, float(seconds))
    if what == "for ever":
        while True:
            pass
    elif what == "no text":
        for stream in (sys.stdout, sys.stderr):
            stream.buffer.write(b"\xff\xfe")
    elif what == "nothing":
        pass
    elif what == "its seconds":
        print(signal.getitimer(signal.ITIMER_PROF)[0])
    else:
        print(len(bytes(int(what) if what.isdecimal() else 2**30)))


if __name__ == "__main__":
    read(*sys.argv[2:])
