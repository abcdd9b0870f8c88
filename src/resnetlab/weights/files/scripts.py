"""What a TorchScript program has in its code, and not in its data: strides, padding, pools, constants.

The code is text, of one class for each kind of module, and is never run. A traced module calls its operation
with the numbers in place; a scripted one has them as constants of its class.
"""

import ast
import re
import zipfile
from collections.abc import Iterator

from resnetlab.weights.files.inert import Inert
from resnetlab.weights.files.wrapped import as_tensor

_MOST_BYTES = 2**24
_CLASS = re.compile(r"^class (\w+)\(Module\):$", re.MULTILINE)
_CONSTANT = re.compile(r"^  (\w+) : Final\[[^\n]*\] = ([^\n]*)$", re.MULTILINE)
_PAIR = r"\[(\d+), (\d+)\]"
_OPERATIONS: dict[str, tuple[str, tuple[str, ...]]] = {
    "Conv2d": (
        rf"torch\.(?:_convolution|conv2d)\([^()\[]*, {_PAIR}, {_PAIR}, {_PAIR}",
        ("stride", "padding", "dilation"),
    ),
    "MaxPool2d": (
        rf"torch\.max_pool2d\([^()\[]*, {_PAIR}, {_PAIR}, {_PAIR}, {_PAIR}(, True)?",
        ("kernel_size", "stride", "padding", "dilation"),
    ),
    "BatchNorm2d": (r"torch\.batch_norm\([^()]*, ([\d.e-]+), (?:True|False)\)", ("eps",)),
    "LeakyReLU": (r"torch\.leaky_relu_?\(\w+, ([\d.e-]+)\)", ("negative_slope",)),
}
"""The operation of a module's class, and what its numbers are called there."""


def heed_code(program: object, archive: zipfile.ZipFile, root: str) -> None:
    """Give a program's modules, as they were read, the attributes that only its code has.

    Args:
        program: The content of data.pkl.
        archive: The program's.
        root: The folder of data.pkl within it.
    """
    known = dict(_classes(archive, f"{root}code/"))
    waiting, seen = [program], set[int]()
    while waiting:
        part = waiting.pop()
        if not isinstance(part, Inert) or id(part) in seen:
            continue
        seen.add(id(part))
        contents = part.contents()
        waiting += contents.values()
        for name, value in known.get(part.name, {}).items():
            part.entries.setdefault(name, value)
        weight = as_tensor(contents.get("weight")) if part.name.endswith(".Conv2d") else None
        if weight is not None and weight.ndim == 4:
            part.entries.setdefault("kernel_size", (weight.shape[2], weight.shape[3]))


def _classes(archive: zipfile.ZipFile, folder: str) -> Iterator[tuple[str, dict[str, object]]]:
    """Give the attributes of each class, by its name in the pickle."""
    for entry in archive.infolist():
        if not (entry.filename.startswith(folder) and entry.filename.endswith(".py")):
            continue
        if entry.file_size > _MOST_BYTES:
            raise ValueError(f"{entry.filename} has {entry.file_size:,} bytes of code")
        module = entry.filename.removeprefix(folder).removesuffix(".py").replace("/", ".")
        pieces = _CLASS.split(archive.read(entry).decode())[1:]
        for name, code in zip(pieces[::2], pieces[1::2], strict=True):
            if name in _OPERATIONS:
                yield f"{module}.{name}", _attributes(name, code)


def _attributes(name: str, code: str) -> dict[str, object]:
    found: dict[str, object] = {}
    for attribute, text in _CONSTANT.findall(code):
        try:
            found[attribute] = ast.literal_eval(text)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):  # as of ((((...
            continue
    operation, names = _OPERATIONS[name]
    match = re.search(operation, code)
    if match is None:
        return found
    numbers = [
        float(text) if len(names) == 1 else int(text) for text in match.groups() if text and text[0] != ","
    ]
    if len(names) == 1:
        return found | {names[0]: numbers[0]}
    pairs = zip(numbers[::2], numbers[1::2], strict=True)
    ceiling = {"ceil_mode": match[9] is not None} if name == "MaxPool2d" else {}
    return found | dict(zip(names, pairs, strict=True)) | ceiling
