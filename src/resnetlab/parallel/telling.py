"""How an error of one process is told to the others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from resnetlab.errors import ResnetlabError

_LONGEST = 200  # characters of a value in a message


@dataclass(frozen=True)
class Told:
    """An error on its way to other processes."""

    kind: type[ResnetlabError]
    message: str
    hint: str
    exit_code: int

    @classmethod
    def of(cls, error: BaseException) -> "Told":
        """Return an error to be told; one that is none of ours becomes a message that names its type."""
        if isinstance(error, ResnetlabError):
            return cls(type(error), Exception.__str__(error), error.hint, error.exit_code)
        text = f"{type(error).__name__}: {error}".removesuffix(": ")
        return cls(ResnetlabError, text, "", ResnetlabError.exit_code)

    def as_error(self, prefix: str = "") -> ResnetlabError:
        """Return it to be raised, with a prefix to the message."""
        error = self.kind(prefix + self.message, hint=self.hint)
        error.exit_code = self.exit_code
        return error


def in_one(told: Sequence[Told | None], names: Sequence[str]) -> ResnetlabError:
    """Return the errors of the processes, of which some have none, as one of the first's kind.

    It names the processes, unless all have the same.
    """
    found = [(name, each) for name, each in zip(names, told, strict=True) if each]
    first = found[0][1]
    if len(found) == len(told) and len({each for _, each in found}) == 1:
        return first.as_error()
    error = first.as_error(f"{found[0][0]}: ")
    others = [f"{name}: {each.message}" for name, each in found[1:]]
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
