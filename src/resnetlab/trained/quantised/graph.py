"""An ONNX graph in whole numbers of 8 bits, by onnxruntime's own quantisation.

The graph stays one of plain ONNX: pairs of QuantizeLinear and DequantizeLinear stand where numbers become
whole ones, and whoever runs it joins them with what lies between. Maps are uint8, their scale and zero from
the least and the largest number that the calibration's images make; biases and sums are int32. Weights have
7 bits and a scale for each channel of a convolution's output: processors before VNNI add two products of a
map and a weight in 16 bits, which 8 bits of both overflow, in silence.
"""

import contextlib
import logging
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from resnetlab.errors import UsageError
from resnetlab.trained.artefact.onnx_model import need

METHOD = "min-max"
_PREPARED = ("onnx.quant.pre_process", "onnxruntime.quant")
"""The entry that tells onnxruntime that BN is folded; without it, it logs advice."""

_PRODUCTS = ("Conv", "Gemm")
_WHOLE = (*_PRODUCTS, "Add", "Relu", "MaxPool", "GlobalAveragePool", "Slice", "Pad", "Flatten")
"""Operators that onnxruntime has for whole numbers, or that only move them."""
_AT_ONCE = 32
"""Images whose maps are held at once while their ranges are found."""


class _Feed:
    """What onnxruntime asks for images: batches in the graph's own form."""

    def __init__(self, name: str, batches: Iterator[npt.NDArray[Any]]) -> None:
        self._name, self._batches = name, batches

    def get_next(self) -> dict[str, npt.NDArray[Any]] | None:
        """Return the next batch under the name of the graph's input; None after the last."""
        batch = next(self._batches, None)
        return None if batch is None else {self._name: batch}


def quantised(content: bytes, batches: Iterable[npt.NDArray[Any]]) -> bytes:
    """Return the graph of an ONNX file of ours in int8, without its description.

    Args:
        content: The file, BN folded, whose input is "images".
        batches: The images of the calibration, in the graph's own form.

    Raises:
        UsageError: If onnx or onnxruntime is not installed, or nothing in the graph can be quantised.
    """
    onnx = need("onnx", "an int8 file")
    need("onnxruntime", "an int8 file")
    quantization = need("onnxruntime.quantization", "an int8 file")
    with tempfile.TemporaryDirectory(prefix="resnetlab-int8-") as folder, _quietly():
        model = onnx.load_from_string(content)
        if not any(node.op_type in _PRODUCTS for node in model.graph.node):
            raise UsageError("the network has no convolution and no product that int8 could be for")
        del model.metadata_props[:]
        onnx.helper.set_model_props(model, dict([_PREPARED]))
        out = Path(folder) / "int8.onnx"
        quantization.quantize_static(
            model,
            out,
            _Feed("images", _pieces(batches)),
            quant_format=quantization.QuantFormat.QDQ,
            op_types_to_quantize=[*_WHOLE],
            per_channel=True,
            reduce_range=True,  # the 7 bits
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            calibrate_method=quantization.CalibrationMethod.MinMax,
        )
        return out.read_bytes()


def described(content: bytes, texts: Mapping[str, str]) -> bytes:
    """Return an ONNX file with a description, as ours."""
    onnx = need("onnx", "an int8 file")
    model = onnx.load_from_string(content)
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, dict(texts))
    model.producer_name = "resnetlab"
    onnx.checker.check_model(model, full_check=True)
    described: bytes = model.SerializeToString(deterministic=True)
    return described


def _pieces(batches: Iterable[npt.NDArray[Any]]) -> Iterator[npt.NDArray[Any]]:
    for batch in batches:
        for start in range(0, len(batch), _AT_ONCE):
            yield np.ascontiguousarray(batch[start : start + _AT_ONCE])


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Keep what onnxruntime logs from giving the root logger a handler, which it would keep."""
    nobody = logging.NullHandler()
    logging.getLogger().addHandler(nobody)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(nobody)
