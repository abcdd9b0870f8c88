"""A program that reads as no reader of ours should: `read_apart` starts it, with what it does to itself."""

import sys

from resnetlab.base.reading.process import accept_limits


def read(what: str) -> None:
    accept_limits(0)
    if what == "for ever":
        while True:
            pass
    print(len(bytearray(int(what))))


if __name__ == "__main__":
    read(sys.argv[2])
