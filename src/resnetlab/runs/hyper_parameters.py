"""What a run was asked for as plain values by name, as tables of runs in other programs have it. No torch."""

import json
from collections.abc import Mapping
from typing import Any

from resnetlab.runs.directory import RunDirectory

HyperParameters = dict[str, bool | int | float | str]

_NOT_ASKED_FOR = ("name", "source", "published_parameters", "published_multiply_adds")
"""What a specification says of where it comes from."""


def hyper_parameters(run: RunDirectory) -> HyperParameters:
    """Return the values of a run's recipe by their leaf names, its network's and its data's.

    The network's are named as "model.shortcut". What is no number, text or truth is JSON.

    Raises:
        DataError: If a file of the run is missing or damaged.
    """
    recipe, spec, data = (run.read(name) for name in ("recipe", "spec", "data"))
    found: HyperParameters = {"model": str(spec.get("name")), "data": str(data["name"])}
    found |= {"recipe": str(recipe.get("name"))}
    for group in recipe.values():
        if isinstance(group, Mapping):
            found |= {name: _plain(value) for name, value in group.items()}
    return found | {
        f"model.{name}": _plain(value) for name, value in spec.items() if name not in _NOT_ASKED_FOR
    }


def _plain(value: Any) -> bool | int | float | str:
    return value if isinstance(value, bool | int | float | str) else json.dumps(value)
