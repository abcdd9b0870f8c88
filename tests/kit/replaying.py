"""A recorder that does on the CPU what CUDA's does: there a recording can be wrong as it can be on a GPU."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from resnetlab.training.recorded.recording import Recorder, Work

Call = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any], list[Tensor]]


class Replaying(Recorder):
    """Repeats the operations that the work made when it was recorded: the same tensors, the same numbers.

    What Python computed then, a rate or a branch taken, stays as it was. Recording leaves every tensor that
    was there before it as it was.
    """

    can_record = True

    def __init__(self) -> None:
        super().__init__(torch.device("cpu"))
        self.replays: Counter[int] = Counter()

    def record(self, work: Work, times: int) -> Work:
        tape = _Tape()
        try:
            with tape:
                for _ in range(times):
                    work()
        finally:
            tape.undo()

        def replay() -> None:
            self.replays[times] += 1
            tape.replay()

        return replay


class _Tape(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes every operation on tensors, those of the backward pass too."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._calls: list[Call] = []
        self._before: dict[int, tuple[torch.UntypedStorage, torch.UntypedStorage]] = {}
        self._made: dict[int, torch.UntypedStorage] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is torch.ops.aten._local_scalar_dense.default:
            raise RuntimeError("operation not permitted when stream is capturing: a number is read")
        given = {_storage(tensor).data_ptr(): tensor for tensor in _tensors((args, kwargs))}
        for place, tensor in given.items():  # a difference of sets would walk through all that was made
            if place not in self._made and place not in self._before:
                storage = _storage(tensor)
                self._before[place] = (storage, storage.clone())  # type: ignore[no-untyped-call]
        result = func(*args, **kwargs)
        new = [tensor for tensor in _tensors(result) if _storage(tensor).data_ptr() not in given]
        self._made.update((_storage(tensor).data_ptr(), _storage(tensor)) for tensor in new)
        if new or func._schema.is_mutable:
            self._calls.append((func, args, kwargs, [tensor.detach() for tensor in new]))
        return result

    def undo(self) -> None:
        """Put back what the work changed."""
        for storage, copy in self._before.values():
            storage.copy_(copy)

    @torch.no_grad()
    def replay(self) -> None:
        """Do it all again, into the same tensors."""
        for func, args, kwargs, outputs in self._calls:
            known = {_storage(tensor).data_ptr() for tensor in _tensors((args, kwargs))}
            result = func(*args, **kwargs)
            again = [tensor for tensor in _tensors(result) if _storage(tensor).data_ptr() not in known]
            for output, tensor in zip(outputs, again, strict=True):
                output.copy_(tensor)


def _tensors(tree: Any) -> Iterator[Tensor]:
    """Yield the tensors of what an operation takes or gives; torch's own walk takes five times as long."""
    if isinstance(tree, Tensor):
        yield tree
    elif isinstance(tree, (tuple, list, dict)):
        for branch in tree.values() if isinstance(tree, dict) else tree:
            yield from _tensors(branch)


def _storage(tensor: Tensor) -> torch.UntypedStorage:
    return tensor.untyped_storage()
