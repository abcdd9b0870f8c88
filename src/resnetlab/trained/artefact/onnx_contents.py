"""What an ONNX file holds, read off its bytes: no package is needed, and nothing is run.

Source: onnx.proto3 of ONNX, https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3.
"""

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from resnetlab.base.reading.plain import read_plain
from resnetlab.base.units import format_bytes
from resnetlab.base.wire import BYTES, MalformedMessage, fields, varint
from resnetlab.errors import CheckpointError, UsageError
from resnetlab.trained.artefact.places import looking_at

_TYPES = {
    1: "float32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64", 8: "text",
    9: "bool", 10: "float16", 11: "float64", 12: "uint32", 13: "uint64", 16: "bfloat16",
}  # fmt: skip
"""TensorProto.DataType, by number."""
_MOST_DIMENSIONS = 64
"""As NumPy has it; their product is a number that can be written out."""


@dataclass(frozen=True)
class OnnxContents:
    """An ONNX file but for its numbers.

    Attributes:
        producer: Who made it, as it says itself; may be empty.
        opset: The version of its operations.
        inputs: Name, type and shape of each.
        outputs: The same.
        operations: How many there are of each kind.
        num_weights: Numbers of all its constants.
        size: Bytes of the file.
        texts: Its metadata.
    """

    producer: str
    opset: int
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    operations: dict[str, int]
    num_weights: int
    size: int
    texts: dict[str, str]

    def rows(self) -> dict[str, str]:
        """Return what the graph is, in words by title."""
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in self.operations.items())
        return {
            "graph": f"{', '.join(self.inputs)} -> {', '.join(self.outputs)}",
            "operations": f"{sum(self.operations.values()):,}: {kinds}",
            "numbers": f"{self.num_weights:,} in {format_bytes(self.size)}",
            "made by": f"{self.producer or 'nobody who says so'}, opset {self.opset}",
        }


def read_onnx(path: Path) -> bytes:
    """Return an ONNX file's bytes.

    Raises:
        UsageError: If there is no such file.
        CheckpointError: If it is none that can be read.
    """
    with looking_at(path):
        if not path.exists():
            raise UsageError(f"there is no file {path}")
        try:
            return read_plain(path)
        except ValueError as error:
            raise CheckpointError(f"{path}: cannot be read: {error}") from error


def read_onnx_contents(path: Path) -> OnnxContents:
    """Return what an ONNX file holds.

    Raises:
        UsageError: If there is no such file.
        CheckpointError: If it is no whole ONNX file.
    """
    content = read_onnx(path)
    try:
        return _contents(memoryview(content))
    except (ValueError, IndexError, AssertionError) as error:
        raise CheckpointError(f"{path}: not a whole ONNX file ({error})") from error


def _contents(model: memoryview) -> OnnxContents:
    graphs = [*_parts(model, 7)]
    if not graphs:
        raise MalformedMessage("there is no graph in it")
    graph = graphs[-1]
    weights = {_text(each, 8): math.prod(_dimensions(each)) for each in _parts(graph, 5)}
    opsets = [_number(each, 2) for each in _parts(model, 8) if not _text(each, 1)]
    return OnnxContents(
        producer=" ".join(filter(None, (_text(model, 2), _text(model, 3)))),
        opset=max(opsets, default=0),
        inputs=tuple(_value(each) for each in _parts(graph, 11) if _text(each, 1) not in weights),
        outputs=tuple(map(_value, _parts(graph, 12))),
        operations=dict(Counter(_text(each, 4) for each in _parts(graph, 1)).most_common()),
        num_weights=sum(weights.values()),
        size=len(model),
        texts={_text(each, 1): _text(each, 2) for each in _parts(model, 14)},
    )


def _parts(message: memoryview, number: int) -> Iterator[memoryview]:
    """Yield a field's messages."""
    for field, kind, content in fields(message):
        if field == number and kind == BYTES:
            assert isinstance(content, memoryview)
            yield content


def _text(message: memoryview, number: int) -> str:
    return next((bytes(part).decode() for part in _parts(message, number)), "")


def _number(message: memoryview, number: int) -> int:
    found = (value for field, _, value in fields(message) if field == number)
    return next((value for value in found if isinstance(value, int)), 0)


def _dimensions(tensor: memoryview) -> Iterator[int]:
    """Yield a constant's sizes, which lie one by one or packed; raise ValueError if they are too many."""
    for count, size in enumerate(_sizes(tensor)):
        if count == _MOST_DIMENSIONS:
            raise MalformedMessage(f"a constant has more than {_MOST_DIMENSIONS} dimensions")
        yield size


def _sizes(tensor: memoryview) -> Iterator[int]:
    for field, _, content in fields(tensor):
        if field == 1 and isinstance(content, int):
            yield content
        elif field == 1 and isinstance(content, memoryview):
            place = 0
            while place < len(content):
                size, place = varint(content, place)
                yield size


def _value(value: memoryview) -> str:
    """Return an input or output in words: its name, type and shape."""
    tensors = [tensor for kind in _parts(value, 2) for tensor in _parts(kind, 1)]
    if not tensors:
        return _text(value, 1)
    shapes = [*_parts(tensors[0], 2)]
    sizes = [_text(size, 2) or str(_number(size, 1) or "?") for shape in shapes for size in _parts(shape, 1)]
    shape = f" ({', '.join(sizes)})" if shapes else ""
    return f"{_text(value, 1)} {_TYPES.get(_number(tensors[0], 1), 'of another type')}{shape}"
