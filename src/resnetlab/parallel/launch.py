"""One command becomes many processes of this machine: by torchrun, of which the user sees nothing.

The command stays as their parent's parent. It hands on signals, hears from each process how it ended (see
line.py), returns that exit code, and leaves nobody behind.
"""

import contextlib
import ctypes
import importlib.util
import json
import os
import re
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType

from resnetlab.base.machine.signals import COMING_AGAIN, ENDING_SIGNALS
from resnetlab.errors import Interrupted, LostProcess, UsageError
from resnetlab.parallel.line import VARIABLE
from resnetlab.parallel.place import name_of
from resnetlab.parallel.processes import Process
from resnetlab.parallel.telling import Note

_LOOK_SECONDS = 0.2
_LEAVING_SECONDS = 25.0  # for processes that are left when torchrun has ended
_ALONE_SECONDS = 3.0  # for torchrun when its processes have ended
_STOPPED_SECONDS = 25.0  # after which who was stopped is killed; mostly the others have found it by then
_WAS_STOPPED = 3.0  # seconds between two looks, after which this process itself was stopped
_LAST_LINES_SECONDS = 2.0
_SAVING_SECONDS = "600"  # for processes that torchrun was asked to end
_LOG_BYTES = 100_000


def resolve_devices(asked: str | int, device: str = "auto") -> int:
    """Return how many processes to start on this machine, one for each device.

    Args:
        asked: A number, or `auto`: all GPUs that CUDA shows, and 1 without.
        device: Where the run is to be: on a CPU, every number goes.

    Raises:
        UsageError: If it is no number, or more than there are GPUs, or than `device` is.
    """
    gpus = 0 if device.startswith("cpu") else count_gpus()
    if asked == "auto":
        return max(gpus, 1)
    if not str(asked).isdecimal() or int(asked) < 1:
        raise UsageError(f"--devices is auto or a number from 1 on, got {asked!r}")
    if 0 < gpus < int(asked):
        raise UsageError(
            f"--devices {asked}: this machine has {gpus} {'GPU' if gpus == 1 else 'GPUs'}",
            hint=f"Ask for at most {gpus}; for several machines, start torchrun on each"
            " (docs/many-machines.md).",
        )
    refuse_one_device(int(asked), device)
    return int(asked)


def refuse_one_device(count: int, device: str) -> None:
    """Raise UsageError if several processes are to be on the one device of that name."""
    if count > 1 and (":" in device or device == "mps"):
        raise UsageError(
            f"{count} devices, and --device {device}, which is one",
            hint="With --device cuda each takes a GPU of its own; CUDA_VISIBLE_DEVICES=1,3 says which.",
        )


def note_on(devices: int, device: str = "auto") -> str:
    """Return what is worth saying of so many processes, or nothing."""
    cores = count_cores()
    if devices <= cores or (not device.startswith("cpu") and count_gpus()):
        return ""
    told, fewer = ("core", "one") if cores == 1 else (f"{cores} cores", f"{cores} of them")
    return f"{devices} processes share the {told} of this machine: that is slower than {fewer}"


def count_cores() -> int:
    """Return the processor cores that this process may use."""
    with contextlib.suppress(AttributeError):  # macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def count_gpus() -> int:
    """Return the GPUs that torch would show, mostly without importing it."""
    found = importlib.util.find_spec("torch")
    version = Path(found.origin).with_name("version.py") if found and found.origin else None
    text = version.read_text() if version and version.exists() else ""
    if text and not re.search(r"^(cuda|hip)\b[^=\n]*= *'", text, re.MULTILINE):
        return 0
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        import torch

        return torch.cuda.device_count()
    number = ctypes.c_int(0)
    is_there = driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(number)) == 0
    return number.value if is_there else 0


def launch(devices: int, arguments: Sequence[str], module: str = "resnetlab") -> int:
    """Run `python -m MODULE ARGUMENTS` in so many processes of this machine, and return their exit code.

    A first signal that asks to end goes to each of them, once; at a second one, but what comes again by
    itself, all are killed. If this process is killed, they end by themselves.

    Raises:
        UsageError: If this system cannot do that.
    """
    if not hasattr(socket, "AF_UNIX"):
        raise UsageError("several processes can be started on Linux and macOS only")
    with tempfile.TemporaryDirectory(prefix="resnetlab-") as folder, _Launch(folder, devices) as running:
        running.start([sys.executable, "-P", "-m", module, *arguments])
        return running.wait()


class _Launch:
    """The processes, from their start to their end."""

    def __init__(self, folder: str, devices: int) -> None:
        self._folder, self._devices = folder, devices
        self._address = os.path.join(folder, "line")
        self._workers: dict[int, Process] = {}
        self._codes: list[int] = []
        self._log = b""
        self._signal = 0
        self._is_killed = False
        self._stopped: dict[str, float] = {}
        self._told: list[str] = []
        self._looked_at = time.monotonic()
        self._selector = selectors.DefaultSelector()
        self._lines: dict[socket.socket, bytes] = {}

    def __enter__(self) -> "_Launch":
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(self._address)
        self._server.listen(4 * self._devices)
        self._selector.register(self._server, selectors.EVENT_READ)
        self._log_end, self._starters_end = os.pipe()
        self._selector.register(self._log_end, selectors.EVENT_READ)
        return self

    def __exit__(self, *error: object) -> None:
        self._kill()
        for each in (self._server, *self._lines):
            each.close()
        os.close(self._log_end)
        self._selector.close()

    def start(self, command: Sequence[str]) -> None:
        """Start torchrun, which starts the command."""
        torchrun = [
            "--standalone", "--nnodes", "1", "--nproc-per-node", str(self._devices), "--max-restarts", "0",
            "--log-dir", os.path.join(self._folder, "log"), "--no-python",
        ]  # fmt: skip
        each = [text.replace("$", "$$") for text in command]  # torchrun fills in ${local_rank}
        environment = {
            "OMP_NUM_THREADS": str(max(count_cores() // self._devices, 1)),
            "TORCH_CPP_LOG_LEVEL": "ERROR",
            "TORCH_ELASTIC_SHUTDOWN_TIMEOUT": _SAVING_SECONDS,
            **os.environ,
            VARIABLE: self._address,
        }
        self._starter = subprocess.Popen(
            [sys.executable, "-P", "-m", f"{__package__}.starter", str(self._starters_end), *torchrun, *each],
            env=environment,
            pass_fds=[self._starters_end],
            start_new_session=True,
        )
        self._torchrun = Process.of(self._starter.pid)
        os.close(self._starters_end)

    def wait(self) -> int:
        """Return how it ended, when all have."""
        with self._hearing_signals():
            alone_since = time.monotonic()
            while self._starter.poll() is None and time.monotonic() - alone_since < _ALONE_SECONDS:
                self._listen(_LOOK_SECONDS)
                self._kill_stopped()
                if len(self._workers) < self._devices or self._workers_left():
                    alone_since = time.monotonic()
                elif self._torchrun.is_stopped:
                    break
            until = time.monotonic() + _LEAVING_SECONDS
            while self._workers_left() and time.monotonic() < until:
                self._listen(_LOOK_SECONDS)
                self._kill_stopped()
            self._kill()
            until = time.monotonic() + _LAST_LINES_SECONDS
            while self._lines and time.monotonic() < until:  # what they said last is still on its way
                self._listen(until - time.monotonic())
            self._listen(0)
        return self._code()

    def _code(self) -> int:
        if self._is_killed and self._signal:
            return 128 + self._signal
        failed = [code for code in self._codes if code]
        if failed or len(self._codes) == self._devices:
            return failed[0] if failed else 0
        code = self._starter.returncode
        if self._signal:
            return 128 + self._signal
        if self._told:  # who has ended well waited until the first one had nothing left to do
            _say(Note.lost(self._told[0], by=-1, is_finished=bool(self._codes)).told.as_error())
            return LostProcess.exit_code
        log = self._log.decode(errors="replace").strip()
        _say(f"the processes ended, and none said why. torchrun says:\n{log}")
        return code if 0 < code < 128 else Interrupted.exit_code

    def _workers_left(self) -> list[Process]:
        return [worker for worker in self._workers.values() if not worker.is_gone]

    def _kill_stopped(self) -> None:
        """End who was stopped and nobody else ends: before all have met, or when the others have left.

        Not if all are, which somebody may do for a while.
        """
        last, self._looked_at = self._looked_at, time.monotonic()
        are_all = [each.is_stopped for each in self._workers.values()] == [True] * self._devices
        if are_all or self._looked_at - last > _WAS_STOPPED:
            self._stopped = {}
            return
        host = socket.gethostname()
        by_name = {name_of(rank, self._devices, host): each for rank, each in self._workers.items()}
        by_name["torchrun"] = self._torchrun
        stopped = [name for name, each in by_name.items() if each.is_stopped]
        self._stopped = {name: self._stopped.get(name, self._looked_at) for name in stopped}
        for name, since in self._stopped.items():
            if self._looked_at - since > _STOPPED_SECONDS:
                by_name[name].kill()
                self._told.append(f"{name} is lost: it stood stopped for {_STOPPED_SECONDS:.0f} s")

    def _kill(self) -> None:
        """Leave nobody behind."""
        for worker in self._workers_left():
            worker.kill()
        if self._starter.poll() is None:
            self._starter.kill()
        self._starter.wait()

    # What they say.

    def _listen(self, seconds: float) -> None:
        for key, _ in self._selector.select(max(seconds, 0)):
            if key.fileobj is self._server:
                line, _ = self._server.accept()
                self._lines[line] = b""
                self._selector.register(line, selectors.EVENT_READ)
            elif key.fileobj == self._log_end:
                data = os.read(self._log_end, 65536)
                self._log = (self._log + data)[-_LOG_BYTES:]
                if not data:
                    self._selector.unregister(self._log_end)
            else:
                assert isinstance(key.fileobj, socket.socket)
                self._hear(key.fileobj)

    def _hear(self, line: socket.socket) -> None:
        try:
            data = line.recv(65536)
        except OSError:
            data = b""
        *texts, self._lines[line] = (self._lines[line] + data).split(b"\n")
        for text in texts:
            facts = json.loads(text)
            if "exit_code" in facts:
                self._codes.append(facts["exit_code"])
            else:
                self._workers[facts["rank"]] = Process(**facts["process"])
        if not data:
            self._selector.unregister(line)
            del self._lines[line]
            line.close()

    # What they are told.

    @contextlib.contextmanager
    def _hearing_signals(self) -> Iterator[None]:
        is_main = threading.current_thread() is threading.main_thread()
        heard = ENDING_SIGNALS if is_main else ()
        numbers = [number for number in heard if signal.getsignal(number) is not signal.SIG_IGN]  # nohup
        before = {number: signal.signal(number, self._hand_on) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _hand_on(self, number: int, frame: FrameType | None) -> None:
        if self._signal:
            if number not in COMING_AGAIN and not self._is_killed:
                self._is_killed = True
                self._kill()
                _say("stopped; nothing was saved since the last checkpoint")
            return
        self._signal = number
        if len(self._workers) == self._devices:
            for worker in self._workers.values():
                worker.send(number)
        else:
            self._starter.send_signal(signal.SIGTERM)  # torchrun hands it on to those that it has started


def _say(text: object) -> None:
    sys.stderr.write(f"resnetlab: {text}\n")
