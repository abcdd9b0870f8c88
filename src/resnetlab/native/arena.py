"""Memory for maps: in pages as large as the system has, and no two maps at like places of a page.

What only some operations need is a block: it gets its place when all operations are known, and others get
the same place before and after.
"""

import bisect
import contextlib
import errno
import math
import mmap
import sys
from collections.abc import Collection, Sequence
from ctypes import Structure
from dataclasses import dataclass

import torch
from torch import Tensor

from resnetlab.native.structures import pointers

_HUGE_PAGE = 2 * 2**20
_SLAB = 32 * 2**20
_LINE = 64
_APART = 13 * _LINE
"""Between maps, whose sizes are powers of two: one pixel of several would fall on the same cache lines."""

_FIRST_ADDRESS = 2**60
"""From here on addresses stand for blocks that have no place yet: no process has memory there."""


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
        self._taken += whole_lines(size + _APART)
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


def whole_lines(size: int) -> int:
    """Return the bytes of the lines of memory that so many bytes take."""
    return -(-size // _LINE) * _LINE


class Gaps:
    """Memory that is free, from 0 on; what is taken lies as low as it can.

    Attributes:
        highest: Bytes up to the end of all that ever was taken.
    """

    def __init__(self) -> None:
        self._gaps, self.highest = [(0, sys.maxsize)], 0  # begin, end

    def take(self, size: int) -> int:
        """Return where so many bytes begin, which are no longer free."""
        number, begin, end = next((n, *gap) for n, gap in enumerate(self._gaps) if gap[1] - gap[0] >= size)
        self._gaps[number : number + 1] = [(begin + size, end)] if begin + size < end else []
        self.highest = max(self.highest, begin + size)
        return begin

    def give(self, begin: int, size: int) -> None:
        """Have what was taken be free again."""
        end, number = begin + size, bisect.bisect(self._gaps, (begin, 0))
        if self._gaps[number][0] == end:
            end = self._gaps.pop(number)[1]
        if number and self._gaps[number - 1][1] == begin:
            number -= 1
            begin = self._gaps.pop(number)[0]
        self._gaps.insert(number, (begin, end))


@dataclass(frozen=True, eq=False)
class Block:
    """Numbers that some operations need."""

    shape: tuple[int, ...]
    dtype: torch.dtype
    address: int

    def data_ptr(self) -> int:
        """Return what stands for its address in operations until it has one."""
        return self.address

    @property
    def size(self) -> int:
        """Bytes."""
        return math.prod(self.shape) * self.dtype.itemsize


class Blocks:
    """Blocks, and where they lie.

    Attributes:
        memory: Where all that `place` gave a place lies, bytes.
    """

    def __init__(self) -> None:
        self._blocks, self._next = list[Block](), _FIRST_ADDRESS
        self._pointers: dict[Block, list[tuple[Structure, str, int]]] = {}
        self._offsets: dict[Block, int] = {}
        self.memory = torch.empty(0, dtype=torch.uint8)

    def new(self, shape: tuple[int, ...], dtype: torch.dtype) -> Block:
        """Return a block without a place."""
        block = Block(shape, dtype, self._next)
        self._next += whole_lines(max(block.size, 1))
        self._blocks.append(block)
        return block

    def place(
        self, arguments: Sequence[Structure], arena: Arena, *, first: Collection[Block] = (),
        last: Collection[Block] = (), elsewhere: Collection[Block] = (),
    ) -> None:  # fmt: skip
        """Give places to the blocks to which arguments of operations point: nobody's while another needs it.

        Args:
            arguments: Of all operations, in their order.
            arena: Where.
            first: Blocks that are needed before the first operation too.
            last: And after the last one.
            elsewhere: Blocks that others `put`.
        """
        times = self._times(arguments)
        times |= {block: (-1, times[block][1]) for block in first if block in times}
        times |= {block: (times[block][0], len(arguments)) for block in last if block in times}
        gaps, until = Gaps(), list[tuple[int, Block]]()
        for block in sorted(times.keys() - {*elsewhere}, key=lambda block: (times[block][0], block.address)):
            begin, end = times[block]
            while until and until[0][0] < begin:
                _, over = until.pop(0)
                gaps.give(self._offsets[over], _apart(over))
            self._offsets[block] = gaps.take(_apart(block))
            bisect.insort(until, (end, block), key=lambda entry: entry[0])
        self.memory = arena.zeros((gaps.highest,), torch.uint8)
        for block, offset in self._offsets.items():
            self.put(block, self.memory.data_ptr() + offset)

    def _times(self, arguments: Sequence[Structure]) -> dict[Block, tuple[int, int]]:
        """Return by which operation each block is needed first and last."""
        addresses, times = [block.address for block in self._blocks], dict[Block, tuple[int, int]]()
        for number, whole in enumerate(arguments):
            for structure, field in pointers(whole):
                address = getattr(structure, field) or 0
                if address >= _FIRST_ADDRESS:
                    block = self._blocks[bisect.bisect(addresses, address) - 1]
                    self._pointers.setdefault(block, []).append((structure, field, address - block.address))
                    times[block] = (times.get(block, (number, 0))[0], number)
        return times

    def put(self, block: Block, address: int) -> None:
        """Have operations find a block at this address."""
        for structure, field, offset in self._pointers.get(block, []):
            setattr(structure, field, address + offset)

    def tensor(self, block: Block) -> Tensor:
        """Return what lies at a block's place."""
        offset = self._offsets[block]
        return self.memory[offset : offset + block.size].view(block.dtype).view(block.shape)


def _apart(block: Block) -> int:
    return whole_lines(block.size + _APART)
