"""What a page shows of the inside of a network and of its worst answers, as files. No torch.

insights/insights.json, and beside it the pictures that it names:

    worst, doubtful   [{sample, place, truth, answer, probability, probability_of_truth, loss, image, cam}]:
                      the mistakes with the greatest loss, and the images whose label is the most doubtful.
                      Classes are numbers, in the order of the scores, -1 for one that the data has not; image
                      and cam (Grad-CAM over it) are names of files, or null
    confusions        "TRUTH>ANSWER" by these numbers: rows alike
    filters           the name of a picture, or null
    responses         [{layer, deviation}]
    depth             [{layer, signal, gradient}]
    images            how many images these two were measured on
    seconds           that all of it took
    left_out          what is missing, and why, in sentences
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resnetlab.base import files
from resnetlab.base.plaindata import to_json_bytes

FOLDER = "insights"
NAME = "insights.json"
_OURS = re.compile(r"insights\.json|filters\.png|(image|cam)-\d{8,}\.(png|jpg)")


@dataclass(frozen=True, eq=False)
class Insights:
    """What a page shows of the inside of a network and of its worst answers."""

    content: Mapping[str, Any]
    """Of insights.json, without the names' pictures."""
    pictures: Mapping[str, bytes]
    """Content by name."""


def write_insights(out: Path, insights: Insights | None) -> None:
    """Write them into `out`/insights, whole or not at all, in place of those of an evaluation before.

    With None these go only. Where somebody else's files lie there too, nothing is written.

    Raises:
        WriteError: If it cannot be written.
    """
    folder = out / FOLDER
    _remove_former(folder)
    if insights is None:
        return
    with files.growing_directory(folder) as growing:
        for name, content in insights.pictures.items():
            files.write_part(growing / name, content)
        files.write_part(growing / NAME, to_json_bytes(insights.content))


def _remove_former(folder: Path) -> None:
    """Remove what was written there before; of a folder with other things in it what says what it shows."""
    if folder.is_symlink() or not folder.is_dir():
        return
    if all(_OURS.fullmatch(name) for name in os.listdir(folder)):
        files.remove_directory(folder)
    else:
        files.remove_file(folder / NAME)
