"""One run on two hosts, which are network namespaces of this machine: `make test-hosts`.

The hosts share no run directory: the second one's is another disk, and stays empty.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.hosts import Host, two_hosts, why_not
from tests.kit.remains import what_remains
from tests.kit.worlds import place

pytestmark = [pytest.mark.hosts, pytest.mark.skipif(bool(why_not()), reason=why_not())]

PORT = 29533
SILENCE = 6
IN_ALL = 30.0
"""Seconds in which every process has ended, however another one did."""


@pytest.fixture(scope="module")
def hosts() -> Iterator[tuple[Host, Host]]:
    with two_hosts() as both:
        yield both


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What one process makes of the run, in one piece."""
    run = tmp_path_factory.mktemp("alone") / "runs" / "run"
    command = [sys.executable, "-m", "resnetlab", *training(run)]
    subprocess.run(command, check=True, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True)
    return what_remains(run)


def training(run: Path, steps: int = 120) -> list[str]:
    return [
        "train", "resnet8", "--data", "digits", "--out", str(run), "--steps", str(steps), "--batch", "32",
        "--set", "shards=2", "--set", "checkpoint_every=10", "--set", "keep_checkpoints=2",
        "--set", "eval_every=40st",
    ]  # fmt: skip


class Pair:
    """A command that runs on both hosts, as one world of two processes."""

    def __init__(self, hosts: tuple[Host, Host], folder: Path, arguments: list[str]) -> None:
        self.run, self.outputs = folder / "runs" / "run", [folder / "first", folder / "second"]
        self.run.parent.mkdir(exist_ok=True)
        self.processes = [
            host.start(
                [sys.executable, "-m", "resnetlab", *arguments],
                self.outputs[rank],
                without=self.run.parent if rank else None,
                environment=place(rank, 2, PORT, hosts[0].address, each_on_its_own_host=True)
                | {"RESNETLAB_SILENCE_SECONDS": str(SILENCE)},
            )
            for rank, host in enumerate(hosts)
        ]

    def train_until(self, step: int) -> None:
        """Wait until a checkpoint of this step is there."""
        until = time.monotonic() + 120
        while not (self.run / "checkpoints" / f"step-{step:08d}").exists():
            assert all(each.poll() is None for each in self.processes), self.told()
            assert time.monotonic() < until, self.told()
            time.sleep(0.05)

    def ends(self, within: float) -> list[int]:
        """Return the exit codes, once both have ended."""
        until = time.monotonic() + within
        try:
            return [each.wait(max(0.1, until - time.monotonic())) for each in self.processes]
        except subprocess.TimeoutExpired:
            raise AssertionError(f"not ended after {within:.0f} s:\n{self.told()}") from None

    def told(self) -> str:
        return "\n".join(f"{path.name}: {path.read_text(errors='replace')}" for path in self.outputs)


def hit(hosts: tuple[Host, Host], folder: Path, number: int, step: int) -> Pair:
    """Have both hosts train, and send what trains on the second a signal when this step is saved."""
    pair = Pair(hosts, folder, training(folder / "runs" / "run"))
    pair.train_until(step)
    for process in hosts[1].processes():
        os.kill(process, number)
    return pair


def resumed(hosts: tuple[Host, Host], folder: Path) -> dict[str, bytes]:
    pair = Pair(hosts, folder, ["resume", str(folder / "runs" / "run")])
    assert pair.ends(within=180) == [0, 0], pair.told()
    return what_remains(pair.run)


def test_two_hosts_make_the_run_of_one_process(
    hosts: tuple[Host, Host], tmp_path: Path, expected: dict[str, bytes]
) -> None:
    pair = Pair(hosts, tmp_path, training(tmp_path / "runs" / "run"))

    assert pair.ends(within=180) == [0, 0], pair.told()

    assert what_remains(pair.run) == expected
    assert pair.outputs[1].read_text() == ""


def test_a_host_that_is_cut_off_ends_both_and_the_run_goes_on_when_it_is_back(
    hosts: tuple[Host, Host], tmp_path: Path, expected: dict[str, bytes]
) -> None:
    pair = Pair(hosts, tmp_path, training(tmp_path / "runs" / "run"))
    pair.train_until(30)

    hosts[1].cut_off()
    try:
        codes = pair.ends(within=IN_ALL)
    finally:
        hosts[1].connect()

    assert codes == [75, 75], pair.told()
    told = [path.read_text() for path in pair.outputs]
    assert "process 1 of 2" in told[0] and "lost" in told[0]
    assert "process 0 of 2" in told[1]
    assert "Traceback" not in pair.told()
    assert not [number for host in hosts for number in host.processes()]
    assert resumed(hosts, tmp_path) == expected


def test_a_process_that_is_killed_on_one_host_ends_the_other_and_the_run_goes_on(
    hosts: tuple[Host, Host], tmp_path: Path, expected: dict[str, bytes]
) -> None:
    pair = hit(hosts, tmp_path, signal.SIGKILL, step=50)

    assert pair.ends(within=IN_ALL)[0] == 75, pair.told()
    assert "process 1 of 2" in pair.outputs[0].read_text()
    assert resumed(hosts, tmp_path) == expected


def test_a_signal_on_one_host_saves_and_ends_both(
    hosts: tuple[Host, Host], tmp_path: Path, expected: dict[str, bytes]
) -> None:
    pair = hit(hosts, tmp_path, signal.SIGTERM, step=20)

    assert pair.ends(within=IN_ALL) == [75, 75], pair.told()
    assert pair.told().count("stopped by SIGTERM after step") == 1
    assert resumed(hosts, tmp_path) == expected


def test_hosts_that_do_not_find_each_other_say_so_in_time(hosts: tuple[Host, Host], tmp_path: Path) -> None:
    hosts[1].cut_off()
    try:
        pair = Pair(hosts, tmp_path, training(tmp_path / "runs" / "run"))
        codes = pair.ends(within=110)  # a minute to meet, and the start
    finally:
        hosts[1].connect()

    assert set(codes) <= {2, 75} and 0 not in codes, pair.told()
    assert "Traceback" not in pair.told()
    assert not pair.run.exists()


def test_torchrun_on_two_hosts(hosts: tuple[Host, Host], tmp_path: Path, expected: dict[str, bytes]) -> None:
    """As documented: the same command on both, a meeting point at the first."""
    run = tmp_path / "runs" / "run"
    run.parent.mkdir()
    torchrun = [
        sys.executable, "-m", "torch.distributed.run", "--nnodes", "2", "--nproc-per-node", "1",
        "--rdzv-backend", "c10d", "--rdzv-endpoint", f"{hosts[0].address}:{PORT}", "--max-restarts", "0",
    ]  # fmt: skip
    outputs = [tmp_path / "first", tmp_path / "second"]
    started = [
        host.start(
            [*torchrun, "--local-addr", host.address, "-m", "resnetlab", *training(run)], outputs[rank]
        )
        for rank, host in enumerate(hosts)
    ]

    codes = [each.wait(180) for each in started]

    assert codes == [0, 0], "\n".join(path.read_text() for path in outputs)
    assert what_remains(run) == expected
