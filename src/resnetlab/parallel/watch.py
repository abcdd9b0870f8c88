"""The watch that each process keeps over the others: who died, who is silent, and that nobody stays behind.

Two threads: one speaks with the store, and may have to wait for it; the other looks at this machine, and at
how long the first has waited. The first cause that is published counts for all.
"""

import contextlib
import math
import os
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from resnetlab.parallel.line import Line
from resnetlab.parallel.meeting import NOBODY, Meeting
from resnetlab.parallel.place import Place, name_of
from resnetlab.parallel.streams import unmark
from resnetlab.parallel.telling import Note

T = TypeVar("T")

SILENCE_SECONDS = 20.0
"""Without a sign of life for so long, a process or the store is lost."""
GRACE_SECONDS = 5.0
"""What a process has to end by itself, once it knows that the run is over."""

_SAVING_SECONDS = 600.0  # the same, where the run was asked to stop and the first process may be saving
_SUSPICIOUS_SECONDS = 5.0  # of silence, where a connection broke too
_ANSWER_SECONDS = 3.0  # that the store has to take a cause, or to say another
_BEAT, _LOOK = 0.5, 0.2
_WAS_STOPPED = 3.0  # seconds between two looks, after which this process itself was stopped
_NEIGHBOURS = 2  # processes that each watches: one request to the store, however many there are
_OVER = b"over "

_now = time.monotonic


class Watch:
    """Looks on while this process works, and ends it when the run is over and it does not."""

    def __init__(self, place: Place, meeting: Meeting, line: Line) -> None:
        self._rank, self._size, self._line = place.rank, place.size, line
        self._store = meeting.connect()
        self._host_of_store, self._parent = meeting.host_of_store, os.getppid()
        self._silence = float(os.environ.get("RESNETLAB_SILENCE_SECONDS", SILENCE_SECONDS))
        self.names = [name_of(rank, place.size, each.host) for rank, each in enumerate(meeting.members)]
        self._here = {r: each.process for r, each in enumerate(meeting.members) if each.process.is_here}
        self._beats = {rank: (b"", _now()) for rank in _following(place.rank, [*range(place.size)])}
        self._looked_at = _following(place.rank, [*self._here])
        self._jobs: queue.Queue[Callable[[], object]] = queue.Queue()
        self._answered_at, self._refused_at = _now(), 0.0
        self._connection_broke = self._has_said_over = False
        self._proposed: Note | None = None
        self._proposed_at = self._noted_at = 0.0
        self._heard, self._ended = threading.Event(), threading.Event()
        self._printing = threading.Lock()
        self._threads = [
            threading.Thread(target=work, daemon=True, name=f"resnetlab{work.__name__}")
            for work in (self._speak, self._look)
        ]
        self.is_finished = False
        """Whether nothing is left to be gone on with, so that a loss loses nothing."""
        self.note: Note | None = None
        """Why the run ends, once it is known."""

    def start(self) -> None:
        """Begin to watch."""
        for thread in self._threads:
            thread.start()

    def publish(self, note: Note) -> Note:
        """Publish why the run ends, and return the cause that was published first.

        What this machine shows of a death comes before: an error may follow from it that says less.
        """
        self._propose(self._noted_loss() or note)
        self._heard.wait()  # `_look` sees to it that this comes
        assert self.note is not None
        return self.note

    def cause(self, seconds: float | None = None, *, connection_broke: bool = False) -> Note | None:
        """Return why the run ends; None if that is not known after so many seconds.

        By default it is waited for as long as any process or connection may be silent.
        """
        self._connection_broke |= connection_broke
        self._heard.wait(self._silence + _ANSWER_SECONDS if seconds is None else seconds)
        return self.note

    def say_over(self, how: str) -> None:
        """Tell the others that this process leaves, and how."""

        def tell() -> None:
            self._store.set(f"over/{self._rank}", how)
            self._has_said_over = True
            self._store.set(f"beat/{self._rank}", self._beat_text(0))

        self._ask(tell)

    def how_all_leave(self, seconds: float) -> list[str] | None:
        """Return what all processes said of it, in their order; None if not all have within some seconds.

        One that was lost is not waited for, and nobody once something else ends the run.
        """
        return self._how_they_leave(range(self._size), seconds)

    def see_off(self) -> None:
        """Wait, after all work, for the first process, which may work on; the first waits for all.

        With no one of ours there, nobody would find that a process was stopped which has yet to leave.
        """
        if self._rank == 0:
            self._ask(self._watch_all)
        self._how_they_leave(range(self._size) if self._rank == 0 else [0], math.inf)

    def _how_they_leave(self, ranks: Sequence[int], seconds: float) -> list[str] | None:
        before = self.note
        lost = self.note.of if self.note and not self.note.is_own_error else -1
        keys = [f"over/{rank}" for rank in ranks if rank != lost]
        until = _now() + seconds
        while not self._refused_at and self.note is before and _now() < until:
            if self._ask(lambda: self._store.check(keys)):
                found = self._ask(lambda: self._store.multi_get(keys))
                return [each.decode() for each in found] if found else None
            time.sleep(_LOOK / 4)
        return None

    def has_left(self, rank: int) -> bool:
        """Whether a process has said that it leaves."""
        return bool(self._ask(lambda: self._store.check([f"over/{rank}"])))

    def kill_stopped(self) -> None:
        """End the processes of this machine that were stopped, or hang, and will not hear of the end."""
        for rank, process in self._here.items():
            if self._is_silent(rank) or (rank != self._rank and process.is_stopped):
                process.kill()

    def outlast(self) -> None:
        """Say the last word: this process asks the store nothing more. The first waits for the others'.

        With it the store may go. Who asks it then why the run ends would take itself for the first to know,
        and tell it again. Who is gone or silent is not waited for.
        """
        if self._ended.is_set() or not self._ask(self._say_last) or self._rank != 0:
            return
        while not self._refused_at and any(self._may_ask(rank) for rank in range(1, self._size)):
            time.sleep(_LOOK / 4)

    def _say_last(self) -> bool:
        self._store.set(f"left/{self._rank}", "")
        if self._rank == 0:
            self._watch_all()
        return True

    def _watch_all(self) -> None:
        self._beats = {rank: (b"", _now()) for rank in range(1, self._size)}

    def _may_ask(self, rank: int) -> bool:
        is_here = rank in self._here
        is_gone = is_here and self._here[rank].is_gone
        silent_for = _now() - self._beats[rank][1]
        if is_gone or silent_for > (self._silence if is_here else _SUSPICIOUS_SECONDS):
            return False
        return not self._ask(lambda: self._store.check([f"left/{rank}"]))

    def may_tell(self) -> bool:
        """Whether nobody has told yet why the run ends: the one who asks does so then."""
        return self._printing.acquire(blocking=False)

    def tell(self) -> None:
        """Say why the run ends, unless that was done."""
        if (note := self.note) and self.may_tell():
            told = note.told.named(self.names[note.of]) if note.is_own_error else note.told
            unmark()
            os.write(2, f"resnetlab: {told.as_error()}\n".encode())

    @property
    def has_ended(self) -> bool:
        """Whether nobody watches any more: no note comes."""
        return self._ended.is_set()

    def end(self) -> None:
        """Watch no more."""
        self._ended.set()
        self._jobs.put(lambda: None)  # for who waits for one

    def end_threads(self) -> None:
        """Wait for what looks on: Python's end kills threads, and the store's code would not survive it."""
        self.end()
        for thread in self._threads:
            thread.join(_ANSWER_SECONDS)

    # The thread that speaks with the store.

    def _ask(self, question: Callable[[], T], seconds: float = _ANSWER_SECONDS) -> T | None:
        """Return the store's answer; None if there is none in time."""
        answers: queue.Queue[T] = queue.Queue()
        self._jobs.put(lambda: answers.put(question()))
        until = _now() + seconds
        while not self._refused_at and _now() < until:
            with contextlib.suppress(queue.Empty):
                return answers.get(timeout=_LOOK)
        return None

    def _speak(self) -> None:
        count, due = 0, _now()
        while not (self._refused_at or (self._ended.is_set() and self._jobs.empty())):
            with contextlib.suppress(queue.Empty):
                job = self._jobs.get(timeout=max(due - _now(), 0))
                self._answered_at = _now()
                self._perform(job)
            if _now() >= due and not self._ended.is_set():
                count, due = count + 1, _now() + _BEAT
                self._perform(lambda number=count: self._beat(number))  # type: ignore[misc]

    def _perform(self, job: Callable[[], object]) -> None:
        try:
            job()
            self._answered_at = _now()
        except RuntimeError:  # also torch's DistNetworkError
            self._refused_at = _now()

    def _beat(self, count: int) -> None:
        if (proposed := self._proposed) and not self.note:
            self._store.compare_set("end", NOBODY, proposed.to_json())
        self._store.set(f"beat/{self._rank}", self._beat_text(count))
        end, *beats = self._store.multi_get(["end", *(f"beat/{rank}" for rank in self._beats)])
        for rank, beat in zip(self._beats, beats, strict=True):
            if beat != self._beats[rank][0]:
                self._beats[rank] = (beat, _now())
        if end.decode() != NOBODY:
            self._hear(Note.from_json(end.decode()))

    def _beat_text(self, count: int) -> str:
        """Return a sign of life, which others find last when this process has left."""
        return f"{_OVER.decode() if self._has_said_over else ''}{count}"

    # The thread that looks on.

    def _look(self) -> None:
        last = _now()
        while not self._ended.wait(_LOOK):
            slept, last = _now() - last, _now()
            if note := self.note:
                if last - self._noted_at > (_SAVING_SECONDS if note.is_request else GRACE_SECONDS):
                    self._leave(note)
            elif slept > _WAS_STOPPED:  # the others' beats were not heard meanwhile
                self._beats = {rank: (beat, last) for rank, (beat, _) in self._beats.items()}
                self._answered_at = last
            else:
                self._find_cause()

    def _find_cause(self) -> None:
        proposed = self._proposed
        if proposed is None:
            if note := self._noted_loss():
                self._propose(note)
        elif self._refused_at or _now() - max(self._proposed_at, self._answered_at) > _ANSWER_SECONDS:
            self._hear(replace(proposed, by=self._rank if self._is_spokesman() else -1))

    def _noted_loss(self) -> Note | None:
        found = self._loss()
        return Note.lost(found[0], self._rank, *found[1:], is_finished=self.is_finished) if found else None

    def _loss(self) -> tuple[str] | tuple[str, int] | None:
        """Return what was lost, and which process that is, if it is one."""
        if self._line.is_cut:
            return ("the command that launched this run is gone: it was killed",)
        if "TORCHELASTIC_RUN_ID" in os.environ and os.getppid() != self._parent:
            return (f"torchrun is gone: its process {self._parent} was killed",)
        for rank in self._looked_at:
            if self._here[rank].is_gone and not self._says_over(rank):
                return (
                    f"{self.names[rank]} is gone: its process {self._here[rank].pid} was killed, or ended"
                    " without a word",
                    rank,
                )
        limit = _SUSPICIOUS_SECONDS if self._connection_broke else self._silence
        limit = min(limit, self._silence)
        for rank, (beat, at) in self._beats.items():
            is_silent = _now() - at > limit and not beat.startswith(_OVER)
            if is_silent and not self._refused_at and self._is_answered():
                return (
                    f"{self.names[rank]} is lost: no sign of life from it for {_now() - at:.0f} s. It was"
                    " stopped, or its machine or the network failed",
                    rank,
                )
        if self._refused_at and _now() - self._refused_at > 5 * _LOOK:  # time to see whose death that is
            return (f"{self._host_of_store} is gone, where the processes met",)
        if _now() - self._answered_at > self._silence:
            self._refused_at = _now()
            return (
                f"{self._host_of_store}, where the processes met, has not answered for {self._silence:.0f} s",
            )
        return None

    def _is_answered(self) -> bool:
        return _now() - self._answered_at < 4 * _BEAT

    def _says_over(self, rank: int) -> bool:
        if rank in self._beats and self._beats[rank][0].startswith(_OVER):
            return True
        return not self._refused_at and self._is_answered() and self.has_left(rank)

    def _is_spokesman(self) -> bool:
        """Whether this process speaks for its machine, where the store cannot say who was first."""
        lower = [process for rank, process in self._here.items() if rank < self._rank]
        return all(process.is_gone or process.is_stopped for process in lower)

    def _propose(self, note: Note) -> None:
        if self._proposed is None:
            self._proposed_at = _now()
            self._proposed = note

    def _hear(self, note: Note) -> None:
        if self.note is None:
            self._noted_at = _now()
            self.note = note
            if self._is_silent(note.of):  # what waits for it breaks then, and ends by itself
                self._here[note.of].kill()
            self._heard.set()

    def _is_silent(self, rank: int) -> bool:
        """Whether that is a process of this machine, another one, that was lost."""
        note = self.note
        return (
            note is not None
            and note.of == rank != self._rank
            and not note.is_own_error
            and rank in self._here
        )

    def _leave(self, note: Note) -> None:
        """End this process, whose main thread waits for something that does not come."""
        if note.by == self._rank:
            self.tell()
        self.kill_stopped()
        self._line.report(note.told.exit_code)
        self.outlast()
        os._exit(note.told.exit_code)


def _following(rank: int, ranks: list[int]) -> list[int]:
    """Return the next few after `rank`, in a ring."""
    at = ranks.index(rank)
    return [ranks[(at + n) % len(ranks)] for n in range(1, 1 + min(_NEIGHBOURS, len(ranks) - 1))]
