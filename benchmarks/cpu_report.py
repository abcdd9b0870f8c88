"""The tables of cpu.py: what was measured in each cell, ours beside the fastest peer, in Markdown."""

import statistics
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from cpu_cells import CELLS, Cell
from resnetlab.base.units import format_bytes
from resnetlab.show.tables.align import markdown_table

_NOTHING = "\N{EN DASH}"


@dataclass
class Measurement:
    """What became of a program in a cell."""

    program: str
    is_ours: bool
    command: str
    rates: list[float] = field(default_factory=list)
    """Images per second of each turn."""
    first_seconds: float = 0.0
    """From its start until its first step was done, compilation included; the machine to itself."""
    step_bytes: int = 0
    """The most memory in use while steps are made, less what was in use before the first; 0 is not known."""
    peak_bytes: int = 0
    """The most memory in use while steps are made, of all its processes."""
    beside: float = 0.0
    """The largest share of the cores that other programs took in one of its turns."""
    problem: str = ""

    @property
    def median(self) -> float:
        """The median of its turns' rates, 0 if there are none."""
        return statistics.median(self.rates) if self.rates else 0.0


def fastest(measured: Iterable[Measurement], *, is_ours: bool) -> Measurement | None:
    """Return the fastest of a side among those that stayed for all rounds, None if none was measured."""
    side = [one for one in measured if one.is_ours == is_ours and one.rates]
    rounds = max((len(one.rates) for one in side), default=0)
    stayed = [one for one in side if len(one.rates) == rounds]
    return max(stayed, key=lambda one: one.median, default=None)


def ratio_of(ours: Measurement | None, peer: Measurement | None) -> tuple[float, float, float] | None:
    """Return how many times as fast ours is by the medians, and the range over the rounds of both."""
    if ours is None or peer is None:
        return None
    by_round = [one / other for one, other in zip(ours.rates, peer.rates, strict=False)]
    return ours.median / peer.median, min(by_round), max(by_round)


def report(content: dict[str, Any]) -> str:
    """Return the section for docs/results.md, of the content of the JSON file."""
    cells = {
        cell: [Measurement(**one) for one in content["cells"][cell.key]["programs"]]
        for cell in CELLS
        if cell.key in content["cells"]
    }
    told = [_head(content)]
    for kind in ("training", "inference"):
        if of_kind := {cell: found for cell, found in cells.items() if cell.kind == kind}:
            told += [
                _beside([one for found in of_kind.values() for one in found]),
                _rates(kind, of_kind),
                _costs(kind, of_kind),
                *_sums(of_kind),
            ]
    if "convolutions" in content:
        told += [_convolutions(**content["convolutions"])]
    return "\n\n".join([*told, *_problems(cells)])


def _head(content: dict[str, Any]) -> str:
    machine = content["machine"]
    title = (
        f"## {machine['date'][:10]}: training and inference beside other programs, {machine['cores']} cores"
    )
    abilities = " ".join(machine["abilities"]) or "abilities unknown"
    said = (
        f"{machine['processor']}, {machine['cores']} cores ({abilities}), {format_bytes(machine['memory'])};"
        f" threads={machine['threads']}; Python {machine['python']}, torch {machine['torch']}, resnetlab"
        f" {machine['revision'] or 'installed'}. Load at the start {machine['load']:.2f}. What"
        " each program contains stands in the scripts that benchmarks/cpu_cells.py names."
    )
    commands = [f"    {command}" for command in content["commands"]]
    return "\n".join([title, "", *commands, "", *textwrap.wrap(said, 130)])


def _beside(measured: Sequence[Measurement]) -> str:
    """Return how the rates are to be read, and how quiet the machine was while they were measured."""
    rounds = max((len(one.rates) for one in measured), default=0)
    beside = max((one.beside for one in measured), default=0.0)
    said = (
        f"Images per second, medians over the rounds ({rounds} for who stayed to the end); the ratio is ours,"
        " the fastest way, to the fastest peer, in brackets its range over the rounds. In a turn other"
        f" programs took {100 * beside:.0f} % of the cores at most."
    )
    return textwrap.fill(said, 130)


def _rates(kind: str, cells: dict[Cell, list[Measurement]]) -> str:
    programs = list(dict.fromkeys(one.program for found in cells.values() for one in found if one.rates))
    rows = []
    for cell, found in cells.items():
        rates = {one.program: one.median for one in found if one.rates}
        best = {one.program for side in (True, False) if (one := fastest(found, is_ours=side)) is not None}
        ratio = ratio_of(fastest(found, is_ours=True), fastest(found, is_ours=False))
        marks = [
            f"**{_rate(rates[p])}**" if p in best else _rate(rates[p]) if p in rates else _NOTHING
            for p in programs
        ]
        rows.append((cell.title, *marks, "{:.2f} ({:.2f} to {:.2f})".format(*ratio) if ratio else _NOTHING))
    return markdown_table((f"{kind}, images/s", *programs, "ours / best peer"), rows)


def _rate(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 100 else f"{rate:.1f}"


def _costs(kind: str, cells: dict[Cell, list[Measurement]]) -> str:
    """Return the table of first steps and memory, of the fastest of both sides."""
    rows = []
    for cell, found in cells.items():
        row = [cell.title]
        for one in (fastest(found, is_ours=True), fastest(found, is_ours=False)):
            memory = format_bytes(one.step_bytes) if one and one.step_bytes else _NOTHING
            whole = format_bytes(one.peak_bytes) if one and one.peak_bytes else _NOTHING
            row += [one.program, f"{one.first_seconds:.1f} s", memory, whole] if one else [_NOTHING] * 4
        rows.append(tuple(row))
    sides = [
        f"{side}{what}"
        for side in ("ours", "best peer")
        for what in ("", ": first step", ": a step adds", ": in all")
    ]
    return markdown_table((kind, *sides), rows)


def _sums(cells: dict[Cell, list[Measurement]]) -> list[str]:
    """Return what is said of all cells of a kind together."""
    lines = []
    for precision in ("fp32", "bf16", "all"):
        ratios = [
            ratio[0]
            for cell, found in cells.items()
            if precision in (cell.precision, "all")
            and (ratio := ratio_of(fastest(found, is_ours=True), fastest(found, is_ours=False)))
        ]
        if ratios:
            of = "" if precision == "all" else f" in {precision}"
            mean = f"{statistics.geometric_mean(ratios):.2f} in the geometric mean"
            lines.append(f"- ours / best peer{of}, cells: {len(ratios)}: {mean}, {min(ratios):.2f} at least")
    by_kind = {(cell.network, cell.batch, cell.precision): found for cell, found in cells.items()}
    for (network, batch, precision), found in by_kind.items():
        half, peer = (
            fastest(by_kind.get((network, batch, "bf16"), ()), is_ours=True),
            fastest(found, is_ours=False),
        )
        if precision == "fp32" and half and peer:
            title = next(c.title for c in cells if (c.network, c.batch) == (network, batch)).rpartition(",")[
                0
            ]
            lines.append(
                f"- {title}: our bf16 is {half.median / peer.median:.2f} times the fastest fp32 peer"
            )
    return ["\n".join(lines)] if lines else []


def _convolutions(rows: Sequence[dict[str, Any]], beside: float) -> str:
    header = (
        "convolution 3x3, one thread, GFLOP/s",
        "precision",
        "program",
        "forward",
        "by input",
        "by weights",
    )
    cells = [
        (
            row["shape"],
            row["precision"],
            row["program"],
            *(f"{row[p]:,.0f}" if row[p] else _NOTHING for p in ("forward", "by_input", "by_weights")),
        )
        for row in rows
    ]
    said = f"Other programs took {100 * beside:.0f} % of the cores meanwhile."
    return f"{markdown_table(header, cells, left=3)}\n\n{said}"


def _problems(cells: dict[Cell, list[Measurement]]) -> list[str]:
    """Return who was not measured and why, each reason once with the cells that it holds for."""
    where: dict[tuple[str, str], list[str]] = {}
    for cell, found in cells.items():
        for one in found:
            if one.problem:
                where.setdefault((one.program, one.problem), []).append(cell.title)
    lines = [f"- {program}: {problem} ({'; '.join(titles)})" for (program, problem), titles in where.items()]
    return ["Not measured:\n\n" + "\n".join(lines)] if lines else []
