"""Curves of any length as so many points that a page stays small, without losing their peaks."""

from collections.abc import Sequence

Point = tuple[float, float]


def thinned(points: Sequence[Point], most: int = 400) -> list[Point]:
    """Return the points if they are few; else the ends, and of equal parts the least and the greatest.

    Args:
        points: By their first number.
        most: Points that are returned at most, 4 or more.
    """
    if len(points) <= most:
        return [*points]
    parts, inner = (most - 2) // 2, points[1:-1]
    kept = [points[0]]
    for part in range(parts):
        chunk = inner[part * len(inner) // parts : (part + 1) * len(inner) // parts]
        least = min(chunk, key=lambda point: point[1])
        greatest = max(chunk, key=lambda point: point[1])
        kept += sorted({least, greatest})
    return [*kept, points[-1]]


def rounded(points: Sequence[Sequence[float]], digits: int = 6) -> list[list[float]]:
    """Return the points with so many significant digits: more are not seen, and would double the page."""
    return [[float(f"{value:.{digits}g}") for value in point] for point in points]
