"""Mutations of whole inputs, by a generator of random numbers: of bytes, of text, of JSON by its values."""

import copy
import json
import random
import re
import struct
from collections.abc import Callable, Sequence
from typing import Any

Change = Callable[[bytes, random.Random], bytes]

_INTERESTING = (
    0, 1, 2, 4, 7, 8, 15, 16, 31, 32, 63, 64, 100, 127, 128, 255, 256, 1000, 1023, 1024, 4096, 32767, 32768,
    65535, 65536, 2**24, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**53, 2**63 - 1, 2**63, 2**64 - 1,
)  # fmt: skip
_FORMS = ("<B", "<H", ">H", "<I", ">I", "<Q", ">Q")
_WIDTHS = {form: 8 * struct.calcsize(form) for form in _FORMS}
_NEAR = 64
"""Bytes of the beginning and of the end, where headers lie: in each of both are a third of the changes."""
_MOST_GROWTH = 1 << 16


def of_bytes(tokens: Sequence[bytes] = (), others: Sequence[bytes] = ()) -> Change:
    """Return what changes bytes: one to some places, by bits, numbers, blocks, tokens and pieces of others.

    Args:
        tokens: Pieces that mean something to who reads them.
        others: Whole inputs, pieces of which are put in.
    """

    def change(content: bytes, rng: random.Random) -> bytes:
        most = len(content) + _MOST_GROWTH
        for _ in range(_few(rng)):
            content = _changed(content, rng, tokens, others)[:most]
        return content

    return change


def _few(rng: random.Random) -> int:
    """Return how many changes are made at once: mostly one."""
    count = 1
    while rng.random() < 0.4 and count < 8:
        count += 1
    return count


def _place(content: bytes, rng: random.Random) -> int:
    where = rng.random()
    if where < 1 / 3:
        return rng.randrange(min(len(content), _NEAR) + 1)
    if where < 2 / 3:
        return max(0, len(content) - rng.randrange(_NEAR + 1))
    return rng.randrange(len(content) + 1)


def _changed(content: bytes, rng: random.Random, tokens: Sequence[bytes], others: Sequence[bytes]) -> bytes:
    at = _place(content, rng)
    before, behind = content[:at], content[at:]
    kind = rng.randrange(12)
    if kind == 0 and behind:
        return before + bytes([behind[0] ^ 1 << rng.randrange(8)]) + behind[1:]
    if kind == 1:
        return before + rng.randbytes(1) + behind[1:]
    if kind == 2:
        return before + rng.randbytes(rng.randrange(1, 9)) + behind
    if kind == 3:
        return before + behind[1 << rng.randrange(0, 10) :]
    if kind == 4:
        return before
    if kind == 5:
        form = rng.choice(_FORMS)
        number = struct.pack(form, rng.choice(_INTERESTING) % 2 ** _WIDTHS[form])
        return before + number + behind[len(number) :]
    if kind == 6:
        piece = behind[: 1 << rng.randrange(0, 10)]
        return before + piece * rng.choice((2, 2, 2, 3, 17, 64)) + behind[len(piece) :]
    if kind == 7 and behind:  # a number near the one that stands there
        return before + bytes([(behind[0] + rng.choice((-2, -1, 1, 2, 16, -16))) % 256]) + behind[1:]
    if kind == 8 and others:
        other = rng.choice(others)
        start = rng.randrange(len(other) + 1)
        return before + other[start : start + (1 << rng.randrange(0, 12))] + behind[rng.randrange(64) :]
    if kind == 9 and content:  # a piece of its own elsewhere
        start = rng.randrange(len(content))
        piece = content[start : start + (1 << rng.randrange(0, 8))]
        return before + piece + behind[rng.choice((0, len(piece))) :]
    if kind == 10:
        return (
            before + rng.choice((b"\0", b"\xff", b"A", b"\x80", b" ")) * (1 << rng.randrange(0, 11)) + behind
        )
    if tokens:
        token = rng.choice(tokens)
        return before + token + behind[rng.choice((0, len(token))) :]
    return before + rng.randbytes(1) + behind[1:]


TEXT_TOKENS = tuple(
    each.encode("utf-8", "surrogatepass")
    for each in (
        ",", ";", "\t", "|", "\n", "\r\n", "\r", '"', "'", "=", ":", "#", "-", "_", ".", "/", "\\", "../",
        "\0",
        " ", "\u00a0", "\u2028", "\ufeff", "\u0130", "\u00df", "\u0660", "\u00b2", "\U0001d7d9", "\ud800",
        "0", "1", "-1", "1e999", "1e308", "nan", "inf", "-inf", "9" * 20, "9" * 400, "9" * 5000, "0x10",
        "1_000",
        "True", "false", "null", "none", "~", "{", "}", "[", "]", "(", ")", "*", "?", "%s", "%", "$",
        "&a", "*a",
    )
)  # fmt: skip
"""What means something in texts, or is no letter, number or blank as one thinks of it."""


def of_text(tokens: Sequence[str] = (), others: Sequence[bytes] = ()) -> Change:
    """Return what changes texts: as bytes, and by words of texts."""
    return of_bytes((*TEXT_TOKENS, *(token.encode() for token in tokens)), others)


class _Raw:
    """What JSON has no value for, or only this form of."""

    def __init__(self, text: str) -> None:
        self.text = text


_VALUES: tuple[Any, ...] = (
    None, [], {}, "", "text", True, False, -1, 0, 1, 2, 3, 10**4, 10**6, 10**12, 10**18, 2**63, -(2**63), 0.5,
    -0.5, 1e-300, 1e308, -1e308, [None], [0], [1.5], ["a"], {"a": 1}, [[[]]], "\ud800", "\0", "../x",
    "/etc/passwd",
    "nan", "inf", "1e999", "3ep", "100k", "\u0660", "\u2028", "a" * 300, "0", "-1", [[]] * 9, [1, 2, 3],
    [3, 2, 1],
    _Raw("NaN"), _Raw("Infinity"), _Raw("1e999"), _Raw("9" * 300), _Raw("9" * 400), _Raw("-0"), _Raw("1E400"),
    *(_Raw("[" * deep + "]" * deep) for deep in (300, 500, 700, 900, 1500, 90_000)),
    *(_Raw('{"a":' * deep + "1" + "}" * deep) for deep in (200, 300, 450, 700, 900, 1200)),
)  # fmt: skip
_MARK, _MARKED = "\x02raw ", "\\u0002raw "
_RAW = re.compile(r'"\\u0002raw ((?:[^"\\]|\\.)*)"')


def of_json(content: bytes, *, are_lines: bool = False, tokens: Sequence[str] = ()) -> Change:
    """Return what gives JSON other values, keys less, more or twice, and now and then other bytes.

    Args:
        content: A whole one, whose values are taken for those of others.
        are_lines: Whether each line is one.
        tokens: Further texts that mean something to who reads it.
    """
    words = [value for line in _parsed(content, are_lines) for value in _leaves(line)]
    values = [*_VALUES, *tokens, *words]
    raw = of_text(tokens)

    def change(content: bytes, rng: random.Random) -> bytes:
        if rng.random() < 0.15:
            return raw(content, rng)
        try:
            lines = _parsed(content, are_lines)
        except (ValueError, RecursionError):
            return raw(content, rng)
        if not lines:
            return raw(content, rng)
        number = rng.randrange(len(lines))
        try:
            for _ in range(_few(rng)):
                lines[number] = _with_another_value(lines[number], rng, values)
            if are_lines and rng.random() < 0.1:
                lines.insert(rng.randrange(len(lines) + 1), lines[number])
            text = b"\n".join(map(_text, lines))
        except RecursionError:  # of what is nested deep, as some values are
            return raw(content, rng)
        return (raw(text, rng) if rng.random() < 0.05 else text) + b"\n" * are_lines

    return change


def _parsed(content: bytes, are_lines: bool) -> list[Any]:
    texts = [line for line in content.splitlines() if line.strip()] if are_lines else [content]
    return [json.loads(text) for text in texts]


def _leaves(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [leaf for each in value.values() for leaf in _leaves(each)]
    if isinstance(value, list):
        return [leaf for each in value[:4] for leaf in _leaves(each)]
    return [value]


def _with_another_value(whole: Any, rng: random.Random, values: Sequence[Any]) -> Any:
    root: Any = {"": whole}
    above, key = root, ""
    while isinstance(inner := above[key], dict | list) and inner and rng.random() < 0.85:
        above, key = inner, rng.choice([*inner]) if isinstance(inner, dict) else rng.randrange(len(inner))
    value, kind = above[key], rng.randrange(8)
    if kind == 0:
        del above[key]
    elif kind == 1 and isinstance(above, dict):
        above[rng.choice((f"{key}x", "", "name", "\ud800", "a.b"))] = copy.deepcopy(value)
    elif kind == 1:
        above.insert(key, copy.deepcopy(value))
    elif kind == 2 and isinstance(value, int | float):
        above[key] = value + rng.choice((1, -1, 10**9, -(10**9)))
    elif kind == 3 and isinstance(value, str):
        above[key] = _other_text(value, rng)
    else:
        other = rng.choice(values)
        above[key] = _MARK + other.text if isinstance(other, _Raw) else copy.deepcopy(other)
    return root.get("")


def _other_text(text: str, rng: random.Random) -> str:
    at = rng.randrange(len(text) + 1)
    token = rng.choice(TEXT_TOKENS).decode("utf-8", "surrogatepass")
    return text[:at] + token + text[at + rng.choice((0, 0, 1, 2)) :]


def _text(value: Any) -> bytes:
    text = json.dumps(value)
    if _MARKED in text:
        text = _RAW.sub(lambda found: str(json.loads(f'"{found[1]}"')), text)
    return text.encode("utf-8", "surrogatepass")
