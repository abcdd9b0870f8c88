"""A comparison as text of 80 columns, Markdown, LaTeX, plain data and CSV."""

import os
import re
from collections.abc import Iterator, Sequence
from typing import Any

from resnetlab.base.lettering import in_a_line
from resnetlab.base.units import first_of
from resnetlab.reporting.comparing.judging import Pair, warnings_of
from resnetlab.reporting.comparing.same_images import Flip
from resnetlab.reporting.comparing.sides import Side
from resnetlab.reporting.comparing.words import error_text, interval_of, p_text, sentences
from resnetlab.reporting.latex import latex_list, latex_table
from resnetlab.show.tables.align import NO_BREAK, markdown_table, markdown_text, table, titled

WIDTH = 80
_MOST_PLACES = 3
_MOST_COMMANDS = 6
_COMMANDS = "To compare them on the same images, have every answer kept"
_LONGEST_CELL = 24  # letters of a place or a class in the list of images

Flips = tuple[list[Flip], list[Flip]]


def number_of_tests(pairs: Sequence[Pair]) -> tuple[int, int]:
    """Return how many tests over seeds there are, and on images."""
    return sum(pair.seeds is not None for pair in pairs), sum(len(pair.images) for pair in pairs)


def comparison_text(sides: Sequence[Side], pairs: Sequence[Pair], flips: Flips, notes: Sequence[str]) -> str:
    """Return sides, sentences, the images that flip and the notes, in 80 columns but for long names."""
    tests = number_of_tests(pairs)
    lines = [table(*_side_table(sides), left=2), *_places(sides), ""]
    for pair in pairs:
        lines += [*(wrapped("", text) for text in sentences(pair, tests)), ""]
    lines += _seeds_text(pairs)
    lines += flips_text(pairs, flips)
    lines += [wrapped(*note) for note in _notes(sides, pairs, notes)]
    if commands := missing_commands(pairs):
        lines += ["", f"{_COMMANDS}:", *_first_lines(commands)]
    return "\n".join(lines).rstrip("\n")


def _first_lines(commands: Sequence[str]) -> Iterator[str]:
    yield from (f"  {in_a_line(command)}" for command in commands[:_MOST_COMMANDS])
    if len(commands) > _MOST_COMMANDS:
        yield f"  ... and so on, {len(commands)} in all: --json names them"


_KEPT_TOGETHER = re.compile(r" (?=%)|(?<=\b[pn]) (?=[=<])|(?<=[=<]) (?=[.\d])|(?<=±) | (?=±)")


def wrapped(title: str, text: str) -> str:
    """Return the text behind its title in lines of 80 columns, numbers with what belongs to them."""
    return titled(title, _KEPT_TOGETHER.sub(NO_BREAK, in_a_line(text)), width=WIDTH)


def _side_table(sides: Sequence[Side]) -> tuple[list[str], list[list[str]]]:
    header = ["", "network", "n", "error, %"]
    return header, [[s.letter, s.name, str(len(s.errors)), error_text(s)] for s in sides]


def _places(sides: Sequence[Side]) -> Iterator[str]:
    yield ""
    for side in sides:
        yield wrapped(f"{side.letter}  ", _where(side))
    first = sides[0].members[0]
    yield wrapped("", f"Errors are on the {first.split} split of {first.data}, {first.seen:,} images.")


def _where(side: Side) -> str:
    paths = [str(member.path) for member in side.members]
    folders = {os.path.dirname(path) for path in paths}
    if len(paths) > 1 and len(folders) == 1 and (folder := folders.pop()):
        return f"{folder}: {first_of([os.path.basename(path) for path in paths], _MOST_PLACES)}"
    return first_of(paths, _MOST_PLACES)


def _notes(sides: Sequence[Side], pairs: Sequence[Pair], notes: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield what stands below, each a title and a text."""
    for side in sides:
        for text in warnings_of(side):
            yield ("note: ", f"{side.letter}: {text}")
    for text in notes:
        yield ("note: ", text)
    yield from (("", text) for text in explanations(sides, pairs))


def missing_commands(pairs: Sequence[Pair]) -> list[str]:
    """Return what is typed to have the answers written that are missing."""
    return [*dict.fromkeys(member.command for pair in pairs for member in pair.without_answers)]


def explanations(sides: Sequence[Side], pairs: Sequence[Pair]) -> Iterator[str]:
    """Yield what the numbers of the table and the sentences are."""
    seeds, images = number_of_tests(pairs)
    if any(side.std is not None for side in sides):
        yield "± in the table: sample standard deviation over n seeds."
    if any(len(side.members) == 1 for side in sides):
        yield "In brackets: 95 % interval over images (Wilson)."
    if seeds:
        yield "± of a difference: its 95 % interval by Welch's t; p and it are of other seeds."
    if images:
        yield "McNemar's p is of other images of the kind, for these networks alone, not for other seeds."
    if max(seeds, images) > 1:
        yield "p is corrected for all tests of its kind here (Holm, 1979), intervals are not."


def _seeds_text(pairs: Sequence[Pair]) -> Iterator[str]:
    """Yield the table of networks on the same images, if there is one pair of sides with several seeds."""
    if len(pairs) != 1 or len(pairs[0].images) < 2:
        return
    pair = pairs[0]
    header = ["seeds", f"{pair.first.letter} alone", f"{pair.second.letter} alone", "both", "neither", "p"]
    rows = []
    for each in pair.images:
        seeds = dict.fromkeys((str(each.first.seed), str(each.second.seed)))
        counts = (each.only_first, each.only_second, each.both, each.neither)
        rows.append(["/".join(seeds), *(f"{count:,}" for count in counts), _p_cell(each.p_corrected)])
    yield "Right on the same images:"
    yield table(header, rows)
    yield ""


def _p_cell(p: float) -> str:
    return p_text(p).removeprefix("p ").removeprefix("= ")


def flips_text(pairs: Sequence[Pair], flips: Flips) -> Iterator[str]:
    """Yield the tables of images that one side alone got right; only if there is one pair of sides."""
    if len(pairs) != 1 or not any(flips):
        return
    pair = pairs[0]
    sides = (pair.first, pair.second)
    for index, (side, found) in enumerate(zip(sides, flips, strict=True)):
        if not found:
            continue
        count = sum((each.only_first, each.only_second)[index] for each in pair.images)
        of = f"{len(found)} of {count:,}" if len(pair.images) == 1 else "those most seeds agree on"
        yield f"Right in {side.letter} alone ({of}):"
        yield table(*flip_table(pair, found), left=4 if len(pair.images) == 1 else 2)
        yield ""


def flip_table(pair: Pair, found: Sequence[Flip]) -> tuple[list[str], list[list[str]]]:
    """Return header and rows of a list of images."""
    if len(pair.images) == 1:
        header = ["image", "truth", f"{pair.first.letter} says", f"{pair.second.letter} says"]
        return header, [[_cut(flip.name), *map(_cut_short, (flip.truth, *flip.answers))] for flip in found]
    header = ["image", "truth", f"right in {pair.first.letter}", f"right in {pair.second.letter}"]
    of = len(pair.images)
    return header, [
        [_cut(flip.name), _cut_short(flip.truth), *(f"{count} of {of}" for count in flip.right)]
        for flip in found
    ]


def _cut(text: str) -> str:
    """Return the end of a long place, where the file's name is."""
    return text if len(text) <= _LONGEST_CELL else f"...{text[3 - _LONGEST_CELL :]}"


def _cut_short(text: str) -> str:
    return text if len(text) <= 16 else f"{text[:13]}..."


def _pair_table(pairs: Sequence[Pair]) -> tuple[list[str], list[list[str]]]:
    header = ["", "difference, points", "95 % interval", "p", "one alone right", "p (images)"]
    rows = []
    for pair in pairs:
        row = [f"{pair.first.letter} - {pair.second.letter}", f"{pair.difference:+.2f}"]
        row += ["{:.2f} to {:.2f}".format(*pair.seeds.interval)] if pair.seeds else [""]
        row += [_p_cell(pair.p_corrected)] if pair.p_corrected is not None else [""]
        row += ["; ".join(f"{each.only_first:,} : {each.only_second:,}" for each in pair.images)]
        row += ["; ".join(_p_cell(each.p_corrected) for each in pair.images)]
        rows.append(["" if pair.refused and index else cell for index, cell in enumerate(row)])
    kept = [i for i in range(len(header)) if i < 2 or any(row[i] for row in rows)]
    return [header[i] for i in kept], [[row[i] for i in kept] for row in rows]


def _remarks(sides: Sequence[Side], pairs: Sequence[Pair], notes: Sequence[str]) -> list[str]:
    tests = number_of_tests(pairs)
    said = [text for pair in pairs for text in sentences(pair, tests)]
    said += [f"{title}{text}" for title, text in _notes(sides, pairs, notes)]
    commands = missing_commands(pairs)
    return [*said, f"{_COMMANDS}: {first_of(commands, _MOST_COMMANDS, between='; ')}"] if commands else said


def comparison_markdown(sides: Sequence[Side], pairs: Sequence[Pair], notes: Sequence[str]) -> str:
    """Return sides and pairs as tables in GitHub's Markdown, the sentences as a list."""
    lines = [f"- {markdown_text(text)}" for text in _remarks(sides, pairs, notes)]
    tables = [markdown_table(*_side_table(sides), left=2), "", markdown_table(*_pair_table(pairs))]
    return "\n".join([*tables, "", *lines])


def comparison_latex(sides: Sequence[Side], pairs: Sequence[Pair], notes: Sequence[str]) -> str:
    """Return the same in LaTeX, the tables by booktabs."""
    tables = [latex_table(*_side_table(sides), left=2), latex_table(*_pair_table(pairs))]
    return "\n\n".join([*tables, latex_list(_remarks(sides, pairs, notes))])


def side_json(side: Side) -> dict[str, Any]:
    """Return a side as plain JSON data."""
    first = side.members[0]
    return {
        "letter": side.letter,
        "name": side.name,
        "data": first.data,
        "fingerprint": first.fingerprint,
        "split": first.split,
        "views": first.views,
        "images": first.seen,
        "n": len(side.errors),
        "errors": list(side.errors),
        "error_mean": side.mean,
        "error_std": side.std,
        "interval": list(interval_of(side)) if len(side.members) == 1 else None,
        "seeds": [member.seed for member in side.members],
        "paths": [str(member.path) for member in side.members],
        "warnings": [*warnings_of(side)],
    }


def pair_json(pair: Pair, tests: tuple[int, int], flips: Flips = ([], [])) -> dict[str, Any]:
    """Return a pair as plain JSON data: errors in %, differences in points of it, first less second.

    `words` are all that there is to say, a sentence each; what could not be computed is null.
    """
    refused = bool(pair.refused)
    return {
        "first": side_json(pair.first),
        "second": side_json(pair.second),
        "refused": pair.refused,
        "difference": None if refused else pair.difference,
        "interval": list(pair.seeds.interval) if pair.seeds else None,
        "half_width": pair.seeds.half_width if pair.seeds else None,
        "df": pair.seeds.df if pair.seeds else None,
        "p": pair.seeds.p if pair.seeds else None,
        "p_corrected": pair.p_corrected,
        "tests": tests[0],
        "is_more_than_chance": pair.is_more_than_chance,
        "images": [
            {
                "first": str(each.first.path),
                "second": str(each.second.path),
                "seeds": [each.first.seed, each.second.seed],
                "both": each.both,
                "only_first": each.only_first,
                "only_second": each.only_second,
                "neither": each.neither,
                "p": each.p,
                "p_corrected": each.p_corrected,
                "tests": tests[1],
            }
            for each in pair.images
        ],
        "flips": {
            name: [_flip_json(flip) for flip in found]
            for name, found in zip(("first", "second"), flips, strict=True)
        },
        "words": [*sentences(pair, tests)],
        "warnings": list(pair.warnings),
        "commands": missing_commands([pair]),
    }


def _flip_json(flip: Flip) -> dict[str, Any]:
    return {
        "sample": flip.sample,
        "place": flip.place,
        "truth": flip.truth,
        "answers": list(flip.answers),
        "right": list(flip.right),
    }
