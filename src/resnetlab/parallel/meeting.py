"""Where the processes of a run meet: torch's TCPStore, reached or not, with a word to the user either way."""

import contextlib
import datetime
import errno
import json
import os
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TypeVar

from torch.distributed import PrefixStore, Store, TCPStore  # type: ignore[attr-defined]

from resnetlab.errors import UsageError
from resnetlab.parallel.place import Place, name_of
from resnetlab.parallel.processes import Process
from resnetlab.parallel.streams import silent, unmark
from resnetlab.parallel.telling import Note, Told, mark_told

T = TypeVar("T")

NOBODY = "nothing yet"
"""What the store says of the run's end while there is none."""

_INTERFACE = "GLOO_SOCKET_IFNAME"
_GET_ADDRESS = 0x8915  # SIOCGIFADDR of Linux's netdevice(7)
_LOOK_SECONDS = 0.05
_TRY_SECONDS = 5.0
_ANSWER_SECONDS = 5.0  # for one who listens there already
_LAST_ASK_SECONDS = 1.0


@dataclass(frozen=True)
class Member:
    """A process that has come."""

    host: str
    address: str
    """Of the interface from which the meeting place is reached."""
    process: Process

    def to_json(self) -> str:
        """Return it as text for the store."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: bytes) -> "Member":
        """Return what `to_json` wrote."""
        values = json.loads(text)
        return cls(values["host"], values["address"], Process(**values["process"]))


class Meeting:
    """The place where all processes of a run have come."""

    def __init__(self, place: Place, seconds: float) -> None:
        self._place, self._until = place, time.monotonic() + seconds
        self._seconds, self._answer_seconds = seconds, min(seconds, _ANSWER_SECONDS)
        self._is_agents = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
        self._prefix = "/".join(
            ["resnetlab", *(os.environ.get(f"TORCHELASTIC_{n}", "0") for n in ("RUN_ID", "RESTART_COUNT"))]
        )
        self._is_left = threading.Event()
        self.hosts_store = place.rank == 0 and not self._is_agents
        self._server = self._serve() if self.hosts_store else None
        if not self.hosts_store:
            self._reach()
        self.store = self.connect()
        self.members = self._met()

    @property
    def host_of_store(self) -> str:
        """What messages call the process without which the store is gone."""
        if self._is_agents:
            return f"torchrun at {self._place.address}"
        return name_of(0, self._place.size, self.members[0].host)

    @property
    def store_stays(self) -> bool:
        """Whether the store is there as long as this process."""
        return self.hosts_store or self._is_agents

    def seconds_left(self) -> float:
        """Return how long the others are still waited for."""
        return max(self._until - time.monotonic(), 0.1)

    def connect(self) -> Store:
        """Return a connection of one's own to the store: a thread that waits in one blocks no other."""
        address = "127.0.0.1" if self.hosts_store else self._place.address
        return PrefixStore(self._prefix, self._in_time(lambda: self._store(address, is_master=False)))

    def _store(self, address: str, *, is_master: bool) -> TCPStore:
        return TCPStore(
            address,
            self._place.port,
            is_master=is_master,
            timeout=datetime.timedelta(seconds=self._answer_seconds),
            wait_for_workers=False,
        )

    def _serve(self) -> TCPStore:
        try:
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("", self._place.port))
        except OSError as error:
            raise self._port_is_taken(error) from error
        return self._in_time(lambda: self._store("127.0.0.1", is_master=True))

    def _port_is_taken(self, error: OSError) -> UsageError:
        port = self._place.port
        if error.errno == errno.EADDRINUSE:
            return UsageError(
                f"{self._own_name()} cannot open the meeting place: port {port} (MASTER_PORT) is taken",
                hint="Give all processes another one, or end the program that has it.",
            )
        return UsageError(f"{self._own_name()} cannot open port {port} (MASTER_PORT): {error.strerror}")

    def _reach(self) -> None:
        """Wait until somebody listens at the meeting place."""
        at, problem = (self._place.address, self._place.port), "nobody answers"
        while True:
            try:
                socket.create_connection(at, timeout=min(self.seconds_left(), _TRY_SECONDS)).close()
                return
            except OSError as error:
                problem = error.strerror or str(error)
            if time.monotonic() >= self._until:
                raise UsageError(
                    f"{self._own_name()} could not reach the meeting place {at[0]} port {at[1]} in"
                    f" {self._seconds:.0f} s: {problem}",
                    hint="Process 0 runs at MASTER_ADDR and listens on MASTER_PORT. Was it started, and can"
                    f" this machine reach it? {_HOW_LONG}",
                )
            time.sleep(_LOOK_SECONDS)

    def _in_time(self, connect: Callable[[], T]) -> T:
        """Return what `connect` gives, which may wait for ever if something else listens there."""
        with silent():  # torch would tell each try with a page of frames
            # it tries until the time is over, and once more
            value, error = self._within(2 * self._answer_seconds + 3, connect)
        if value is None:
            told = str(error).splitlines()[0] if error else "it does not answer as a meeting place does"
            raise UsageError(
                f"{self._own_name()} reached {self._place.address} port {self._place.port}, but {told}",
                hint="Another program may listen there: choose another MASTER_PORT for all processes.",
            ) from error
        return value

    def _met(self) -> list[Member]:
        lost = (
            f"{self._own_name()} lost the meeting place {self._place.address} port {self._place.port} again"
        )
        longest = self.seconds_left() + self._answer_seconds + 2 * _LAST_ASK_SECONDS
        members, error = self._within(longest, self._meet)
        if isinstance(error, RuntimeError):
            raise UsageError(f"{lost} before all had come: who opened it has ended") from error
        if error:
            raise error
        if members is None:
            raise UsageError(
                f"{lost}: it has not answered for {self._answer_seconds:.0f} s",
                hint="Who opened it was stopped, or its machine or the network failed.",
            )
        return members

    def _meet(self) -> list[Member]:
        """Come, and wait for the others."""
        place, store = self._place, self.store
        store.compare_set("end", "", NOBODY)
        size = int(store.compare_set("size", "", str(place.size)))
        if size != place.size:
            raise self._told_once(
                UsageError(f"WORLD_SIZE is {place.size} at {self._own_name()}, and {size} at another process")
            )
        address = address_towards(place.address, place.port)
        mine = Member(place.host, address, Process.own()).to_json()
        there = store.compare_set(f"here/{place.rank}", "", mine)
        if there.decode() != mine:
            other = Member.from_json(there)
            raise UsageError(
                f"two processes have RANK {place.rank}: number {os.getpid()} at {place.host} and number"
                f" {other.process.pid} at {other.host}",
                hint="Each process of a run has a RANK of its own, from 0 on, or a MASTER_PORT for each run.",
            )
        store.set(f"beat/{place.rank}", "")
        missing = [*range(place.size)]
        while missing := [rank for rank in missing if not store.check([f"beat/{rank}"])]:
            if (end := store.get("end").decode()) != NOBODY:
                error = Note.from_json(end).told.as_error()
                mark_told(error)
                raise error
            if time.monotonic() >= self._until:
                raise self._told_once(self._are_missing(missing))
            if self._is_left.wait(_LOOK_SECONDS):
                return []  # to nobody
        every = [f"here/{rank}" for rank in range(place.size)]
        return [Member.from_json(text) for text in store.multi_get(every)]

    def _are_missing(self, missing: list[int]) -> UsageError:
        place = self._place
        came = place.size - len(missing)
        names = ", ".join(map(str, missing[:8])) + (" ..." if missing[8:] else "")
        return UsageError(
            f"{came} of {place.size} processes came to {place.address} port {place.port} in"
            f" {self._seconds:.0f} s; missing: RANK {names}",
            hint=f"Look at what those printed, and whether they were started. {_HOW_LONG}",
        )

    def _told_once(self, error: UsageError) -> UsageError:
        """Mark an error that all who came have, unless this process is the one that shows it."""
        mine = Note(Told.of(error), by=self._place.rank).to_json()
        if self.store.compare_set("end", NOBODY, mine).decode() != mine:
            mark_told(error)
        else:
            unmark()
        if self.hosts_store:
            time.sleep(_LAST_ASK_SECONDS)  # for those who ask yet
        return error

    def _own_name(self) -> str:
        return name_of(self._place.rank, self._place.size, self._place.host)

    def _within(self, seconds: float, work: Callable[[], T]) -> tuple[T | None, Exception | None]:
        """Return what `work` gives or raises, if it does so in time; who waits hears signals."""
        found: list[tuple[T | None, Exception | None]] = []
        is_done = threading.Event()  # a `join` after one that a signal broke off returns at once: gh-90882

        def perform() -> None:
            try:
                found.append((work(), None))
            except Exception as error:
                found.append((None, error))
            is_done.set()

        threading.Thread(target=perform, daemon=True).start()
        try:
            is_done.wait(seconds)
        except BaseException:  # a signal; Python's end kills threads, which the store's code does not survive
            self._is_left.set()
            is_done.wait(_LAST_ASK_SECONDS)
            raise
        return found[0] if found else (None, None)


_HOW_LONG = "RESNETLAB_MEETING_SECONDS sets how long they wait for each other."


def address_towards(host: str, port: int) -> str:
    """Return the address from which this machine would speak to another; empty if that is not known."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((host, port))  # sends nothing
        return str(probe.getsockname()[0])
    return ""


def choose_interface(place: Place, members: Sequence[Member]) -> None:
    """Have gloo use the network interface that leads to the others, unless GLOO_SOCKET_IFNAME says which.

    By itself it takes that of this machine's name, which often is the loopback.

    Raises:
        UsageError: If an interface is named that this machine does not have.
    """
    known = [name for _, name in socket.if_nameindex()]
    if given := os.environ.get(_INTERFACE):
        if missing := [name for name in given.split(",") if name not in known]:
            raise UsageError(
                f"{_INTERFACE} is {given}, and {place.host} has no interface {' and no '.join(missing)}",
                hint=f"It has {', '.join(known)}.",
            )
        return
    others = [m.address for m in members if not m.process.is_here and not m.address.startswith("127.")]
    own = address_towards([*filter(None, others), place.address][0], place.port)
    if name := next((name for name in known if own and _address_of(name) == own), None):
        os.environ[_INTERFACE] = name


def _address_of(interface: str) -> str:
    """Return an interface's address, as Linux tells it."""
    if not sys.platform.startswith("linux"):
        return ""
    import fcntl

    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        request = struct.pack("256s", interface.encode()[:15])
        return socket.inet_ntoa(fcntl.ioctl(probe.fileno(), _GET_ADDRESS, request)[20:24])
    return ""
