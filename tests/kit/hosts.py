"""Two hosts on one machine: network namespaces of Linux joined by a cable that can be pulled, by iproute2.

Each has a name and processes of its own, numbered from 1. They share the file system unless a folder of one
is hidden from the other.
"""

import contextlib
import functools
import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Host:
    """A network namespace with a cable to the other one."""

    name: str
    cable: str
    address: str
    names: Path
    """What stands in /etc/hosts there."""

    def start(
        self,
        command: Sequence[str],
        output: Path,
        *,
        without: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> subprocess.Popen[bytes]:
        """Start a command on this host, in a session of its own.

        Args:
            command: The program and its arguments.
            output: The file that gets what it prints.
            without: A folder that is empty for this host, its disk being another one.
            environment: Variables beside those of this process.
        """
        names = shlex.quote(str(self.names))
        steps = [f"hostname {self.name}", f"mount --bind {names} /etc/hosts", shlex.join(command)]
        if without is not None:
            steps.insert(1, f"mount -t tmpfs none {shlex.quote(str(without))}")
        apart = ["unshare", "--uts", "--mount-proc", "--pid", "--fork", "--kill-child"]
        words = ["ip", "netns", "exec", self.name, *apart, "sh", "-c", " && ".join(steps)]
        mine = {"GLOO_SOCKET_IFNAME": self.cable, "OMP_NUM_THREADS": "1"}
        with output.open("wb") as stream:
            return subprocess.Popen(
                words,
                stdout=stream,
                stderr=subprocess.STDOUT,
                env={**os.environ, **mine, **(environment or {})},
                start_new_session=True,
            )

    def cut_off(self) -> None:
        """Pull the cable."""
        _ip("-n", self.name, "link", "set", self.cable, "down")

    def connect(self) -> None:
        """Put it back."""
        _ip("-n", self.name, "link", "set", self.cable, "up")

    def processes(self) -> list[int]:
        """Return the numbers of the processes that run on it."""
        found = subprocess.run(["ip", "netns", "pids", self.name], check=True, capture_output=True, text=True)
        return [int(line) for line in found.stdout.split()]


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


@functools.cache
def why_not() -> str:
    """Return why this machine cannot be two, or ""."""
    if not shutil.which("ip"):
        return "iproute2 is not installed"
    try:
        with two_hosts() as (first, second):
            del first, second
    except (subprocess.CalledProcessError, OSError) as error:
        told = getattr(error, "stderr", "") or str(error)
        return f"no network namespaces may be made: {str(told).strip()}"
    return ""


@contextlib.contextmanager
def two_hosts() -> Iterator[tuple[Host, Host]]:
    """Yield two hosts that are connected; whatever runs on them in the end is killed."""
    mark = f"rnl{os.getpid() % 100_000}"
    folder = tempfile.TemporaryDirectory()
    names = Path(folder.name) / "hosts"
    hosts = [Host(f"{mark}{a}", f"{mark}{a}", f"10.77.0.{n}", names) for n, a in ((1, "a"), (2, "b"))]
    lines = ["127.0.0.1 localhost", *(f"{host.address} {host.name}" for host in hosts)]
    names.write_text("".join(f"{line}\n" for line in lines))
    made: list[Host] = []
    try:
        for host in hosts:
            _ip("netns", "add", host.name)
            made.append(host)
        ends = [["name", host.cable, "netns", host.name] for host in hosts]
        _ip("link", "add", *ends[0], "type", "veth", "peer", *ends[1])
        for host in hosts:
            _ip("-n", host.name, "addr", "add", f"{host.address}/24", "dev", host.cable)
            _ip("-n", host.name, "link", "set", "lo", "up")
            host.connect()
        yield hosts[0], hosts[1]
    finally:
        for host in made:
            for number in host.processes():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(number, 9)
            _ip("netns", "del", host.name)
        folder.cleanup()
