"""What a page says first: what came out, how sure that is, and, of several runs, which is better."""

from collections.abc import Mapping, Sequence
from typing import Any

from resnetlab.base.lettering import shorter
from resnetlab.reporting.page.parts import format_seconds, paragraph, percent, section, table, text

_STATES = {
    "finished": ("finished", "good"),
    "running": ("running", "good"),
    "waiting": ("waiting", ""),
    "unfinished": ("unfinished", ""),
    "interrupted": ("interrupted", ""),
    "stopped": ("stopped by an error", "bad"),
    "killed": ("killed", "bad"),
}
_DOT = " <span aria-hidden=true>·</span> "
_SCALES = (0.1, 0.2, 0.5, 1.0)


def header(contents: Mapping[str, Any]) -> str:
    """Return the head of the page: its title, its state, and the switch of its colours."""
    runs = contents["runs"]
    lone = runs[0] if len(runs) == 1 else None
    if lone:
        word, look = _STATES.get(lone["state"], (lone["state"], ""))
        parts = [
            f'<span class="state {look}">{text(word)}</span>',
            text(shorter(lone["name"], 60)),
            f"seed {lone['seed']}",
        ]
        parts += [text(lone["started"])] if lone["started"] else []
    else:
        ended = sum(run["state"] == "finished" for run in runs)
        kinds = len(contents["groups"])
        parts = [f"{len(runs)} runs", "1 kind" if kinds == 1 else f"{kinds} kinds"]
        parts += [f"{len(runs) - ended} unfinished"] if ended < len(runs) else []
    about = _DOT.join(f"<span>{part}</span>" for part in parts)
    return (
        '<header><div><p class="kind">resnetlab report</p>'
        f'<h1>{text(contents["title"])}</h1><p class="faint about">{about}</p></div>'
        '<button type="button" class="theme" hidden>Dark</button></header>'
    )


def verdict_section(run: Mapping[str, Any]) -> str:
    """Return what came out of a lone run: the number, its interval, what it was selected on."""
    if run["seen"] is None:
        words = paragraph(run["sentence"], "lead")
        return f'<section id="verdict" aria-label="Result">{words}{_notes(run)}</section>'
    accuracy = run["correct"] / run["seen"]
    kind = "test" if run["split"] == "test" else "validation"
    tiles = [
        (f"{kind} accuracy", percent(accuracy), _interval(run["interval"], accuracy)),
        (f"{kind} error", percent(1 - accuracy), _beside(run["published"])),
    ]
    if run["seconds"] is not None:
        speed = f"{run['images_per_second']:,.0f} images/s" if run["images_per_second"] else ""
        tiles.append(
            ("training", text(format_seconds(run["seconds"])), f'<span class="faint">{speed}</span>')
        )
    else:
        left = run.get("seconds_left")
        below = f"steps, about {format_seconds(left)} left" if left is not None else "steps"
        tiles.append(
            ("so far", text(run["progress"].removeprefix("step ")), f'<span class="faint">{below}</span>')
        )
    made = "".join(
        f"<div><dt>{text(name)}</dt><dd><strong>{value}</strong>{below}</dd></div>"
        for name, value, below in tiles
    )
    return (
        f'<section id="verdict" aria-label="Result"><dl class="tiles">{made}</dl>'
        f"{paragraph(run['sentence'], 'lead')}{_notes(run)}</section>"
    )


def _notes(run: Mapping[str, Any]) -> str:
    notes = list(run["notes"])
    if run["deviations"]:
        notes.append(f"Recipe {run['recipe']}, but {', '.join(run['deviations'])}.")
    return "".join(paragraph(note) for note in notes)


def _beside(published: Mapping[str, Any] | None) -> str:
    if not published:
        return ""
    return f'<span class="faint">published: {text(published["text"])} %<br>{text(published["source"])}</span>'


def _interval(interval: Sequence[float], accuracy: float) -> str:
    """Return the interval as a line on a scale that shows it, with its numbers."""
    low, high = interval
    wide = max(high - low, 1e-9)
    scale = next((each for each in _SCALES if each >= 2.2 * wide), 1.0)
    start = min(max((low + high - scale) / 2, 0.0), 1.0 - scale)

    def x(share: float) -> str:
        return f"{100 * (share - start) / scale:.2f}%"

    return (
        '<svg class="interval" aria-hidden="true"><line class="ground" x1="0" x2="100%" y1="8" y2="8"/>'
        f'<line class="range" x1="{x(low)}" x2="{x(high)}" y1="8" y2="8"/>'
        f'<circle cx="{x(accuracy)}" cy="8" r="5"/></svg>'
        f'<span class="faint">95 % interval {100 * low:.2f} to {100 * high:.2f} % (Wilson)</span>'
    )


def seeds_section(contents: Mapping[str, Any]) -> str:
    """Return the table over seeds with its notes."""
    found = contents["table"]
    rows = [[text(cell) for cell in row] for row in found["rows"]]
    notes = "".join(f"<li>{text(title)}{text(words)}</li>" for title, words in found["notes"])
    return section(
        "seeds",
        "Over seeds",
        table(
            "Test errors, a row for what differs in nothing but the seed",
            found["header"],
            rows,
            texts=range(3),
        ),
        f'<ul class="plain faint">{notes}</ul>' if notes else "",
    )


def runs_section(contents: Mapping[str, Any]) -> str:
    """Return a table of every run."""
    runs = [
        [
            text(run["name"]),
            text(run["network"]),
            text(run["data"]),
            text(_STATES.get(run["state"], (run["state"],))[0]),
            f"{run['seed']}",
            f"{run['error']:.2f}" if run["error"] is not None else "–",
            f"{100 - 100 * run['interval'][1]:.2f} to {100 - 100 * run['interval'][0]:.2f}"
            if run["interval"]
            else "",
            text(format_seconds(run["seconds"])) if run["seconds"] is not None else "",
            f"<code>{text(run['path'])}</code>",
        ]
        for run in contents["runs"]
    ]
    header = ("run", "network", "data", "state", "seed", "error, %", "95 % interval", "training", "where")
    made = table(
        "Every run; the interval is that of its own test images",
        header,
        runs,
        texts=(0, 1, 2, 3, 8),
        sorts=True,
        kind="runs",
    )
    return section("runs", "The runs", made)
