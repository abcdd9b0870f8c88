"""Whether a result is better, or was faster, than other runs of the same recipe allow. Imports no torch.

MLPerf's reference convergence points, as a distribution: the records of runs that differ in nothing but the
seed (docs/results has some) have a mean and a spread, and a run that is more than four standard deviations
better is told. The spread is the sample standard deviation over seeds, and at least what counting so many
images has by chance; of speeds, on the same machine, at least a tenth.
"""

import math
import statistics
from collections.abc import Sequence

from resnetlab.auditing.finding import Found, Promise, judged, unknown
from resnetlab.base.units import counted
from resnetlab.reporting.groups import key_of
from resnetlab.reporting.reading import RecordedRun

SIGMAS = 4.0
_LEAST_SPREAD = 0.1
"""Of the logarithm of a speed, over runs on one machine."""

ACCURACY = Promise(
    "not too good", "an error that other runs of this recipe allow, within 4 standard deviations",
    "what is far better than the same recipe elsewhere was made otherwise",
)  # fmt: skip
SPEED = Promise(
    "not too fast", "a speed that other runs of it on this machine allow, within 4 standard deviations",
    "who was far faster on the same machine made fewer updates",
)  # fmt: skip


def look_at_references(run: RecordedRun, references: Sequence[RecordedRun]) -> list[tuple[Promise, Found]]:
    """Compare a run with the references that differ from it in nothing but the seed.

    Args:
        run: The run.
        references: Finished runs or records, of whatever.
    """
    if not run.is_finished:
        return []
    key = key_of(_anonymous(run))
    alike = [each for each in references if each.is_finished and key_of(_anonymous(each)) == key]
    same = [each for each in alike if each.machines == run.machines]
    return [(ACCURACY, _accuracy(run, alike)), (SPEED, _speed(run, same))]


def _anonymous(run: RecordedRun) -> RecordedRun:
    from dataclasses import replace

    return replace(run, made_by="", path=run.path)


def _accuracy(run: RecordedRun, alike: Sequence[RecordedRun]) -> Found:
    if not alike:
        return unknown("no reference differs from it in nothing but the seed")
    errors = [each.error for each in alike]
    mean, seen = statistics.fmean(errors), int(run.result["seen"])
    share = min(max(mean / 100, 1 / seen), 1.0)
    by_chance = 100 * math.sqrt(share * (1 - share) / seen)
    spread = max(statistics.stdev(errors) if len(errors) > 1 else 0.0, by_chance)
    least = mean - SIGMAS * spread * math.sqrt(1 + 1 / len(errors))
    text = f"{run.error:.2f} % error, {counted(len(errors), 'reference')} {mean:.2f} ± {spread:.2f} %"
    return judged([f"{text}: below {least:.2f} %"] if run.error < least else [], text)


def _speed(run: RecordedRun, same: Sequence[RecordedRun]) -> Found:
    rates = [math.log(rate) for each in same if (rate := _rate(each))]
    own = _rate(run)
    if not rates or not own:
        return unknown("no reference of it was made on this machine")
    mean = statistics.fmean(rates)
    spread = max(statistics.stdev(rates) if len(rates) > 1 else 0.0, _LEAST_SPREAD)
    most = math.exp(mean + SIGMAS * spread * math.sqrt(1 + 1 / len(rates)))
    text = f"{own:,.1f} epochs an hour, {counted(len(rates), 'reference')} {math.exp(mean):,.1f}"
    return judged([f"{text}: above {most:,.1f}"] if own > most else [], text)


def _rate(run: RecordedRun) -> float:
    """Return epochs an hour of updates."""
    seconds = float(run.result.get("train_seconds") or 0)
    return 3600 * float(run.result["epochs"]) / seconds if seconds > 0 else 0.0
