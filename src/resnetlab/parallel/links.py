"""What ties the processes of a run together: torch.distributed's store and process group."""

import datetime
import os
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from resnetlab.errors import LostProcess, UsageError
from resnetlab.parallel.place import Place
from resnetlab.parallel.tree import Tree

MEETING_SECONDS = 60.0
_PATIENCE = datetime.timedelta(days=1)
"""How long a process waits for others that do other work; who is gone is found otherwise."""


class Links:
    """The connections of one process to all others."""

    def __init__(self, place: Place, hosts: list[str]) -> None:
        self._place, self.hosts = place, hosts
        self._tree = Tree(place.rank, place.size)
        self._asked: tuple[dist.Work, Tensor] | None = None

    @classmethod
    def made_at(cls, place: Place) -> "Links":
        """Meet the others and connect."""
        seconds = float(os.environ.get("RESNETLAB_MEETING_SECONDS", MEETING_SECONDS))
        backend = "gloo"
        if torch.cuda.is_available():
            count = torch.cuda.device_count()
            if place.local_rank >= count:
                raise UsageError(f"LOCAL_RANK is {place.local_rank}, and this machine has {count} GPUs")
            torch.cuda.set_device(place.local_rank)
            backend = "cpu:gloo,cuda:nccl"
        try:
            dist.init_process_group(backend, timeout=datetime.timedelta(seconds=seconds))
        except (RuntimeError, ValueError) as error:
            raise UsageError(f"the processes could not meet: {error}") from error
        assert dist.group.WORLD is not None
        dist.group.WORLD.set_timeout(_PATIENCE)
        links = cls(place, [])
        links.hosts = links.gather(place.host)
        return links

    def gather(self, value: Any) -> list[Any]:
        """See World."""
        found: list[Any] = [None] * self._place.size
        with _telling():
            dist.all_gather_object(found, value)
        return found

    def from_first(self, value: Any) -> Any:
        """Return the first process's value."""
        found = [value]
        with _telling():
            dist.broadcast_object_list(found, src=0, device=torch.device("cpu"))
        return found[0]

    def add_tree(self, flat: Tensor, *, exact: bool) -> Tensor:
        """See World."""
        with _telling():
            return self._tree.add(flat, exact=exact)

    def pulse(self, wants: bool) -> bool:
        """See World."""
        with _telling():
            before = self._answer()
            mine = torch.tensor([int(wants)], dtype=torch.int32)
            work = dist.all_reduce(mine, op=dist.ReduceOp.MAX, async_op=True)
            assert work is not None
            self._asked = (work, mine)
        return before

    def _answer(self) -> bool:
        if self._asked is None:
            return False
        work, result = self._asked
        work.wait()
        self._asked = None
        return bool(result)

    def close(self) -> None:
        """See World."""
        with _telling():
            self._answer()
        if dist.is_initialized():
            dist.destroy_process_group()


class _telling:
    """Turn what a broken connection raises into a LostProcess."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, RuntimeError) and not isinstance(error, torch.OutOfMemoryError):
            raise LostProcess(f"the connection to another process broke: {error}") from error
