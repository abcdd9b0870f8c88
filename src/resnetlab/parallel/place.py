"""Which process of which run this is: what torchrun, or srun with the same variables, says of it."""

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass

from resnetlab.errors import UsageError

_NUMBERS = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_PORT")
_HINT = (
    "torchrun sets RANK, WORLD_SIZE, LOCAL_RANK, LOCAL_WORLD_SIZE, MASTER_ADDR and MASTER_PORT; who starts"
    " the processes otherwise sets all of them. For one process, unset RANK and WORLD_SIZE."
)


@dataclass(frozen=True)
class Place:
    """One process among those of a run, and where they meet."""

    rank: int
    size: int
    local_rank: int
    local_size: int
    address: str
    port: int
    host: str

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Place | None":
        """Return what the variables say; None if there is neither RANK nor WORLD_SIZE.

        Raises:
            UsageError: If one is missing or cannot be; all of them are named.
        """
        if not {"RANK", "WORLD_SIZE"} & environment.keys():
            return None
        problems = [
            f"{name} is not set"
            for name in (*_NUMBERS, "MASTER_ADDR")
            if not environment.get(name, "").strip()
        ]
        numbers = {}
        for name in _NUMBERS:
            text = environment.get(name, "").strip()
            if text.isdecimal():
                numbers[name] = int(text)
            elif text:
                problems.append(f"{name} is {text!r}, no whole number")
        if not problems:
            problems = _contradictions(numbers)
        if problems:
            raise UsageError("a process of many cannot know its place: " + "; ".join(problems), hint=_HINT)
        rank, size, local_rank, local_size, port = (numbers[name] for name in _NUMBERS)
        address = environment["MASTER_ADDR"].strip()
        return cls(rank, size, local_rank, local_size, address, port, socket.gethostname())


def name_of(rank: int, size: int, host: str) -> str:
    """Return what messages call a process."""
    return f"process {rank} of {size} ({host})"


def _contradictions(numbers: Mapping[str, int]) -> list[str]:
    problems = []
    for size, rank in (("WORLD_SIZE", "RANK"), ("LOCAL_WORLD_SIZE", "LOCAL_RANK")):
        if numbers[size] < 1:
            problems.append(f"{size} is 0")
        elif numbers[rank] >= numbers[size]:
            problems.append(f"{rank} is {numbers[rank]}, and {size} only {numbers[size]}: they begin at 0")
    if numbers["LOCAL_WORLD_SIZE"] > numbers["WORLD_SIZE"]:
        problems.append(
            f"LOCAL_WORLD_SIZE is {numbers['LOCAL_WORLD_SIZE']}, and WORLD_SIZE only {numbers['WORLD_SIZE']}"
        )
    if not 0 < numbers["MASTER_PORT"] < 2**16:
        problems.append(f"MASTER_PORT is {numbers['MASTER_PORT']}, and no port")
    return problems
