"""A process that has imported what ours import, and is forked for each that is wanted (see `processes`).

It has computed nothing, has one thread, and holds nothing of the test's. What a fork then runs is what
`python -P -m MODULE` runs: the module as `__main__`, with its own streams, environment and working directory,
with Python's own handling of signals, to Python's own end.
"""

import contextlib
import gc
import importlib
import json
import os
import pkgutil
import runpy
import signal
import socket
import sys
from pathlib import Path

import resnetlab.cli

LARGEST_REQUEST = 2**20


def import_ahead() -> None:
    """Import the command, the public names and the reader of pickles, and what they import."""
    for module in pkgutil.walk_packages(resnetlab.cli.__path__, "resnetlab.cli."):
        importlib.import_module(module.name)
    for name in resnetlab.__all__:
        getattr(resnetlab, name)
    importlib.import_module("resnetlab.parallel.links")
    for name in ("resnetlab.weights.files.unpickle", "resnetlab.base.reading.hdf5_process"):
        with contextlib.suppress(ModuleNotFoundError):  # h5py
            importlib.import_module(name)
            del sys.modules[name]  # which is to be run, not imported
    gc.freeze()  # what a fork does not touch is not copied for it
    assert os.listdir("/proc/self/task") == [str(os.getpid())], "a fork would not have these threads"


def serve(requests: socket.socket) -> list[str]:
    """Fork for each request until there are no more; return the module and its arguments in each fork."""
    while True:
        message, descriptors, _, _ = socket.recv_fds(requests, LARGEST_REQUEST, 4)
        reap()
        if not message:  # the tests have ended
            os.killpg(0, signal.SIGKILL)
        watcher = os.fork()
        if watcher == 0:
            requests.close()
            answers = socket.socket(fileno=descriptors.pop())
            process = os.fork()
            if process == 0:
                answers.close()
                return as_new(json.loads(message), descriptors)
            for descriptor in descriptors:
                os.close(descriptor)
            answers.send(b"%d" % process)
            _, status = os.waitpid(process, 0)
            answers.send(b"%d" % os.waitstatus_to_exitcode(status))
            os._exit(0)
        for descriptor in descriptors:
            os.close(descriptor)


def reap() -> None:
    """Collect the watchers that have ended."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def as_new(request: dict[str, object], descriptors: list[int]) -> list[str]:
    """Make this fork look as a process that was just started; return its arguments."""
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    sys.stdin = sys.__stdin__ = open(0, closefd=False)  # type: ignore[misc]  # noqa: SIM115
    sys.stdout = sys.__stdout__ = open(1, "w", buffering=1 if os.isatty(1) else -1, closefd=False)  # type: ignore[misc]  # noqa: SIM115
    sys.stderr = sys.__stderr__ = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)  # type: ignore[misc]  # noqa: SIM115
    os.environ.clear()
    os.environ.update(request["environment"])  # type: ignore[call-overload]
    os.chdir(request["folder"])  # type: ignore[arg-type]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    return request["arguments"]  # type: ignore[return-value]


if __name__ == "__main__":
    sys.path.append(str(Path(__file__).parents[2]))  # where `tests` is
    import_ahead()
    module, *sys.argv[1:] = serve(socket.socket(fileno=int(sys.argv[1])))
    runpy.run_module(module, run_name="__main__", alter_sys=True)
