"""Making several runs in one process: one after another, or several at once on one GPU."""

import contextlib
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from queue import Empty, SimpleQueue

import torch

from resnetlab.base.machine.memory import in_words as out_of_memory
from resnetlab.base.machine.memory import is_out_of_memory
from resnetlab.errors import DivergedError, Interrupted, OutOfMemory, ResnetlabError
from resnetlab.parallel.world import ALONE, World
from resnetlab.training.observer import Interrupt, Observer
from resnetlab.training.recorded.recording import release_memory, still_works
from resnetlab.training.run import Result
from resnetlab.training.studies.observer import StudyObserver
from resnetlab.training.studies.sharing import InUse

Work = Callable[[Observer, Interrupt], Result]


class Crew:
    """Makes the runs of a study; what ends one of them does not end the others.

    A run that another process is making is passed over, and looked at again after the others: that process
    may have ended.

    Every run keeps its own state and, on CUDA, its own stream, on which the device works beside those
    of the others: a small network's kernels leave most of a large GPU idle. The host only starts
    recorded steps (see `recording`), so that one Python process keeps all of them busy.

    Args:
        work: Makes a run, by its name.
        observer: Who watches.
        device: Where.
        at_once: How many runs at once.
        world: The processes that make each of the runs together; one at once then. They all know of a run
            that diverged, and go on with the next, and of a signal, which ends the study as it ends that
            of one process; what else ends one in one process ends all.
    """

    def __init__(
        self,
        work: Mapping[str, Work],
        observer: StudyObserver,
        device: torch.device,
        *,
        at_once: int,
        world: World = ALONE,
    ) -> None:
        self._work, self._observer, self._device = work, observer, device
        self._at_once = min(at_once, len(work))
        self._waiting: SimpleQueue[str] = SimpleQueue()
        self._in_use: dict[str, str] = {}
        self._results: dict[str, Result] = {}
        self._failures: dict[str, ResnetlabError] = {}
        self._broken: list[BaseException] = []
        self._interrupt, self._world = Interrupt(), world

    def make_all(self) -> dict[str, Result]:
        """Make every run that no other process makes, and return how each ended.

        Raises:
            Interrupted: If a signal came; the runs that had begun are saved.
            ResnetlabError: If runs failed: of the first one's kind, naming all.
        """
        with self._interrupt:
            self._go_round(list(self._work))
        if self._broken:
            raise self._broken[0]
        self._refuse_the_unfinished()
        if self._in_use:
            self._observer.made_elsewhere(self._in_use)
        return {name: self._results[name] for name in self._work if name in self._results}

    def _go_round(self, names: Iterable[str]) -> None:
        """Make these runs; then look at those in use again, until that brings nothing more."""
        for name in names:
            self._waiting.put(name)
        self._in_use, before = {}, len(self._results)
        if self._at_once > 1:
            # Daemons: a second Ctrl-C ends the process without waiting for them.
            crew = [threading.Thread(target=self._serve, daemon=True) for _ in range(self._at_once)]
            for member in crew:
                member.start()
            for member in crew:
                member.join()
        else:
            self._take_turns()
        if (
            self._in_use
            and len(self._results) > before
            and not (self._interrupt.share(self._world) or self._broken)
        ):
            self._go_round(list(self._in_use))

    def _serve(self) -> None:
        """Do as `_take_turns` does, on a stream of this thread's own."""
        try:
            with own_stream(self._device):
                self._take_turns()
        except BaseException as error:  # a mistake of ours, or of torch; the main thread raises it
            self._broken.append(error)

    def _take_turns(self) -> None:
        """Make one run after another until none waits."""
        while not (self._broken or self._interrupt.share(self._world)):
            try:
                name = self._waiting.get_nowait()
            except Empty:
                return
            watcher = self._observer.of(name)
            if self._device.type == "cuda":
                release_memory()
            try:
                self._results[name] = self._work[name](watcher, self._interrupt)
            except InUse as error:
                self._in_use[name] = str(error)
            except Exception as error:
                self._note_failure(name, error)
                if not (self._is_everybodys(error) and still_works(self._device)):
                    self._broken.append(error)
            else:
                self._observer.ended(name, self._results[name])

    def _is_everybodys(self, error: Exception) -> bool:
        """Return whether all processes that make the run have this error, at the same place of it."""
        is_asked_for = isinstance(error, Interrupted) and self._interrupt.is_shared
        return self._world.size == 1 or is_asked_for or isinstance(error, DivergedError)

    def _note_failure(self, name: str, error: Exception) -> None:
        """Keep why a run ended, and tell it at once: the others go on, maybe for hours."""
        _let_go(error)
        told = error if isinstance(error, ResnetlabError) else _in_words(error)
        if isinstance(told, OutOfMemory) and self._at_once > 1:
            told.hint = f"Fewer runs at once: --at-once. {told.hint}"
        self._failures[name] = told
        self._observer.failed(name, told)

    def _refuse_the_unfinished(self) -> None:
        saved = [name for name, error in self._failures.items() if isinstance(error, Interrupted)]
        failed = {n: e for n, e in self._failures.items() if n not in saved}
        if self._interrupt.share(self._world) and len(self._results) + len(failed) < len(self._work):
            waiting = len(self._work) - len(self._results) - len(self._failures) - len(self._in_use)
            more = f", {len(failed)} failed" if failed else ""
            more += f", {len(self._in_use)} made by other processes" if self._in_use else ""
            raise Interrupted(
                f"stopped by {self._interrupt.signal_name}: of {len(self._work)} runs {len(self._results)} "
                f"are finished, {len(saved)} saved on their way, {waiting} not begun here{more}"
            )
        if failed:
            first = next(iter(failed.values()))
            told = "".join(f"\n  {name}: {error.args[0]}" for name, error in failed.items())
            summary = f"{len(failed)} of {len(self._work)} runs failed:{told}"
            raise type(first)(summary, hint=first.hint) from first


def _let_go(error: BaseException | None) -> None:
    """Clear what an error's calls held: the run, its memory on the device."""
    while error:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__


def _in_words(error: Exception) -> ResnetlabError:
    """Return an error that is none of ours as one of a run, its cause kept."""
    if is_out_of_memory(error):
        told: ResnetlabError = out_of_memory(error)
    else:
        told = ResnetlabError(f"{type(error).__name__}: {error}".splitlines()[0])
    told.__cause__ = error
    return told


@contextlib.contextmanager
def own_stream(device: torch.device) -> Iterator[None]:
    """On CUDA, have what this thread asks of the device done beside what other threads ask of it."""
    if device.type != "cuda":
        yield
        return
    with torch.cuda.device(device), torch.cuda.stream(torch.cuda.Stream(device)):  # type: ignore[no-untyped-call]
        yield
