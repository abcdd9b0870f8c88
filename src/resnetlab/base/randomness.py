"""Random numbers as a function of what they are for, never as a state that is carried along.

Every number is a hash of (seed, purpose, and whatever names the thing it belongs to: epoch and
sample, or step and position). The arithmetic is on integers below 2**32 held in 64 bits, so a
Python int, a NumPy int64 array and a torch int64 tensor on any device give the same numbers: the
functions here only use the operators that all three share, and so need neither library.

The mixer is Ellis' lowbias32 (Wellons, "Prospecting for hash functions", 2018), whose avalanche
bias is 0.174 of a bit.
"""

from typing import Any

MASK = 0xFFFFFFFF
_GOLDEN = 0x9E3779B9  # 2**32 / golden ratio: keeps 0 from being a fixed point of the mixer

# What a number is for. A new purpose takes a new value; a value is never used for another purpose.
ORDER = 1
SPLIT = 2
CROP_Y = 3
CROP_X = 4
FLIP = 5
CUTOUT_Y = 6
CUTOUT_X = 7
MIX_WEIGHT = 8
MIX_PARTNER = 9
MIX_BOX_Y = 10
MIX_BOX_X = 11
STOCHASTIC_DEPTH = 12
SYNTHETIC = 13
INIT = 14
CROP_WINDOW = 15
AUTO_AUGMENT = 16
ERASE = 17
DIRECTION = 18
CALIBRATION = 19
PACKING = 20
SHORTCUT_DROPOUT = 21


def mix(x: Any) -> Any:
    """Scramble integers in [0, 2**32): an invertible map that looks random.

    Products may pass 2**63 and wrap; their low 32 bits, all that is kept, stay right.
    """
    x = ((x ^ (x >> 16)) * 0x7FEB352D) & MASK
    x = ((x ^ (x >> 15)) * 0x846CA68B) & MASK
    return x ^ (x >> 16)


def fold(key: Any, value: Any) -> Any:
    """Return the key for `value` under `key`; either may be an int or an int64 array or tensor."""
    return mix((key ^ mix((value + _GOLDEN) & MASK)) & MASK)


def key_for(seed: int, purpose: int, *values: Any) -> Any:
    """Return the hash of (seed, purpose, *values), in [0, 2**32).

    Args:
        seed: The run's seed, in [0, 2**63).
        purpose: One of this module's constants.
        values: What the number belongs to, e.g. epoch and sample; ints, int64 arrays or tensors.
    """
    key: Any = mix(seed & MASK) ^ mix((seed >> 32) + _GOLDEN & MASK)
    key = fold(key, purpose)
    for value in values:
        key = fold(key, value)
    return key


def integers(key: Any, bound: int) -> Any:
    """Return integers in [0, bound) from keys; bound at most 2**31. The bias is below bound/2**32."""
    return (key * bound) >> 32


def uniform(key: Any) -> Any:
    """Return numbers in [0, 1) from keys, on a grid of 2**-24 that float32 holds exactly."""
    return (key >> 8) * 2.0**-24


class Draws:
    """One number after another for one thing: a sample's crop, say. Each is a hash of its place in line."""

    def __init__(self, seed: int, purpose: int, *values: int) -> None:
        self._key, self._count = key_for(seed, purpose, *values), 0

    def integer(self, bound: int) -> int:
        """Return an integer in [0, bound)."""
        return int(integers(self._next(), bound))

    def between(self, low: float, high: float) -> float:
        """Return a number in [low, high)."""
        return low + (high - low) * float(uniform(self._next()))

    def _next(self) -> int:
        self._count += 1
        return int(fold(self._key, self._count))
