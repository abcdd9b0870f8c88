"""How much memory there is; and one error for what Python, NumPy and torch raise where it ran out.

Imports no torch.
"""

import contextlib
import os
import re
from collections.abc import Iterator

from resnetlab.base.units import format_bytes
from resnetlab.errors import OutOfMemory

_TEXTS = (
    "DefaultCPUAllocator",
    "alloc_cpu.cpp",
    "CUDA out of memory",
    "CUDA error: out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "MPS backend out of memory",
    "std::bad_alloc",
    "not enough memory",
)
"""What torch says in a plain RuntimeError."""

_AMOUNT = re.compile(r"[Tt]ried to allocate ([\d.,]+) (bytes|[KMGT]i?B)")
LESS = "Less is needed with fewer images at a time: a smaller --batch, where the command has one."


def total_memory() -> int:
    """Return the bytes of the machine's memory, 0 if unknown."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):  # Windows
        return 0


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error that is none of ours says that memory ran out."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":  # torch's, CUDA's
        return True
    return isinstance(error, RuntimeError) and any(text in str(error) for text in _TEXTS)


def in_words(error: BaseException, hint: str = LESS) -> OutOfMemory:
    """Return such an error as one of ours."""
    match = _AMOUNT.search(str(error))
    if match is None:
        return OutOfMemory("out of memory", hint=hint)
    amount = format_bytes(float(match[1])) if match[2] == "bytes" else f"{match[1]} {match[2]}"
    return OutOfMemory(f"out of memory: {amount} more could not be had", hint=hint)


@contextlib.contextmanager
def telling_of_memory(hint: str) -> Iterator[None]:
    """Turn what is raised when memory runs out into an OutOfMemory error with this hint."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise in_words(error, hint) from error
