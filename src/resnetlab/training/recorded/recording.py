"""Recording a function's work on a device once, to have it done again with a single call."""

import gc
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

Work = Callable[[], None]

_ALONE = threading.RLock()
"""Held by the run of several on one device that compiles, chooses algorithms or records: these wait for
the whole device, which CUDA forbids while any of its streams is being recorded."""

_of_this_thread = threading.local()


def _stream_beside(device: torch.device) -> "torch.cuda.Stream":
    """Return the stream on which this thread records, the same for all its runs.

    torch hands out 32 streams in turn: with one for each of many runs, a run would be recorded on the
    stream that another thread is working on.
    """
    streams: dict[torch.device, torch.cuda.Stream] = vars(_of_this_thread).setdefault("streams", {})
    if device not in streams:
        streams[device] = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    return streams[device]


@contextmanager
def nothing_recorded() -> Iterator[None]:
    """Have no thread record until the end of the block: what is destroyed then may be a recording."""
    with _ALONE:
        yield


def release_memory() -> None:
    """Free the device's memory of runs that have ended, which refer to themselves."""
    with nothing_recorded():
        gc.collect()


def still_works(device: torch.device) -> bool:
    """Whether the device does what it is asked: after a fault in its memory nothing works in this process."""
    if device.type != "cuda":
        return True
    try:
        with nothing_recorded():  # waiting for all of the device would break a recording
            torch.cuda.synchronize(device)
    except RuntimeError:
        return False
    return True


@contextmanager
def _no_collection() -> Iterator[None]:
    """Have Python collect no garbage, in which there may be a recording, until the end of the block."""
    was_on = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


class Recorder:
    """Records work that reads and writes the same tensors every time; on the CPU there is nothing to gain.

    On CUDA the kernels of the work become a graph, and all of them are started by one call. What
    such work may not do: wait for the device, or take a decision on the host that differs the next
    time. Other threads may use the device while it is recorded. All recordings share one pool of
    memory, so that only what lies outside of it (weights, statistics, sums) lasts from one to the next.

    Source: torch.cuda.graph; docs.pytorch.org/docs/stable/notes/cuda.html, "whole-network capture".
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._beside = _stream_beside(device) if device.type == "cuda" else None
        self._graphs: list[torch.cuda.CUDAGraph] = []

    @property
    def can_record(self) -> bool:
        """Whether work is really recorded, and not only repeated."""
        return self._beside is not None

    @contextmanager
    def warming_up(self) -> Iterator[None]:
        """Surround work that is done for the first times, on the stream that recording will use.

        What autograd keeps of it would otherwise refer to a stream that is not being recorded.
        """
        if self._beside is None:
            yield
            return
        current = torch.cuda.current_stream(self._device)
        with _ALONE:
            self._beside.wait_stream(current)
            with torch.cuda.stream(self._beside):
                yield
            current.wait_stream(self._beside)
            current.synchronize()

    def record(self, work: Work, times: int) -> Work:
        """Return what does the work so many times over. It is not done by being recorded.

        Raises:
            RuntimeError: If the work cannot be recorded.
        """
        if self._beside is None:
            return lambda: _repeat(work, times)
        graph = torch.cuda.CUDAGraph()
        pool = self._graphs[0].pool() if self._graphs else None
        with (
            _ALONE,
            _no_collection(),
            # To which torch returns even where the recording fails, as its own context does not.
            torch.cuda.stream(torch.cuda.current_stream(self._device)),
            torch.cuda.graph(graph, pool=pool, stream=self._beside, capture_error_mode="thread_local"),
        ):
            _repeat(work, times)
        self._graphs.append(graph)

        def replay(work: Work = work) -> None:  # keeps the tensors that the work reads and writes
            graph.replay()

        return replay


def _repeat(work: Work, times: int) -> None:
    for _ in range(times):
        work()
