"""Depths: from the number in a name to units per stage, and the error for one that cannot be."""

from collections.abc import Callable

from resnetlab.errors import UsageError


def units_per_stage(named: Callable[[int], str], depth: int, *, convs: int) -> int:
    """Return n for a three-stage network of depth 3 n convs + 2 (He et al., 2015, section 4.2).

    Args:
        named: Gives the network's name for a depth, such as "resnet{}".format.
        depth: Weighted layers.
        convs: Convolutions in a unit: 2 in a basic one, 3 in a bottleneck.

    Raises:
        UsageError: If no n gives that depth; the nearest that have one are named.
    """
    step = 3 * convs
    count, rest = divmod(depth - 2, step)
    if count >= 1 and rest == 0:
        return count
    nearest = [step * n + 2 for n in (count, count + 1) if n >= 1] or [step + 2]
    raise UsageError(
        f"{named(depth)}: this network's depth is {step}n+2, and {depth} is not",
        hint=f"The nearest: {' and '.join(map(named, nearest))}.",
    )


def one_of(named: Callable[[int], str], depth: int, depths: tuple[int, ...]) -> int:
    """Return the depth if it is one of those that exist.

    Raises:
        UsageError: If it is not; those that exist are named.
    """
    if depth in depths:
        return depth
    raise UsageError(
        f"{named(depth)}: there is no such depth",
        hint=f"There are {', '.join(map(named, depths))}.",
    )
