"""A range test in sentences: what was seen, what is suggested by which rule, and what to ask instead."""

from collections.abc import Iterator

from resnetlab.training.range_test.judging import Judgement
from resnetlab.training.range_test.rise import Rise

_LITTLE = 0.2
"""Share of the first loss below which the noise of batches moves what is read off its fall."""


def sentences_of(judged: Judgement, rise: Rise, not_finite_at: float | None, lr: float | None) -> list[str]:
    """Return the sentences.

    Args:
        judged: What the losses say.
        rise: The rates that were to be tried, both ends given.
        not_finite_at: The rate at which a loss or gradient was not finite, if it was.
        lr: The recipe's value for the suggested rate.
    """
    return [*_seen(judged, rise, not_finite_at), *_suggested(judged, lr)]


def _seen(judged: Judgement, rise: Rise, not_finite_at: float | None) -> Iterator[str]:
    ended = f"At {not_finite_at:.2g} a loss or a gradient was not finite." if not_finite_at else ""
    if judged.halfway is None or judged.lowest is None or judged.least is None:
        if ended:
            yield f"{ended} Before that the loss had not fallen: begin lower (low)."
        else:
            yield (
                f"Up to {rise.high:g} the loss did not fall from {judged.level:.3g} nats: go higher (high),"
                " or in more steps (points)."
            )
        return
    fallen = f"{judged.level:.3g} to {judged.least:.3g} nats"
    yield (
        f"The loss falls from {fallen}, half of that up to a rate of {judged.halfway:.2g}; it is lowest at"
        f" {judged.lowest:.2g}."
    )
    if judged.diverges and judged.diverges != not_finite_at:
        yield f"It diverges: at {judged.diverges:.2g} it is back where it began."
    if ended:
        yield ended
    elif not judged.diverges:
        yield f"It did not diverge up to {rise.high:g}; a higher end (high) shows more."
    if judged.least > (1 - _LITTLE) * judged.level:
        yield "It has fallen little, so this is a rough answer; more steps (points) tell more."
    if judged.falls_at_once:
        yield f"It falls from the first rates on; a lower beginning (low) than {rise.low:g} shows more."


def _suggested(judged: Judgement, lr: float | None) -> Iterator[str]:
    if judged.suggested is None or lr is None:
        yield "No rate can be suggested."
        return
    end = "where it diverges" if judged.diverges else "where it is lowest"
    yield (
        f"Suggested: {judged.suggested:g}, midway on a logarithmic scale between where half of it has fallen"
        f" and {end}."
    )
    if lr != judged.suggested:
        yield f"The recipe gives its rate for another batch: for this one it is lr={lr:g}."
