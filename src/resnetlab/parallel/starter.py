"""torchrun as `launch` starts it: what it says for itself goes to a pipe, and it ends after its parent.

    python -m resnetlab.parallel.starter PIPE TORCHRUN'S ARGUMENTS

Its workers have its own standard streams. Its exit code is that of the worker that failed first.
"""

import contextlib
import io
import os
import signal
import sys
import threading
import time

_LOOK_SECONDS = 0.5
_LEAVING_SECONDS = 10.0  # for workers that have joined, and see themselves that the parent has gone
_KILLING_SECONDS = 10.0


def main() -> int:
    """Be torchrun."""
    pipe, *arguments = sys.argv[1:]
    sys.stderr = os.fdopen(int(pipe), "w", buffering=1, errors="backslashreplace")
    threading.Thread(target=_end_without, args=(os.getppid(),), daemon=True).start()
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import parse_args, run

    try:
        run(parse_args(arguments))  # type: ignore[no-untyped-call]
    except ChildFailedError as error:
        first = min(error.failures.values(), key=lambda failure: failure.timestamp)
        sys.stderr.write(str(error))
        code: int = first.exitcode
        return code if code > 0 else 128 - code
    except SignalException as stop:
        return 128 + int(stop.sigval)
    return 0


def _end_without(parent: int) -> None:
    """End with all workers some time after the parent has gone."""
    while os.getppid() == parent:
        time.sleep(_LOOK_SECONDS)
    sys.stderr = io.StringIO()  # nobody reads the pipe any more
    time.sleep(_LEAVING_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)  # which torchrun hands on
    time.sleep(_KILLING_SECONDS)
    os._exit(1)


if __name__ == "__main__":
    exit_code = main()
    with contextlib.suppress(OSError):
        sys.stderr.flush()
    os._exit(exit_code)  # Python would complain where nobody reads the pipe any more
