"""What can be wrong with a file from outside, by a seed: bytes, places, and JSON by its values."""

import json
import os
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_SPARSE_BYTES = 8 << 30
_DEEP = 10_000


@dataclass(frozen=True)
class Damage:
    """Something wrong, by name, and how a whole file gets it."""

    name: str
    do: Callable[[Path], object]


def _written(name: str, content: bytes) -> Damage:
    return Damage(name, lambda path: path.write_bytes(content))


def places(content: bytes) -> Iterator[Damage]:
    """What is no file at all, none with a content, or one without an end."""
    yield _written("empty", b"")
    yield Damage("a directory", _replaced(lambda path: path.mkdir()))
    yield Damage("a pipe", _replaced(os.mkfifo))
    yield Damage("zeros for ever", _replaced(lambda path: path.symlink_to("/dev/zero")))
    yield Damage("a link to itself", _replaced(lambda path: path.symlink_to(path)))
    yield Damage("8 GiB, never written", _replaced(lambda path: _grown(path, b"")))
    yield Damage("8 GiB, hardly written", _replaced(lambda path: _grown(path, content)))


def _replaced(make: Callable[[Path], object]) -> Callable[[Path], None]:
    def do(path: Path) -> None:
        path.unlink()
        make(path)

    return do


def _grown(path: Path, content: bytes) -> None:
    with path.open("wb") as stream:
        stream.write(content)
        stream.truncate(_SPARSE_BYTES)


def of_bytes(content: bytes, rng: random.Random, count: int) -> Iterator[Damage]:
    """Cuts, turned bits, zeros, other bytes, pieces that come twice or not at all."""
    size = len(content)
    for place in sorted({1, size // 4, size // 2, max(0, size - 1)}):
        yield _written(f"cut at {place}", content[:place])
    for _ in range(count):
        place, length = rng.randrange(size), rng.choice((1, 2, 4, 8, 64, 512))
        kind = rng.randrange(6)
        if kind == 0:
            bit = 1 << rng.randrange(8)
            made = content[:place] + bytes([content[place] ^ bit]) + content[place + 1 :]
            yield _written(f"bit {bit} of byte {place} turned", made)
        elif kind == 1:
            yield _over(content, place, bytes(length), f"{length} zeros at {place}")
        elif kind == 2:
            yield _over(content, place, b"\xff" * length, f"{length} times 255 at {place}")
        elif kind == 3:
            yield _over(content, place, rng.randbytes(length), f"{length} other bytes at {place}")
        elif kind == 4:
            yield _written(f"without {length} bytes at {place}", content[:place] + content[place + length :])
        else:
            piece = content[place : place + length]
            yield _written(f"{len(piece)} bytes at {place} twice", content[:place] + piece + content[place:])


def _over(content: bytes, place: int, piece: bytes, name: str) -> Damage:
    return _written(name, (content[:place] + piece + content[place + len(piece) :])[: len(content)])


class _Raw:
    """What JSON has no value for, or only this form of."""

    def __init__(self, text: str) -> None:
        self.text = text


_VALUES: tuple[Any, ...] = (
    None, [], {}, "", "text", True, -1, 0, 10**6, 10**18, 0.5, 1e308, [None], {"a": 1}, "\ud800", "\0",
    "../x", [[[]]], _Raw("NaN"), _Raw("Infinity"), _Raw("-Infinity"), _Raw("1e999"), _Raw("9" * 400),
    _Raw("9" * 5000), _Raw("[" * _DEEP + "]" * _DEEP), _Raw('{"a":' * _DEEP + "1" + "}" * _DEEP),
)  # fmt: skip


def of_json(content: bytes, rng: random.Random, count: int) -> Iterator[Damage]:
    """Each value another one, of JSON or of JSON lines; and what is wrong with a text as such."""
    yield _written("a byte order mark", b"\xef\xbb\xbf" + content)
    yield _written("UTF-16", content.decode().encode("utf-16"))
    yield _written("no UTF-8", content[:1] + b"\xff\xfe" + content[1:])
    yield _written("all of it nested", b"[" * _DEEP + content + b"]" * _DEEP)
    yield _written("twice", content + content)
    yield _written("zeros behind it", content + bytes(512))
    lines = content.decode().splitlines() if content.count(b"\n{") else [content.decode()]
    parsed = [json.loads(line) for line in lines]
    spots = [(number, *spot) for number, each in enumerate(parsed) for spot in _spots(each)]
    everything = [(spot, value) for spot in spots for value in range(len(_VALUES) + 2)]
    for spot, value in everything if count >= len(everything) else rng.sample(everything, count):
        yield _with_value(parsed, spot, value)


def _spots(value: Any, *path: Any) -> Iterator[tuple[Any, ...]]:
    yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _spots(inner, *path, key)
    elif isinstance(value, list):
        for index, inner in enumerate(value[:3]):
            yield from _spots(inner, *path, index)


def _with_value(parsed: list[Any], spot: tuple[Any, ...], number: int) -> Damage:
    row, *path = spot
    name = "/".join(map(str, path)) or "all of it"
    if not path:
        number = min(number, len(_VALUES) - 1)
    if number < len(_VALUES):
        value = _VALUES[number]
        told = value.text[:12] if isinstance(value, _Raw) else ascii(value)
        made = _text(parsed[row], path, value)
        name = f"line {row}, {name} = {told}"
    else:
        is_twice = number > len(_VALUES)
        made = _text(parsed[row], path, None, is_twice=is_twice, is_absent=not is_twice)
        name = f"line {row}, {'twice' if is_twice else 'without'} {name}"
    rows = [made if index == row else json.dumps(each) for index, each in enumerate(parsed)]
    return _written(name, ("\n".join(rows) + "\n").encode("utf-8", "surrogatepass"))


def _text(whole: Any, path: list[Any], value: Any, *, is_twice: bool = False, is_absent: bool = False) -> str:
    """Return JSON with another value at the path; or that key twice, or not at all."""
    if not path:
        return value.text if isinstance(value, _Raw) else json.dumps(value)
    key, *rest = path
    more = {"is_twice": is_twice, "is_absent": is_absent}
    pairs = [*(whole.items() if isinstance(whole, dict) else enumerate(whole))]
    parts: list[tuple[Any, str]] = []
    for name, each in pairs:
        if name != key:
            parts.append((name, json.dumps(each)))
        elif rest:
            parts.append((name, _text(each, rest, value, **more)))
        elif is_twice:
            parts += [(name, json.dumps(each)), (name, "null")]
        elif not is_absent:
            parts.append((name, value.text if isinstance(value, _Raw) else json.dumps(value)))
    if isinstance(whole, list):
        return f"[{', '.join(text for _, text in parts)}]"
    return f"{{{', '.join(f'{json.dumps(name)}: {text}' for name, text in parts)}}}"


def value(content: object, *path: object) -> Damage:
    """A JSON file with this value at a place in it."""

    def do(file: Path) -> None:
        whole = json.loads(file.read_bytes())
        *above, last = path
        inner = whole
        for key in above:
            inner = inner[key]
        inner[last] = content
        file.write_text(json.dumps(whole))

    return Damage(f"{'/'.join(map(str, path))} = {ascii(content)[:20]}", do)


def place(name: str) -> Damage:
    """One of `places`."""
    return Damage(
        name, lambda path: next(each for each in places(path.read_bytes()) if each.name == name).do(path)
    )


def doubled(place: int, length: int) -> Damage:
    """Some bytes twice."""

    def do(path: Path) -> None:
        whole = path.read_bytes()
        path.write_bytes(whole[: place + length] + whole[place:])

    return Damage(f"{length} bytes at {place} twice", do)


def at(place: int, content: bytes) -> Damage:
    """Other bytes at a place."""

    def do(path: Path) -> None:
        whole = path.read_bytes()
        path.write_bytes(whole[:place] + content + whole[place + len(content) :])

    return Damage(f"{content[:8]!r} at {place}", do)
