"""What a source shows of itself in a cell of a notebook: how many images of which class, and some of them."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from resnetlab.base.pages import cell
from resnetlab.base.units import first_of
from resnetlab.data.images.geometry import Pixels
from resnetlab.data.images.thumbnail import thumbnail
from resnetlab.data.sources.labelling import Labels
from resnetlab.errors import DataError

_SIDE = 64  # pixels of a picture in a cell
_MOST_PICTURES = 12
_MOST_CLASSES = 20


def pictures(labels: Labels, names: Sequence[str], read: Callable[[int], Pixels]) -> str:
    """Return the first image of each class, of the first classes; of those that cannot be read, none.

    Args:
        labels: Of all images.
        names: Of the classes.
        read: Returns the pixels of an image by its number.
    """
    return cell.beside(_pictures(labels, names, read))


def _pictures(labels: Labels, names: Sequence[str], read: Callable[[int], Pixels]) -> Iterator[str]:
    found, first = np.unique(labels, return_index=True)
    for label, index in [*zip(found.tolist(), first.tolist(), strict=True)][:_MOST_PICTURES]:
        try:
            content, is_small = thumbnail(read(index), _SIDE)
        except DataError:
            continue
        name = names[label]
        shown = cell.picture(content, name, width=_SIDE if is_small else 0, is_pixelated=is_small)
        yield cell.captioned(shown, name, width=_SIDE)


def counts(by_split: Mapping[str, Sequence[int]], names: Sequence[str]) -> str:
    """Return how many images each class has in each split, or of many classes how many at least and most."""
    if len(names) > _MOST_CLASSES:
        rows = [
            (cell.text(part), f"{sum(each):,}", f"{min(each):,} to {max(each):,}")
            for part, each in by_split.items()
        ]
        table = cell.table(("split", "images", "of a class"), rows, numbers=(1, 2))
        return table + cell.paragraph(f"{len(names):,} classes: {first_of(names, _MOST_CLASSES)}")
    header = ("class", *by_split)
    by_class = [
        (cell.text(name), *(f"{each[index]:,}" for each in by_split.values()))
        for index, name in enumerate(names)
    ]
    together = ("all", *(f"{sum(each):,}" for each in by_split.values()))
    return cell.table(header, [*by_class, together], numbers=range(1, len(header)))
