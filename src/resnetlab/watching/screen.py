"""What moves at the foot of a terminal, by rich: bars, and a curve below them. Lines are printed above."""

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TextIO

from resnetlab.base.lettering import Letters, without_commands
from resnetlab.reporting.text_chart import Role, TextChart
from resnetlab.watching.bars import Bar, RunBar
from resnetlab.watching.streams import on_the_way

if TYPE_CHECKING:
    from rich.console import Console, Group
    from rich.text import Text

_STYLES: dict[Role, str] = {"": "", "axis": "dim", "test": "cyan", "train": "yellow"}
_BARS: dict[Letters, tuple[str, str]] = {"braille": ("━", "─"), "ascii": ("#", "-")}
_PER_SECOND = 4
_LINES_KEPT = 6
"""Of the terminal, for what was printed above."""


class Screen:
    """Bars by name, and what stands below them; all is asked for when it is drawn, a few times a second."""

    def __init__(self, console: "Console", letters: Letters) -> None:
        self._console, self._letters = console, letters
        self.bars: dict[str, RunBar] = {}
        self.below: Callable[[int, int], TextChart | None] = lambda columns, lines: None
        """Returns a chart that fits so many columns and lines."""

    @property
    def columns(self) -> int:
        """The terminal's width, now."""
        return self._console.width

    def print(self, text: str) -> None:
        """Print lines above what moves."""
        self._console.print(without_commands(text), highlight=False, markup=False, soft_wrap=True)

    def print_chart(self, chart: TextChart) -> None:
        """Print a chart above what moves."""
        self._console.print(_styled(chart), highlight=False, markup=False, soft_wrap=True)

    def drawn(self) -> "Group":
        """Return what moves, as it is now."""
        from rich.console import Group

        columns, lines = self._console.width - 1, self._console.height
        bars = [each.bar() for each in [*self.bars.values()]]
        shown = bars[: max(1, lines - _LINES_KEPT)]
        title = min(max((len(bar.title) for bar in shown), default=0), max(8, columns // 2))
        found = [self._line(bar, columns, title) for bar in shown]
        if len(shown) < len(bars):
            found.append(_text(f"and {len(bars) - len(shown)} more", "dim"))
        left = lines - len(found) - _LINES_KEPT
        if bars and (chart := self.below(columns, left)):
            found.append(_styled(chart))
        return Group(*found)

    def _line(self, bar: Bar, columns: int, title: int) -> "Text":
        length, told = bar.fitted(columns, title)
        done = min(length, round(length * bar.share))
        full, empty = _BARS[self._letters]
        text = _text(f"{without_commands(bar.title)[:title]:<{title}} ")
        text.append(full * done, "cyan").append(empty * (length - done), "dim").append(told)
        text.truncate(columns)
        return text


def _text(text: str, style: str = "") -> "Text":
    from rich.text import Text

    return Text(text, style, no_wrap=True)


def _styled(chart: TextChart) -> "Text":
    from rich.text import Text

    lines = [Text.assemble(*((text, _STYLES[role]) for text, role in line)) for line in chart.lines]
    return Text("\n").join(lines)


@contextlib.contextmanager
def screen_on(stream: TextIO, letters: Letters) -> Iterator[Screen]:
    """Move what a screen shows at the foot of the terminal while inside; nothing of it is left afterwards."""
    from rich.console import Console
    from rich.live import Live

    screen = Screen(Console(file=on_the_way(stream), force_terminal=True), letters)
    with Live(
        console=screen._console, get_renderable=screen.drawn, refresh_per_second=_PER_SECOND, transient=True
    ):
        yield screen
