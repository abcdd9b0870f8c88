"""A call on several devices: its processes are started, given the arguments, and asked for what they made.

They import resnetlab and nothing of the caller's, so that a script needs no main guard, and a notebook does.
"""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from multiprocessing.connection import Listener
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple, TypeVar

import torch

from resnetlab import errors
from resnetlab.errors import ResnetlabError, UsageError
from resnetlab.evaluation.results import Evaluation
from resnetlab.parallel.launch import launch, refuse_one_device, resolve_devices
from resnetlab.parallel.place import Place
from resnetlab.parallel.telling import Told
from resnetlab.parallel.world import ALONE, World, join
from resnetlab.training.observer import Observer, Silence
from resnetlab.training.studies import StudyObserver

T = TypeVar("T")

SOCKET = "call"
"""In a folder of the call's own, which nobody else can look into."""

_BY_TORCHRUN = "Start the script by `torchrun --nproc-per-node N script.py`, and leave out devices."


class Call(NamedTuple):
    """What the processes are to do."""

    function: str
    arguments: Mapping[str, Any]


class Answer(NamedTuple):
    """What came of it, said by one of them."""

    value: Any
    error: Told | None = None


def world_here(devices: int | str | None, device: str) -> World:
    """Return the processes that torchrun started, of which this is one; or it alone.

    Raises:
        UsageError: If others are asked for than were started.
    """
    place = Place.from_environment()
    if place is None or place.size == 1:
        return ALONE
    if devices is not None and str(devices) not in ("auto", str(place.size)):
        raise UsageError(f"devices={devices}, and {place.size} processes were started", hint="Leave it out.")
    refuse_one_device(place.size, device)
    return join()


def on_devices(function: Callable[..., T], given: Mapping[str, Any]) -> T | None:
    """Have a function of `api` done by a process for each device, if it is asked for several; else None.

    Args:
        function: The function.
        given: Its arguments by name, with `devices` and `device`; those in `values` are its own too.

    Raises:
        ResnetlabError: What the function raises.
        UsageError: If it is given what does not reach other processes.
    """
    place, asked = Place.from_environment(), given["devices"]
    if asked is None or (place and place.size > 1):
        return None
    count = resolve_devices(asked, given["device"])
    if count == 1:
        return None
    if type(given.get("observer")) not in (type(None), Observer, Silence, StudyObserver):
        raise UsageError("an observer cannot look into the other processes of a run", hint=_BY_TORCHRUN)
    left_out = ("devices", "observer", "values")
    arguments = {name: value for name, value in given.items() if name not in left_out}
    if given.get("observer") is not None:  # else the first of the processes shows itself
        arguments["observer"] = Silence()
    call = Call(function.__name__, arguments | given.get("values", {}))
    try:
        ForkingPickler.dumps(call)
    except Exception as error:
        raise UsageError(f"an argument cannot reach the processes: {error}", hint=_BY_TORCHRUN) from error
    with TemporaryDirectory(prefix="resnetlab-") as folder, _answered(Path(folder), call) as answers:
        code = launch(count, [folder], module=f"{__package__}.called")
    if not answers:
        raise _by_code(code)
    answer = answers[0]
    if answer.error:
        raise answer.error.as_error()
    value: T = _as_made(answer.value)
    return value


@contextlib.contextmanager
def _answered(folder: Path, call: Call) -> Iterator[list[Answer]]:
    """Tell the processes that ask what to do, while inside; give what one of them says came of it."""
    answers: list[Answer] = []

    def listen() -> None:
        with contextlib.suppress(OSError):  # which comes when the listener is closed
            while True:
                with listener.accept() as line, contextlib.suppress(EOFError, ConnectionError):
                    if said := line.recv():
                        answers.append(said)
                    line.send(call)

    with Listener(str(folder / SOCKET), "AF_UNIX") as listener:
        threading.Thread(target=listen, daemon=True).start()
        yield answers


def _by_code(code: int) -> BaseException:
    """Return the error of processes that ended without a word here; what they printed is to be seen above."""
    if code == 128 + signal.SIGINT:
        return KeyboardInterrupt()
    found: list[type[ResnetlabError]] = [each for each in vars(errors).values() if _is_kind(each)]
    kinds = {kind.exit_code: kind for kind in reversed(found)}  # of a kind and its variants, the kind
    told = f"the processes on the devices ended with exit code {code}"
    return kinds.get(code, ResnetlabError)(told, hint="What they said stands above.")


def _is_kind(each: Any) -> bool:
    return isinstance(each, type) and issubclass(each, ResnetlabError)


def sendable(value: Any) -> Any:
    """Return what a function made as it is sent: a tensor would go as a handle of its process."""
    if not isinstance(value, Evaluation):
        return value
    confusion: Any = value.scores.confusion_KK.numpy()
    return replace(value, scores=replace(value.scores, confusion_KK=confusion))


def _as_made(value: Any) -> Any:
    if not isinstance(value, Evaluation):
        return value
    confusion: Any = value.scores.confusion_KK
    return replace(value, scores=replace(value.scores, confusion_KK=torch.from_numpy(confusion)))
