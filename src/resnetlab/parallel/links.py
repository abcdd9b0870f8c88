"""What ties a process to the others of its run: torch.distributed's groups, the store and the watch."""

import atexit
import contextlib
import datetime
import os
import sys
import traceback
from collections.abc import Iterator
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed import PrefixStore  # type: ignore[attr-defined]

from resnetlab.base.machine.memory import is_out_of_memory
from resnetlab.errors import ResnetlabError, UsageError
from resnetlab.parallel.line import Line
from resnetlab.parallel.meeting import Meeting, choose_interface
from resnetlab.parallel.place import Place
from resnetlab.parallel.streams import unmark
from resnetlab.parallel.telling import Note, Told
from resnetlab.parallel.tree import Tree
from resnetlab.parallel.watch import Watch

MEETING_SECONDS = 60.0
"""How long processes wait for each other at the start; RESNETLAB_MEETING_SECONDS says otherwise."""

_PATIENCE = datetime.timedelta(days=1)  # with others that do other work; who is gone is found by the watch
_PARTING_SECONDS = 4.0  # for the others to come to the same end
_OTHER_CAUSE_SECONDS = 1.5  # in which a signal may turn out to follow from a death
_DONE = "done"


class Links:
    """The connections of one process to all others."""

    def __init__(self, place: Place) -> None:
        if not dist.is_available():
            raise UsageError(
                "this build of torch has no torch.distributed",
                hint="Install another build, or make the run with one process.",
            )
        self._seconds = _seconds("RESNETLAB_MEETING_SECONDS", MEETING_SECONDS)
        self._place, self._line = place, Line(place.rank)
        meeting = self._meeting = Meeting(place, self._seconds)
        self.hosts = [member.host for member in meeting.members]
        self._watch = Watch(place, meeting, self._line)
        self._watch.start()
        self._asked: tuple[dist.Work, Tensor] | None = None
        self._tree = Tree(place.rank, place.size)
        self._is_closed = False
        atexit.register(self._at_exit)

    def connect(self) -> None:
        """Connect with all others, in their order of rank, for sums and words.

        Raises:
            UsageError: If there is no GPU for this process, or no network interface as named.
            LostProcess: If another cannot be reached, or is gone.
        """
        choose_interface(self._place, self._meeting.members)
        is_cuda, hook = _take_gpu(self._place), sys.excepthook
        self._store = self._meeting.connect()
        with self._telling("could not be made"):
            dist.init_process_group(
                "cpu:gloo,cuda:nccl" if is_cuda else "gloo",
                store=PrefixStore("group", self._store),
                rank=self._place.rank,
                world_size=self._place.size,
                timeout=datetime.timedelta(seconds=self._seconds),
            )
        sys.excepthook = hook  # torch's would begin each line with a rank of its own
        assert dist.group.WORLD is not None
        dist.group.WORLD.set_timeout(_PATIENCE)

    def gather(self, value: Any) -> list[Any]:
        """See World."""
        found: list[Any] = [None] * self._place.size
        with self._telling():
            dist.all_gather_object(found, value)
        return found

    def from_first(self, value: Any) -> Any:
        """Return the first process's value."""
        found = [value]
        with self._telling():
            dist.broadcast_object_list(found, src=0, device=torch.device("cpu"))
        return found[0]

    def add_tree(self, flat: Tensor, *, exact: bool) -> Tensor:
        """See World."""
        with self._telling():
            return self._tree.add(flat, exact=exact)

    def note_finished(self, *, is_finished: bool) -> None:
        """See World."""
        self._watch.is_finished = is_finished

    def pulse(self, wants: bool) -> bool:
        """See World."""
        with self._telling():
            before = self._answer()
            mine = torch.tensor([int(wants)], dtype=torch.int32)
            work = dist.all_reduce(mine, op=dist.ReduceOp.MAX, async_op=True)
            assert work is not None
            self._asked = (work, mine)
        return before

    def _answer(self) -> bool:
        if self._asked is None:
            return False
        (work, result), self._asked = self._asked, None
        work.wait()
        return bool(result)

    @contextlib.contextmanager
    def _telling(self, what: str = "broke") -> Iterator[None]:
        """Turn what a broken connection raises into the error that ended the run."""
        if self._watch.note:
            raise self._error(self._watch.note)
        try:
            yield
        except RuntimeError as error:
            if is_out_of_memory(error):
                raise
            traceback.clear_frames(error.__traceback__)  # which hold what holds the connections to the rest
            note = self._watch.cause(connection_broke=True)
            if note is None:
                text = str(error).splitlines()[0]
                name = self._watch.names[self._place.rank]
                lost = f"the connection of {name} to the others {what}: {text}"
                is_finished = self._watch.is_finished
                note = self._watch.publish(Note.lost(lost, self._place.rank, is_finished=is_finished))
            raise self._error(note) from error

    def _error(self, note: Note) -> ResnetlabError:
        is_named = note.is_own_error and not note.is_request
        told = note.told.named(self._watch.names[note.of]) if is_named else note.told
        error = told.as_error()
        error.__dict__["_note"] = note
        return error

    def end_with(self, error: BaseException) -> bool:
        """See World."""
        watch, rank = self._watch, self._place.rank
        self._is_closed = True
        if watch.has_ended:  # a signal after all that concerns the others
            self._line.report(Told.of(error).exit_code)
            unmark()
            return True
        heard: Note | None = error.__dict__.get("_note")
        if not isinstance(error, Exception):  # a signal, which torchrun sends to all when one has died
            heard = heard or watch.cause(_OTHER_CAUSE_SECONDS)
        own = Note(Told.of(error), by=rank, of=rank)
        watch.say_over("follows" if heard else own.told.to_json())
        self._leave_groups()
        note = heard or watch.publish(own)
        ways = watch.how_all_leave(_PARTING_SECONDS)
        watch.kill_stopped()
        error.exit_code = note.told.exit_code  # type: ignore[attr-defined]
        self._line.report(note.told.exit_code)
        if note.by != rank:
            return False
        if note not in (own, error.__dict__.get("_note")):  # it only follows from what is to be said
            watch.tell()
            return False
        is_common = note.is_request or (ways is not None and set(ways) == {own.told.to_json()})
        if note == own and not is_common:
            if isinstance(error, ResnetlabError):
                error.args = (own.told.named(watch.names[rank]).message,)
            else:
                error.add_note(f"This was {watch.names[rank]}.")
        unmark()
        return watch.may_tell()

    def close(self) -> None:
        """See World.

        Raises:
            LostProcess: If a process is gone that had yet to leave.
        """
        if self._is_closed:
            return
        self._is_closed = True
        with self._telling():
            self._answer()
        self._watch.say_over(_DONE)
        if self._meeting.store_stays:
            self._watch.see_off()
            if note := self._watch.note:
                raise self._error(note)
        else:
            self._watch.how_all_leave(_PARTING_SECONDS)
        self._watch.end()
        self._leave_groups()
        self._line.report(0)

    def _leave_groups(self) -> None:
        """Close the connections, which ends the others' waiting; no sum that is under way may hold them."""
        self._asked = None
        if dist.is_initialized():
            with contextlib.suppress(RuntimeError):
                dist.destroy_process_group()

    def _at_exit(self) -> None:
        """End as it should be where nobody called `close` or `end_with`: after a script of a user's own."""
        if not self._is_closed:
            if error := getattr(sys, "last_value", None):  # Python has shown it already
                if self.end_with(error):
                    sys.stderr.write(f"This was {self._watch.names[self._place.rank]}.\n")
            else:
                with contextlib.suppress(ResnetlabError):
                    self.close()
        if self._watch.note:
            self._watch.outlast()
        self._watch.end_threads()


def _seconds(name: str, default: float) -> float:
    try:
        return float(os.environ.get(name, default))
    except ValueError as error:
        raise UsageError(f"{name} is {os.environ[name]!r}, no number of seconds") from error


def _take_gpu(place: Place) -> bool:
    """Take this process's GPU, and return whether there is any."""
    if not torch.cuda.is_available():
        return False
    count = torch.cuda.device_count()
    if place.local_rank >= count:
        raise UsageError(
            f"process {place.rank} has LOCAL_RANK {place.local_rank}, and {place.host} has {count} GPUs",
            hint="Start one process for each GPU of a machine.",
        )
    torch.cuda.set_device(place.local_rank)
    return True
