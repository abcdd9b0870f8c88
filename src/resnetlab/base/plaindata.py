"""Frozen dataclasses to and from plain JSON data and text, by their type hints.

Knows bool, int, float, str, Literal, Duration, nested dataclasses, tuples of one item type, and dicts
that are plain JSON already.
Everything else in a field is our own mistake.
"""

import ast
import csv
import dataclasses
import functools
import inspect
import io
import json
import types
import typing
from collections.abc import Hashable, Iterable, Mapping
from itertools import pairwise
from numbers import Integral, Real
from typing import Any, Literal, TypeVar, get_args, get_origin

from resnetlab.base.units import Duration
from resnetlab.errors import UsageError

Plain = TypeVar("Plain")

_BEGINS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""Source: OWASP, "CSV Injection"."""

LATER = "A later version of resnetlab may have written it; read it with that."
"""What to do with our own record of something unknown."""


def field_types(kind: type) -> dict[str, Any]:
    """Return the resolved type of every field of a dataclass, in order."""
    return _field_types(kind)


@functools.cache
def _field_types(kind: Hashable) -> dict[str, Any]:
    assert isinstance(kind, type)
    hints = typing.get_type_hints(kind)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}


def required_fields(kind: type) -> list[str]:
    """Return the names of a dataclass's fields that have no default, in order."""
    return [
        field.name
        for field in dataclasses.fields(kind)
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    ]


_SCALARS = (bool, int, float, str, type(None))


def to_plain(value: Any) -> Any:
    """Return `value` as dicts, lists and scalars that JSON holds exactly."""
    if type(value) in _SCALARS:
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, Duration):
        return {name: to_plain(getattr(value, name)) for name in field_types(type(value))}
    if isinstance(value, Duration):
        return str(value)
    if isinstance(value, tuple):
        return [to_plain(item) for item in value]
    return value


def from_plain(kind: type[Plain], data: Mapping[str, Any], where: str = "") -> Plain:
    """Rebuild a dataclass from `to_plain`'s record; fields left out keep their defaults.

    Raises:
        UsageError: If a name is unknown, a required one is missing or a value does not fit.
    """
    where = where or kind.__name__
    known = field_types(kind)
    unknown = [name for name in data if name not in known]
    if unknown:
        raise UsageError(f"{where}: no such field: {', '.join(unknown)}", hint=LATER)
    missing = [name for name in required_fields(kind) if name not in data]
    if missing:
        raise UsageError(f"{where}: missing: {', '.join(missing)}")
    return kind(**{name: convert(known[name], data[name], f"{where}.{name}") for name in data})


def parse_text(kind: Any, text: str, name: str) -> Any:
    """Return the value of type `kind` that `text` writes, as `--set name=text` does.

    Raises:
        UsageError: If the text does not write such a value.
    """
    if _is_optional(kind):
        return None if text.lower() == "none" else parse_text(_inner(kind), text, name)
    if get_origin(kind) is tuple:
        items = [item.strip() for item in text.strip("()[] ").split(",") if item.strip()]
        return tuple(parse_text(get_args(kind)[0], item, name) for item in items)
    if kind is bool:
        words = {"true": True, "on": True, "yes": True, "1": True}
        words |= {"false": False, "off": False, "no": False, "0": False}
        if text.lower() not in words:
            raise UsageError(f"{name}={text}: write true or false")
        return words[text.lower()]
    if kind in (int, float):
        try:
            return kind(text.replace("_", ""))
        except ValueError:
            kinds = "a whole number" if kind is int else "a number"
            raise UsageError(f"{name}={text}: not {kinds}") from None
    return convert(kind, text, name)


def convert(kind: Any, value: Any, name: str) -> Any:
    """Return plain JSON data, or NumPy's numbers, as a value of type `kind`.

    Raises:
        UsageError: If it is none; `name` says which value it was.
    """
    if type(value) is kind:
        return value
    origin, options = _parts(kind)
    if origin is Literal:
        if value not in options:
            choices = ", ".join(map(str, options))
            raise UsageError(f"{name}={value}: not one of {choices}")
        return value
    if _is_optional(kind):
        return None if value is None else convert(_inner(kind), value, name)
    if kind is Duration:
        return Duration.parse(value)
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise UsageError(f"{name}={value!r}: not a list")
        return tuple(convert(options[0], item, name) for item in value)
    if origin is dict:
        if not isinstance(value, dict):
            raise UsageError(f"{name}={value!r}: not a group of values")
        return value
    if dataclasses.is_dataclass(kind):
        if not isinstance(value, Mapping):
            raise UsageError(f"{name}={value!r}: not a group of settings")
        return _rebuilt_once(typing.cast(type, kind), value, name)
    if kind is float and not isinstance(value, bool) and isinstance(value, Real):
        try:
            return float(value)
        except OverflowError:
            raise UsageError(f"{name}: too large for a number") from None
    if kind is int and not isinstance(value, bool) and isinstance(value, Integral):
        return int(value)
    if type(value) is not kind:
        raise UsageError(f"{name}={value!r}: not {kind.__name__}")
    return value


def _rebuilt_once(kind: type, value: Mapping[str, Any], name: str) -> Any:
    """Return what `from_plain` does: of a thousand recipes most groups are the same frozen ones."""
    try:
        text = json.dumps(value)
    except (TypeError, ValueError):  # no JSON: written in Python
        return from_plain(kind, value, name)
    return _rebuilt(kind, text, name)


@functools.lru_cache(maxsize=1024)
def _rebuilt(kind: Hashable, text: str, name: str) -> Any:
    return from_plain(typing.cast(type, kind), json.loads(text), name)


@functools.cache
def _parts(kind: Hashable) -> tuple[Any, tuple[Any, ...]]:
    """Return what kind of type it is, and of what; of a plain one None and nothing."""
    return get_origin(kind), get_args(kind)


def _is_optional(kind: Any) -> bool:
    origin, options = _parts(kind)
    return origin in (typing.Union, types.UnionType) and type(None) in options


def _inner(kind: Any) -> Any:
    return next(option for option in get_args(kind) if option is not type(None))


def field_docs(kind: type) -> dict[str, str]:
    """Return the string literal under each field of a dataclass, as its help text."""
    return _field_docs(kind)


@functools.cache
def _field_docs(kind: Hashable) -> dict[str, str]:
    assert isinstance(kind, type)
    docs: dict[str, str] = {}
    for base in kind.__mro__[-2::-1]:  # all but object, the lowest first
        tree = ast.parse(inspect.getsource(base)).body[0]
        assert isinstance(tree, ast.ClassDef)
        for node, after in pairwise(tree.body):
            match node, after:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=text)):
                    docs[name] = str(text)
    return {name: docs[name] for name in field_types(kind) if name in docs}


def to_json_bytes(data: Any) -> bytes:
    """Return `data` as JSON text with sorted keys; numbers that are not finite are refused."""
    return (json.dumps(data, indent=1, sort_keys=True, allow_nan=False) + "\n").encode()


def csv_text(rows: Iterable[Iterable[object]]) -> str:
    """Return the rows as CSV, each a line.

    Before a text that a spreadsheet would take for a formula and compute, an apostrophe stands.
    """
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows(map(_defused, row) for row in rows)
    return stream.getvalue()


def _defused(cell: object) -> object:
    if not isinstance(cell, str) or not cell.startswith(_BEGINS_A_FORMULA):
        return cell
    try:
        float(cell)  # a negative number, say
    except ValueError:
        return f"'{cell}"
    return cell


def as_text(value: object) -> str:
    """Return a value as `--set NAME=VALUE` takes it: "2", "B", "3,4,6,3", "true", "0.1"."""
    plain = to_plain(value)
    if isinstance(plain, list):
        return ",".join(str(item).removesuffix(".0") for item in plain)
    if isinstance(plain, bool):
        return str(plain).lower()
    return f"{plain:.12g}" if isinstance(plain, float) else str(plain)
