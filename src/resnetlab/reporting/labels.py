"""Where the names at the ends of lines stand, so that none covers another."""

from collections.abc import Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True, kw_only=True)
class Label:
    """A box of text to the right of a point; all in points of the page, y upwards."""

    x: float
    """Its left side."""
    y: float
    """Its middle; as it is wished, or as it was found."""
    width: float
    height: float


def spread(labels: Sequence[Label], low: float, high: float) -> list[Label]:
    """Return the labels, in their order, moved up or down no farther than it takes, and within low and high.

    Only those are kept apart that have columns of the page in common. If there is no room for all between
    the two, they reach beyond `high`.
    """
    placed: dict[int, Label] = {}
    for members in _columns(labels):
        order = sorted(members, key=lambda index: labels[index].y)
        middles = _stacked([labels[i].y for i in order], [labels[i].height for i in order], low, high)
        placed |= {i: replace(labels[i], y=y) for i, y in zip(order, middles, strict=True)}
    return [placed[index] for index in range(len(labels))]


def _columns(labels: Sequence[Label]) -> list[list[int]]:
    """Return the labels' numbers, together those that stand above each other."""
    columns: list[list[int]] = []
    reach = float("-inf")
    for index in sorted(range(len(labels)), key=lambda index: labels[index].x):
        if labels[index].x >= reach:
            columns.append([])
        columns[-1].append(index)
        reach = max(reach, labels[index].x + labels[index].width)
    return columns


def _stacked(wishes: Sequence[float], heights: Sequence[float], low: float, high: float) -> list[float]:
    """Return the middles, least squares from the wishes, of boxes that touch but do not overlap.

    Boxes that would overlap become one block, which stands where its boxes wish it on average (the
    algorithm of pooled neighbours, Ayer et al., 1955).
    """
    blocks: list[tuple[float, int, float]] = []  # bottom, number of boxes, height
    wishes = [wish - height / 2 for wish, height in zip(wishes, heights, strict=True)]
    first = 0
    for last in range(1, len(wishes) + 1):
        first = last - 1
        while True:
            height = sum(heights[first:last])
            below = [sum(heights[first:i]) for i in range(first, last)]
            bottom = sum(w - b for w, b in zip(wishes[first:last], below, strict=True)) / (last - first)
            bottom = max(low, min(bottom, high - height))
            if not blocks or blocks[-1][0] + blocks[-1][2] <= bottom:
                break
            first -= blocks.pop()[1]
        blocks.append((bottom, last - first, height))
    bottoms: list[float] = []
    for bottom, count, _ in blocks:
        for height in heights[len(bottoms) : len(bottoms) + count]:
            bottoms.append(bottom)
            bottom += height
    return [bottom + height / 2 for bottom, height in zip(bottoms, heights, strict=True)]
