"""Which naming a file has, and which network it holds."""

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from math import prod

from torch import Tensor

from resnetlab.catalog import model_spec
from resnetlab.errors import CheckpointError, UsageError
from resnetlab.layers import Conv, Layer, Norm
from resnetlab.plaindata import to_plain
from resnetlab.spec import ModelSpec
from resnetlab.weights.measure import to_torch_shapes
from resnetlab.weights.naming import Match, Naming, Shape, Shapes, expected_shapes, is_head
from resnetlab.weights.namings import DIALECTS
from resnetlab.weights.strangers import describe

# What wraps a network, in front of every name: DataParallel, torch.compile, Lightning; the scopes
# of TensorFlow.
_PREFIXES = (r"module\.", r"_orig_mod\.", r"model\.", r"resnet_model/", r"Resnet_v2_Cifar10_\d+/", r"model/")
_MOST = 4


def shapes_of(tensors: Mapping[str, Tensor]) -> dict[str, Shape]:
    """Return the tensors' shapes by name."""
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}


def recognise(names_and_shapes: Shapes) -> Naming:
    """Return the naming of a file and the network that it holds.

    Args:
        names_and_shapes: All tensors' names and shapes, as the file has them.

    Raises:
        CheckpointError: If it is another architecture, saying which, or parts are missing.
    """
    short, prefixes = without_prefixes(names_and_shapes)
    shapes = {short[name]: shape for name, shape in names_and_shapes.items()}
    for dialect in DIALECTS:
        try:
            match = dialect.match(shapes)
        except (CheckpointError, UsageError) as error:  # of the catalog: no network has such numbers
            raise CheckpointError(_refusal(shapes, dialect.title, str(error.args[0]))) from error
        if match is None:
            continue
        found = to_torch_shapes(dict(match.keys), shapes, dialect.layout)
        if problems := list(_problems(match, found)):
            raise CheckpointError(_refusal(shapes, dialect.title, "; ".join(problems), match.spec))
        strays = _strays(match, found)
        place = {own for own, ours in match.keys.items() if ours not in strays}
        full = {name: match.keys[own] for name, own in short.items() if own in place}
        has_head = any(is_head(ours) for ours in full.values())
        return Naming(dialect, match.spec, full, match.preprocessing, prefixes, has_head)
    raise CheckpointError(_refusal(shapes, "", f"{len(shapes)} tensors, as {', '.join([*shapes][:3])}"))


def spec_for(naming: Naming) -> ModelSpec:
    """Return the network that computes what the file's network computed.

    The constants that the naming implies are in it: where a bottleneck strides, BN's eps, how the
    max pool is padded.
    """
    return naming.spec


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


def without_prefixes(names: Iterable[str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return the names without what wraps them, by their full ones, and the prefixes removed."""
    short, removed = {name: name for name in names}, []
    is_changed = True
    while is_changed:
        is_changed = False
        for prefix in _PREFIXES:
            found = {name: m[0] for name, own in short.items() if (m := re.match(prefix, own))}
            stripped = {name: short[name].removeprefix(part) for name, part in found.items()}
            if stripped and not set(stripped.values()) & set(short.values()):
                short |= stripped
                removed += sorted(set(found.values()))
                is_changed = True
    return short, tuple(removed)


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


def _strays(match: Match, found: Mapping[str, Shape]) -> set[str]:
    """Return the single numbers that are no part of the network, as AveragedModel's n_averaged."""
    expected = expected_shapes(match.spec)
    return {key for key, shape in found.items() if shape == () and key not in expected}


def _problems(match: Match, found: Mapping[str, Shape]) -> Iterator[str]:
    """Give what is not as the network's parts are; biases before a BN may be there or not."""
    expected = expected_shapes(match.spec)
    free = {f"{conv}.bias" for conv in followed_by_norm(match.spec)}
    strays = _strays(match, found)
    has_head = any(map(is_head, found))
    missing = [
        key
        for key in expected
        if key not in found
        and key not in free
        and not key.endswith("num_batches_tracked")
        and (has_head or not is_head(key))
    ]
    unknown = [key for key in found if key not in expected and key not in free | strays]
    reshaped = [
        f"{key} is {found[key]}, expected {shape}"
        for key, shape in expected.items()
        if key in found
        and found[key] != shape
        and not (key.endswith("num_batches_tracked") and prod(found[key]) == 1)
    ]
    for title, names in (("missing", missing), ("unknown", unknown), ("shapes", reshaped)):
        if names:
            more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
            yield f"{title}: {', '.join(names[:_MOST])}{more}"


def _refusal(shapes: Shapes, title: str, problems: str, nearest: ModelSpec | None = None) -> str:
    """Return the message for a file that is no network of ours."""
    if stranger := describe(shapes):
        return f"holds {stranger}, which is no network of ours"
    if not title:
        return f"holds no residual network whose names are known ({problems})"
    near = f" near {describe_spec(nearest)}" if nearest is not None else ""
    return f"has the names of {title}, but holds no network of ours{near}: {problems}"
