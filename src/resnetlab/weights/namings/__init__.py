"""All foreign namings that are read, one file each: every `Dialect` in a file of this room is one."""

import copyreg
import importlib
import pkgutil
from collections.abc import Callable

from resnetlab.base.registry import Registry
from resnetlab.weights.facts.naming import Dialect

_FILES = [importlib.import_module(f"{__name__}.{each.name}") for each in pkgutil.iter_modules(__path__)]

NAMINGS: Registry[Dialect] = Registry("naming")
"""No two of them read one file. Those of other packages are asked first."""


def _named(name: str) -> Dialect:
    return NAMINGS.find(name)


def _by_name(dialect: Dialect) -> tuple[Callable[[str], Dialect], tuple[str]]:
    """Return how a naming is found in another process: it holds functions, which do not travel."""
    return _named, (dialect.name,)


copyreg.pickle(Dialect, _by_name)

for _file in _FILES:
    for _dialect in vars(_file).values():
        if isinstance(_dialect, Dialect):
            NAMINGS.add(_dialect.name, _dialect)
