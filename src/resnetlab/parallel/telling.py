"""How an error of one process is told to the others, and why all of them end."""

import json
import signal
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from resnetlab import errors
from resnetlab.errors import Interrupted, LostProcess, ResnetlabError

_RESUME = "The run goes on from its last checkpoint with `resnetlab resume`."
_FINISHED = "All was done before; there is nothing to go on with."

_LONGEST = 200  # characters of a value in a message


@dataclass(frozen=True)
class Told:
    """An error on its way to other processes."""

    kind: str
    """The name of its class, which is in errors.py."""
    message: str
    hint: str
    exit_code: int

    @classmethod
    def of(cls, error: BaseException) -> "Told":
        """Return an error to be told; one that is none of ours becomes a message that names its type."""
        if isinstance(error, ResnetlabError):
            name = next(each.__name__ for each in type(error).__mro__ if hasattr(errors, each.__name__))
            return cls(name, Exception.__str__(error), error.hint, error.exit_code)
        if isinstance(error, KeyboardInterrupt):
            code = getattr(error, "exit_code", 128 + signal.SIGINT)
            return cls(ResnetlabError.__name__, "stopped", "", code)
        text = f"{type(error).__name__}: {error}".removesuffix(": ")
        return cls(ResnetlabError.__name__, text, "", ResnetlabError.exit_code)

    def to_json(self) -> str:
        """Return it as text for the store."""
        return json.dumps(asdict(self))

    def as_error(self) -> ResnetlabError:
        """Return it to be raised."""
        error: ResnetlabError = getattr(errors, self.kind)(self.message, hint=self.hint)
        error.exit_code = self.exit_code
        return error

    def named(self, name: str) -> "Told":
        """Return it with a process's name before the message."""
        return replace(self, message=f"{name}: {self.message}")


@dataclass(frozen=True)
class Note:
    """Why the run ends: the first cause that a process published."""

    told: Told
    by: int
    """The process that published it, and prints it."""
    of: int = -1
    """The process whose error or death it is; -1 if it is nobody's."""

    @classmethod
    def lost(cls, message: str, by: int, of: int = -1, *, is_finished: bool = False) -> "Note":
        """Return the note that a process was killed, stopped or lost, maybe when all was done."""
        hint = _FINISHED if is_finished else _RESUME
        return cls(Told(LostProcess.__name__, message, hint, LostProcess.exit_code), by, of)

    @property
    def is_own_error(self) -> bool:
        """Whether it is an error that the publishing process itself met."""
        return self.by == self.of >= 0

    @property
    def is_request(self) -> bool:
        """Whether the run stops because somebody asked for it, and what is to be saved is being saved."""
        return self.told.kind == Interrupted.__name__

    def to_json(self) -> str:
        """Return it as text for the store."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Note":
        """Return what `to_json` wrote."""
        values = json.loads(text)
        return cls(Told(**values.pop("told")), **values)


def mark_told(error: BaseException) -> None:
    """Mark an error that another process shows."""
    error.__dict__["_is_told"] = True


def is_told(error: BaseException) -> bool:
    """Whether another process shows this error."""
    return "_is_told" in error.__dict__


def in_one(told: Sequence[Told | None], names: Sequence[str]) -> ResnetlabError:
    """Return the errors of the processes, of which some have none, as one of the first's kind.

    It names the processes, unless all have the same.
    """
    found = [(name, each) for name, each in zip(names, told, strict=True) if each]
    name, first = found[0]
    if len(found) == len(told) and len({each for _, each in found}) == 1:
        return first.as_error()
    error = first.named(name).as_error()
    others = [each.named(name).message for name, each in found[1:]]
    if others:
        error.hint = "\n".join([error.hint, *others] if error.hint else others)
    return error


def differences(facts: Sequence[Mapping[str, str]], names: Sequence[str]) -> list[str]:
    """Return a line for every fact in which a process differs from the first."""
    return [
        f"{name}: {key} is {_short(own.get(key))}, and {_short(facts[0].get(key))} at {names[0]}"
        for name, own in zip(names[1:], facts[1:], strict=True)
        for key in dict.fromkeys([*facts[0], *own])
        if own.get(key) != facts[0].get(key)
    ]


def _short(value: str | None) -> str:
    if value is None:
        return "missing"
    return value if len(value) <= _LONGEST else value[: _LONGEST - 4] + " ..."
