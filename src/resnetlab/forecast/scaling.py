"""What a run takes on ever more devices, and where that stops to pay. No torch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from resnetlab.errors import UsageError
from resnetlab.forecast.forecast import Forecast

_HALF = 0.5
REDUCTION, SMALL, SHARING, READING, NOTHING = "reduction", "small batches", "sharing cores", "decoding", ""
REASONS = {
    REDUCTION: "the reduction of the gradients takes as long however little a device computes",
    SMALL: "what a device gets is too little to fill it",
    SHARING: "there are not as many cores",
    READING: "the cores of its hosts decode no more images",
}
"""Why devices are not used, in words."""


@dataclass(frozen=True)
class Row:
    """One number of devices."""

    devices: int
    forecast: Forecast | None
    """None if it cannot be."""
    problem: str = ""
    """Why it cannot be."""
    efficiency: float = 0.0
    """Images a second and device, as a share of the first row's."""
    limit: str = NOTHING
    """What most of the rest is lost to, one of REASONS."""

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON data."""
        plain = {"devices": self.devices, "problem": self.problem}
        if self.forecast is None:
            return plain
        return plain | self.forecast.to_json() | {"efficiency": self.efficiency, "limit": self.limit}


def scale(
    forecast_on: Callable[[int], Forecast], problem_of: Callable[[Forecast], str], counts: Sequence[int]
) -> list[Row]:
    """Return a row for each number of devices; what cannot be is said in its row.

    Args:
        forecast_on: Forecasts the run on so many devices.
        problem_of: Says why a forecast cannot be nevertheless, or "".
        counts: The numbers of devices, rising.

    Raises:
        UsageError: If none of them can be.
    """
    rows, first, errors = list[Row](), None, list[UsageError]()
    for devices in counts:
        try:
            found = forecast_on(devices)
        except UsageError as error:
            errors.append(error)
            rows.append(Row(devices, None, str(error.args[0])))
            continue
        first = first or found
        share = found.images_per_second / found.devices * first.devices / first.images_per_second
        rows.append(Row(devices, found, problem_of(found), share, _limit(found, first)))
    if first is None:
        raise errors[0]
    return rows


def lost(found: Forecast, first: Forecast) -> dict[str, float]:
    """Return the seconds of a step in which a device does not compute as fast as in the first row."""
    return {
        REDUCTION: found.reduction,
        SMALL: found.compute - found.sharing - found.each * first.compute / first.each,
        SHARING: found.sharing,
        READING: found.waiting,
    }


def _limit(found: Forecast, first: Forecast) -> str:
    seconds = lost(found, first)
    most = max(seconds, key=lambda name: seconds[name])
    return most if seconds[most] > 0.01 * found.step else NOTHING


def where_it_stops(rows: Sequence[Row]) -> str:
    """Say in a sentence from which number of devices on less than half of each is used, and why."""
    made = [row for row in rows if row.forecast]
    first, last = made[0], made[-1]
    stop = next((row for row in made if row.efficiency < _HALF), None)
    of_first = f"of what one of {first.devices:,} makes" if first.devices > 1 else "of what one alone makes"
    if stop:
        return (
            f"It stops scaling before {stop.devices:,} devices, of which each makes "
            f"{100 * stop.efficiency:.0f} % {of_first}: {REASONS[stop.limit]}."
        )
    why = f"; most of the rest is lost because {REASONS[last.limit]}" if last.limit else ""
    return f"It scales to {last.devices:,} devices: each makes {100 * last.efficiency:.0f} % {of_first}{why}."
