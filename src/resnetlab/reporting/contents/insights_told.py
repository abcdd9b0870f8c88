"""What needed the network, and was computed at evaluation: pictures become a part of report.json."""

import base64
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from resnetlab.reporting.contents.scored import is_number
from resnetlab.runs.plain_reading import read_json, read_plain

_MOST_OF_A_PICTURE = 2**19
_MOST_OF_ALL = 3_500_000
"""Bytes of all pictures: base64 makes a third more of them, and a page is to stay below 5 MB."""
_MOST_OF_A_KIND = 60
_MOST_OF_A_CELL = 12
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


def read_insights(folder: Path, classes: Sequence[str]) -> tuple[dict[str, Any] | None, list[str]]:
    """Return what lies in an evaluation's `insights`, None if there is nothing, and what is wrong with it."""
    path = folder / "insights.json"
    if not path.exists():
        return None, []
    try:
        content = read_json(path)
    except (OSError, ValueError) as error:
        return None, [f"{path} cannot be read: {error}"]
    if not isinstance(content, dict):
        return None, [f"{path} is damaged: no JSON object."]
    pictures, number = Pictures(folder), _numbers_of(classes)
    found: dict[str, Any] = {
        "worst": [*_images(content.get("worst"), pictures, number)],
        "doubtful": [*_images(content.get("doubtful"), pictures, number)],
        "filters": pictures.add(content.get("filters")),
        "cells": dict(_cells(content.get("confusions"), pictures, number, _places(content))),
        "responses": [*_rows(content.get("responses"), ("deviation",))],
        "depth": [*_rows(content.get("depth"), ("signal", "gradient"))],
        "seconds": content["seconds"] if is_number(content.get("seconds")) else None,
        "left_out": [str(why) for why in content.get("left_out") or [] if isinstance(why, str)],
    }
    if pictures.left_out:
        found["left_out"].append(f"{pictures.left_out} pictures, to keep the page below 5 MB")
    return found | {"pictures": pictures.uris}, pictures.problems[:5]


def _numbers_of(classes: Sequence[str]) -> Mapping[object, int]:
    """Return a class' place by its number, or by its name; one that the data has not is behind the last."""
    places: dict[object, int] = {-1: len(classes), "-1": len(classes)}
    for index, _name in reversed([*enumerate(classes)]):
        places |= {index: index, str(index): index}
    return places | {name: index for index, name in reversed([*enumerate(classes)])}


def _images(rows: object, pictures: Pictures, number: Mapping[object, int]) -> Iterator[dict[str, Any]]:
    for row in (rows if isinstance(rows, list) else [])[:_MOST_OF_A_KIND]:
        if not isinstance(row, dict) or not _is_known(row, number):
            continue
        yield {
            "sample": row["sample"] if isinstance(row.get("sample"), int) else None,
            "place": str(row.get("place") or ""),
            "truth": number[row["truth"]],
            "answer": number[row["answer"]],
            "probability": row["probability"] if is_number(row.get("probability")) else None,
            "loss": row["loss"] if is_number(row.get("loss")) else None,
            "image": pictures.add(row.get("image")),
            "cam": pictures.add(row.get("cam")),
        }


def _is_known(row: Mapping[str, Any], number: Mapping[object, int]) -> bool:
    values = [row.get("truth"), row.get("answer")]
    return all(isinstance(value, int | str) and value in number for value in values)


def _places(content: Mapping[str, Any]) -> dict[str, str]:
    """Return where the images come from, by the names of their pictures."""
    rows = [row for kind in ("worst", "doubtful") for row in content.get(kind) or [] if isinstance(row, dict)]
    return {str(row.get("image")): str(row.get("place") or "") for row in rows}


def _cells(
    cells: object, pictures: Pictures, number: Mapping[object, int], places: Mapping[str, str]
) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yield the pictures of each confusion, by "TRUTH>ANSWER" in places of classes."""
    for key, images in cells.items() if isinstance(cells, dict) else ():
        parts = str(key).split(">")
        ways = [(">".join(parts[:cut]), ">".join(parts[cut:])) for cut in range(1, len(parts))]
        known = next(((number[t], number[a]) for t, a in ways if t in number and a in number), None)
        if known is None or not isinstance(images, list):
            continue
        found = []
        for image in images[:_MOST_OF_A_CELL]:
            told = image if isinstance(image, dict) else {"image": image, "place": places.get(str(image))}
            picture = pictures.add(told.get("image"))
            if picture is not None:
                found.append({"image": picture, "place": str(told.get("place") or "")})
        if found:
            yield f"{known[0]}>{known[1]}", found


def _rows(rows: object, names: Sequence[str]) -> Iterator[dict[str, Any]]:
    for row in (rows if isinstance(rows, list) else [])[:2000]:
        if isinstance(row, dict) and all(is_number(row.get(name)) for name in names):
            yield {"layer": str(row.get("layer", "")), **{name: row[name] for name in names}}
