"""Ranges that torch.profiler shows: a step, and its parts that operations alone do not tell."""

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

from torch.profiler import record_function

from resnetlab.training.recorded.programs import BatchSource
from resnetlab.training.step.state import TrainState
from resnetlab.training.step.steps import TrainStep
from resnetlab.training.timing.kinds import scope_of


@contextlib.contextmanager
def named_kernels(is_compiled: bool) -> Iterator[None]:
    """Have what is compiled inside tell the profiler of each of its kernels."""
    if not is_compiled:
        yield
        return
    from torch._inductor import config  # a second's import, for those who compile

    before = config.cpp.enable_kernel_profile
    config.cpp.enable_kernel_profile = True
    try:
        yield
    finally:
        config.cpp.enable_kernel_profile = before


@contextlib.contextmanager
def parts_told(batches: BatchSource, step_function: TrainStep, state: TrainState) -> Iterator[None]:
    """Have the profiler be told inside when a step prepares its batch, makes its loss and updates weights.

    What is compiled stays as it is: its kernels tell by themselves.
    """
    told: list[tuple[Any, str, str]] = [
        (batches, "at", "data"),
        (step_function, "_update", "optimizer"),
        (state, "average_weights", "optimizer"),
    ]
    if step_function.compiler is None:
        told.append((step_function, "_answered", "loss"))
    for of, name, kind in told:
        setattr(of, name, _in_range(getattr(of, name), scope_of(kind)))
    try:
        yield
    finally:
        for of, name, _ in told:
            delattr(of, name)  # its class's method is there again


def _in_range(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    @functools.wraps(function)
    def told(*arguments: Any, **named: Any) -> Any:
        with record_function(name):
            return function(*arguments, **named)

    return told
