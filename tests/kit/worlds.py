"""Processes of one world on this machine: each runs a program of `world_programs`."""

import contextlib
import json
import socket
from collections.abc import Iterator
from typing import Any

from tests.kit.processes import Command

PROGRAMS = "tests.kit.world_programs"


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def place(rank: int, size: int, port: int, address: str = "127.0.0.1") -> dict[str, str]:
    """Return the variables that torchrun sets in a process on the one machine of a run."""
    return {
        "RANK": str(rank), "WORLD_SIZE": str(size), "LOCAL_RANK": str(rank), "LOCAL_WORLD_SIZE": str(size),
        "MASTER_ADDR": address, "MASTER_PORT": str(port),
    }  # fmt: skip


@contextlib.contextmanager
def world(size: int, program: str, *arguments: str, **environment: str) -> Iterator[list[Command]]:
    """Start the processes; those that have not ended when it is left are killed."""
    port = free_port()
    members = [
        Command(program, *arguments, module=PROGRAMS, environment=place(rank, size, port) | environment)
        for rank in range(size)
    ]
    try:
        yield members
    finally:
        for member in members:
            member.kill()


def results(size: int, program: str, *arguments: str, **environment: str) -> list[Any]:
    """Return what the program gave in each process, in their order."""
    with world(size, program, *arguments, **environment) as members:
        return [json.loads(member.finish().splitlines()[-1]) for member in members]
