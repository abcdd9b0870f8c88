"""Things of one kind by name: ours, what a program adds, and what installed packages offer."""

import importlib
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from resnetlab.errors import ResnetlabError, UsageError, nearest

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

Thing = TypeVar("Thing")

OURS = "resnetlab"
_HOME = str(Path(__file__).parents[1])


class Registry(Generic[Thing]):
    """The things of one kind, e.g. recipes.

    A package offers one by an entry point of the group "resnetlab.recipes", whose name is the thing's, and
    whose module adds it when it is imported. It is imported when that name is asked for, or all are.
    """

    def __init__(
        self, kind: str, ours: Mapping[str, Thing] | None = None, *, modules: Mapping[str, str] | None = None
    ) -> None:
        """Begin with ours.

        Args:
            kind: In the singular, for messages and the group of entry points.
            ours: By name.
            modules: Those of ours that add their things when they are imported, by the things' names.
        """
        self.kind, self._modules = kind, dict(modules or {})
        self._things: dict[str, Thing] = dict(ours or {})
        self._owners = dict.fromkeys([*self._things, *self._modules], OURS)

    def add(self, name: str, thing: Thing, owner: str = OURS) -> None:
        """Add a thing; what the same owner, who is not us, added before under this name, it replaces.

        Raises:
            UsageError: If somebody else has added one of this name.
        """
        is_taken = owner == OURS and self._things.get(name, thing) is not thing
        if (other := self._owners.get(name, owner)) != owner or is_taken:
            raise UsageError(
                f"{owner} adds the {self.kind} {name!r}, which {other} has already",
                hint="Give it another name.",
            )
        self._things[name], self._owners[name] = thing, owner

    def __contains__(self, name: str) -> bool:
        return name in self._owners or any(offer.name == name for offer in self._offers())

    def names(self) -> list[str]:
        """Return all names, ours first; nothing is imported for them."""
        return list(dict.fromkeys([*self._owners, *(offer.name for offer in self._offers())]))

    def find(self, name: str) -> Thing:
        """Return the thing of this name.

        Raises:
            UsageError: If there is none, with the nearest names, or its package is wrong.
        """
        if name not in self._things:
            self._import(name)
        return self._things[name]

    def package_of(self, name: str) -> str:
        """Return which package has it, with its version, or who else added it; empty for what is ours."""
        if self._owners.get(name) == OURS:
            return ""
        packages = [_package_of(offer) for offer in self._offers() if offer.name == name]
        return packages[0] if packages else self._owners[name]

    def others(self) -> tuple[dict[str, Thing], list[str]]:
        """Return the things that are not ours by name, and a note on each that cannot be had."""
        found, notes = dict[str, Thing](), list[str]()
        for name in self.names():
            if self._owners.get(name) != OURS:
                try:
                    found[name] = self.find(name)
                except UsageError as error:
                    notes.append(passed_over(error))
        return found, notes

    def all(self) -> tuple[list[Thing], list[str]]:
        """Return all things, those that are not ours first, and a note on each that cannot be had."""
        found, notes = self.others()
        ours = [self.find(name) for name, owner in self._owners.items() if owner == OURS]
        return [*found.values(), *ours], notes

    @contextmanager
    def doing(self, name: str, action: str) -> Iterator[None]:
        """Have what goes wrong in the code of others say whose it is, and where.

        Args:
            name: The thing's.
            action: What cannot be done, e.g. "read shapes.sqlite".

        Raises:
            UsageError: For any exception inside, unless the thing is ours, or it is an error of ours.
        """
        try:
            yield
        except (ResnetlabError, MemoryError):
            raise
        except Exception as error:
            package = self.package_of(name)
            if not package:
                raise
            frames = traceback.extract_tb(error.__traceback__)
            where = next((each for each in frames if not each.filename.startswith(_HOME)), frames[-1])
            raise UsageError(
                f"the {self.kind} {name!r} of {package} cannot {action}: {type(error).__name__}: {error}",
                hint=f"It was raised in {where.filename}, line {where.lineno}.",
            ) from error

    def refuse_unknown(self, name: str) -> None:
        """Raise UsageError if there is no such name, with the nearest ones."""
        if name not in self:
            known = self.names()
            raise UsageError(
                f"no {self.kind} is called {name!r}",
                hint=nearest(name, known) or f"The {self.kind}s are {', '.join(known)}.",
            )

    def _import(self, name: str) -> None:
        if name in self._modules:
            importlib.import_module(self._modules[name])
            return
        self.refuse_unknown(name)
        offers = [offer for offer in self._offers() if offer.name == name]
        packages = [_package_of(offer) for offer in offers]
        if len(offers) > 1:
            raise UsageError(
                f"the {self.kind} {name!r} is offered by {' and by '.join(packages)}",
                hint="Uninstall all but one.",
            )
        told = f"the {self.kind} {name!r} of {packages[0]}"
        try:
            offers[0].load()
        except ResnetlabError as error:
            raise UsageError(f"{told}: {error.args[0]}", hint=error.hint) from error
        except Exception as error:
            raise UsageError(
                f"{told} cannot be imported: {type(error).__name__}: {error}",
                hint=f'`python -c "import {offers[0].module}"` shows where.',
            ) from error
        if name not in self._things:
            raise UsageError(
                f"{told}: its module {offers[0].module} adds no {self.kind} of this name",
                hint=f"Its entry point is called as register.{self.kind}(...) says there.",
            )

    def _offers(self) -> "list[EntryPoint]":
        return _offers_of(self.kind)


def passed_over(error: ResnetlabError) -> str:
    """Return the note on a thing of others that was to be asked and could not be."""
    return f"passed over: {' '.join(str(error).split())}"


def _offers_of(kind: str) -> "list[EntryPoint]":
    group = f"resnetlab.{kind}s"
    if not any(f"[{group}]".encode() in content for content in _entry_points()):
        return []
    from importlib.metadata import entry_points  # 20 ms, which most commands need not wait

    return list(entry_points(group=group))


def _entry_points() -> Iterator[bytes]:
    """Give what the packages on Python's path say that they offer."""
    for folder in dict.fromkeys(sys.path):
        files = list[Path]()
        with suppress(OSError):  # of folders that may not be looked into
            files += Path(folder).glob("*-info/entry_points.txt")
        for file in files:
            with suppress(OSError):
                yield file.read_bytes()


def _package_of(offer: "EntryPoint") -> str:
    return f"{offer.dist.name} {offer.dist.version}" if offer.dist else offer.value
