"""The table of runs as a page, and what has changed of it since it was given last."""

import datetime
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote_from_bytes, urlencode

from resnetlab.base.lettering import shorter
from resnetlab.base.pages.frame import html_page, read_asset, text
from resnetlab.base.units import format_seconds
from resnetlab.board.folder import Listing
from resnetlab.board.glance import Glance
from resnetlab.board.grouping import MOST_TOGETHER, Rows
from resnetlab.reporting.page.look import style
from resnetlab.reporting.page.parts import bar, percent
from resnetlab.runs.journal import KINDS

HERE = Path(__file__).parent
_COLUMNS = ("run", "state", "progress", "accuracy", "seed", "network", "recipe", "data", "began")
_LONGEST = 90
"""Letters of what differs from a recipe."""

_NUMBERS = ("accuracy", "seed")


@dataclass
class Board:
    """The table as browsers have it: each group of rows with the version in which it was last another."""

    version: int = field(default_factory=lambda: int(time.time()))
    """Greater than that of any board before."""
    _made: dict[str, tuple[Rows, str, int]] = field(default_factory=dict)
    _order: tuple[str, ...] = ()
    _notes: tuple[str, ...] = ()

    def take(self, listing: Listing) -> None:
        """Note what there is now."""
        made: dict[str, tuple[Rows, str, int]] = {}
        version = self.version + 1
        for rows in listing.rows:
            before = self._made.get(rows.id)
            if before and before[0] is rows:
                made[rows.id] = before
                continue
            markup = group_markup(rows)
            is_same = before is not None and before[1] == markup
            made[rows.id] = (rows, markup, before[2] if before and is_same else version)
        order = tuple(made)
        has_changed = any(each[2] == version for each in made.values())
        if has_changed or order != self._order or listing.notes != self._notes:
            self.version = version
        self._made, self._order, self._notes = made, order, listing.notes

    def page(self, listing: Listing) -> str:
        """Return the whole page."""
        body = "".join(markup for _, markup, _ in self._made.values())
        return html_page(
            title=f"{_name_of(listing)} – resnetlab board",
            body=_page(listing, body, self.version),
            style=style() + read_asset(HERE, "board.css") + "body { max-width: 96rem; }\n",
            script=read_asset(HERE, "live.js") + read_asset(HERE, "table.js"),
            is_served=True,
        )

    def changes(self, listing: Listing, since: int) -> str | None:
        """Return a document of the groups that are another since a version; None if nothing is."""
        if since == self.version:
            return None
        body = "".join(markup for _, markup, version in self._made.values() if version > since)
        return (
            f'<!doctype html><html lang="en"><title>changes</title>{_about(listing)}{_notes(listing)}'
            f'<table data-version="{self.version}" data-order="{" ".join(self._made)}">{body}</table></html>'
        )


def address_of(name: str) -> str:
    """Return where the page of a run is, by its name."""
    return f"/run/{quote_from_bytes(os.fsencode(name))}"


def _together(glances: Sequence[Glance]) -> str:
    return "/compare?" + urlencode([("run", os.fsencode(glance.name)) for glance in glances])


def _name_of(listing: Listing) -> str:
    return listing.root.resolve().name or str(listing.root)


def _page(listing: Listing, body: str, version: int) -> str:
    head = "".join(_head(name) for name in _COLUMNS)
    table = (
        '<form action="/compare"><div class="scroll" role="region" tabindex="0" aria-label="Runs">'
        f'<table class="board" data-version="{version}"><caption class="spoken">Runs, those that differ in'
        f' nothing but the seed together</caption><thead><tr><td class="tick"></td>{head}</tr></thead>{body}'
        '</table></div><p class="together"><button type="submit">Show the ticked ones together</button></p>'
        "</form>"
    )
    nothing = (
        f'<p id="nothing"{" hidden" if listing.rows else ""}>No run is here yet. One appears as soon as it is'
        f" begun: <code>resnetlab train resnet20 --data digits --out"
        f" {text(listing.root / 'first')}</code></p>"
    )
    return (
        '<header><div><p class="kind">resnetlab board</p>'
        f"<h1>{text(_name_of(listing))}</h1>{_about(listing)}</div>"
        '<button type="button" class="theme" hidden>Dark</button></header>'
        f'<p id="status" role="status"></p><main>{_TOOLS}{nothing}{table}{_notes(listing)}'
        '<p id="told" class="spoken" aria-live="polite"></p></main>'
        '<footer class="faint">Shows what the folder holds, and changes nothing. Only this machine can open'
        " it.</footer>"
    )


_TOOLS = (
    '<div class="tools" id="tools" hidden><label for="words">Filter</label>'
    '<input id="words" type="search" placeholder="name, network, lr=0.1 …" autocomplete="off"'
    ' aria-keyshortcuts="/"><div id="states" role="group" aria-label="Show only these states"></div></div>'
)


def _about(listing: Listing) -> str:
    glances = listing.glances
    runs = "1 run" if len(glances) == 1 else f"{len(glances):,} runs"
    return f'<p class="faint about" id="about">{runs} in <code>{text(listing.root.absolute())}</code></p>'


def _notes(listing: Listing) -> str:
    items = "".join(f"<li>{text(note)}</li>" for note in listing.notes)
    return f'<ul id="notes" class="plain faint">{items}</ul>'


def _head(name: str) -> str:
    look = ' class="number"' if name in _NUMBERS else f' class="{name}"'
    return f'<th scope="col"{look}><button type="button">{name}</button></th>'


def group_markup(rows: Rows) -> str:
    """Return the rows of runs that differ in nothing but the seed."""
    if len(rows.glances) == 1:
        return f'<tbody id="{rows.id}">{_run_row(rows.glances[0], rows)}</tbody>'
    where = os.path.commonpath([os.path.dirname(glance.name) for glance in rows.glances])
    each = "".join(_run_row(glance, rows, where) for glance in rows.glances)
    return f'<tbody id="{rows.id}">{_seeds_row(rows, where)}{each}</tbody>'


def _run_row(glance: Glance, rows: Rows, where: str | None = None) -> str:
    """Return the row of a run; `where` is the folder that the row above it names, if there is one."""
    is_lone = where is None
    name, shown = text(glance.name), text(glance.name.removeprefix(f"{where}/" if where else ""))
    place = text(address_of(glance.name))
    tick = f'<input type="checkbox" name="run" value="{name}" aria-label="Tick {name}">' if glance.run else ""
    labels = (
        _labels(rows)
        if is_lone
        else ('<td class="network"></td><td class="recipe"></td><td class="data"></td>')
    )
    below = f'<span class="below faint">{_short_labels(rows)}</span>' if is_lone else ""
    cells = (
        f'<th scope="row" class="run" data-v="{name}"><a href="{place}">{shown}</a>{below}</th>'
        f"{_state(glance)}{_progress(glance)}{_accuracy(glance)}"
        f"{_seed(glance)}{labels}{_began(glance.began)}"
    )
    kind = "lone" if is_lone else "seed"
    return f'<tr class="{kind}" data-state="{glance.state}"><td class="tick">{tick}</td>{cells}</tr>'


def _seeds_row(rows: Rows, where: str) -> str:
    """Return the row above several seeds, which lie in a folder: their mean."""
    glances, group = rows.glances, rows.group
    states = {
        state: sum(g.state == state for g in glances) for state in dict.fromkeys(g.state for g in glances)
    }
    told = ", ".join(f"{count} {state}" for state, count in states.items())
    shares = [glance.share for glance in glances]
    known = [share for share in shares if share is not None]
    made = sum(known) / len(shares) if known else 0.0
    mean = ""
    if group and group.mean is not None:
        spread = f" ± {group.std:.2f}" if group.std is not None else ""
        mean = f"{100 - group.mean:.2f}{spread}\N{NO-BREAK SPACE}%"
        mean += f'<span class="faint">mean of {len(group.errors)}</span>' if len(group.errors) > 1 else ""
    seeds = {glance.run.seed for glance in glances if glance.run}
    title = f"{len(glances)} {'seeds' if len(seeds) == len(glances) else 'runs'}"
    is_a_page = len(glances) <= MOST_TOGETHER
    linked = f'<a href="{text(_together(glances))}">{title}</a>' if is_a_page else f"<span>{title}</span>"
    return (
        '<tr class="seeds"><td class="tick"><input type="checkbox" class="all"'
        f' aria-label="Tick all {title}"></td><th scope="rowgroup" class="run" data-v="{text(where)}">'
        '<button type="button" class="fold" aria-expanded="true" hidden>'
        f'<span class="spoken">Seeds</span></button>{linked}'
        f'<span class="faint in">{text(where)}</span>'
        f'<span class="below faint">{_short_labels(rows)}</span></th>'
        f'<td class="state" data-v="{told}">{told}</td>'
        f'<td class="progress" data-v="{made:.4f}">{bar(made) if made < 1 else ""}</td>'
        f'<td class="number accuracy" data-v="{_value(rows.accuracy)}">{mean}</td>'
        f'<td class="number seed-number"></td>{_labels(rows)}{_began(rows.began or None)}</tr>'
    )


def _labels(rows: Rows) -> str:
    group = rows.group
    if group is None:
        return '<td class="network"></td><td class="recipe"></td><td class="data"></td>'
    others, told = ", ".join(group.deviations), rows.deviations(_LONGEST)
    more = f'<span class="faint" title="{text(others)}">{text(told)}</span>' if others else ""
    return (
        f'<td class="network" data-v="{text(group.network)}">{text(group.network)}</td>'
        f'<td class="recipe" data-v="{text(f"{group.recipe} {others}")}">{text(group.recipe)}{more}</td>'
        f'<td class="data" data-v="{text(group.data)}">{text(group.data)}</td>'
    )


def _short_labels(rows: Rows) -> str:
    """Return what a narrow screen has instead of three columns."""
    if rows.group is None:
        return ""
    group = rows.group
    parts = (group.network, group.recipe, rows.deviations(_LONGEST), group.data)
    return text(", ".join(dict.fromkeys(part for part in parts if part)))


def _state(glance: Glance) -> str:
    why = f'<span class="faint why">{text(shorter(glance.why, 160))}</span>' if glance.state in _TOLD else ""
    title = f' title="{text(glance.why)}"' if glance.why else ""
    return (
        f'<td class="state" data-v="{glance.state}"{title}>'
        f'<span class="lamp {glance.state}" aria-hidden="true"></span>{glance.state}{why}</td>'
    )


_TOLD = ("interrupted", "crashed", "damaged")


def _progress(glance: Glance) -> str:
    if glance.run is None:
        return '<td class="progress"></td>'
    share = glance.share
    if glance.state in ("finished", "waiting"):
        return f'<td class="progress" data-v="{_value(share)}"><span>{text(glance.progress)}</span></td>'
    left = f" · {format_seconds(glance.seconds_left)} left" if glance.seconds_left is not None else ""
    drawn = bar(share) if share is not None else ""
    words = f"<span>{text(glance.progress)}{left}</span>"
    return f'<td class="progress" data-v="{_value(share)}">{drawn}{words}</td>'


def _accuracy(glance: Glance) -> str:
    if glance.accuracy is None:
        return '<td class="number accuracy"></td>'
    split = KINDS.get(glance.split, glance.split)
    so_far = "" if glance.state == "finished" else f'<span class="faint">{split}, so far</span>'
    shown = f"{percent(glance.accuracy)}{so_far}"
    return f'<td class="number accuracy" data-v="{_value(glance.accuracy)}">{shown}</td>'


def _seed(glance: Glance) -> str:
    seed = "" if glance.run is None else str(glance.run.seed)
    return f'<td class="number seed-number" data-v="{seed}">{seed}</td>'


def _value(number: float | None) -> str:
    return "" if number is None else f"{number:.6f}"


def _began(seconds: float | None) -> str:
    if seconds is None or not 0 < seconds < 1e11:
        return '<td class="began"></td>'
    when = datetime.datetime.fromtimestamp(seconds).astimezone()
    exactly = when.isoformat(timespec="seconds")
    told = f"{when:%d %b} {when:%H:%M}" if when.year == datetime.date.today().year else f"{when:%d %b %Y}"
    shown = f'<time datetime="{exactly}" title="{exactly}">{told.lstrip("0")}</time>'
    return f'<td class="began" data-v="{seconds:.0f}">{shown}</td>'
