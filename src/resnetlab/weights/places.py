"""Where in a file networks lie: under no prefix, under one as module., or several under several."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from resnetlab.errors import UsageError
from resnetlab.weights.facts.naming import Dialect, Shapes

# What torch puts into names at any depth when it compiles, shards or recomputes a part.
_WRAPPERS = re.compile(r"(?:^|(?<=\.))(_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")


@dataclass(frozen=True)
class Place:
    """A prefix under which a network may lie, and the namings that such names can have."""

    prefix: str
    dialects: tuple[Dialect, ...]


def unwrapped(names: Sequence[str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return the names without torch's wrappers, by their full ones, and the wrappers."""
    short = {name: _WRAPPERS.sub("", name) for name in names}
    if len(set(short.values())) < len(short):  # two would become one
        return {name: name for name in names}, ()
    found = dict.fromkeys(match[1] + "." for name in names for match in _WRAPPERS.finditer(name))
    return short, tuple(found)


def find_places(names: Sequence[str], dialects: Sequence[Dialect]) -> list[Place]:
    """Return every prefix under which a network's first names stand, in the file's order."""
    found: dict[str, list[Dialect]] = {}
    all_names = frozenset(names)
    for dialect in dialects:
        anchor = re.compile(rf"(?:^|(?<=[./]))(?:{dialect.anchor})$")
        for name in names:
            match = anchor.search(name)
            if match and (not dialect.also or name[: match.start()] + dialect.also in all_names):
                found.setdefault(name[: match.start()], []).append(dialect)
    order = {prefix: next(i for i, name in enumerate(names) if name.startswith(prefix)) for prefix in found}
    return [
        Place(prefix, tuple(dict.fromkeys(found[prefix])))
        for prefix in sorted(found, key=lambda each: (order[each], len(each)))
    ]


def choose(places: Sequence[Place], prefix: str) -> Place:
    """Return the place that a user means: "encoder_q" for module.encoder_q., as long as it is one.

    Raises:
        UsageError: If it is none, or several.
    """
    wanted = _WRAPPERS.sub("", prefix.rstrip("./") + ".").rstrip("./")
    names = {place.prefix.rstrip("./"): place for place in places}
    if wanted in names:
        return names[wanted]
    ends = [name for name in names if wanted and re.search(rf"(?:^|[./]){re.escape(wanted)}$", name)]
    ends = ends or [name for name in names if wanted and name.startswith((f"{wanted}.", f"{wanted}/"))]
    if len(ends) == 1:
        return names[ends[0]]
    raise UsageError(
        f"{'several networks lie' if ends else 'no network lies'} under the prefix {prefix!r}",
        hint=f"There are networks under {listed(places)}." if places else "",
    )


def listed(places: Sequence[Place]) -> str:
    """Return the prefixes for people."""
    return ", ".join(place.prefix.rstrip("./") or "no prefix" for place in places)


def under(place: Place, names: Shapes, places: Sequence[Place]) -> dict[str, str]:
    """Return the names under a place and under no deeper one, without the prefix, by their full ones."""
    deeper = tuple(other.prefix for other in places if _is_deeper(other.prefix, place.prefix))
    return {
        name: name.removeprefix(place.prefix)
        for name in names
        if name.startswith(place.prefix) and not (deeper and name.startswith(deeper))
    }


def _is_deeper(prefix: str, than: str) -> bool:
    return prefix != than and prefix.startswith(than)


def around(place: Place, names: Shapes, places: Sequence[Place]) -> Iterator[Mapping[str, str]]:
    """Give the names beside a place, from the nearest level out, each without that level's prefix.

    A classifier often lies beside its backbone: backbone.conv1.weight, fc.weight. What is under another
    place belongs to that.
    """
    others = tuple(other.prefix for other in places if not place.prefix.startswith(other.prefix))
    levels = [place.prefix[: match.start() + 1] for match in re.finditer(r"[./]", place.prefix)][:-1]
    for level in [*reversed(levels), ""] if place.prefix else []:
        yield {
            name: name.removeprefix(level)
            for name in names
            if name.startswith(level)
            and not name.startswith(place.prefix)
            and not (others and name.startswith(others))
        }
