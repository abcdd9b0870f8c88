"""Memory for maps: in pages as large as the system has, and no two maps at like places of a page."""

import contextlib
import errno
import math
import mmap

import torch
from torch import Tensor

_HUGE_PAGE = 2 * 2**20
_SLAB = 32 * 2**20
_LINE = 64
_APART = 13 * _LINE
"""Between maps, whose sizes are powers of two: one pixel of several would fall on the same cache lines."""


class Arena:
    """Gives out zeros that stay as long as somebody has them.

    Small pages cost a tenth of a step: a processor remembers too few of them (docs/results.md).
    """

    def __init__(self) -> None:
        self._slab, self._taken = torch.empty(0, dtype=torch.uint8), 0

    def zeros(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """Return zeros of a shape."""
        size = math.prod(shape) * dtype.itemsize
        if self._taken + size > len(self._slab):
            self._slab, self._taken = _new_slab(max(_SLAB, size)), 0
        part = self._slab[self._taken : self._taken + size]
        self._taken += -(-(size + _APART) // _LINE) * _LINE
        return part.view(dtype).view(shape)


def _new_slab(size: int) -> Tensor:
    try:
        pages = mmap.mmap(-1, size + _HUGE_PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    except OSError as error:
        if error.errno != errno.ENOMEM:
            raise
        raise MemoryError(f"Tried to allocate {size} bytes") from error
    with contextlib.suppress(OSError, AttributeError):  # advice: some systems have no such pages
        pages.madvise(mmap.MADV_HUGEPAGE)
    whole = torch.frombuffer(pages, dtype=torch.uint8)
    before = -whole.data_ptr() % _HUGE_PAGE
    return whole[before : before + size]
