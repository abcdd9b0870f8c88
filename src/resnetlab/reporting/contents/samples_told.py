"""The training images that a run has left in samples.json, to be looked at."""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from resnetlab.base.reading.plain import read_json, read_plain
from resnetlab.reporting.values import is_count

_NAMES = {"samples.png": ("png", b"\x89PNG\r\n\x1a\n"), "samples.jpg": ("jpeg", b"\xff\xd8\xff")}
_MOST_BYTES = 2**18
_MOST = 200
_MOST_SIDE = 1024


def read_samples(run: Path, problems: list[str]) -> dict[str, Any] | None:
    """Return the picture, how it is divided, and the class and place of each image; None without one."""
    path = run / "samples.json"
    try:
        content = read_json(path)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        problems.append(f"{path} cannot be read: {error}")
        return None
    if not isinstance(content, dict) or not _is_whole(content):
        problems.append(f"{path} is damaged, or of another version.")
        return None
    kind, begins = _NAMES[content["picture"]]
    picture = run / content["picture"]
    try:
        pixels = read_plain(picture, most=_MOST_BYTES)
    except (OSError, ValueError) as error:
        problems.append(f"{picture} cannot be read: {error}")
        return None
    if not pixels.startswith(begins):
        problems.append(f"{picture} is no picture of its kind.")
        return None
    return {
        "picture": f"data:image/{kind};base64,{base64.b64encode(pixels).decode()}",
        "side": content["side"],
        "columns": content["columns"],
        "samples": [
            {"class": str(each["class"]), "place": str(each["place"])} for each in content["samples"]
        ],
    }


def _is_whole(content: Mapping[str, Any]) -> bool:
    samples, sizes = content.get("samples"), (content.get("side"), content.get("columns"))
    return (
        content.get("picture") in (*_NAMES,)
        and all(is_count(size) and 0 < size <= _MOST_SIDE for size in sizes)
        and isinstance(samples, list)
        and 0 < len(samples) <= _MOST
        and all(isinstance(each, dict) and {"class", "place"} <= each.keys() for each in samples)
    )
