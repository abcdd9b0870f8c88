"""The pictures of a run that trackers get at its end: its curves, and which class was taken for which."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from resnetlab.reporting import report
from resnetlab.reporting.contents.scored import evaluations_in, read_evaluation
from resnetlab.reporting.pictures.confusion import draw_confusion

_MOST_CLASSES = 1000


def pictures_of(run: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the pictures as PNG, each with its name.

    Raises:
        ResnetlabError: If there is nothing to draw.
    """
    yield "curves", report(run).plot().png
    for folder in evaluations_in(run)[:1]:
        found, _ = read_evaluation(folder)
        if found and len(found["answers"]) <= _MOST_CLASSES:
            counts = np.zeros((len(found["classes"]), len(found["answers"])), np.int64)
            for truth, answer, count in found["confusion"]:
                counts[truth, answer] = count
            title = f"{found['data']}, {found['split']}"
            yield "confusion", draw_confusion(counts, found["classes"], found["answers"], title=title)
