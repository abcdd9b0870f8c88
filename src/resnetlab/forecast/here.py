"""The machine one is at, to forecast with: what as many processes did as run on it at once. No torch."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from resnetlab.forecast.assumptions import Assumption, Assumptions
from resnetlab.forecast.forecast import Machine
from resnetlab.forecast.machines import LOADING
from resnetlab.forecast.reduction import Fabric, measured_fabric


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What so many processes did at once, in seconds."""

    processes: int
    threads: int
    """Of each; 0 where a device of its own does the work."""
    samples: int
    step: float
    """A training step of so many samples, the slowest process counting."""
    score: float
    """One image in an evaluation."""
    reduction: float = 0.0
    """The sum of the gradients of all in the fixed tree; 0 of one process."""
    small: float = 0.0
    """A sum of two numbers."""
    compile: str = "off"
    precision: str = "fp32"
    """How steps are made in a training, as the recipe says it or as it was chosen here."""
    steps: str = ""
    """The same in words, with the reason."""


def at_once(devices: int, cores: int, threads: str) -> tuple[int, int]:
    """Return as how many processes, of how many threads each, a CPU is measured for so many devices.

    As many as its cores have room for, but two where more than one is planned for: they speak to each other.

    Args:
        devices: That are planned for.
        cores: That may be used.
        threads: Of a process, as OMP_NUM_THREADS says it; if it does not, the cores are shared out.
    """
    said = threads.partition(",")[0].strip()
    each = int(said) if said.isdecimal() and int(said) else max(1, cores // devices)
    return max(min(devices, 2), min(devices, cores // each)), each


def assumptions_here(found: Iterable[Measured], cores: int) -> Assumptions:
    """Return what was measured, by names that say of what."""
    assumed = []
    for each in found:
        threads = f" of {each.threads} thread{'s' if each.threads > 1 else ''}" if each.threads else ""
        who = f"{each.processes} process{'es' if each.processes > 1 else ''}{threads} at once"
        name = f"{each.processes}x{each.samples}"
        assumed += [
            Assumption(
                f"step_{name}", 1e3 * each.step, "ms", f"measured here: {who}, {each.samples} samples each"
            ),
            Assumption(
                f"score_{name}", 1e6 * each.score, "us", f"measured here: {who}, an image's evaluation"
            ),
        ]
        if each.processes > 1:
            assumed += [
                Assumption(f"sum_{name}", 1e3 * each.reduction, "ms", f"measured here: {who}, all gradients"),
                Assumption(f"small_sum_{name}", 1e3 * each.small, "ms", f"measured here: {who}, two numbers"),
            ]
    return Assumptions(
        [*assumed, Assumption("cores", cores, "cores", "counted: those that may be used here"), *LOADING]
    )


def machine_here(
    found: Measured,
    assumed: Assumptions,
    *,
    title: str,
    devices: int,
    num_bytes: int,
    memory: float,
    smaller: float = 1.0,
) -> Machine:
    """Return this machine for so many devices; those beyond what was measured at once share its cores.

    Args:
        found: Of as many of the processes as can work at once.
        assumed: What was measured, or is assumed instead.
        title: What messages call a device of it.
        devices: For how many.
        num_bytes: That are reduced.
        memory: Of a device, in bytes; 0 if unknown.
        smaller: What a step of the run takes on average, as a share of one that was measured.
    """
    name = f"{found.processes}x{found.samples}"
    fabric = Fabric(devices_per_host=2**20, link=1.0, network=1.0, begin=0.0, near=0.0, far=0.0)
    crowding = max(1.0, devices / found.processes)
    if found.processes > 1:
        fabric = measured_fabric(
            num_bytes, assumed[f"sum_{name}"], assumed[f"small_sum_{name}"], found.processes
        )
        fabric = replace(fabric, link=fabric.link / crowding, near=fabric.near * crowding)
    return Machine(
        title=title,
        shard_seconds=lambda samples: smaller * assumed[f"step_{name}"] * crowding * samples / found.samples,
        update_seconds=0.0,
        score_seconds=assumed[f"score_{name}"] * crowding,
        fabric=fabric,
        is_exact=True,
        memory=memory,
        cores=round(assumed["cores"]),
        crowding=crowding,
        decode=assumed["decode"],
        write=assumed["write"],
    )
