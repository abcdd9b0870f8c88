"""What a report shows of itself in a cell of a notebook: the table over seeds, and the curves."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from resnetlab.base.pages import cell
from resnetlab.reporting.groups import Group
from resnetlab.reporting.table import table_cells

_DOTS_PER_POINT = 200 / 72
_PIXELS_PER_POINT = 96 / 72  # of a page


@dataclass(frozen=True, repr=False)
class Plot:
    """Curves as a picture, which a notebook shows as wide as they are meant, or as there is room."""

    png: bytes
    title: str

    def __repr__(self) -> str:
        return f"<curves of {self.title}, {self._width} pixels wide; `Report.draw` writes them to a file>"

    @property
    def _width(self) -> int:
        """Of the page, not of the picture, which is finer."""
        wide = int.from_bytes(self.png[16:20], "big")  # where every PNG says it
        return round(wide / _DOTS_PER_POINT * _PIXELS_PER_POINT)

    def _repr_png_(self) -> tuple[bytes, dict[str, Any]]:
        return self.png, {"width": self._width}

    def _repr_html_(self) -> str:
        return cell.picture(self.png, f"curves of {self.title}", width=self._width)


def report_html(groups: Sequence[Group], title: str) -> str:
    """Return the table of a report as markup, with its notes."""
    header, rows, notes = table_cells(groups)
    made = cell.table(header, [[*map(cell.text, row)] for row in rows], numbers=range(3, len(header)))
    told = (cell.paragraph(f"{name}{text}", is_faint=True) for name, text in notes)
    return cell.cell(title, made, *told)
