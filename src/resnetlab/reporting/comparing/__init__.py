"""Whether two networks differ by more than chance: over seeds, and on the same images. Imports no torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resnetlab.base import files
from resnetlab.base.paths import user_path
from resnetlab.base.plaindata import csv_text
from resnetlab.errors import DataError, UsageError
from resnetlab.reporting.comparing.judging import Pair, judge, refusal
from resnetlab.reporting.comparing.same_images import AnswerBook, Flip, flip_rows, flips
from resnetlab.reporting.comparing.sides import Side, find_sides, sides_of
from resnetlab.reporting.comparing.tables import (
    comparison_latex,
    comparison_markdown,
    comparison_text,
    number_of_tests,
    pair_json,
    side_json,
)
from resnetlab.reporting.groups import Group

__all__ = ["Comparison", "Flip", "Pair", "Side", "compare", "comparisons"]

_MOST_FLIPS = 5


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two or more sides, each pair of them judged. Printed, it is sentences with their numbers."""

    sides: tuple[Side, ...]
    pairs: tuple[Pair, ...]
    notes: tuple[str, ...]
    """What was left out."""
    most_flips: int
    """Images that are listed of each direction."""
    _book: AnswerBook

    def __repr__(self) -> str:
        return f"<Comparison of {', '.join(side.title for side in self.sides)}>"

    def __str__(self) -> str:
        found = self.flips() if len(self.pairs) == 1 else ([], [])
        return comparison_text(self.sides, self.pairs, found, self.notes)

    def _repr_markdown_(self) -> str:
        return self.markdown()

    def flips(self, pair: int = 0, most: int | None = None) -> tuple[list[Flip], list[Flip]]:
        """Return the images that the first side of a pair alone got right, and those of the second.

        Args:
            pair: The number of the pair.
            most: How many of each; None is `most_flips`.
        """
        most = self.most_flips if most is None else most
        return flips(self.pairs[pair].images, self._book, most)

    def markdown(self) -> str:
        """Return tables and sentences in GitHub's Markdown."""
        return comparison_markdown(self.sides, self.pairs, self.notes)

    def latex(self) -> str:
        """Return tables and sentences in LaTeX, the tables by booktabs."""
        return comparison_latex(self.sides, self.pairs, self.notes)

    def to_json(self) -> dict[str, Any]:
        """Return all numbers and sentences as plain JSON data."""
        tests = number_of_tests(self.pairs)
        return {
            "sides": [side_json(side) for side in self.sides],
            "comparisons": [
                pair_json(pair, tests, self.flips(index)) for index, pair in enumerate(self.pairs)
            ],
            "notes": list(self.notes),
        }

    def to_csv(self, path: str | Path) -> None:
        """Write every image that one of two networks alone got right, a line each.

        Raises:
            UsageError: If the answers of no two networks are there.
            WriteError: If the file could not be written.
        """
        if not any(pair.images for pair in self.pairs):
            raise UsageError(
                "no list of images: the answers of no two networks are there",
                hint="\n".join(member.command for pair in self.pairs for member in pair.without_answers),
            )
        header = ["first", "second", "first_seed", "second_seed", "sample", "place", "truth"]
        rows = [
            row for pair in self.pairs for row in flip_rows(pair.first, pair.second, pair.images, self._book)
        ]
        header += ["first_answer", "second_answer", "right"]
        files.write_file(user_path(path), csv_text([header, *rows]))


def compare(*paths: str | Path, flips: int = _MOST_FLIPS) -> Comparison:
    """Return whether networks differ by more than chance.

    Over seeds, by Welch's t on the test errors of runs; on the same images, where every answer was kept, by
    McNemar's exact test. Runs that differ in nothing but the seed are one side, wherever they lie; if all of
    them do, each path is a side. Of more than two sides each pair is compared, p corrected by Holm.

    Args:
        paths: Runs, folders of runs, and folders of evaluations.
        flips: Images to list that one of two sides alone got right, of each.

    Raises:
        UsageError: If there is nothing to compare, or what is named cannot be compared: other data, other
            splits, other numbers of images, the same network twice.
        DataError: If files are damaged; all problems are named at once.
    """
    if flips < 0:
        raise UsageError(f"flips is a number from 0 on, got {flips}")
    sides, notes = find_sides(paths)
    refused = [why for i, first in enumerate(sides) for s in sides[i + 1 :] if (why := refusal(first, s))]
    if refused:
        told = "\n".join(dict.fromkeys(refused))
        raise UsageError(
            f"what is named cannot be compared:\n{told}",
            hint="Name networks scored on the same images, in one way.",
        )
    book = AnswerBook()
    pairs = judge(sides, book)
    if book.problems:
        told = "\n".join(dict.fromkeys(book.problems.values()))
        raise DataError(told, hint="`resnetlab eval` writes them anew; moved away, the rest is compared.")
    return Comparison(tuple(sides), tuple(pairs), tuple(notes), flips, book)


def comparisons(groups: Sequence[Group]) -> list[dict[str, Any]]:
    """Return every pair of groups of runs, compared, as plain JSON data with the sentences in `words`.

    For report.json and its page: what cannot be compared is there too, with `refused` and the words for it;
    damaged answers count as missing, which a warning says.
    """
    book = AnswerBook()
    pairs = judge(sides_of(groups), book)
    tests = number_of_tests(pairs)
    found = []
    for pair in pairs:
        row = pair_json(pair, tests, flips(pair.images, book, _MOST_FLIPS))
        damaged = [book.problems[m.path] for m in pair.without_answers if m.path in book.problems]
        found.append(row | {"warnings": [*row["warnings"], *damaged]})
    return found
