"""The confusion matrix as a picture, in the style of our drawings, by matplotlib's objects."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from resnetlab.base.lettering import boxes_in_silence, drawable, font_families, without_font
from resnetlab.show.drawing.theme import THEMES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from resnetlab.evaluation.results import Evaluation

_BY_NUMBER = "such classes are drawn by number, in the order of per_class.csv"
_MOST_NAMES = 100
_MOST_LETTERS = 40
"""Of a class' name."""
_MOST_NUMBERS = 4000
"""Counts that are written; where more cells have some, those of small shares are left to the colour."""
_SMALL_SHARE = 0.05
_COMMONEST = 5
_TENS_FROM = 30
"""Columns from which every tenth line is a broad one."""
_SHARES = (0.01, 0.05, 0.2, 0.5, 1.0)
"""Of the legend."""
_ANOTHER, _OF_WHAT = "taken for another", "of the class"

_INCH = 72  # points
_DPI = 144
_EDGE, _GAP, _LINE = 16.0, 8.0, 15.0
_TITLE, _TEXT, _SMALL = 12.0, 9.0, 8.0
_LEAST = 5.0
"""Points of the smallest letters: ten pixels."""
_WIDEST = 1200.0
"""Points of a matrix of very many classes."""
_SAMPLE = 46.0
"""Points from one sample of the legend to the next."""

_THEME = THEMES["light"]
_RIGHT, _WRONG, _EMPTY = _THEME.stages[0].stroke, _THEME.stages[4].stroke, _THEME.neutral.panel


def confusion_picture(evaluation: "Evaluation") -> tuple[bytes | None, str]:
    """Return the picture as PNG, and a note on what could not be drawn.

    There is no picture if that was all of it: that must cost no score.
    """
    counts, answers = evaluation.confusion()
    names = evaluation.class_names
    try:
        picture = draw_confusion(counts, names, answers, title=_title(evaluation), about=_about(evaluation))
        unshown = without_font([*names, *answers], _BY_NUMBER) if len(names) <= _MOST_NAMES else ""
    except Exception as error:  # of matplotlib, its fonts and its configuration: anything
        return None, f"confusion.png could not be drawn: {type(error).__name__}: {error}"
    return picture, f"confusion.png: {unshown}" if unshown else ""


def _title(evaluation: "Evaluation") -> str:
    what = (
        f"all of {evaluation.data}" if evaluation.split == "all" else f"{evaluation.data}, {evaluation.split}"
    )
    return f"{evaluation.model or evaluation.checkpoint} on {what}"


def _about(evaluation: "Evaluation") -> str:
    scores, (low, high) = evaluation.scores, evaluation.interval
    step = f"; {evaluation.weights} of step {evaluation.step:,}" if evaluation.step else ""
    return (
        f"{100 * scores.accuracy:.2f} % of {scores.seen:,} right (95 % interval {100 * low:.2f} to "
        f"{100 * high:.2f} %){step}"
    )


def draw_confusion(
    counts_KA: np.ndarray,
    names: Sequence[str],
    answers: Sequence[str] = (),
    *,
    title: str = "",
    about: str = "",
) -> bytes:
    """Return a PNG of the confusion matrix: blue for right answers, orange for others, by shares of the row.

    Counts are written into the cells where letters of five points have room, and up to 100 classes their
    names beside them. Below stand the commonest confusions in words. In place of a name with letters that no
    font here has, its class' number stands, from 0 on, and what can be drawn of it.

    Args:
        counts_KA: Row k, column a: images of class k that were answered with a.
        names: Of the classes.
        answers: Of the columns, if they are not the classes alone; the classes come first.
        title: What was scored on what.
        about: A line below it.
    """
    import matplotlib

    from resnetlab.show.drawing.raster import our_settings

    rows, columns = _labels(names), _labels(answers or names)
    with our_settings(), boxes_in_silence():
        matplotlib.rcdefaults()  # whatever the user's own file says
        matplotlib.rcParams["text.usetex"] = False
        matplotlib.rcParams["font.family"] = font_families([*rows, *columns, drawable(title)])[0]
        sheet = _Sheet(counts_KA, rows, columns, drawable(title), drawable(about))
        stream = io.BytesIO()
        sheet.figure().savefig(stream, format="png", dpi=_DPI, metadata={"Software": None})
        return stream.getvalue()


def _labels(names: Sequence[str]) -> list[str]:
    shown = [drawable(name) for name in names]
    shown = [name if len(name) <= _MOST_LETTERS else f"{name[: _MOST_LETTERS - 3]}..." for name in shown]
    _, missing = font_families(shown)
    removed = dict.fromkeys(map(ord, missing))
    return [
        f"class {index} {name.translate(removed).strip()}".strip() if set(name) & set(missing) else name
        for index, name in enumerate(shown)
    ]


def _pitch(count: int) -> float:
    """Return the points of a cell's side."""
    for most, pitch in ((12, 34.0), (20, 26.0), (50, 18.0), (_MOST_NAMES, 14.0)):
        if count <= most:
            return pitch
    return _WIDEST / count


@dataclass(frozen=True)
class _Sheet:
    """What is drawn, and where; all places are in points from the upper left corner."""

    counts: np.ndarray
    names: Sequence[str]
    answers: Sequence[str]
    title: str
    about: str

    @property
    def pitch(self) -> float:
        return _pitch(len(self.names))

    @property
    def size(self) -> float:
        """Points of the names' letters."""
        return min(_TEXT, 0.62 * self.pitch)

    @property
    def has_names(self) -> bool:
        return len(self.names) <= _MOST_NAMES

    @cached_property
    def shares(self) -> np.ndarray:
        totals = self.counts.sum(1, keepdims=True)
        found: np.ndarray = self.counts / np.maximum(totals, 1)
        return found

    @cached_property
    def is_right(self) -> np.ndarray:
        return np.eye(*self.counts.shape, dtype=bool)

    def figure(self) -> "Figure":
        """Return all of it."""
        from matplotlib.figure import Figure

        k, a = self.counts.shape
        named = self.names if self.has_names else [f"{k:,}"]
        beside = max(_width(name, self.size) for name in named)
        over = [_width(answer, self.size) for answer in (self.answers if self.has_names else [f"{a:,}"])]
        is_turned = max(over) > self.pitch - 2 and self.has_names
        above = max(over) if is_turned else self.size
        left = _EDGE + _LINE + beside + _GAP
        top = (
            _EDGE + (_TITLE + _GAP) * bool(self.title) + _LINE * bool(self.about) + _LINE + above + 1.5 * _GAP
        )
        right = _EDGE + _GAP + _width("100 %", self.size)
        words = self._words()
        below = 3.2 * _LINE + (_LINE * (len(words) + 1) + _GAP) * bool(words) + _EDGE
        lines = [(self.title, _TITLE), (self.about, _TEXT), *((text, _TEXT) for text in words)]
        widths = [_legend_width(), *(_width(text, size) for text, size in lines)]
        width = max(left + a * self.pitch + right, *(each + 2 * _EDGE for each in widths))
        height = top + k * self.pitch + below
        figure = Figure(figsize=(width / _INCH, height / _INCH), dpi=_DPI, facecolor=_THEME.background)
        page = _Page(figure, width, height)
        y = _EDGE + _TITLE
        if self.title:
            page.text(_EDGE, y, self.title, _TITLE, bold=True)
            y += _GAP + _TEXT
        if self.about:
            page.text(_EDGE, y, self.about, _TEXT, color=_THEME.faint)
        self._matrix(page, left, top)
        self._names(page, left, top, is_turned=is_turned)
        bottom = top + k * self.pitch
        last = width - _EDGE - _legend_width()  # it begins at the matrix where it has room
        self._legend(page, min(left, last) if self.has_names else _EDGE, bottom + 1.6 * _LINE)
        for number, text in enumerate(["Commonest confusions", *words] if words else []):
            page.text(_EDGE, bottom + (4.2 + number) * _LINE, text, _TEXT, bold=number == 0)
        return figure

    def _matrix(self, page: "_Page", left: float, top: float) -> None:
        (k, a), pitch = self.counts.shape, self.pitch
        colors = _colors(self.shares, self.is_right)
        page.cells(left, top, a * pitch, k * pitch, colors, lines=pitch >= 6)
        totals = self.counts.sum(1)
        numbers = [*zip(*np.nonzero(self.counts), strict=True)]
        if len(numbers) > _MOST_NUMBERS:
            numbers = [(i, j) for i, j in numbers if i == j or self.shares[i, j] >= _SMALL_SHARE]
        for i, j in numbers[:_MOST_NUMBERS]:
            text = f"{self.counts[i, j]}"
            size = min(_TEXT, 0.55 * pitch, (pitch - 2) / (0.64 * len(text)))
            if size >= _LEAST:
                page.text(
                    left + (j + 0.5) * pitch, top + (i + 0.5) * pitch, text, size, anchor="center",
                    middle=True, color="#ffffff" if _is_dark(colors[i, j]) else _THEME.ink,
                )  # fmt: skip
        if self.has_names:
            end = left + a * pitch + _GAP
            for i in range(k):
                share = f"{100 * self.shares[i, i]:.0f} %" if totals[i] else "-"
                page.text(end, top + (i + 0.5) * pitch, share, self.size, middle=True, color=_THEME.faint)
            page.text(end, top - _GAP / 2, "right", self.size, color=_THEME.faint)

    def _names(self, page: "_Page", left: float, top: float, *, is_turned: bool) -> None:
        k, pitch = self.counts.shape[0], self.pitch
        for i, name in self._told(self.names):
            page.text(left - _GAP / 2, top + (i + 0.5) * pitch, name, self.size, anchor="right", middle=True)
        for j, name in self._told(self.answers):
            x = left + (j + 0.5) * pitch
            if is_turned:
                page.text(x, top - _GAP / 2, name, self.size, anchor="center", turned=True)
            else:
                page.text(x, top - _GAP / 2, name, self.size, anchor="center")
        page.text(left, page.top_of_names(top, self, is_turned), "answered", _TEXT, color=_THEME.faint)
        page.text(
            _EDGE + _TEXT, top + k * pitch / 2, "true class", _TEXT, anchor="center", color=_THEME.faint,
            turned=True, middle=True,
        )  # fmt: skip

    def _told(self, names: Sequence[str]) -> list[tuple[int, str]]:
        """Return the names that are written: where they are too many, round numbers of classes."""
        if self.has_names:
            return [*enumerate(names)]
        unit = 10 ** (len(str(len(names))) - 2)
        every = next(step for step in (unit, 2 * unit, 5 * unit, 10 * unit) if len(names) / step <= 12)
        return [(i, f"{i:,}") for i in range(0, len(names), every)]

    def _legend(self, page: "_Page", x: float, y: float) -> None:
        for row, (name, is_right) in enumerate((("right", True), (_ANOTHER, False))):
            at = y + row * _LINE
            page.text(x, at, name, _SMALL, color=_THEME.faint)
            start = x + _legend_start()
            for number, share in enumerate(_SHARES):
                color = _colors(np.array([share]), np.array([is_right]))[0]
                page.box(start + number * _SAMPLE, at - _SMALL, 12, _SMALL + 1, color)
                page.text(start + number * _SAMPLE + 15, at, f"{100 * share:g} %", _SMALL, color=_THEME.faint)
            if row == 0:
                page.text(start + len(_SHARES) * _SAMPLE + 4, at, _OF_WHAT, _SMALL, color=_THEME.faint)

    def _words(self) -> list[str]:
        """Return the commonest confusions."""
        wrong = np.where(self.is_right, 0, self.counts)
        order = np.argsort(-wrong, axis=None, kind="stable")[:_COMMONEST]
        found = []
        for i, j in zip(*np.unravel_index(order, wrong.shape), strict=True):
            if count := int(wrong[i, j]):
                total = int(self.counts[i].sum())
                share = f"{100 * count / total:.0f} %"
                found.append(f"{self.names[i]} taken for {self.answers[j]}: {count:,} of {total:,} ({share})")
        return found


def _legend_start() -> float:
    """Return the points before the legend's first sample."""
    return _width(_ANOTHER, _SMALL) + _GAP


def _legend_width() -> float:
    return _legend_start() + len(_SHARES) * _SAMPLE + 4 + _width(_OF_WHAT, _SMALL)


@dataclass(frozen=True)
class _Page:
    """A figure whose places are points from its upper left corner."""

    figure: Any
    width: float
    height: float

    @staticmethod
    def top_of_names(top: float, sheet: _Sheet, is_turned: bool) -> float:
        names = sheet.answers if sheet.has_names else ["0"]
        reach = max(_width(name, sheet.size) for name in names) if is_turned else sheet.size
        return top - _GAP / 2 - reach - 0.75 * _GAP

    def text(
        self, x: float, y: float, text: str, size: float, *, anchor: str = "left", color: str = _THEME.ink,
        bold: bool = False, turned: bool = False, middle: bool = False,
    ) -> None:  # fmt: skip
        """Write a text whose baseline, or with `middle` whose middle, is at y; turned it reads upwards."""
        vertical = "center_baseline" if middle else "baseline"
        if turned:
            vertical = "center" if middle else "bottom"
        self.figure.text(
            x / self.width, 1 - y / self.height, text, size=size, ha=anchor, va=vertical, color=color,
            weight="bold" if bold else "normal", rotation=90 if turned else 0, parse_math=False,
        )  # fmt: skip

    def box(self, x: float, y: float, width: float, height: float, color: np.ndarray) -> None:
        """Draw a rectangle."""
        from matplotlib.patches import Rectangle

        corner = (x / self.width, 1 - (y + height) / self.height)
        size = (width / self.width, height / self.height)
        self.figure.add_artist(Rectangle(corner, *size, facecolor=color, edgecolor="none", lw=0))

    def cells(
        self, x: float, y: float, width: float, height: float, colors: np.ndarray, *, lines: bool
    ) -> None:
        """Draw cells of these colours, with lines of the background between them."""
        box = (x / self.width, 1 - (y + height) / self.height, width / self.width, height / self.height)
        axes = self.figure.add_axes(box)
        rows, columns = colors.shape[:2]
        axes.imshow(colors, aspect="auto", interpolation="nearest", extent=(0, columns, rows, 0))
        if lines:
            axes.vlines(range(1, columns), 0, rows, color=_THEME.background, lw=0.8)
            axes.hlines(range(1, rows), 0, columns, color=_THEME.background, lw=0.8)
            if columns > _TENS_FROM:  # the eye counts from one to the next
                axes.vlines(range(10, columns, 10), 0, rows, color=_THEME.background, lw=2.4)
                axes.hlines(range(10, rows, 10), 0, columns, color=_THEME.background, lw=2.4)
        axes.set_axis_off()


def _colors(shares: np.ndarray, is_right: np.ndarray) -> np.ndarray:
    """Return a colour for each share, (..., 3) in [0, 1]; mixed by its square root, so that 1 % is seen."""
    mixed = np.sqrt(shares)[..., None]
    full = np.where(is_right[..., None], _rgb(_RIGHT), _rgb(_WRONG))
    found: np.ndarray = np.where(
        shares[..., None] > 0, (1 - mixed) * _rgb(_THEME.background) + mixed * full, _rgb(_EMPTY)
    )
    return found


def _rgb(color: str) -> np.ndarray:
    return np.array([int(color[start : start + 2], 16) for start in (1, 3, 5)]) / 255


def _is_dark(color: np.ndarray) -> bool:
    """Return whether white is read better on it than ink, by WCAG's relative luminance."""
    linear = np.where(color <= 0.04045, color / 12.92, ((color + 0.055) / 1.055) ** 2.4)
    return bool(linear @ np.array([0.2126, 0.7152, 0.0722]) < 0.2)


def _width(text: str, size: float) -> float:
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    if not text:
        return 0.0
    measured: Any = text_to_path
    return float(measured.get_text_width_height_descent(text, FontProperties(size=size), ismath=False)[0])
