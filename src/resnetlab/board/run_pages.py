"""The page of a run, or of several together: the report of what there is of them now."""

import hashlib
import os
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from resnetlab.base.pages.frame import html_page, read_asset, text
from resnetlab.board.glance import KILLED, Glance, refuse_links_out
from resnetlab.board.table import HERE
from resnetlab.errors import ResnetlabError
from resnetlab.reporting import Report
from resnetlab.reporting.contents import contents_of
from resnetlab.reporting.groups import group_runs
from resnetlab.reporting.growing import GrowingRows
from resnetlab.reporting.page import Served, render
from resnetlab.reporting.page.look import style
from resnetlab.reporting.page.parts import items
from resnetlab.reporting.reading import RecordedRun, read_run

_KEPT = 16
"""Runs whose rows are kept, so that what comes is read alone: of 30 MB at most."""
_MOST_FILES = 5000


@dataclass(frozen=True)
class Page:
    """A page, and what stands for its content."""

    version: str
    content: str


class RunPages:
    """Makes pages of runs, each anew only if something of it has changed; by several threads if need be."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rows: OrderedDict[str, GrowingRows] = OrderedDict()
        self._pages: OrderedDict[tuple[str, ...], Page] = OrderedDict()

    def of(self, glances: Sequence[Glance], root: Path) -> Page:
        """Return the page of these runs.

        Args:
            glances: One or more.
            root: What nothing of them may lead out of.
        """
        key = tuple(glance.name for glance in glances)
        version = _version(glances)
        with self._lock:
            page = self._pages.get(key)
            if page is None or page.version != version:
                page = Page(version, self._made(glances, root, version))
            self._pages[key] = page
            self._pages.move_to_end(key)
            while len(self._pages) > _KEPT:
                self._pages.popitem(last=False)
            return page

    def _made(self, glances: Sequence[Glance], root: Path, version: str) -> str:
        served = Served(above=_back(version), style=read_asset(HERE, "board.css"), script=_script())
        problems: list[str] = []
        runs = [run for glance in glances if (run := self._read(glance, root, problems))]
        if not runs:
            return _page_of_problems(glances, problems, served)
        if problems:  # of some of several: the others are shown
            told = items(map(text, dict.fromkeys(problems)))
            words = f"<p>{len(glances) - len(runs)} of these runs cannot be shown:</p>{told}"
            served = replace(served, above=f'{served.above}<div role="note">{words}</div>')
        states = {glance.path: _STATES[glance.state] for glance in glances if glance.state in _STATES}
        states |= {glance.path: "killed" for glance in glances if glance.why == KILLED}
        groups = tuple(group_runs(runs))
        contents = contents_of(groups, Report(groups).heading(), states)
        left = {str(glance.path): glance.seconds_left for glance in glances}
        for row in contents["runs"]:
            row["seconds_left"] = left.get(row["path"])
        return render(contents, served)

    def _read(self, glance: Glance, root: Path, problems: list[str]) -> RecordedRun | None:
        if glance.state == "waiting":
            return glance.run
        try:
            refuse_links_out(glance.path, _files(glance.path), root)
            return read_run(glance.path, rows=self._rows_of(glance).read)
        except ResnetlabError as error:
            problems += [*str(error.args[0]).splitlines(), *([error.hint] if error.hint else [])]
            return None

    def _rows_of(self, glance: Glance) -> GrowingRows:
        rows = self._rows.setdefault(glance.name, GrowingRows(glance.path / "metrics.jsonl"))
        self._rows.move_to_end(glance.name)
        while len(self._rows) > _KEPT:
            self._rows.popitem(last=False)
        return rows


_STATES = {"running": "running", "waiting": "waiting"}


def _script() -> str:
    return read_asset(HERE, "live.js") + read_asset(HERE, "run.js")


def _back(version: str) -> str:
    return (
        f'<p class="back" data-version="{version}"><a href="/">← All runs</a></p>'
        '<p id="status" role="status"></p>'
    )


def _files(run: Path) -> list[str]:
    """Return what a page may read of a run, by places in it: its own files, and those of its evaluations.

    Not `checkpoints`, of which it reads but whether there are any, and which may lie on another disk.
    """
    found: list[str] = []
    waiting = [""]
    while waiting and len(found) < _MOST_FILES:
        folder = waiting.pop()
        try:
            with os.scandir(run / folder) as entries:
                for entry in entries:
                    if not folder and entry.name == "checkpoints":
                        continue
                    name = f"{folder}/{entry.name}" if folder else entry.name
                    found.append(name)
                    is_evaluation = folder.startswith("eval") or entry.name == "eval"
                    if is_evaluation and entry.is_dir(follow_symlinks=False):
                        waiting.append(name)
        except OSError:
            continue
    return found


def _version(glances: Sequence[Glance]) -> str:
    """Return another text whenever a page of these would be another."""
    digest = hashlib.sha256()
    for glance in glances:
        digest.update(f"{glance.name}\0{glance.state}\0{glance.why}\0".encode(errors="surrogatepass"))
        for name in sorted(_files(glance.path)):
            try:
                facts: Any = os.lstat(glance.path / name)
            except OSError:
                continue
            digest.update(f"{name}\0{facts.st_mtime_ns}\0{facts.st_size}\0".encode(errors="surrogatepass"))
    return digest.hexdigest()[:20]


def _page_of_problems(glances: Sequence[Glance], problems: Sequence[str], served: Served) -> str:
    name = glances[0].name if len(glances) == 1 else f"{len(glances)} runs"
    told = items(map(text, dict.fromkeys(problems or ["There is nothing of it."])))
    whose = "This run" if len(glances) == 1 else "One of these runs"
    body = (
        f'{served.above}<header><div><p class="kind">resnetlab board</p><h1>{text(name)}</h1></div>'
        '<button type="button" class="theme" hidden>Dark</button></header>'
        f"<main><p>{whose} cannot be shown:</p>{told}</main>"
    )
    return html_page(
        title=f"{name} – resnetlab board",
        body=body,
        style=style() + served.style,
        script=served.script,
        is_served=True,
    )


def plain_page(title: str, words: str) -> str:
    """Return a page that says something, with the way back to the table."""
    body = (
        f'<p class="back"><a href="/">← All runs</a></p><header><div><p class="kind">resnetlab board</p>'
        f'<h1>{text(title)}</h1></div><button type="button" class="theme" hidden>Dark</button></header>'
        f"<main><p>{text(words)}</p></main>"
    )
    return html_page(
        title=f"{title} – resnetlab board",
        body=body,
        style=style() + read_asset(HERE, "board.css"),
        is_served=True,
    )
