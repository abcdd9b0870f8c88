"""From what was measured of the ways to make steps to that which makes a run shortest: arithmetic alone."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from resnetlab.training.choosing.ways import Way

COMPILED_GAIN = {"fp32": 1.05}
"""How many times as fast as eager those of torch.compile are on a CPU (docs/results.md). In half precision
no gain was seen: eager steps in bf16 were 1.8 to 2.2 times those in fp32, compiled ones 1.4 times."""

COMPILING_SECONDS = 25.0
"""Until the first step of torch.compile is made; measured with 2 cores."""

LEAST_SAVING = 0.03
"""Share of the time that others than eager kernels must save: less is within what a measurement errs."""

LEAST_SAVING_OF_BF16 = 0.1
"""Share of the time that bf16 must save: what rounds more coarsely must be worth it."""


@dataclass(frozen=True)
class Tried:
    """What came of trying a way."""

    rate: float = 0.0
    """Images per second of one process."""
    refused: str = ""
    """Why it was not timed: its numbers are wrong, or it cannot be made here."""


@dataclass(frozen=True)
class Choice:
    """How steps are made, and why."""

    way: Way
    reason: str


def pick(
    tried: Mapping[Way, Tried],
    samples: float,
    *,
    can_be_compiled: bool = False,
    precisions: Collection[str] = (),
) -> Choice:
    """Return the way in which a run takes the shortest time.

    Args:
        tried: The ways, the usual one first.
        samples: That each process makes in the whole run, each as large as those that were tried.
        can_be_compiled: Whether torch.compile is a way too; how fast it is, is estimated.
        precisions: The number formats to choose from; empty takes all that were tried.
    """
    usual = next(iter(tried))
    allowed = precisions or {way.precision for way in tried}
    rates = {way: each.rate for way, each in tried.items() if each.rate and way.precision in allowed}
    seconds = {way: samples / rate for way, rate in rates.items()}
    if can_be_compiled:
        for way in [*rates]:
            if way.compile == "off":
                gain = COMPILED_GAIN.get(way.precision, 1.0)
                seconds[Way("on", way.precision)] = seconds[way] / gain + COMPILING_SECONDS
    best = [_best_of(seconds, precision) for precision in ("fp32", "bf16", "fp16")]
    found = [way for way in best if way]
    if not found:
        return Choice(usual, _refusals(tried))
    chosen = found[0]
    for way in found[1:]:
        if seconds[way] < (1 - LEAST_SAVING_OF_BF16) * seconds[chosen]:
            chosen = way
    reasons = [_reason(chosen, usual, tried), _refusals(tried)]
    return Choice(chosen, "; ".join(filter(None, reasons)))


def _best_of(seconds: Mapping[Way, float], precision: str) -> Way | None:
    """Return the quickest way of a number format; the eager one unless another saves enough."""
    those = {way: took for way, took in seconds.items() if way.precision == precision}
    if not those:
        return None
    best, eager = min(those, key=lambda way: those[way]), Way("off", precision)
    is_enough = eager not in those or those[best] < (1 - LEAST_SAVING) * those[eager]
    return best if is_enough else eager


def _reason(chosen: Way, usual: Way, tried: Mapping[Way, Tried]) -> str:
    reference = tried[usual].rate
    if chosen.compile == "on":
        return "the run is long enough to pay for it"
    if chosen != usual:
        return f"{tried[chosen].rate / reference:.1f} times {usual.words} here" if reference else "tried here"
    others = [way for way, each in tried.items() if way != usual and each.rate]
    told = [f"{way.words} {tried[way].rate / reference:.2g} times as fast here" for way in others]
    return ", ".join(told)


def _refusals(tried: Mapping[Way, Tried]) -> str:
    return "; ".join(f"{way.words} refused: {each.refused}" for way, each in tried.items() if each.refused)
