"""What more layers and shortcuts do, in the numbers of these runs, of rows that differ in nothing else."""

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

from resnetlab.network.spec import ModelSpec
from resnetlab.reproducing.results.outcomes import Outcome, deviation_name
from resnetlab.reproducing.results.responses import Profile


def effects(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """Yield what more layers do here, in these runs' own numbers, of networks that differ in nothing else.

    The shallowest and the deepest are compared: one has a higher training error if each of its runs has.
    """
    alike: dict[tuple[object, ...], list[Outcome]] = {}
    for outcome in outcomes:
        if outcome.train_errors:
            alike.setdefault(_all_but_depth(outcome), []).append(outcome)
    for those in sorted(alike.values(), key=lambda each: not _is_plain(each[0])):
        those.sort(key=_depth)
        first, last = those[0], those[-1]
        if _depth(first) == _depth(last):
            continue
        told = ", ".join(
            f"{each.name} {statistics.fmean(each.train_errors):.3f} % in training and"
            f" {statistics.fmean(each.errors):.3f} % in testing (n = {each.n})"
            for each in those
        )
        word = "Without" if _is_plain(first) else "With"
        yield f"{word} shortcuts {_compared(first, last)}: {told}."


def _compared(first: Outcome, last: Outcome) -> str:
    single = ", in one run each" if first.n == last.n == 1 else ""
    if min(last.train_errors) > max(first.train_errors):
        return f"{last.name} has a higher training error than {first.name}{single}"
    if max(last.train_errors) < min(first.train_errors):
        return f"{last.name} has a lower training error than {first.name}{single}"
    return f"these runs do not tell the training errors of {first.name} and {last.name} apart"


def effects_on_responses(profiles: Sequence[tuple[Outcome, Profile]]) -> Iterator[str]:
    """Yield what shortcuts, and then what more layers, do to layer responses here, whichever way they point.

    Args:
        profiles: Rows with the responses of their runs.
    """
    plain = {_all_but_shortcut(each): (each, profile) for each, profile in profiles if _is_plain(each)}
    residual = [(each, profile) for each, profile in profiles if not _is_plain(each)]
    for outcome, profile in residual:
        if (key := _all_but_shortcut(outcome)) in plain:
            other, theirs = plain[key]
            pairs = [*zip(profile.layers.mean, theirs.layers.mean, strict=True)]
            below = sum(own < its for own, its in pairs)
            yield (
                f"{outcome.name} has smaller responses than {other.name} at {below} of {len(pairs)}"
                f" layers; their means are {profile.mean:.3f} and {theirs.mean:.3f}"
                f" (n = {outcome.n} and {other.n})."
            )
    alike: dict[tuple[object, ...], list[tuple[Outcome, Profile]]] = {}
    for outcome, profile in residual:
        alike.setdefault(_all_but_depth(outcome), []).append((outcome, profile))
    for those in alike.values():
        those.sort(key=lambda each: _depth(each[0]))
        means = [profile.mean for _, profile in those]
        if len(those) < 2 or len({_depth(outcome) for outcome, _ in those}) < 2:
            continue
        falls = all(later < earlier for earlier, later in pairwise(means))
        rises = all(later > earlier for earlier, later in pairwise(means))
        way = "smaller" if falls else "greater" if rises else "neither smaller nor greater throughout"
        told = ", ".join(
            f"{outcome.name} {mean:.3f}" for (outcome, _), mean in zip(those, means, strict=True)
        )
        yield f"With shortcuts more layers have responses that are {way}, in their means over layers: {told}."


def _depth(outcome: Outcome) -> int:
    return outcome.records[0].spec.depth


def _is_plain(outcome: Outcome) -> bool:
    return outcome.records[0].spec.shortcut == "none"


def _all_but_shortcut(outcome: Outcome) -> tuple[object, ...]:
    """Return what rows share that differ in nothing but their shortcuts."""
    *rest, spec = _but_what_follows_length(outcome)
    return *rest, replace(spec, shortcut="none", **_OF_A_NAME)


def _all_but_depth(outcome: Outcome) -> tuple[object, ...]:
    """Return what rows share that differ in nothing but depth, and in what their recipe makes of depth."""
    *rest, spec = _but_what_follows_length(outcome)
    return *rest, replace(spec, blocks=(1,) * len(spec.blocks), **_OF_A_NAME)


def _but_what_follows_length(outcome: Outcome) -> tuple[object, object, str, tuple[str, ...], ModelSpec]:
    row = outcome.row
    others = [text for text in outcome.deviations if deviation_name(text) not in _OF_LENGTH]
    others.append(outcome.made_by)
    return row.data, row.recipe, str(sorted(row.values.items())), tuple(others), outcome.records[0].spec


_OF_A_NAME: dict[str, Any] = {
    "name": "", "source": "", "published_parameters": None, "published_multiply_adds": None,
}  # fmt: skip
"""Fields of a specification that say nothing of the network."""

_OF_LENGTH = ("length", "warmup", "milestones", "mix_tail")
"""What a budget changes of all rows alike, and where the recipe warms deep networks up, of these alone."""
