"""What a recipe shows of itself in a cell of a notebook: what differs from its name's, and every value."""

from itertools import groupby

from resnetlab.base.pages import cell
from resnetlab.recipe import Recipe
from resnetlab.recipe.named import RECIPES, named_recipe, recipe_doc
from resnetlab.recipe.settings import Leaf, leaf_help, leaves

_ALWAYS = ("length", "batch", "optimizer", "lr", "momentum", "weight_decay", "schedule", "precision")
"""Values that are looked at first."""


def recipe_html(recipe: Recipe) -> str:
    """Return a recipe as markup: the values that say most, those other than its name's, and all."""
    known = leaves(recipe)
    usual = leaves(named_recipe(recipe.name)) if recipe.name in RECIPES else {}
    changed = {name: usual[name] for name, leaf in known.items() if usual and usual[name].value != leaf.value}
    first = [*dict.fromkeys([*(name for name in _ALWAYS if name in known), *changed])]
    doc = recipe_doc(recipe.name).partition("\n\n")[0].replace("\n", " ") if recipe.name in RECIPES else ""
    return cell.cell(
        f"recipe {recipe.name}",
        _rows(recipe, [known[name] for name in first], changed),
        cell.fold(f"All {len(known)} values", _groups(recipe, changed)),
        about=doc,
    )


def _groups(recipe: Recipe, changed: dict[str, Leaf]) -> str:
    parts = []
    for group, those in groupby(leaves(recipe).values(), key=lambda leaf: leaf.group):
        parts += [cell.paragraph(group, is_faint=True), _rows(recipe, [*those], changed)]
    return "".join(parts)


def _rows(recipe: Recipe, those: list[Leaf], changed: dict[str, Leaf]) -> str:
    rows = []
    for leaf in those:
        value = cell.text(leaf.text or "-")
        if leaf.name in changed:
            value = f"<b>{value}</b> instead of {cell.text(changed[leaf.name].text or '-')}"
        meaning = " ".join(leaf_help(recipe, leaf.name).split())
        rows.append(
            (
                f"<code>{cell.text(leaf.name)}</code>",
                value,
                f'<span style="opacity:.72">{cell.text(meaning)}</span>',
            )
        )
    return cell.table((), rows)
