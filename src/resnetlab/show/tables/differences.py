"""What differs between two networks, or two recipes: as data, and in plain words."""

from collections.abc import Collection
from dataclasses import replace
from typing import Any

from resnetlab.base.plaindata import field_types
from resnetlab.base.units import format_count
from resnetlab.errors import UsageError
from resnetlab.network.spec import ModelSpec
from resnetlab.recipe import Normalisation, Recipe
from resnetlab.recipe.named import RECIPES, named_recipe
from resnetlab.recipe.settings import Leaf, leaf_help, leaves
from resnetlab.show.tables.align import text_width, titled
from resnetlab.show.tables.sentences import lone_sentence, sentence

_ORIGIN = ("name", "source", "published_parameters", "published_multiply_adds")
"""Fields that say where a network comes from, not what it is."""

_BEYOND_THE_PLAN = (
    *_ORIGIN, "input_size", "conv_init", "fc_init", "gate_bias", "zero_init_residual", "stochastic_depth",
)  # fmt: skip
"""Fields of which the plan of layers knows nothing."""

NO_DIFFERENCE = "no difference"

_CHANGE_WIDTH = 26
"""Columns for "old -> new" of a recipe's value, before its meaning."""


def differing_fields(first: ModelSpec, second: ModelSpec) -> dict[str, tuple[object, object]]:
    """Return both values of every field that differs, in the specification's order."""
    pairs = {name: (getattr(first, name), getattr(second, name)) for name in field_types(ModelSpec)}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def differing_counts(first: ModelSpec, second: ModelSpec) -> dict[str, tuple[int, int]]:
    """Return both counts of parameters, multiply-adds and weighted layers, each where they differ.

    Multiply-adds are those of one image of the network's nominal size.
    """
    return {name: pair for name, pair in _counts(first, second).items() if pair[0] != pair[1]}


def _counts(first: ModelSpec, second: ModelSpec) -> dict[str, tuple[int, int]]:
    return {
        "parameters": (first.num_parameters, second.num_parameters),
        "multiply_adds": (first.num_multiply_adds(), second.num_multiply_adds()),
        "depth": (first.depth, second.depth),
    }


def model_differences(
    first: ModelSpec, second: ModelSpec, names: tuple[str, str], columns: int | None = None
) -> str:
    """Return in plain words what the second network has instead of the first, then the counts.

    `names` are what the reader calls the two, who has so many columns.
    """
    fields = {name: pair for name, pair in differing_fields(first, second).items() if name != "name"}
    lines = {name: text for name in fields if (text := _said(name, first, second, names))}
    if all(name in _ORIGIN for name in lines):
        title = NO_DIFFERENCE + " between the networks" * bool(fields)
    else:
        title = f"{names[1]} differs from {names[0]}:"
    counts = {name.replace("_", "-"): _change(*pair) for name, pair in _counts(first, second).items()}
    return "\n".join([title, *_titled(lines, columns), *(["", *_titled(counts, columns)] if fields else [])])


def _titled(lines: dict[str, str], columns: int | None) -> list[str]:
    width = max(map(len, lines), default=0)
    return [titled(f"  {name:<{width}}  ", text, width=text_width(columns)) for name, text in lines.items()]


def _said(field: str, first: ModelSpec, second: ModelSpec, names: tuple[str, str]) -> str:
    """Return the field's sentence; of one network alone if the other has nothing that the field rules.

    Nothing if it rules nothing in either.
    """
    old, new = getattr(first, field), getattr(second, field)
    match _is_idle(first, new, field), _is_idle(second, old, field):
        case (False, False):
            return sentence(field, old, new)
        case (True, False):
            return f"{lone_sentence(field, new)}, where {names[0]} has no such thing"
        case (False, True):
            return f"no such thing; in {names[0]}, {lone_sentence(field, old)}"
        case _:
            return ""


def _is_idle(spec: ModelSpec, value: object, name: str) -> bool:
    """Return whether the other value changes no layer of the network: a bottleneck's in basic units."""
    if name in _BEYOND_THE_PLAN:
        return name == "gate_bias" and spec.shortcut_gate == "none"
    try:
        changed: dict[str, Any] = {name: value}
        return replace(spec, **changed).plan() == spec.plan()
    except UsageError:  # together with the other fields it cannot be: it says something
        return False


def _change(old: int, new: int) -> str:
    """Return e.g. "277,402 instead of 269,722 (+7,680, +2.8 %)"."""
    if old == new:
        return f"{new:,} in both"
    more, ratio = new - old, new / old
    size = f"{more:+,}" if abs(more) < 1e6 else f"{'+' if more > 0 else '-'}{format_count(abs(more))}"
    share = 100 * (ratio - 1)
    if ratio >= 10:
        size += f", {ratio:.0f} times as many"
    elif abs(share) >= 0.05:  # less would read as no change
        size += f", {share:+.0f} %" if abs(share) >= 10 else f", {share:+.1f} %"
    return f"{new:,} instead of {old:,} ({size})"


def differing_leaves(first: Recipe, second: Recipe) -> dict[str, tuple[Leaf, Leaf]]:
    """Return both leaves of every value of the recipes that differs, in the recipe's order."""
    ours, theirs = leaves(first), leaves(second)
    return {name: (leaf, theirs[name]) for name, leaf in ours.items() if leaf.value != theirs[name].value}


def deviations(recipe: Recipe, depth: int, silent: Collection[str] = ()) -> tuple[str, ...]:
    """Return what differs from the named recipe of a network of this depth, e.g. "lr=0.2 (0.1)".

    `silent` values are not told. A recipe whose name is none of ours deviates from nothing.
    """
    if recipe.name not in RECIPES:
        return ()
    return tuple(
        f"{name}={leaf.text or 'none'} ({named.text or 'none'})"
        for name, (named, leaf) in differing_leaves(named_recipe(recipe.name, depth), recipe).items()
        if name not in silent
    )


def decided_for_us(*, begins_trained: bool) -> set[str]:
    """Return the values of a run's recipe that nobody chose: kernels, and trained weights' normalisation.

    And whether it leaves a page, which is nothing of its result.
    """
    return {"compile", "capture", "report"} | (set(field_types(Normalisation)) if begins_trained else set())


def recipe_differences(
    first: Recipe, second: Recipe, names: tuple[str, str], columns: int | None = None
) -> str:
    """Return every value that differs, "old -> new", with its meaning, for so many columns."""
    pairs = differing_leaves(first, second)
    if not pairs:
        return NO_DIFFERENCE
    lines, width = [f"from {names[0]} to {names[1]}:"], max(map(len, pairs))
    for name, (old, new) in pairs.items():
        head = f"  {name:<{width}}  {old.text or '-'} -> {new.text or '-'}"
        column = 2 + width + 2 + _CHANGE_WIDTH + 2
        if len(head) + 2 > column:  # a long change has a line for itself
            lines.append(head)
            head = ""
        meaning = " ".join(leaf_help(first, name).split())
        lines.append(titled(f"{head:<{column}}", meaning, width=text_width(columns)))
    return "\n".join(lines)
