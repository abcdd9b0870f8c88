"""Published tables and figures from Python: `reproduce`."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from resnetlab.api.arguments import whole
from resnetlab.base.pages import cell
from resnetlab.base.paths import user_path
from resnetlab.data.sources.choices import Choices
from resnetlab.errors import UsageError
from resnetlab.recipe.settings import once
from resnetlab.reproducing.budgets import budget_of
from resnetlab.reproducing.making import make, prepare
from resnetlab.reproducing.named import reproduction
from resnetlab.reproducing.planning import Request
from resnetlab.reproducing.results.figure import draw_figure, has_figure
from resnetlab.reproducing.results.tables import LEFT, ResultTable
from resnetlab.training.observer import Silence
from resnetlab.training.studies import StudyObserver
from resnetlab.watching.here import watching_study_here

Place = str | Path


@dataclass(frozen=True, kw_only=True)
class Reproduced:
    """A published table or figure as it was made here; in print and in a notebook table and notes."""

    table: ResultTable
    """Its `text`, `markdown` and `latex`; `to_json` has all numbers."""
    out: Path
    """The folder of the runs."""
    files: tuple[Path, ...]
    """Table and figure, as Markdown, HTML and SVG."""
    refused: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """By the files of records that are named like a run and were not taken for it, why."""

    def __str__(self) -> str:
        return self.table.text()

    def __repr__(self) -> str:
        told = f"{self.table.reproduction.name}, budget {self.table.budget.name}"
        return f"<{told}, {len(self.table.records)} runs: {self.out}>"

    def _repr_html_(self) -> str:
        header, rows = self.table.cells()
        picture = draw_figure(self.table, "svg") if has_figure(self.table) else b""
        return cell.cell(
            self.table.title,
            cell.table(header, [[*map(cell.text, row)] for row in rows], numbers=range(LEFT, len(header))),
            cell.picture(picture, self.table.title) if picture else "",
            *(cell.paragraph(title + words, is_faint=True) for title, words in self.table.notes()),
            about=self.table.reproduction.title,
        )


def reproduce(
    name: str,
    *,
    budget: str = "full",
    only: str | Sequence[str] = (),
    seeds: int = 1,
    data: Place | Mapping[str, Place] | None = None,
    data_set: Mapping[str, str] | None = None,
    out: Place | None = None,
    records: Place | Sequence[Place] = (),
    device: str = "auto",
    observer: StudyObserver | Silence | None = None,
    workers: int = -1,
    at_once: int = 0,
    **values: Any,
) -> Reproduced:
    """Make a published table or figure here, and return it beside the published numbers.

    The same call goes on with what was interrupted; rows and seeds may come to a folder one after another,
    and several processes may make one folder at once. Files are as `resnetlab reproduce` writes them.

    Args:
        name: One of `resnetlab list reproductions`, e.g. "he2015-figure6".
        budget: "full", "half" or "tenth" of the published length, or "smoke", a trial of a minute.
        only: Names of rows; none for all.
        seeds: How many of each row: seeds 0, 1, ...
        data: Where the data lies; where the rows are of several datasets, by name: {"cifar100": PATH}. None
            is downloaded.
        data_set: As `train`.
        out: The folder of the runs; None is runs/NAME-BUDGET.
        records: Records of runs, or folders of such, that were made elsewhere and are not made again.
        device: auto, cpu, cuda, cuda:1 or mps.
        observer: As `study`.
        workers: Processes that read image files, -1 for as many as suit the machine.
        at_once: Runs at once; 0 takes one on a CPU, and on a GPU several of small networks.
        values: Of all recipes, such as precision="bf16"; not what rows, budget and seeds say.

    Raises:
        UsageError: If a name or value cannot be, or the folder is of another reproduction or budget.
        DataError: If data or records are missing or damaged, or the data is not what was published.
        Interrupted: If a signal came: all is saved, and the same call goes on.
        ResnetlabError: If runs failed, when the others have ended.
    """
    request = Request(
        reproduction=reproduction(name),
        budget=budget_of(budget),
        only=(only,) if isinstance(only, str) else tuple(only),
        seeds=whole("seeds", seeds),
        data=_places(data),
        choices=Choices.of(data_set),
        values=once((f"{name}={value}", name, value) for name, value in values.items()),
        device=device,
        workers=whole("workers", workers),
    )
    given = [records] if isinstance(records, str | os.PathLike) else records
    folder = user_path(out) if out else None
    prepared = prepare(request, folder, records=given, at_once=whole("at_once", at_once))
    with watching_study_here(observer) as watcher:
        table, files = make(prepared, watcher)
    return Reproduced(table=table, out=prepared.out, files=tuple(files), refused=prepared.refused)


def _places(data: object) -> dict[str, str]:
    """Return where datasets lie, by name; under "" the one that is not named.

    Raises:
        UsageError: If it is neither a path nor paths by name.
    """
    if data is None:
        return {}
    places: Mapping[Any, Any] = data if isinstance(data, Mapping) else {"": data}
    if not all(isinstance(place, str | os.PathLike) for place in places.values()):
        raise UsageError(
            f"data is where it lies, or that by dataset, got {data!r:.200}",
            hint='E.g. data="cifar-10-batches-bin", or data={"cifar100": "cifar-100-binary"}.',
        )
    return {str(name): os.fspath(place) for name, place in places.items()}
