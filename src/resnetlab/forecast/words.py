"""A forecast in words and tables. No torch."""

from collections.abc import Sequence

from resnetlab.base.units import format_bytes, format_seconds
from resnetlab.forecast.assumptions import Assumptions
from resnetlab.forecast.forecast import Forecast, Machine, Work
from resnetlab.forecast.kinds import Published
from resnetlab.forecast.scaling import Row

NOT_COUNTED = "starting the processes, compiling, opening the data"
HEADER = (
    "devices", "hosts", "batch", "each", "images/s", "share",
    "step ms", "computing", "reduction", "waiting", "time", "lost to",
)  # fmt: skip
"""Of the table of several numbers of devices; milliseconds from `step` to `waiting`."""
LEGEND = (
    "share: images a second and device, of the first row's. computing, reduction and waiting (for images that"
    " are not decoded yet) are a step's milliseconds; the rest of its time is lost to what stands last."
)


def lines_of(found: Forecast, work: Work, machine: Machine) -> dict[str, str]:
    """Return the lines of one forecast, by their titles."""
    parts = found.shards // found.devices
    rest = f", in {parts} shards one after the other" if parts > 1 else ""
    each = found.images_per_second / found.devices
    share = 100 * found.train / found.total
    return {
        "devices": _devices(found, machine),
        "batch": f"{found.batch:,}: {found.each:,} a device{rest}",
        "length": f"{found.steps:,} steps = {found.epochs:.2f} epochs",
        "images/s": f"{found.images_per_second:,.0f} = {found.devices:,} x {each:,.0f}",
        "step": _step(found),
        "reduction": _reduction(found, work, machine),
        "reading": _reading(found, work),
        "memory": _memory(found, machine),
        "evaluations": f"{found.scores:,} of {format_seconds(found.score)}: {work.data.test:,} images",
        "checkpoints": f"{found.saves:,} of {format_seconds(found.save)}: {format_bytes(work.saved_bytes)}",
        "time": f"{format_seconds(found.total)}, {share:.0f} % of it training; not counted: {NOT_COUNTED}",
    }


def _devices(found: Forecast, machine: Machine) -> str:
    on_host = min(found.devices, machine.fabric.devices_per_host)
    hosts = f", {found.hosts:,} hosts of {on_host}" if found.hosts > 1 else ""
    return f"{found.devices:,} x {machine.title}{hosts}"


def _step(found: Forecast) -> str:
    times = {
        "computing": found.compute, "reduction": found.reduction, "waiting for images": found.waiting,
    }  # fmt: skip
    told = ", ".join(f"{name} {milliseconds(seconds)}" for name, seconds in times.items() if seconds)
    return f"{milliseconds(found.step)} ms: {told}"


def _reduction(found: Forecast, work: Work, machine: Machine) -> str:
    if found.devices == 1:
        return "none"
    way = "in the fixed tree" if machine.is_exact else "by a plain all-reduce"
    within = sum(work.norm_reductions.values())
    more = f", and {within} of BN's within the passes" if within else ""
    return f"{format_bytes(work.reduced_bytes)} {way} after the backward pass{more}; nothing overlaps"


def _reading(found: Forecast, work: Work) -> str:
    if not work.data.reads_files:
        return "none: the images lie in memory"
    wait = "the devices wait for them" if found.waiting else "that is enough"
    return (
        f"{found.cores_needed:.0f} cores a host would decode what its devices learn; {found.cores_free} are"
        f" free: {wait}. {format_bytes(found.bytes_read)}/s from storage in all"
    )


def _memory(found: Forecast, machine: Machine) -> str:
    memory = found.memory
    parts = {
        "activations": memory.activations, "weights and optimizer": memory.state, "sums": memory.reduction,
    }  # fmt: skip
    told = ", ".join(f"{name} {format_bytes(size)}" for name, size in parts.items() if size)
    room = f" of {format_bytes(machine.memory)}" if machine.memory else ""
    return f"about {format_bytes(memory.total)}{room}: {told}"


def cells(row: Row) -> tuple[str, ...]:
    """Return the row's cells below HEADER."""
    found = row.forecast
    if found is None:
        return (f"{row.devices:,}", *[""] * (len(HEADER) - 2), "cannot be")
    return (
        f"{found.devices:,}",
        f"{found.hosts:,}",
        f"{found.batch:,}",
        f"{found.each:,}",
        f"{found.images_per_second:,.0f}",
        f"{100 * row.efficiency:.0f} %",
        *(milliseconds(seconds) for seconds in (found.step, found.compute, found.reduction, found.waiting)),
        format_seconds(found.total),
        "cannot be" if row.problem else row.limit,
    )


def problems_of(rows: Sequence[Row]) -> list[str]:
    """Return a line for each number of devices that cannot be."""
    return [f"{row.devices:,} devices: {row.problem}" for row in rows if row.problem]


def assumed_rows(assumed: Assumptions) -> list[tuple[str, str, str]]:
    """Return name, value and source of every assumption."""
    return [(each.name, each.text, each.source) for each in assumed]


def published_rows(published: Sequence[Published]) -> list[tuple[str, str, str]]:
    """Return devices, rate and source of what others have published."""
    return [
        (f"{each.devices} in {each.precision}", f"{each.images_per_second:,.0f} images/s", each.source)
        for each in published
    ]


def milliseconds(seconds: float) -> str:
    """Return e.g. "0.52", "8.4" or "120"."""
    number = 1e3 * seconds
    return f"{number:.2f}" if number < 1 else f"{number:.1f}" if number < 100 else f"{number:,.0f}"
