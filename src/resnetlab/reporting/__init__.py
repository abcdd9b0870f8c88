"""What a set of runs shows, as the papers show it: a table over seeds, and curves. Imports no torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resnetlab.base import files
from resnetlab.base.lettering import in_a_line, without_font
from resnetlab.base.paths import user_path
from resnetlab.base.plaindata import to_json_bytes
from resnetlab.reporting.groups import Group, group_runs
from resnetlab.reporting.reading import RecordedRun
from resnetlab.reporting.records.collecting import read_runs_and_records
from resnetlab.reporting.shown import Plot, report_html
from resnetlab.reporting.table import (
    audit_lines,
    group_json,
    report_csv,
    report_latex,
    report_markdown,
    report_text,
)
from resnetlab.show.drawing.saving import check_target, refuse_target, write_picture
from resnetlab.show.drawing.theme import ThemeName
from resnetlab.show.tables.align import text_width, titled

__all__ = ["Group", "Plot", "RecordedRun", "Report", "report"]

PAGES = (".html", ".json", ".md")
"""The suffixes of a whole report: a page, the data behind it, a model card."""

_LONGEST_TITLE = 64
_MOST_NAMES = 3


@dataclass(frozen=True, repr=False)
class Report:
    """The runs in groups that differ in nothing but the seed. Printed or in a notebook, it is the table."""

    groups: tuple[Group, ...]

    def __str__(self) -> str:
        return self.text()

    def text(self, columns: int | None = None) -> str:
        """Return the table in aligned columns, with its notes; in so many columns if there are no more."""
        runs = [run for group in self.groups for run in group.runs]
        lines = [titled("verified: ", line, width=text_width(columns)) for line in audit_lines(runs)]
        return "\n".join([report_text(self.groups, columns), *lines])

    def __repr__(self) -> str:
        number = sum(len(group.runs) for group in self.groups)
        return f"<report of {number:,} run{'s' * (number != 1)}: {in_a_line(self.heading())}>"

    def _repr_html_(self) -> str:
        return report_html(self.groups, self.heading())

    def _repr_markdown_(self) -> str:
        return self.markdown()

    def markdown(self) -> str:
        """Return the table in GitHub's Markdown."""
        return report_markdown(self.groups)

    def latex(self) -> str:
        """Return the table in LaTeX, by the package booktabs."""
        return report_latex(self.groups)

    def to_json(self) -> dict[str, Any]:
        """Return all numbers as plain JSON data."""
        return {"groups": [group_json(group) for group in self.groups]}

    def to_csv(self, path: str | Path) -> None:
        """Write the table as CSV, a line for each row.

        Raises:
            WriteError: If the file could not be written.
        """
        files.write_file(user_path(path), report_csv(self.groups))

    def draw(self, path: str | Path, *, theme: ThemeName = "light", title: str | None = None) -> str:
        """Draw the curves, error in % over the steps, into an .svg, .pdf or .png.

        Args:
            path: The file; its suffix says the kind.
            theme: light, dark or print.
            title: A line above; None says the data, and network and recipe where there is one alone.

        Returns:
            A line on letters of the title and the names that no font here has; empty if there are none.

        Raises:
            UsageError: If there is nothing to draw, the runs are of different data, or the suffix is another.
            WriteError: If the file could not be written.
        """
        target = user_path(path)
        check_target(target)
        content, names = self._drawn(target.suffix.lower()[1:], theme, title)
        write_picture(target, content)
        return without_font(names, "they are drawn as their numbers")

    def plot(self, *, theme: ThemeName = "light", title: str | None = None) -> Plot:
        """Return the curves as a picture that a notebook shows; see `draw`, which writes them to a file.

        Args:
            theme: light, dark or print.
            title: As for `draw`.

        Raises:
            UsageError: If there is nothing to draw, or the runs are of different data.
        """
        return Plot(self._drawn("png", theme, title)[0], self.heading())

    def _drawn(self, kind: str, theme: ThemeName, title: str | None) -> tuple[bytes, list[str]]:
        """Return the picture of the curves as svg, pdf or png, and the names that stand in it."""
        from resnetlab.reporting.curves import curves_of

        curves = curves_of(self.groups)
        from resnetlab.reporting.pictures.curves import draw_curves  # matplotlib: half a second

        runs = [run for group in self.groups for run in group.runs]
        resumed = runs[0].resumed_at if len(runs) == 1 else ()
        text = self._title() if title is None else title
        content = draw_curves(curves, kind, theme=theme, title=text, resumed=resumed)
        return content, [text, *(curve.name for curve in curves)]

    def contents(self, *, title: str | None = None) -> dict[str, Any]:
        """Return everything that a page shows, as plain JSON data; `reporting.contents` says what it is."""
        from resnetlab.reporting.contents import contents_of

        heading = self.heading() if title is None else title
        return contents_of(self.groups, heading, audits=True)

    def page(self, path: str | Path, *, title: str | None = None) -> None:
        """Write all of it as one file: .html is a page that needs nothing else, .json the data behind it.

        .md is the model card of one run, as the Hugging Face hub reads it.

        Args:
            path: The file; its suffix says the kind.
            title: Of the page; None says network and data.

        Raises:
            UsageError: If the suffix is another, or a card is to be of several runs.
            WriteError: If the file could not be written.
        """
        target = user_path(path)
        refuse_target(target, PAGES, "page")
        contents = self.contents(title=title)
        if target.suffix.lower() == ".json":
            files.write_file(target, to_json_bytes(contents))
            return
        if target.suffix.lower() == ".md":
            from resnetlab.reporting.cards.whole import card_of

            files.write_file(target, card_of(contents).encode(errors="surrogateescape"))
            return
        from resnetlab.reporting.page import render

        files.write_file(target, render(contents))

    def heading(self) -> str:
        """Return the title of a page: the networks and the data."""
        names = [*dict.fromkeys(group.network for group in self.groups)]
        data = [*dict.fromkeys(group.data for group in self.groups)]
        told = ", ".join(names) if len(names) <= _MOST_NAMES else f"{len(names)} networks"
        return f"{told} on {', '.join(data) if len(data) <= _MOST_NAMES else f'{len(data)} kinds of data'}"

    def _title(self) -> str:
        first = self.groups[0]
        is_alone = len({group.network for group in self.groups}) == 1
        parts = [first.network] * is_alone + [first.data]
        if len({(group.recipe, group.deviations) for group in self.groups}) == 1:
            told = [text.partition(" (")[0] for text in first.deviations]
            parts.append(", ".join((f"recipe {first.recipe}", *told)))
        text = ", ".join(parts)
        return text if len(text) <= _LONGEST_TITLE else ", ".join(parts[:-1])


def report(paths: str | Path | Sequence[str | Path]) -> Report:
    """Return what the runs at these paths show.

    Args:
        paths: Directories of runs, folders that hold runs, records, or folders of records.

    Raises:
        UsageError: If there is neither run nor record at one of them.
        DataError: If a run's files are damaged or contradict each other, or a record is damaged or none; all
            problems are named at once.
    """
    given = [paths] if isinstance(paths, str | Path) else paths
    return Report(tuple(group_runs(read_runs_and_records(given))))
