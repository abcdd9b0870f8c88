"""The leaves of a recipe: listed, overridden one at a time, compared, each with its origin."""

import dataclasses
import hashlib
import json
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resnetlab.errors import UsageError, nearest
from resnetlab.plaindata import convert, field_docs, field_types, from_plain, parse_text, to_plain
from resnetlab.recipe import Recipe


@dataclass(frozen=True)
class Leaf:
    """One value of a recipe."""

    group: str
    name: str
    kind: Any
    value: Any

    @property
    def text(self) -> str:
        """The value as `--set` takes it."""
        plain = to_plain(self.value)
        if isinstance(plain, list):
            return ",".join(str(item).removesuffix(".0") for item in plain)
        if isinstance(plain, bool):
            return str(plain).lower()
        return f"{plain:.12g}" if isinstance(plain, float) else str(plain)


def leaves(recipe: Recipe) -> dict[str, Leaf]:
    """Return every value of the recipe by its leaf name, in the recipe's order."""
    found: dict[str, Leaf] = {}
    for group in field_types(Recipe):
        node = getattr(recipe, group)
        if not dataclasses.is_dataclass(node):
            continue
        for name, kind in field_types(type(node)).items():
            found[name] = Leaf(group, name, kind, getattr(node, name))
    return found


def leaf_help(recipe: Recipe, name: str) -> str:
    """Return the help text of a leaf."""
    return field_docs(type(getattr(recipe, leaves(recipe)[name].group)))[name]


def override(recipe: Recipe, changes: Mapping[str, Any]) -> Recipe:
    """Return the recipe with these leaves changed, e.g. {"lr": 0.2, "length": Duration(8, "ep")}.

    Raises:
        UsageError: If a name is unknown or the changed recipe cannot be.
    """
    known = leaves(recipe)
    groups: dict[str, dict[str, Any]] = {}
    for name, value in changes.items():
        leaf = find_leaf(known, name)
        groups.setdefault(leaf.group, {})[leaf.name] = value
    return dataclasses.replace(
        recipe,
        **{g: dataclasses.replace(getattr(recipe, g), **values) for g, values in groups.items()},
    )


def find_leaf(known: Mapping[str, Leaf], name: str) -> Leaf:
    """Return the leaf called `name` or `group.name`.

    Raises:
        UsageError: If there is none, with the nearest names.
    """
    group, _, short = name.rpartition(".")
    leaf = known.get(short)
    if leaf is None or group not in ("", leaf.group):
        raise UsageError(
            f"no setting is called {name!r}",
            hint=nearest(short, known) or "`resnetlab show quick` lists all settings.",
        )
    return leaf


def recipe_from_json(data: Mapping[str, Any]) -> Recipe:
    """Rebuild a recipe from `to_plain(recipe)`."""
    return from_plain(Recipe, data, "recipe")


def recipe_hash(recipe: Recipe) -> str:
    """Return the SHA-256 of the recipe's canonical JSON, in hexadecimal."""
    text = json.dumps(to_plain(recipe), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


Layer = tuple[str, Mapping[str, Any]]
"""Values by leaf name, and before them where they come from."""


class Resolution:
    """A recipe under construction that remembers where each value came from.

    Later layers win: default < recipe < what weights and data suggest < file < flag.
    """

    def __init__(self, base: Recipe) -> None:
        default = leaves(Recipe())
        self.recipe = base
        self.origins = {
            name: "default" if leaf.value == default[name].value else f"recipe {base.name}"
            for name, leaf in leaves(base).items()
        }

    def set_values(self, changes: Mapping[str, Any], origin: str) -> None:
        """Change leaves, all at once, and note their origin, e.g. "flag"."""
        known = leaves(self.recipe)
        by_leaf = {find_leaf(known, name).name: value for name, value in changes.items()}
        self.recipe = override(self.recipe, by_leaf)
        self.origins |= dict.fromkeys(by_leaf, origin)

    def set_layers(self, layers: Iterable[Layer]) -> None:
        """Change leaves, layer after layer."""
        for origin, changes in layers:
            self.set_values(changes, origin)

    def set_texts(self, changes: Mapping[str, str], origin: str) -> None:
        """Change leaves to the values that texts write, as `--set name=text` does."""
        known = leaves(self.recipe)
        kinds = {name: find_leaf(known, name).kind for name in changes}
        self.set_values({n: parse_text(kinds[n], changes[n], n) for n in changes}, origin)

    def set_file(self, path: Path) -> None:
        """Apply the leaves of a JSON or TOML file: groups of values, or values by leaf name.

        Raises:
            UsageError: If the file cannot be read or names something unknown.
        """
        data = read_settings_file(path)
        data.pop("name", None)
        known, changes = leaves(self.recipe), {}
        for key, value in data.items():
            is_group = isinstance(value, dict)
            for name, item in value.items() if is_group else [(key, value)]:
                leaf = find_leaf(known, f"{key}.{name}" if is_group else name)
                changes[leaf.name] = convert(leaf.kind, item, leaf.name)
        self.set_values(changes, f"file {path.name}")


def read_settings_file(path: Path) -> dict[str, Any]:
    """Return the content of a .json or .toml file.

    Raises:
        UsageError: If it cannot be read or is neither.
    """
    try:
        text = path.read_text(encoding="utf-8")
        data = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot read the recipe file {path}: {error}") from error
    if not isinstance(data, dict):
        raise UsageError(f"the recipe file {path} holds no table of settings")
    return data
