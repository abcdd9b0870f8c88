"""Processes of one world on this machine: each runs a program of `world_programs`."""

import contextlib
import json
import os
import re
import signal
import socket
import time
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from resnetlab.parallel.processes import Process
from tests.kit.processes import Command

PROGRAMS = "tests.kit.world_programs"
_ROOT = Path(__file__).parents[2]


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def place(
    rank: int, size: int, port: int, address: str = "127.0.0.1", *, each_on_its_own_host: bool = False
) -> dict[str, str]:
    """Return the variables that torchrun sets in a process, on the one machine of a run or one of its own."""
    local_rank, local_size = (0, 1) if each_on_its_own_host else (rank, size)
    return {
        "RANK": str(rank), "WORLD_SIZE": str(size),
        "LOCAL_RANK": str(local_rank), "LOCAL_WORLD_SIZE": str(local_size),
        "MASTER_ADDR": address, "MASTER_PORT": str(port),
    }  # fmt: skip


@contextlib.contextmanager
def world(
    size: int, program: str, *arguments: str, module: str = PROGRAMS, **environment: str
) -> Iterator[list[Command]]:
    """Start the processes; those that have not ended when it is left are killed."""
    with each_its_own([(program, *arguments)] * size, (), module=module, **environment) as members:
        yield members


@contextlib.contextmanager
def each_its_own(
    commands: Sequence[Sequence[str]],
    folders: Sequence[Path] = (),
    *,
    module: str = "resnetlab",
    **environment: str,
) -> Iterator[list[Command]]:
    """Start processes that are not told the same, as they should be, or not in the same folder."""
    port, size, members = free_port(), len(commands), list[Command]()
    for rank, command in enumerate(commands):
        with contextlib.chdir(folders[rank] if folders else Path.cwd()):
            variables = place(rank, size, port) | environment
            members.append(Command(*command, module=module, environment=variables))
    try:
        yield members
    finally:
        for member in members:
            member.kill()


def results(size: int, program: str, *arguments: str, **environment: str) -> list[Any]:
    """Return what the program gave in each process, in their order."""
    with world(size, program, *arguments, **environment) as members:
        return [json.loads(member.finish().splitlines()[-1]) for member in members]


def processes_with(variable: str) -> dict[str, int]:
    """Return the processes started with this variable, NAME=VALUE, by what they are."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            environment = (folder / "environ").read_bytes().decode(errors="replace")
            command = (folder / "cmdline").read_bytes().decode(errors="replace")
            if variable in environment.split("\0") and command:
                rank = re.search(r"\0RANK=(\d+)", environment)
                name = f"process {rank[1]}" if rank else "torchrun"
                found["marker" if "mark, rest" in command else name] = int(folder.name)
    return found


class Launched:
    """A world that `launch` starts, by torchrun, in a process of its own."""

    def __init__(self, size: int, program: str, *arguments: str, **environment: str) -> None:
        self._mark = f"RESNETLAB_TEST={uuid.uuid4()}"
        name, value = self._mark.split("=")
        path = os.pathsep.join([*filter(None, [os.environ.get("PYTHONPATH")]), str(_ROOT)])
        mine = {name: value, "PYTHONPATH": path} | environment
        self.command = Command(str(size), program, *arguments, module="tests.kit.launching", environment=mine)

    def processes(self) -> dict[str, int]:
        """Return the processes that live, by what they are: torchrun, process 0, process 1, marker."""
        return processes_with(self._mark)

    def wait_until_it_works(self) -> dict[str, int]:
        """Return its processes when the program `work` has begun."""
        assert self.command.wait_until(lambda: "works" in self.command.output()), self.command.output()
        return self.processes()

    def wait_until_stopped(self, whom: str) -> None:
        """Wait until one of its processes stands stopped."""

        def is_stopped() -> bool:
            time.sleep(0.1)
            return whom in (there := self.processes()) and Process.of(there[whom]).is_stopped

        assert self.command.wait_until(is_stopped), self.command.output()

    def ends_within(self, seconds: float) -> bool:
        """Return whether the command ends within so many seconds; wait no longer."""
        until = time.monotonic() + seconds
        return not self.command.wait_until(lambda: time.monotonic() > until)

    def wait_until_all_have_left(self, seconds: float) -> None:
        """Fail if a process is left after so many seconds."""
        until = time.monotonic() + seconds
        while left := self.processes():
            assert time.monotonic() < until, left
            time.sleep(0.05)

    def kill(self) -> None:
        """End all that is left."""
        self.command.kill()
        for pid in self.processes().values():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@contextlib.contextmanager
def launched(size: int, program: str, *arguments: str, **environment: str) -> Iterator[Launched]:
    """Launch the processes; those that have not ended when it is left are killed."""
    launch = Launched(size, program, *arguments, **environment)
    try:
        yield launch
    finally:
        launch.kill()
