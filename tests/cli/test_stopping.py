"""SIGTERM ends a command as Ctrl-C does."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from resnetlab.base.machine.signals import Terminated
from resnetlab.cli.stopping import heard_signals
from tests.kit.commands import run
from tests.kit.pictures import write_folder


def test_sigterm_leaves_nothing_half_written(tmp_path: Path) -> None:
    photos = write_folder(tmp_path / "photos", {"train": {"a": 150, "b": 150}, "test": {"a": 1, "b": 1}})
    copies = tmp_path / "copies"
    copies.mkdir()
    handler = signal.getsignal(signal.SIGTERM)

    def stop() -> None:
        while not list(copies.iterdir()):
            time.sleep(0.001)
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=stop, daemon=True)
    thread.start()
    done = run("data", "pack", str(photos), str(copies / "copy"), code=143)
    thread.join(10)

    assert done.stderr.endswith("resnetlab: stopped\n")
    assert list(copies.iterdir()) == []
    assert signal.getsignal(signal.SIGTERM) == handler


BLOCKED = """
import os, signal, sys, threading
from concurrent.futures import ThreadPoolExecutor
from resnetlab.cli import stopping

stopping.PATIENCE_SECONDS = 0.2
with stopping.heard_signals(), ThreadPoolExecutor(1) as pool:
    pool.submit(open, sys.argv[1])
    os.kill(os.getpid(), signal.SIGTERM)
"""


def test_sigterm_ends_a_command_whose_thread_waits_for_ever(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    command = [sys.executable, "-c", BLOCKED, str(tmp_path / "pipe")]

    assert subprocess.run(command, timeout=60, check=False).returncode == 143


def test_that_the_limit_of_cpu_time_is_passed_is_heard_once() -> None:
    """Linux tells it again after every further second; there is what is half written to be removed."""
    before = signal.signal(signal.SIGXCPU, signal.SIG_DFL)
    try:
        with pytest.raises(Terminated) as told, heard_signals():
            try:
                signal.raise_signal(signal.SIGXCPU)
            finally:
                signal.raise_signal(signal.SIGXCPU)
        signal.raise_signal(signal.SIGXCPU)
    finally:
        signal.signal(signal.SIGXCPU, before)

    assert told.value.exit_code == 128 + signal.SIGXCPU
