"""The processes that make one run together, as one of them sees them."""

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from resnetlab.base.share import Share
from resnetlab.errors import UsageError
from resnetlab.parallel.place import Place, name_of
from resnetlab.parallel.telling import Told, differences, in_one, is_told

_START_ALIKE = "Start all with the same command, the same versions and the same data."

if TYPE_CHECKING:
    from torch import Tensor

    from resnetlab.parallel.links import Links

T = TypeVar("T")


class World:
    """The processes of a run, numbered from 0, as `rank` sees them.

    Every process calls the methods that speak to the others in the same order. One process alone speaks
    to nobody, and imports no torch for it.
    """

    def __init__(
        self,
        rank: int = 0,
        size: int = 1,
        local_rank: int = 0,
        local_size: int = 1,
        host: str = "",
        links: "Links | None" = None,
    ) -> None:
        self.rank, self.size = rank, size
        self.local_rank, self.local_size = local_rank, local_size
        self.host = host
        self._links = links

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes the run's directory and shows how far it is."""
        return self.rank == 0

    @property
    def name(self) -> str:
        """What messages call this process."""
        return name_of(self.rank, self.size, self.host)

    def share_of(self, shards: int) -> Share:
        """Return the shards of every batch that are this process's.

        Raises:
            UsageError: If the processes do not divide the shards.
        """
        if shards % self.size:
            fitting = [n for n in range(1, shards + 1) if shards % n == 0]
            raise UsageError(
                f"{self.size} processes do not divide the {shards} shards of a batch",
                hint=f"The shards can be divided among {_either(fitting)} processes; with"
                f" {self.size} processes, shards is a multiple of {self.size}.",
            )
        count = shards // self.size
        return Share(self.rank * count, count, shards)

    def gather(self, value: Any) -> list[Any]:
        """Return the plain Python values of all processes, in their order, at each of them.

        Raises:
            LostProcess: If one of them is gone.
        """
        return [value] if self._links is None else self._links.gather(value)

    def from_first(self, make: Callable[[], T]) -> T:
        """Return what the first process makes, at all of them.

        Raises:
            ResnetlabError: What `make` raised there; if it is none of ours, at the others a message that
                names its type.
            LostProcess: If a process is gone.
        """
        if self._links is None:
            return make()
        value, error = _outcome(make) if self.is_first else (None, None)
        told = Told.of(error) if error else None
        value, told = self._links.from_first((value, told))
        if error:
            raise error
        if told:
            raise told.as_error()
        return cast(T, value)

    def together(self, work: Callable[[], T]) -> T:
        """Return what `work` gives in this process, if it fails in none of them.

        Raises:
            ResnetlabError: The same at all processes, and naming the one where it went wrong, unless that is
                all of them.
            LostProcess: If one of them is gone.
        """
        if self._links is None:
            return work()
        value, error = _outcome(work)
        told: list[Told | None] = self._links.gather(Told.of(error) if error else None)
        if any(told):
            raise in_one(told, self.names()) from error
        return cast(T, value)

    def names(self) -> list[str]:
        """Return what messages call each of the processes."""
        hosts = [self.host] if self._links is None else self._links.hosts
        return [name_of(rank, self.size, host) for rank, host in enumerate(hosts)]

    def add_tree(self, flat: "Tensor", *, exact: bool = True) -> "Tensor":
        """Add the processes' tensors of one shape, in place, and return the sum: the same bits at each.

        Process 0 and 1 are added, 2 and 3, and so on; then these pairs, lower plus upper. Where the number of
        processes is no power of two, pair by pair alike, and what is left over goes on alone.

        Args:
            flat: Of one axis, contiguous; on this process's device.
            exact: Whether the order of the sum matters on CUDA; if not, NCCL chooses it, and is faster.

        Raises:
            LostProcess: If a process is gone.
        """
        return flat if self._links is None else self._links.add_tree(flat, exact=exact)

    def agree(self, facts: Mapping[str, str], *, hint: str = _START_ALIKE) -> None:
        """Check that all processes have the same facts; `hint` says what to do where they have not.

        Raises:
            UsageError: If not, at all of them, with every difference from the first one.
            LostProcess: If a process is gone.
        """
        if self._links is None:
            return
        if found := differences(self._links.gather(dict(facts)), self.names()):
            raise UsageError(
                "the processes of this run differ:\n" + "\n".join(f"  {line}" for line in found),
                hint=hint,
            )

    def pulse(self, wants: bool) -> bool:
        """Return whether any process wanted it at the pulse before this one: the same answer at each of them.

        Called once a step by all. The answer is one pulse old, so that nothing waits for it.

        Raises:
            LostProcess: If a process is gone.
        """
        return wants if self._links is None else self._links.pulse(wants)

    def end_with(self, error: BaseException) -> bool:
        """End this process's part with an error, and return whether it is this process that shows it.

        Called once, where the command would show it, with any error. The first cause of all processes
        counts: the error gets its exit code as `exit_code`, and the name of this process if the others do
        not have the same. The caller shows it or not, and ends the process, which ends anyway some seconds
        later.
        """
        return not is_told(error) if self._links is None else self._links.end_with(error)

    def note_finished(self, *, is_finished: bool) -> None:
        """Note whether the run is finished: who is lost then leaves nothing to be gone on with."""
        if self._links is not None:
            self._links.note_finished(is_finished=is_finished)

    def close(self) -> None:
        """Leave the others, who know then that this process ended as it should; at the end of all work."""
        if self._links is not None:
            self._links.close()


ALONE = World()
"""One process: every method answers at once."""

_joined: list[World] = []


def join() -> World:
    """Return the world that this process was started into by torchrun, or by srun with the same variables.

    RANK, WORLD_SIZE, LOCAL_RANK, LOCAL_WORLD_SIZE, MASTER_ADDR and MASTER_PORT say which; without them,
    and with a WORLD_SIZE of 1, that is ALONE. It is joined once in a process: later calls return the same.

    Raises:
        UsageError: If a variable is missing or cannot be, the meeting place is taken or cannot be reached,
            or not all processes have come in time.
    """
    place = Place.from_environment()
    if place is None or place.size == 1:
        return ALONE
    if not _joined:
        os.environ.setdefault(
            "TORCH_CPP_LOG_LEVEL", "ERROR"
        )  # else every lost connection is a page of frames
        from resnetlab.parallel.links import Links

        links = Links(place)
        _joined.append(
            World(place.rank, place.size, place.local_rank, place.local_size, place.host, links=links)
        )
        links.connect()
    return _joined[0]


def joined() -> World:
    """Return the world that this process has joined, or ALONE."""
    return _joined[0] if _joined else ALONE


def _outcome(work: Callable[[], T]) -> tuple[T | None, BaseException | None]:
    try:
        return work(), None
    except BaseException as error:  # it is raised again by who called, once the others know
        return None, error


def _either(numbers: list[int]) -> str:
    return " or ".join([", ".join(map(str, numbers[:-1])), str(numbers[-1])] if numbers[1:] else ["1"])
