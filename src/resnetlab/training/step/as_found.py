"""Leaving a process as it was: what a run switches in it, and back.

A run sets switches of torch that hold for the whole process (`device.apply_switches`), and a resumed
one the number of threads. Whoever calls `resnetlab.train` from a program of their own finds all of
them afterwards as they were.
"""

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import torch

from resnetlab.training.step.device import CUBLAS_WORKSPACE, set_deterministic

_LOCK = threading.Lock()
_inside = 0
_found: list[Callable[[], None]] = []
"""How to put back what the first of those inside has found."""


@contextlib.contextmanager
def leaving_as_found() -> Iterator[None]:
    """Have the switches of torch afterwards as they were before; also as a decorator.

    Put back are deterministic algorithms and their workspace of cuBLAS, the precision of matrix products and
    convolutions (TF32), and cuDNN's trying of algorithms, by the last of the threads that are inside; and, in
    each thread, the number of torch's threads and what becomes of denormals.

    Not put back can be that freed memory is kept for what comes next (`keep_freed_memory`), and that threads
    which torch began meanwhile take denormals for zero.
    """
    of_thread = [note() for note in OF_A_THREAD]
    _enter()
    try:
        yield
    finally:
        _leave()
        for put_back in of_thread:
            put_back()


def _enter() -> None:
    global _inside
    with _LOCK:
        if _inside == 0:
            _found[:] = [note() for note in PROCESS_WIDE]
        _inside += 1


def _leave() -> None:
    global _inside
    with _LOCK:
        _inside -= 1
        if _inside == 0:
            for put_back in _found:
                put_back()


def _threads() -> Callable[[], None]:
    found = torch.get_num_threads()

    def put_back() -> None:
        if torch.get_num_threads() != found:
            torch.set_num_threads(found)

    return put_back


def _denormals() -> Callable[[], None]:
    found = flushes_denormals()

    def put_back() -> None:
        torch.set_flush_denormal(found)

    return put_back


def flushes_denormals() -> bool:
    """Return whether this thread takes denormal numbers for zero."""
    smallest = sys.float_info.min
    return smallest / 2 == 0


def _determinism() -> Callable[[], None]:
    is_on, warns = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    return lambda: set_deterministic(is_on, warns=warns)


def _workspace() -> Callable[[], None]:
    found = os.environ.get(CUBLAS_WORKSPACE)

    def put_back() -> None:
        if found is None:
            os.environ.pop(CUBLAS_WORKSPACE, None)
        else:
            os.environ[CUBLAS_WORKSPACE] = found

    return put_back


def _trying() -> Callable[[], None]:
    found = torch.backends.cudnn.benchmark

    def put_back() -> None:
        torch.backends.cudnn.benchmark = found

    return put_back


def _precision() -> Callable[[], None]:
    """Of torch's two ways to say it; the older refuses to answer where both were used."""
    backends: Any = torch.backends
    places = [
        backends.cuda.matmul, backends.cudnn, backends.cudnn.conv, backends.cudnn.rnn, backends.mkldnn.matmul,
    ]  # fmt: skip
    found = [place.fp32_precision for place in places]
    older = _answer(torch.get_float32_matmul_precision)
    older_of_cudnn = _answer(lambda: backends.cudnn.allow_tf32)

    def put_back() -> None:
        if older is not None and _answer(torch.get_float32_matmul_precision) != older:
            torch.set_float32_matmul_precision(older)
        if older_of_cudnn is not None and _answer(lambda: backends.cudnn.allow_tf32) != older_of_cudnn:
            backends.cudnn.allow_tf32 = older_of_cudnn
        for place, precision in zip(places, found, strict=True):
            if place.fp32_precision != precision:
                place.fp32_precision = precision

    return put_back


def _answer(question: Callable[[], Any]) -> Any:
    try:
        return question()
    except RuntimeError:
        return None


OF_A_THREAD = (_threads, _denormals)
PROCESS_WIDE = (_determinism, _workspace, _trying, _precision)
"""Each notes what there is and returns how to put it back."""
