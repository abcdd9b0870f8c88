"""A comparison in sentences: what differs, by how much, and whether that is more than chance."""

from collections.abc import Iterator, Sequence

from resnetlab.evaluation.significance import LEVEL, wilson_interval
from resnetlab.reporting.comparing.judging import Pair
from resnetlab.reporting.comparing.same_images import SameImages
from resnetlab.reporting.comparing.sides import Side

_NOT_EQUAL = "That they are equal does not follow."


def p_text(p: float) -> str:
    """Return "p = .41", "p = .003" or "p < .001"; never rounded across .05."""
    if p < 0.001:
        return "p < .001"
    digits = 2 if p >= 0.1 else 3
    while (round(p, digits) < LEVEL) != (p < LEVEL):
        digits += 1
    return "p = 1" if round(p, digits) == 1 else f"p = {p:.{digits}f}".replace("0.", ".", 1)


def error_text(side: Side) -> str:
    """Return "8.75 ± 0.20", or of one network its error with the interval over images."""
    if side.std is not None:
        return f"{side.mean:.2f} ± {side.std:.2f}"
    if len(side.members) > 1:
        return f"{side.mean:.2f}"
    low, high = interval_of(side)
    return f"{side.mean:.2f} ({low:.2f} to {high:.2f})"


def interval_of(side: Side) -> tuple[float, float]:
    """Return the 95 % interval (Wilson) of the error in % of the first network."""
    member = side.members[0]
    low, high = wilson_interval(member.seen - member.correct, member.seen)
    return 100 * low, 100 * high


def sentences(pair: Pair, tests: tuple[int, int] = (1, 1)) -> Iterator[str]:
    """Yield what there is to say of a pair, the answer first.

    Args:
        pair: The pair.
        tests: How many tests over seeds, and on images, p was corrected for.
    """
    if pair.refused:
        yield f"{pair.first.title} and {pair.second.title} cannot be compared: {pair.refused}."
        return
    if pair.seeds:
        yield _over_seeds(pair, tests[0])
    elif len(pair.first.errors) > 1 or len(pair.second.errors) > 1:
        yield _without_interval(pair)
    yield from _on_images(pair, tests[1])
    for warning in pair.warnings:
        yield f"Mind: {warning}."


def _better(pair: Pair) -> tuple[Side, Side]:
    return (pair.second, pair.first) if pair.difference >= 0 else (pair.first, pair.second)


def _n_text(pair: Pair) -> str:
    counts = len(pair.first.errors), len(pair.second.errors)
    return f"n = {counts[0]}" if counts[0] == counts[1] else f"n = {counts[0]} and {counts[1]}"


def _corrected(tests: int) -> str:
    return f" (Holm, {tests} tests)" if tests > 1 else ""


def _over_seeds(pair: Pair, tests: int) -> str:
    assert pair.seeds is not None and pair.p_corrected is not None
    better, worse = _better(pair)
    low, high = (abs(pair.difference) + sign * pair.seeds.half_width for sign in (-1, 1))
    by = f"{abs(pair.difference):.2f} ± {pair.seeds.half_width:.2f} points"
    interval = f"(95 % interval {low:.2f} to {high:.2f})"
    end = f"{p_text(pair.p_corrected)}{_corrected(tests)}, {_n_text(pair)}"
    if pair.is_more_than_chance:
        return f"{better.title} is better than {worse.title} by {by} {interval}, {end}."
    return f"{_no_more(better, worse)}: {by} {interval}, {end}. {_NOT_EQUAL}"


def _no_more(better: Side, worse: Side) -> str:
    return f"{better.title} is better than {worse.title}, but not by more than chance"


def _without_interval(pair: Pair) -> str:
    better, worse = _better(pair)
    head = f"{better.title} is better than {worse.title} by {abs(pair.difference):.2f} points"
    if pair.difference == 0:
        head = f"{better.title} and {worse.title} have the same error"
    if lone := [side for side in (pair.first, pair.second) if len(side.errors) == 1]:
        told = f"{lone[0].letter} has one seed"
        return f"{head}, {_n_text(pair)}; whether that is chance is open: {told}, two are the least."
    return f"{head}, {_n_text(pair)}; no seed differs from another, so that nothing says how they scatter."


def _on_images(pair: Pair, tests: int) -> Iterator[str]:
    is_lone = len(pair.first.errors) == len(pair.second.errors) == 1
    if not pair.images:
        if is_lone:
            yield _without_answers(pair)
        return
    if is_lone:
        yield _of_two_networks(pair, pair.images[0], tests)
        return
    below = sum(each.p_corrected < LEVEL for each in pair.images)
    alone = [_range([getattr(e, name) for e in pair.images]) for name in ("only_first", "only_second")]
    pairs = "its pair" if len(pair.images) == 1 else f"{below} of {len(pair.images)} pairs"
    is_below = f"in {pairs} of seeds that is" if below or len(pair.images) > 1 else "that is not"
    yield (
        f"On the same {pair.first.members[0].seen:,} images {pair.first.letter} alone is right on {alone[0]},"
        f" {pair.second.letter} alone on {alone[1]}: {is_below} more than chance"
        f" (McNemar, exact, {'Holm, ' + str(tests) + ' tests, ' if tests > 1 else ''}p < .05)."
    )


def _range(counts: Sequence[int]) -> str:
    low, high = min(counts), max(counts)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _of_two_networks(pair: Pair, each: SameImages, tests: int) -> str:
    counts = sorted(((each.only_first, pair.first), (each.only_second, pair.second)), key=lambda c: -c[0])
    (many, better), (few, worse) = counts
    end = f"{p_text(each.p_corrected)}{_corrected(tests)}, n = 1 (McNemar, exact)"
    by = f"by {abs(pair.difference):.2f} points"
    said = (
        f"on the same {better.members[0].seen:,} images {better.letter} alone is right on {many:,} and"
        f" {worse.letter} alone on {few:,}"
    )
    if many == few:
        return f"{pair.first.title} and {pair.second.title} have the same error; {said}."
    if each.p_corrected >= LEVEL:
        return f"{_no_more(better, worse)}, {by}: {said}, {end}. {_NOT_EQUAL}"
    return (
        f"{better.title} is better than {worse.title} {by}: {said}, {end}."
        " This is of these two networks on such images; whether another seed would show the same, only more"
        " seeds can say."
    )


def _without_answers(pair: Pair) -> str:
    better, worse = _better(pair)
    if pair.difference == 0:
        head = f"{better.title} and {worse.title} have the same error"
    else:
        head = f"{better.title} is better than {worse.title} by {abs(pair.difference):.2f} points"
    told = [
        f"{side.letter} {side.mean:.2f} % ({low:.2f} to {high:.2f})"
        for side in (pair.first, pair.second)
        for low, high in [interval_of(side)]
    ]
    return (
        f"{head}, n = 1; whether that is chance is open. 95 % intervals of each alone: {' and '.join(told)}."
        " With the answers of both, the same images can be compared."
    )
