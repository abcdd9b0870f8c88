"""What needed the network, and was computed at evaluation: pictures become a part of report.json."""

import base64
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from resnetlab.base.reading.plain import read_json, read_plain
from resnetlab.evaluation.insights import NAME
from resnetlab.reporting.values import is_number, number_of, texts_of

_MOST_OF_A_PICTURE = 2**19
_MOST_OF_ALL = 3_500_000
"""Bytes of all pictures: base64 makes a third more of them, and a page is to stay below 5 MB."""
_MOST_OF_A_KIND = 60
_MOST_OF_A_CELL = 12
_CELL = re.compile(r"(\d{1,9})>(-1|\d{1,9})")
_NO_CLASS = -1
_NUMBERS = ("probability", "probability_of_truth", "loss")
_PNG, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"


class Pictures:
    """The pictures of a page, each once, as data URIs; which is which is a number."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers: dict[str, int | None] = {}
        self._size = 0
        self.uris: list[str] = []
        self.problems: list[str] = []
        self.left_out = 0

    def add(self, name: object) -> int | None:
        """Return the number of the picture of that name; None if there is none that can be shown."""
        if not isinstance(name, str) or not name:
            return None
        if name not in self._numbers:
            self._numbers[name] = self._read(name)
        return self._numbers[name]

    def _read(self, name: str) -> int | None:
        if Path(name).name != name or name in (".", ".."):
            self.problems.append(f"{name!r} is no name of a picture in {self._folder}")
            return None
        try:
            content = read_plain(self._folder / name, most=_MOST_OF_A_PICTURE)
        except (OSError, ValueError) as error:
            self.problems.append(f"{self._folder / name} cannot be read: {error}")
            return None
        kind = "png" if content.startswith(_PNG) else "jpeg" if content.startswith(_JPEG) else ""
        if not kind:
            self.problems.append(f"{self._folder / name} is no PNG or JPEG.")
            return None
        if self._size + len(content) > _MOST_OF_ALL:
            self.left_out += 1
            return None
        self._size += len(content)
        self.uris.append(f"data:image/{kind};base64,{base64.b64encode(content).decode()}")
        return len(self.uris) - 1


def read_insights(folder: Path, count: int) -> tuple[dict[str, Any] | None, list[str]]:
    """Return what lies in an evaluation's `insights`, None if there is nothing, and what is wrong with it.

    Args:
        folder: See `evaluation.insights`.
        count: Of the classes that were scored. An answer that is none of them gets this number.
    """
    path = folder / NAME
    if not path.exists():
        return None, []
    try:
        content = read_json(path)
    except (OSError, ValueError) as error:
        return None, [f"{path} cannot be read: {error}"]
    if not isinstance(content, dict):
        return None, [f"{path} is damaged: no JSON object."]
    pictures = Pictures(folder)
    found: dict[str, Any] = {
        "worst": [*_images(content.get("worst"), pictures, count)],
        "doubtful": [*_images(content.get("doubtful"), pictures, count)],
        "filters": pictures.add(content.get("filters")),
        "cells": dict(_cells(content.get("confusions"), pictures, count)),
        "responses": [*_rows(content.get("responses"), ("deviation",))],
        "depth": [*_rows(content.get("depth"), ("signal", "gradient"))],
        "images": number_of(content.get("images")),
        "seconds": number_of(content.get("seconds")),
        "left_out": texts_of(content.get("left_out")),
    }
    if pictures.left_out:
        found["left_out"].append(f"{pictures.left_out} pictures, to keep the page below 5 MB")
    return found | {"pictures": pictures.uris}, pictures.problems[:5]


def _images(rows: object, pictures: Pictures, count: int) -> Iterator[dict[str, Any]]:
    for row in (rows if isinstance(rows, list) else [])[:_MOST_OF_A_KIND]:
        if not isinstance(row, dict):
            continue
        truth, answer = _class(row.get("truth"), count), _class(row.get("answer"), count)
        if truth is None or truth == count or answer is None:
            continue
        yield {
            "sample": row["sample"] if isinstance(row.get("sample"), int) else None,
            "place": str(row.get("place") or ""),
            "truth": truth,
            "answer": answer,
            **{name: number_of(row.get(name)) for name in _NUMBERS},
            "image": pictures.add(row.get("image")),
            "cam": pictures.add(row.get("cam")),
        }


def _class(number: object, count: int) -> int | None:
    """Return the number of a class, that behind the last for -1; None if there is no such class."""
    if not isinstance(number, int) or isinstance(number, bool) or not _NO_CLASS <= number < count:
        return None
    return count if number == _NO_CLASS else number


def _cells(cells: object, pictures: Pictures, count: int) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yield the pictures of each confusion, by "TRUTH>ANSWER" in numbers of classes."""
    for key, rows in cells.items() if isinstance(cells, dict) else ():
        match = _CELL.fullmatch(str(key))
        numbers = [_class(int(number), count) for number in match.groups()] if match else [None]
        if None in numbers or not isinstance(rows, list):
            continue
        found = [
            {
                "image": picture,
                "place": str(row.get("place") or ""),
                "probability": number_of(row.get("probability")),
            }
            for row in rows[:_MOST_OF_A_CELL]
            if isinstance(row, dict) and (picture := pictures.add(row.get("image"))) is not None
        ]
        if found:
            yield f"{numbers[0]}>{numbers[1]}", found


def _rows(rows: object, names: Sequence[str]) -> Iterator[dict[str, Any]]:
    for row in (rows if isinstance(rows, list) else [])[:2000]:
        if isinstance(row, dict) and all(is_number(row.get(name)) for name in names):
            yield {"layer": str(row.get("layer", "")), **{name: row[name] for name in names}}
