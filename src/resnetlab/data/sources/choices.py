"""What a user says of data that its format leaves open: which column is the label, which split trains."""

import dataclasses
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from resnetlab.base.paths import user_path
from resnetlab.errors import UsageError, nearest

FLAG = "--data-set"


@dataclass(frozen=True, kw_only=True)
class Choices:
    """How to read the data, where it can be read in several ways; an empty text leaves it to the format.

    On the command line `--data-set NAME=VALUE`, in Python `data_set={"NAME": "VALUE"}`, in a run's
    data.json "choices". A format refuses what it does not know.
    """

    image_column: str = ""
    """Where the images are: a column of a table, a feature of TFRecords, a suffix in WebDataset shards, an
    array of an .npz. A table's columns can be told by their numbers too, from 1."""

    label_column: str = ""
    """Where the labels are, in the same way; "coarse" of CIFAR-100. In a JSON "meta.label" goes deeper."""

    split_column: str = ""
    """The column that says of which split a row of a table is; "none" if no column does."""

    image_folder: str = ""
    """The folder in which a table's images lie, relative to the table's own."""

    suffix: str = ""
    """What a table leaves out at the end of its images' names, e.g. ".jpg"."""

    separator: str = ""
    """What stands between a table's columns: a character, or comma, semicolon, tab, space or bar."""

    header: str = ""
    """Whether a table's first row names its columns: yes or no."""

    train_split: str = ""
    """The names, in the data, of the splits to train on, e.g. "train,extra"."""

    val_split: str = ""
    """The names of the splits that are the validation split; "none" for none."""

    test_split: str = ""
    """The names of the splits that are the test split; "none" for none."""

    split_list: str = ""
    """Which lists beside an image folder say what trains and what tests, by their number, e.g. "3" for
    train3.txt and test3.txt; "none" for none, so that a fifth of each class is held out."""

    subset: str = ""
    """Which of several collections in one place is meant, by its name there, e.g. "balanced" of EMNIST."""

    class_names: str = ""
    """A text file with the name of each class, a line each, in the order of labels that are numbers."""

    inherited: frozenset[str] = field(default=frozenset(), repr=False)
    """Which of these an earlier run made: a format that does not know them passes over them."""

    listed: tuple[str, ...] = field(default=(), repr=False)
    """The lines of the file `class_names`, of an earlier run whose file is not at hand."""

    @property
    def naming(self) -> Path | tuple[str, ...]:
        """The names of the classes as `class_names` gives them: a file, or its lines."""
        return self.listed or Path(self.class_names)

    @classmethod
    def of(cls, values: object) -> "Choices":
        """Return the choices that a mapping of names to texts makes; None makes none.

        Raises:
            UsageError: If it is no mapping, a name is unknown or a value is no text.
        """
        if isinstance(values, Choices):
            return values
        if not isinstance(values, Mapping | None):
            hint = 'E.g. data_set={"label_column": "breed"}'
            raise UsageError(f"data_set is a mapping of names to texts, got {values!r}", hint=hint)
        texts: dict[str, str] = {}
        for name, value in (values or {}).items():
            known = name.strip().replace("-", "_") if isinstance(name, str) else ""
            if known not in NAMES:
                hint = f"{nearest(known, NAMES)} Known: {', '.join(NAMES)}."
                raise UsageError(f"{FLAG} {name}: no such choice for data", hint=hint.strip())
            texts[known] = _text(known, value)
        if texts.get(FILE):
            texts[FILE] = str(user_path(texts[FILE]).absolute())
        return dataclasses.replace(LEFT_OPEN, **cast("dict[str, Any]", texts))

    @classmethod
    def parse(cls, texts: Iterable[str]) -> "Choices":
        """Return the choices that the values of `--data-set` make, NAME=VALUE each; the last one counts.

        Raises:
            UsageError: If one is not of that form, or a name is unknown.
        """
        values: dict[str, str] = {}
        for text in texts:
            name, equals, value = text.partition("=")
            if not equals or not name.strip():
                raise UsageError(
                    f"{FLAG} {text}: not of the form NAME=VALUE", hint=f"E.g. {FLAG} label_column=breed"
                )
            values[name.strip()] = value
        return cls.of(values)

    def over(self, recorded: "Choices", *, elsewhere: bool) -> "Choices":
        """Return these choices, and those of an earlier run where these are silent.

        Args:
            recorded: The earlier run's.
            elsewhere: Whether the data is other data than that run's, whose format may differ.
        """
        more: dict[str, Any] = {
            name: text for name, text in recorded.to_json().items() if not getattr(self, name)
        }
        more["inherited"] = frozenset(more) if elsewhere else self.inherited
        if FILE in more:
            more["listed"] = recorded.listed
        return dataclasses.replace(self, **more)

    def known_to(self, kind: str, known: Collection[str]) -> "Choices":
        """Return the choices that a format knows.

        Args:
            kind: The format with its article, for the error, e.g. "an image folder".
            known: Names of the choices that it knows.

        Raises:
            UsageError: If another choice was made, naming those that it knows.
        """
        unknown = [name for name in self.to_json() if name not in known]
        made = [name for name in unknown if name not in self.inherited]
        if made:
            listed = f"It leaves open: {', '.join(known)}." if known else "It leaves nothing to choose."
            raise UsageError(
                f"{FLAG} {made[0]}={getattr(self, made[0])}: {kind} leaves no such choice", hint=listed
            )
        return dataclasses.replace(self, **cast("dict[str, Any]", dict.fromkeys(unknown, "")))

    def to_json(self) -> dict[str, str]:
        """Return the choices that were made, by name: what `of` takes."""
        return {name: text for name in NAMES if (text := getattr(self, name))}


NAMES = tuple(each.name for each in dataclasses.fields(Choices) if each.name not in ("inherited", "listed"))
"""Of all choices there are."""

FILE = "class_names"
"""The choice that is a path."""

LEFT_OPEN = Choices()
"""No choice made."""


def _text(name: str, value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return str(value)
    if not isinstance(value, str):
        raise UsageError(f"{FLAG} {name}: takes a text, got {type(value).__name__} {value!r}")
    return value if name == "separator" else value.strip()
