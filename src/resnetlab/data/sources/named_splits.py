"""The splits of data that names them itself: which train, which validate and test, which are left out."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from resnetlab.base.units import first_of
from resnetlab.data.sources.choices import FLAG, Choices
from resnetlab.data.sources.parts import parts_of, split_name
from resnetlab.errors import DataError, UsageError, nearest

SPLIT_CHOICES = ("train_split", "val_split", "test_split")
_NONE = "none"


class NamedSplits(NamedTuple):
    """What becomes of the splits that the data names."""

    parts: Mapping[str, str]
    """train, val or test for each name that is used."""

    notes: list[str]
    """What to say of those that are left out."""


def named_splits(where: str, names: Sequence[str], choices: Choices) -> NamedSplits:
    """Return the split that each name means: the chosen one, or that which people call so.

    Of two names for one split the plainer is taken, "train" beside "train_extra"; what is no split's name
    is left out.

    Args:
        where: The data, for errors.
        names: As the data calls its splits.
        choices: Their `train_split`, `val_split` and `test_split`.

    Raises:
        UsageError: If a split was chosen that is not there.
        DataError: If two names mean the same split, or none means any.
    """
    chosen = _chosen(where, names, choices)
    decided = {part for part, own in chosen.items() if own is not None}
    parts = {name: part for part, own in chosen.items() for name in own or ()}
    free = [name for name in names if name not in parts]
    said = {name: part for name, part in parts_of(where, free).items() if part not in decided}
    for part in dict.fromkeys(said.values()):
        of_it = [name for name, each in said.items() if each == part]
        plain = [name for name in of_it if (found := split_name(name)) and not found.rest] or of_it
        if len(plain) > 1:
            raise DataError(
                f"{where}: {' and '.join(plain)} both mean the {part} split",
                hint=f"Keep one, or choose: {FLAG} {part}_split={plain[0]}, or {','.join(plain)} for both.",
            )
        parts[plain[0]] = part
    if not names:
        raise DataError(f"{where}: holds nothing")
    if not parts:
        raise DataError(
            f"{where}: splits {first_of(names)} are none of train, val and test",
            hint=f"Choose, e.g. {FLAG} train_split={names[0]}.",
        )
    left = [name for name in names if name not in parts]
    note = f"splits that are left out: {first_of(left)} ({FLAG} train_split=A,B takes several)"
    return NamedSplits({name: parts[name] for name in names if name in parts}, [note] if left else [])


def _chosen(where: str, names: Sequence[str], choices: Choices) -> dict[str, list[str] | None]:
    """Return the names that were chosen for each split; None where nothing was."""
    by_low = {name.casefold(): name for name in names}
    chosen: dict[str, list[str] | None] = {}
    for choice in SPLIT_CHOICES:
        text = getattr(choices, choice)
        asked = [word.strip() for word in text.replace("+", ",").split(",") if word.strip()]
        if unknown := [word for word in asked if word.casefold() not in by_low and word != _NONE]:
            having = f"It has {first_of(names)}." if names else "It names none."
            raise UsageError(
                f"{where}: {FLAG} {choice}={text}: no split {unknown[0]}",
                hint=f"{nearest(unknown[0], names)} {having}".strip(),
            )
        found = [by_low[word.casefold()] for word in asked if word.casefold() in by_low]
        chosen[choice.partition("_")[0]] = found if asked else None
    taken = [name for own in chosen.values() for name in own or ()]
    if twice := [name for name in dict.fromkeys(taken) if taken.count(name) > 1]:
        raise UsageError(f"{where}: {twice[0]} is chosen for two splits")
    return chosen
