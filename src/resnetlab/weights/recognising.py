"""Which naming a file has, and which network it holds."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from itertools import pairwise
from math import prod

from torch import Tensor

from resnetlab.base.plaindata import to_plain
from resnetlab.base.units import first_of
from resnetlab.errors import CheckpointError, ResnetlabError, UsageError
from resnetlab.network.catalog import model_spec
from resnetlab.network.layers import Conv, Layer, Norm
from resnetlab.network.spec import ModelSpec
from resnetlab.weights.facts.measure import to_torch_shapes
from resnetlab.weights.facts.naming import Dialect, Match, Naming, Shape, Shapes, expected_shapes, is_head
from resnetlab.weights.facts.normalisers import find_normalisers
from resnetlab.weights.heads import Head, find_head
from resnetlab.weights.namings import NAMINGS
from resnetlab.weights.places import Place, around, choose, find_places, under, unwrapped
from resnetlab.weights.strangers import describe, dilated, unread

_MOST = 4
# Single numbers that count: AveragedModel's n_averaged, an average's num_updates, ...
_COUNTERS = re.compile(
    r"(.*[./_])?(n_averaged|num_batches_tracked|num_updates|global_step|steps?|epochs?|iterations?|iter|count\w*"
    r"|save_counter|beta[12]_power|queue_ptr|decay|initted|best_\w+)"
)
_COUNTER = "no part of such a network"
# What the profiler thop leaves in every module of a network that it counted.
_PROFILED = re.compile(r"(.*\.)?total_(ops|params)")


def shapes_of(tensors: Mapping[str, Tensor]) -> dict[str, Shape]:
    """Return the tensors' shapes by name."""
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}


def recognise(
    names_and_shapes: Shapes,
    *,
    prefix: str | None = None,
    ignore: Sequence[str] = (),
    are_alike: Callable[[Mapping[str, str]], bool] = lambda names: False,
) -> Naming:
    """Return the naming of a file and the network that it holds.

    Args:
        names_and_shapes: All tensors' names and shapes, as the file has them, in its order.
        prefix: Where in the file the network lies, if there are several; "" is under none.
        ignore: Patterns of names, as "projection_head.*", that are no part of the network.
        are_alike: Whether each of these tensors holds the same numbers as the one it is mapped to.

    Raises:
        UsageError: If no network lies under the prefix, or nothing has a name to be ignored.
        CheckpointError: If it is another architecture, saying which, parts are missing, or there are
            several networks.
    """
    left_out = _ignored(names_and_shapes, ignore)
    shapes = {name: shape for name, shape in names_and_shapes.items() if name not in left_out}
    short, wrappers = unwrapped([*shapes])
    full = {own: name for name, own in short.items()}
    file = _File({short[name]: shape for name, shape in shapes.items()}, wrappers, prefix is not None)
    dialects, passed_over = NAMINGS.all()
    places = find_places([*file.shapes], dialects)
    try:
        if prefix is not None:
            found = file.read(choose(places, prefix), places)
        elif not places:
            raise CheckpointError(_refusal(file.shapes, file.shapes, "", _some(file.shapes)))
        else:
            found = _only_one(
                file, places, lambda names: are_alike({full[a]: full[b] for a, b in names.items()})
            )
    except ResnetlabError as error:
        error.hint = "\n".join(filter(None, (error.hint, *passed_over)))
        raise
    found = replace(found, remarks=(*found.remarks, *passed_over))
    return _by_full_names(found, full, left_out)


def _ignored(names: Shapes, patterns: Sequence[str]) -> dict[str, str]:
    """Return the names that a user leaves out, with that as the reason."""
    for pattern in patterns:
        if not any(_fits(name, pattern) for name in names):
            raise UsageError(
                f"no tensor of the file is called {pattern!r}, to be ignored", hint=f"It has {_some(names)}."
            )
    return {name: "left out, as asked" for name in names if any(_fits(name, each) for each in patterns)}


def _fits(name: str, pattern: str) -> bool:
    """Return whether the pattern is of the name, or of its end from one of its parts on."""
    return any(fnmatchcase(name[start:], pattern) for start in _starts(name))


def _starts(name: str) -> Iterator[int]:
    yield 0
    yield from (match.end() for match in re.finditer(r"[./]", name))


def _some(names: Shapes) -> str:
    return f"{len(names)} tensors, as {', '.join([*names][:3])}"


def _only_one(
    file: "_File", places: Sequence[Place], are_alike: Callable[[Mapping[str, str]], bool]
) -> Naming:
    """Return the network of the only place that holds one.

    Raises:
        CheckpointError: If there is none or more than one; several copies of the same numbers are one.
    """
    found: dict[str, Naming] = {}
    problem: CheckpointError | None = None
    for place in places:
        try:
            found[place.prefix] = file.read(place, places)
        except CheckpointError as error:
            problem = problem or error
    if not found:
        assert problem is not None
        raise problem
    first, *others = sorted(found, key=len)
    copies = [other for other in others if are_alike(_copied(found[first], found[other]))]
    if len(copies) < len(others):
        told = ", ".join(f"{prefix or 'no prefix'} ({each.spec.name})" for prefix, each in found.items())
        chosen = next((prefix for prefix in found if prefix), "")
        raise CheckpointError(
            f"holds {len(found)} networks, under {told}",
            hint=f"Say which: --prefix {chosen} on the command line, prefix={chosen!r} in Python.",
        )
    naming = found[first]
    return naming if not copies else _without_copies(naming, copies)


def _copied(one: Naming, other: Naming) -> dict[str, str]:
    """Return the second's names of tensors by the first's; empty if they have not the same ones."""
    theirs = {ours: name for name, ours in other.keys.items()}
    if other.spec != one.spec or set(theirs) != set(one.keys.values()):
        return {}
    return {name: theirs[ours] for name, ours in one.keys.items()}


def _without_copies(naming: Naming, copies: Sequence[str]) -> Naming:
    """Return the naming, with what lies under the copies' prefixes known as such."""
    copied = {name: "the same numbers once more" for name in naming.besides if name.startswith(tuple(copies))}
    besides = tuple(name for name in naming.besides if name not in copied)
    remark = f"what lies under {', '.join(copies)} is the same network once more"
    return replace(
        naming, besides=besides, known={**naming.known, **copied}, remarks=(*naming.remarks, remark)
    )


def _by_full_names(naming: Naming, full: Mapping[str, str], left_out: Mapping[str, str]) -> Naming:
    """Return the naming with the names as the file has them."""
    return replace(
        naming,
        keys={full[name]: ours for name, ours in naming.keys.items()},
        own_head=tuple(full[name] for name in naming.own_head),
        besides=tuple(full[name] for name in naming.besides),
        known={full[name]: why for name, why in naming.known.items()} | dict(left_out),
        normalisers={full[mean]: full[std] for mean, std in naming.normalisers.items()},
    )


@dataclass(frozen=True)
class _File:
    """Names and shapes of a file, to be read from one place or another."""

    shapes: dict[str, Shape]
    wrappers: tuple[str, ...]
    is_chosen: bool
    """The user said which place: what lies elsewhere is not asked for."""

    def read(self, place: Place, places: Sequence[Place]) -> Naming:
        """Return the network under the place.

        Raises:
            CheckpointError: If there is none of ours.
        """
        names = under(place, self.shapes, places)
        shapes = {own: self.shapes[name] for name, own in names.items() if not _PROFILED.fullmatch(own)}
        for dialect in place.dialects:
            try:
                match = dialect.match(shapes)
            except (CheckpointError, UsageError) as error:  # of the catalog: no network has such numbers
                raise CheckpointError(
                    _refusal(shapes, self.shapes, dialect.title, str(error.args[0]))
                ) from error
            if match is not None:
                return self._read_as(dialect, match, place, places, names)
        raise CheckpointError(_refusal(shapes, self.shapes, "", _some(self.shapes)))

    def _read_as(
        self, dialect: Dialect, match: Match, place: Place, places: Sequence[Place], names: Mapping[str, str]
    ) -> Naming:
        shapes = {own: self.shapes[name] for name, own in names.items()}
        rest = {own: shape for own, shape in shapes.items() if own not in match.keys}
        outside = {name: name for name in self.shapes if name not in names}
        known = {
            name: why
            for name, own in names.items()
            if own in rest and (why := _known(dialect, own, rest[own]))
        }
        known |= {name: why for name in outside if (why := _known(dialect, name, self.shapes[name]))}
        found = to_torch_shapes(dict(match.keys), shapes, dialect.layout)
        unknown = [
            own for name, own in names.items()
            if own in rest and name not in known and re.fullmatch(dialect.body, own)
        ]  # fmt: skip
        if problems := list(_problems(match.spec, found, unknown)):
            raise CheckpointError(
                _refusal(shapes, self.shapes, dialect.title, "; ".join(problems), match.spec)
            )
        if (other := dilated(self.shapes)) is not None:
            raise CheckpointError(f"holds {other}, which is no network of ours")
        head = self._head(dialect, match.spec, place, places, names, known, rest)
        tail = match.spec.plan().tail[-1].name
        spec = match.spec.with_(classes=head.classes) if head.leaves else match.spec
        keys = {name: match.keys[own] for name, own in names.items() if own in match.keys}
        keys |= {name: f"{tail}.{leaf}" for name, leaf in head.leaves.items()}
        used = {*keys, *head.own, *known}
        normalisers = find_normalisers(
            {name: shape for name, shape in self.shapes.items() if name not in used}, spec.in_channels
        )
        used |= {*normalisers, *normalisers.values()}
        besides = tuple(name for name in self.shapes if name not in used)
        if self.is_chosen:  # what is elsewhere belongs to what was not asked for
            known |= {name: "outside of the prefix" for name in besides if name not in names}
            besides = tuple(name for name in besides if name not in known)
        lies_beside = [name for name in head.leaves if name not in names]
        remarks = (
            (f"the classifier lies beside the network: {', '.join(lies_beside)}",) if lies_beside else ()
        )
        prefixes = (*self.wrappers, *([place.prefix] if place.prefix else []))
        return Naming(
            dialect, spec, keys, match.preprocessing, prefixes, bool(head.leaves), head.own, besides, known,
            normalisers, match.assumed, remarks,
        )  # fmt: skip

    def _head(
        self,
        dialect: Dialect,
        spec: ModelSpec,
        place: Place,
        places: Sequence[Place],
        names: Mapping[str, str],
        known: Mapping[str, str],
        rest: Shapes,
    ) -> Head:
        """Return the classifier, under the place or beside it, by their names as the file has them."""
        inside = {name: own for name, own in names.items() if own in rest}
        for level in (inside, *around(place, self.shapes, places)):
            candidates = {own: name for name, own in level.items() if name not in known}
            shapes = {own: self.shapes[name] for own, name in candidates.items()}
            head = find_head(shapes, spec.out_channels[-1], dialect.layout, dialect.suffix)
            if head.leaves or head.own:
                leaves = {candidates[own]: leaf for own, leaf in head.leaves.items()}
                return Head(leaves, head.classes, tuple(candidates[own] for own in head.own))
        return Head()


def _known(dialect: Dialect, name: str, shape: Shape) -> str | None:
    """Return what a tensor is that is no part of the network, if that is known."""
    reasons = (dialect.ignored or {}).items()
    known = next((reason for pattern, reason in reasons if re.fullmatch(pattern, name)), None)
    if _PROFILED.fullmatch(name):
        return "counted by a profiler"
    if known is None and prod(shape) == 1 and len(shape) < 2 and _COUNTERS.fullmatch(name):
        return _COUNTER
    return known


def describe_spec(spec: ModelSpec) -> str:
    """Return the network's name, and what is not as the catalog has it."""
    known, own = to_plain(model_spec(spec.name)), to_plain(spec)
    silent = ("name", "source", "published_parameters", "published_multiply_adds", "bn_momentum")
    changed = [
        f"{knob}={_text(own[knob])}" for knob in own if knob not in silent and own[knob] != known[knob]
    ]
    return f"{spec.name} with {', '.join(changed)}" if changed else spec.name


def _text(value: object) -> str:
    """Return a knob's value as `--set` takes it."""
    if isinstance(value, list):
        return ",".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def followed_by_norm(spec: ModelSpec) -> dict[str, str]:
    """Return each convolution's BN, where one stands right behind it; both by full path."""
    plan = spec.plan()
    chains: list[tuple[str, tuple[Layer, ...]]] = [("", plan.stem)]
    for unit in plan.units:
        chains += [(f"{unit.name}.", (*unit.branch, *unit.after)), (f"{unit.name}.", unit.shortcut or ())]
    return {
        prefix + layer.name: prefix + after.name
        for prefix, chain in chains
        for layer, after in pairwise(chain)
        if isinstance(layer, Conv) and isinstance(after, Norm)
    }


def _problems(spec: ModelSpec, found: Mapping[str, Shape], unknown: Sequence[str]) -> Iterator[str]:
    """Give what is not as the body's parts are; biases before a BN may be there or not."""
    expected = {key: shape for key, shape in expected_shapes(spec).items() if not is_head(key)}
    free = {f"{conv}.bias" for conv in followed_by_norm(spec)}
    missing = [
        key
        for key in expected
        if key not in found and key not in free and not key.endswith("num_batches_tracked")
    ]
    strange = [key for key in found if key not in expected and key not in free]
    reshaped = [
        f"{key} is {found[key]}, expected {shape}"
        for key, shape in expected.items()
        if key in found
        and found[key] != shape
        and not (key.endswith("num_batches_tracked") and prod(found[key]) == 1)
    ]
    unknown = [*strange, *unknown]
    for title, names in (("missing", missing), ("unknown", unknown), ("shapes", reshaped)):
        if names:
            yield f"{title}: {first_of(names, _MOST)}"


def _refusal(
    shapes: Shapes, file: Shapes, title: str, problems: str, nearest: ModelSpec | None = None
) -> str:
    """Return the message for a file that is no network of ours.

    Args:
        shapes: What lies under the prefix.
        file: All of the file's.
        title: Of the naming.
        problems: What is wrong.
        nearest: The network of ours that it is like.
    """
    if words := unread(file):
        return f"holds {words}"
    if stranger := describe(shapes) or describe(file):
        return f"holds {stranger}, which is no network of ours"
    if not title:
        return f"holds no residual network whose names are known ({problems})"
    near = f" near {describe_spec(nearest)}" if nearest is not None else ""
    whose = title if title.endswith("names") else f"the names of {title}"
    return f"has {whose}, but holds no network of ours{near}: {problems}"
