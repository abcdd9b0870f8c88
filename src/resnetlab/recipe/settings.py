"""The leaves of a recipe: listed, overridden one at a time, compared, each with its origin."""

import dataclasses
import hashlib
import json
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resnetlab.base.paths import meant_path
from resnetlab.base.plaindata import (
    as_text,
    convert,
    field_docs,
    field_types,
    from_plain,
    parse_text,
    to_plain,
)
from resnetlab.base.reading.plain import parse_json, read_text
from resnetlab.base.units import count_of
from resnetlab.errors import UsageError, nearest
from resnetlab.recipe import Recipe
from resnetlab.recipe.optimizers import OPTIMIZERS
from resnetlab.recipe.proportion import in_proportion
from resnetlab.recipe.timeline import Timeline


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
        return as_text(self.value)


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


OTHER_NAMES: Mapping[str, str] = {
    "learning_rate": "lr",
    "batch_size": "batch",
    "num_epochs": "epochs",
    "max_epochs": "epochs",
    "max_steps": "steps",
    "wd": "weight_decay",
    "opt": "optimizer",
    "optim": "optimizer",
    "scheduler": "schedule",
    "lr_scheduler": "schedule",
    "smoothing": "label_smoothing",
    "warmup_epochs": "warmup",
    "dtype": "precision",
    "amp": "precision",
    "ema": "ema_decay",
    "grad_clip": "clip_norm",
    "clip_grad": "clip_norm",
    "grad_accum": "accumulate",
}
"""What other programs call values of the recipe, and lengths."""


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
            hint=_meant(short, known) or "`resnetlab show quick` lists all settings.",
        )
    return leaf


def _meant(name: str, known: Mapping[str, Leaf]) -> str:
    other = OTHER_NAMES.get(name)
    return f"Did you mean {other}?" if other else nearest(name, [*LENGTHS, *known])


def recipe_from_json(data: Mapping[str, Any]) -> Recipe:
    """Rebuild a recipe from `to_plain(recipe)`.

    Its optimizer need not be here: who trains finds it or says who has it, who scores does without.
    """
    return from_plain(Recipe, data, "recipe")


def recipe_hash(recipe: Recipe) -> str:
    """Return the SHA-256 of the recipe's canonical JSON, in hexadecimal."""
    text = json.dumps(to_plain(recipe), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


LENGTHS = {"steps": "st", "epochs": "ep"}
"""Names under which a count is the length, and the unit that it is of."""

Given = tuple[str, str, Any]
"""What the user wrote, e.g. "--lr 0.2"; the name in it, of a leaf or one of LENGTHS; and the value."""


def once(given: Iterable[Given]) -> dict[str, Any]:
    """Return the values by leaf name, however each was named.

    Raises:
        UsageError: If a name is unknown, or a value is given twice.
    """
    known, values, written = leaves(Recipe()), dict[str, Any](), dict[str, str]()
    for text, name, value in given:
        leaf = "length" if name in LENGTHS else find_leaf(known, name).name
        if leaf in written:
            raise UsageError(
                f"{leaf} is given twice: {written[leaf]} and {text}", hint="Leave out one of them."
            )
        values[leaf], written[leaf] = f"{value}{LENGTHS[name]}" if name in LENGTHS else value, text
    return values


_SCALED = ("train_size", "resize", "grow_to")
"""Sides that a recipe means in proportion to its image_size."""


class Resolution:
    """A recipe under construction that remembers where each value came from.

    What is given wins over what is suggested, in whatever order they come; of what is given, the later. Sides
    of the recipe that nobody gave follow a given image_size. Whether the values fit each other is seen
    when `recipe` is asked for.
    """

    def __init__(self, base: Recipe) -> None:
        self._base = base
        self._known = leaves(base)
        self._suggested: dict[str, Any] = {}
        self._given: dict[str, Any] = {}
        self._asked: set[str] = set()
        self._share: str = ""
        default = leaves(Recipe())
        self._origins = {
            name: "default" if leaf.value == default[name].value else f"recipe {base.name}"
            for name, leaf in self._known.items()
        }

    @property
    def recipe(self) -> Recipe:
        """The recipe as it stands.

        Raises:
            UsageError: If its values cannot be together, or `val` is a share of an unknown number.
        """
        if self._share:
            raise UsageError(
                f"val={self._share}: a share of the training images, whose number is not known here"
            )
        return override(self._base, self._scaled() | self._suggested | self._given)

    @property
    def origins(self) -> dict[str, str]:
        """Where each value came from, by leaf name, e.g. "flag"."""
        return self._origins | dict.fromkeys(
            self._scaled().keys() - self._settled(), "scaled with image_size"
        )

    @property
    def name(self) -> str:
        """The name of the recipe that it stands on."""
        return self._base.name

    def __getitem__(self, name: str) -> Any:
        """Return a value by its leaf name."""
        return self._given.get(name, self._suggested.get(name, self._known[name].value))

    def is_given(self, name: str) -> bool:
        """Return whether the user decides this value."""
        return name in self._given

    def set_values(self, changes: Mapping[str, Any], origin: str, *, asked: bool = True) -> None:
        """Take what the user gives, and note its origin, e.g. "flag"; `val` may be a share such as "10%".

        Args:
            changes: By leaf name.
            origin: Where they come from.
            asked: Whether they are changes of a recipe, and no recipe that was made before.

        Raises:
            UsageError: If there is no such leaf, or it holds no such value.
        """
        for name, value in changes.items():
            leaf = find_leaf(self._known, name)
            self._origins[leaf.name] = origin
            if asked:
                self._asked.add(leaf.name)
            if leaf.name == "val":
                self._share = value if is_share(value) else ""
                value = 0 if self._share else value
            self._given[leaf.name] = convert(leaf.kind, _as_number(leaf, value), leaf.name)
            if leaf.name == "optimizer":
                OPTIMIZERS.refuse_unknown(self._given[leaf.name])

    def set_texts(self, changes: Mapping[str, str], origin: str) -> None:
        """Take values as texts write them, as `--set name=text` does."""
        self.set_values(read_texts(changes), origin)

    def set_file(self, path: Path, *, is_whole: bool = False) -> None:
        """Take the leaves of a JSON, TOML or YAML file: groups of values, or values by leaf name.

        Args:
            path: The file.
            is_whole: Whether it is a recipe that was made before, as a run's, and no changes of one.

        Raises:
            UsageError: If the file cannot be read, or names something unknown or twice.
        """
        data = read_settings_file(path)
        data.pop("name", None)
        try:
            self._take(data, path, is_whole=is_whole)
        except UsageError as error:
            raise UsageError(f"{path}: {error.args[0]}", hint=error.hint) from error
        except RecursionError as error:
            raise UsageError(f"{path}: a value is nested too deep") from error

    def _take(self, data: Mapping[str, Any], path: Path, *, is_whole: bool) -> None:
        given: list[Given] = []
        for key, value in data.items():
            inside = {f"{key}.{n}": v for n, v in value.items()} if isinstance(value, dict) else {key: value}
            given += [(f"{name} = {item}", name, item) for name, item in inside.items()]
        values = once(given)
        read = read_texts(values) if path.suffix in _TEXTS else values
        self.set_values(read, f"file {path.name}", asked=not is_whole)

    def suggest(self, changes: Mapping[str, Any], origin: str) -> None:
        """Set values that the user did not give."""
        for name, value in changes.items():
            self._suggested[name] = value
            if name not in self._given:
                self._origins[name] = origin

    def hold_out(self, total: int) -> None:
        """Turn a share of validation samples into the count that it is of so many training samples.

        Raises:
            UsageError: If it is no share above 0 and at most 100 %.
        """
        if self._share:
            self._given["val"] = int(count_of(self._share, total))
            self._share = ""

    def follow_length(self, total: int) -> None:
        """Where a shorter length is asked for than the recipe's own, let what follows it keep its share.

        That is warm-up, milestones and the unmixed end, as far as they are not asked for too. What a `Recipe`
        or a whole file of one says was given, and not asked for: of these the length is their own.

        Args:
            total: Training samples, the held-out ones included.
        """
        if "length" not in self._asked:
            return
        earlier = {name: value for name, value in self._given.items() if name not in self._asked}
        own = override(self._base, self._suggested | earlier | {"batch": self["batch"]})
        samples = total - self["val"]
        steps = {
            length: Timeline(
                num_samples=samples, batch=self["batch"], length=length, cycle_epochs=self["cycle_epochs"]
            ).num_steps
            for length in (own.run.length, self["length"])
        }
        if steps[self["length"]] < steps[own.run.length]:
            changes = in_proportion(own, samples, steps[self["length"]], self._asked, self["length"])
            self.set_values(changes, f"in proportion to {self['length']}", asked=False)

    def _settled(self) -> set[str]:
        return {*self._suggested, *self._given}

    def _scaled(self) -> dict[str, Any]:
        """Return the base's sides in proportion to the image_size that is given."""
        own, wanted = self._known["image_size"].value, self._given.get("image_size")
        if not own or wanted is None or wanted == own:
            return {}
        sides = {name: self._known[name].value for name in _SCALED}
        return {name: round(side * wanted / own) for name, side in sides.items() if side}


def is_share(value: object) -> bool:
    """Return whether the value is a text such as "10%"."""
    return isinstance(value, str) and value.strip().endswith("%") and "," not in value


def _as_number(leaf: Leaf, value: Any) -> Any:
    """Return the number that a share such as "20%" is, where a number is due; anything else as it is."""
    if leaf.kind is float and is_share(value):
        return parse_text(float, value.strip().removesuffix("%"), leaf.name) / 100
    if leaf.name == "val" and isinstance(value, str):
        return parse_text(int, value, leaf.name)
    return value


def read_texts(texts: Mapping[str, str]) -> dict[str, Any]:
    """Return the values that texts write, by the names they have there; a share of `val` stays a text.

    Raises:
        UsageError: If there is no such leaf, or a text writes no such value.
    """
    known, values = leaves(Recipe()), dict[str, Any]()
    for name, text in texts.items():
        leaf = find_leaf(known, name)
        is_number = is_share(text) and (leaf.kind is float or leaf.name == "val")
        values[name] = text if is_number else parse_text(leaf.kind, text, name)
    return values


_TEXTS = (".yaml", ".yml")
_MOST_BYTES, _MOST_YAML_BYTES = 2**20, 2**16
"""PyYAML takes ten seconds for a megabyte."""
SETTINGS_FILES = (".json", ".toml", *_TEXTS)
"""Suffixes of files that hold values of a recipe."""


def is_whole(data: Mapping[str, Any]) -> bool:
    """Return whether a file's content is a recipe in full, as a run keeps it, and not changes of one."""
    groups = [group for group in field_types(Recipe) if dataclasses.is_dataclass(getattr(Recipe(), group))]
    return all(isinstance(data.get(group), dict) for group in groups)


def read_settings_file(path: Path) -> dict[str, Any]:
    """Return the content of a .json or .toml file, or of a .yaml file, in which every value is a text.

    So YAML's `off` and `1e-4` are what `--set` makes of them, no False and no text.

    Raises:
        UsageError: If it cannot be read or is neither.
    """
    try:
        most = _MOST_YAML_BYTES if path.suffix in _TEXTS else _MOST_BYTES
        text = read_text(path, most=most, encoding="utf-8-sig")
        data = (
            _texts_of_yaml(text)
            if path.suffix in _TEXTS
            else (parse_json(text.encode()) if path.suffix == ".json" else tomllib.loads(text))
        )
    except FileNotFoundError as error:
        raise UsageError(f"there is no recipe file {path}", hint=meant_path(path)) from error
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"cannot read the recipe file {path}: {error}") from error
    if not isinstance(data, dict):
        raise UsageError(f"the recipe file {path} holds no table of settings")
    return data


def _texts_of_yaml(text: str) -> Any:
    """Return a YAML file's groups of values, each value as `--set` takes it: a list is "0.1,0.01".

    Raises:
        ModuleNotFoundError: Without PyYAML.
        ValueError: If it is no YAML.
    """
    import yaml

    class Loader(yaml.BaseLoader):  # type: ignore[misc]  # without types
        """Makes texts of all, and no objects; refuses a name that stands twice in a group."""

        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            names = [self.construct_object(name) for name, _ in node.value]
            texts = Counter(name for name in names if isinstance(name, str))
            if twice := next((name for name, count in texts.items() if count > 1), None):
                raise ValueError(f"{twice} is given twice")
            return super().construct_mapping(node, deep)

    def as_set(value: Any, groups: int = 2) -> Any:
        if isinstance(value, dict) and groups:
            return {str(key): as_set(item, groups - 1) for key, item in value.items()}
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return ",".join(value)
        if not isinstance(value, str):
            raise ValueError("groups of values, or values by name, are no deeper than that")
        return value

    try:
        return as_set(yaml.load(text, Loader) or {})
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(f"no YAML: {error}") from error
