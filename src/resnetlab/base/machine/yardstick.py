"""What a machine computes at its best, per precision: the yardstick that speeds are held against.

It is the best rate that was ever seen here: of convolutions and a matrix product that are timed once and kept
(`remembered`), or of a workload that was faster than these. One library alone is no yardstick: on some
processors MKL multiplies matrices at half the rate of oneDNN's convolutions.

A rate that was measured while something else used the processor is too low. So each time it is asked for,
the fastest work is timed once more, for a tenth of a second: if that is faster than what was kept, all is
measured anew; if it is much slower, the machine is busy now, and whoever asks can say so.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from resnetlab.base.machine.rates import fastest, seconds_of
from resnetlab.base.machine.remembered import remember, remembered
from resnetlab.errors import ResnetlabError

PRODUCT = "a matrix product"
_ABOUT = "rate"
_VERSION = 1
_LOOK_SECONDS, _ROUGH_SECONDS, _CLOSE_SECONDS = 0.1, 0.06, 0.3
_CLOSELY = 2
"""So many of the works, the fastest at a rough look, are timed for longer."""

_NOISE = 1.03
"""A look that is faster by more than this says that what was kept is too low."""

_BUSY = 0.75
"""A look that is slower than this share says that something else is using the processor."""


@dataclass(frozen=True)
class Work:
    """Something to compute, of several sizes.

    Attributes:
        name: As in "its best, 479 GFLOP/s by NAME".
        sizes: From small to large; the first that takes long enough is timed, else the last.
        of_size: Returns the floating-point operations of one call, and the call.
    """

    name: str
    sizes: tuple[int, ...]
    of_size: Callable[[int], tuple[float, Callable[[], object]]]


@dataclass(frozen=True)
class Peak:
    """The best rate seen, in floating-point operations per second (2 per multiply-add)."""

    rate: float
    by: str
    now: float
    """What `by` reaches at this moment; 0 where it was not run again."""
    product: float
    """Of the matrix product alone; 0 if the device has none of this precision."""

    @property
    def is_busy(self) -> bool:
        """Whether something else uses the device now, so that what is measured now is too slow."""
        return 0 < self.now < _BUSY * self.rate


def torch_works(device: torch.device, dtype: torch.dtype) -> list[Work]:
    """Return convolutions and a product by what torch has for them: on CPUs oneDNN and its BLAS."""
    is_cpu = device.type == "cpu"
    batches = (1, 8, 64) if is_cpu else (8, 64, 512)
    works = [
        Work(
            f"a 3x3 convolution of {channels} channels at {side}x{side}",
            batches,
            functools.partial(_convolution, device, dtype, channels, side),
        )
        for channels, side in ((512, 7), (256, 14), (64, 8))
    ]
    sizes = (256, 512, 1024, 2048) if is_cpu else (1024, 2048, 4096, 8192)
    return [*works, Work(PRODUCT, sizes, functools.partial(_product, device, dtype))]


def _convolution(
    device: torch.device, dtype: torch.dtype, channels: int, side: int, batch: int
) -> tuple[float, Callable[[], object]]:
    images = _random(batch, channels, side, side, device=device, dtype=dtype)
    images = images.to(memory_format=torch.channels_last)
    weights = _random(channels, channels, 3, 3, device=device, dtype=dtype)
    weights = weights.to(memory_format=torch.channels_last)
    call = functools.partial(torch.conv2d, images, weights, padding=1)
    return 2.0 * batch * side**2 * 9 * channels**2, call


def _product(device: torch.device, dtype: torch.dtype, size: int) -> tuple[float, Callable[[], object]]:
    left = _random(size, size, device=device, dtype=dtype)
    return 2.0 * size**3, functools.partial(torch.matmul, left, left)


def _random(*shape: int, device: torch.device, dtype: torch.dtype) -> torch.Tensor:
    """Return random numbers by a generator of their own: torch's belongs to who calls."""
    own = torch.Generator(device).manual_seed(0)
    return torch.randn(shape, generator=own, device=device, dtype=dtype)


def peak_of(
    device: torch.device,
    dtype: torch.dtype,
    works: Sequence[Work],
    facts: Mapping[str, Any] | None = None,
    *,
    anew: bool = False,
    looks: bool = True,
) -> Peak:
    """Return the best rate seen on a device, measured if it was not yet.

    Args:
        device: Which.
        dtype: Of the numbers that are multiplied.
        works: What to measure by.
        facts: On which these depend beside: versions.
        anew: Whether to measure whatever is kept.
        looks: Whether to time what is kept once more.
    """
    question, is_fresh = _question(device, dtype, works, facts), False

    def measure() -> dict[str, Any]:
        nonlocal is_fresh
        is_fresh = True
        return {"works": _measured(works, device), "seen": None}

    kept = remembered(_ABOUT, question, measure, anew=anew)
    if not _is_whole(kept, works):
        kept = remembered(_ABOUT, question, measure, anew=True)
    best = _best(kept)
    rate, size = kept["works"][best]
    look = rate if is_fresh else _look(works, best, size, device) if looks else 0.0
    if look > _NOISE * kept["works"][best][0]:
        found = _measured(works, device)
        for name, (rate, size) in kept["works"].items():
            found[name] = max(found.get(name, (0.0, size)), (rate, size))
        kept = kept | {"works": found}
        remember(_ABOUT, question, kept)
        best, look = _best(kept), found[_best(kept)][0]
    rate, seen = kept["works"][best][0], kept["seen"]
    product = kept["works"].get(PRODUCT, (0.0, 0))[0]
    if seen and seen["rate"] > rate:
        return Peak(seen["rate"], seen["by"], look if look < _BUSY * rate else 0.0, product)
    return Peak(rate, best, look, product)


def raise_peak(
    device: torch.device,
    dtype: torch.dtype,
    works: Sequence[Work],
    facts: Mapping[str, Any] | None = None,
    *,
    rate: float,
    by: str,
) -> None:
    """Keep that a workload, `by`, was seen to compute at this rate, if `peak_of` knows of none so fast."""
    question = _question(device, dtype, works, facts)
    kept = remembered(_ABOUT, question, lambda: {"works": _measured(works, device), "seen": None})
    if _is_whole(kept, works) and rate > _known(kept):
        remember(_ABOUT, question, kept | {"seen": {"rate": rate, "by": by}})


def _question(
    device: torch.device, dtype: torch.dtype, works: Sequence[Work], facts: Mapping[str, Any] | None
) -> dict[str, Any]:
    backends: Any = torch.backends
    on_cpu = device.type == "cpu"
    return {
        "version": _VERSION,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "dtype": str(dtype),
        "threads": torch.get_num_threads() if on_cpu else 0,
        "fp32 by": str((backends.mkldnn if on_cpu else backends.cudnn).conv.fp32_precision),
        "works": [work.name for work in works],
        **(facts or {}),
    }


def _is_whole(kept: Any, works: Sequence[Work]) -> bool:
    """Whether what was kept is what this module writes."""
    try:
        rates = [float(rate) for rate, size in kept["works"].values() if int(size) > 0]
        seen = kept["seen"]
        is_seen = seen is None or (float(seen["rate"]) > 0 and isinstance(seen["by"], str))
    except (KeyError, TypeError, ValueError, AttributeError):
        return False
    known = {work.name for work in works}
    return bool(rates) and min(rates) > 0 and set(kept["works"]) <= known and is_seen


def _best(kept: Mapping[str, Any]) -> str:
    return str(max(kept["works"], key=lambda name: kept["works"][name][0]))


def _known(kept: Mapping[str, Any]) -> float:
    """Return the best rate that is kept."""
    return float(max(kept["works"][_best(kept)][0], (kept["seen"] or {"rate": 0})["rate"]))


def _look(works: Sequence[Work], name: str, size: int, device: torch.device) -> float:
    """Return the rate of a work at this moment."""
    work = next(each for each in works if each.name == name)
    operations, call = work.of_size(size)
    with torch.inference_mode():
        return operations / fastest(call, device, _LOOK_SECONDS)


def _measured(works: Sequence[Work], device: torch.device) -> dict[str, tuple[float, int]]:
    """Return the rate of each work, and of which size that is; works that cannot be done are left out.

    Raises:
        RuntimeError: If none can.
    """
    found = dict[str, tuple[float, int]]()
    problem: Exception | None = None
    with torch.inference_mode():
        for work in works:
            try:
                found[work.name] = _rough(work, device)
            except (RuntimeError, OSError, ResnetlabError) as error:
                problem = error
        if not found:
            raise RuntimeError(f"nothing could be timed on {device}: {problem}") from problem
        for name in sorted(found, key=lambda each: -found[each][0])[:_CLOSELY]:
            work = next(each for each in works if each.name == name)
            operations, call = work.of_size(size := found[name][1])
            found[name] = max(found[name], (operations / fastest(call, device, _CLOSE_SECONDS), size))
    return found


def _rough(work: Work, device: torch.device) -> tuple[float, int]:
    """Return about how fast a work is, and of which size: no larger one than is needed to tell.

    Where a processor has no instructions for a type, a large one would take minutes.
    """
    for size in work.sizes:
        operations, call = work.of_size(size)
        call()  # the first one loads libraries
        if seconds_of(call, device) > _ROUGH_SECONDS / 4:
            break
    return operations / fastest(call, device, _ROUGH_SECONDS), size
