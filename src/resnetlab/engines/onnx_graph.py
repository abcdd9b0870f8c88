"""The plan's fourth reader: a network as an ONNX graph, with our names of its layers and tensors.

Written from the plan and not traced by torch.onnx, which takes 13 s where this takes a tenth of one,
wants two packages more, and names everything by itself. Opset 17, of 2022, is what everything reads.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from resnetlab.network.layers import Act, Conv, Dropout, Gate, Layer, Linear, Norm, PadChannels, Pool, Scale
from resnetlab.network.plan import Plan, Unit

OPSET, IR_VERSION = 17, 8


class Graph:
    """Nodes and constants; a node's output has the node's name."""

    def __init__(self, onnx: Any, tensors: Mapping[str, Tensor]) -> None:
        self._onnx, self._tensors = onnx, tensors
        self.nodes: list[Any] = []
        self.initialisers: list[Any] = []

    def add(self, operator: str, inputs: Sequence[str], name: str, **attributes: object) -> str:
        """Append a node and return the name of its output; attributes that are None are left out."""
        given = {key: value for key, value in attributes.items() if value is not None}
        self.nodes.append(self._onnx.helper.make_node(operator, [*inputs], [name], name=name, **given))
        return name

    def constant(self, name: str, values: npt.ArrayLike) -> str:
        """Append a constant and return its name."""
        self.initialisers.append(self._onnx.numpy_helper.from_array(np.asarray(values), name))
        return name

    def weight(self, name: str) -> str:
        """Append a tensor of the state dict and return its name."""
        return self.constant(name, self._tensors[name].float().numpy())


def add_network(graph: Graph, value: str, plan: Plan) -> str:
    """Append a network, from normalised images (N, C, H, W) on; return the name of the logits."""
    value = _chain(graph, value, plan.stem, "")
    for unit in plan.units:
        preact = _chain(graph, value, unit.before, f"{unit.name}.")
        total = _chain(graph, preact, unit.branch, f"{unit.name}.")
        if unit.shortcut is not None:
            source = preact if unit.shortcut_from == "preact" else value
            total = _added(graph, total, source, unit, unit.shortcut)
        value = _chain(graph, total, unit.after, f"{unit.name}.")
    return _chain(graph, value, plan.tail, "")


def _added(graph: Graph, total: str, source: str, unit: Unit, layers: Sequence[Layer]) -> str:
    """Append a shortcut from `source` on, and its sum with the branch, both gated if they are to be."""
    prefix = f"{unit.name}."
    gate = next((layer for layer in layers if isinstance(layer, Gate)), None)
    shortcut = _chain(graph, source, [layer for layer in layers if layer is not gate], prefix)
    if gate:
        path = prefix + gate.name
        weights = [graph.weight(f"{path}.{leaf}") for leaf in ("weight", "bias")]
        sizes = {"kernel_shape": [1, 1], "strides": [gate.stride] * 2}
        g = graph.add("Sigmoid", [graph.add("Conv", [source, *weights], f"{path}.logits", **sizes)], path)
        one = graph.constant(f"{path}.one", np.float32(1))
        shortcut = graph.add("Mul", [shortcut, graph.add("Sub", [one, g], f"{path}.rest")], f"{path}.gated")
        total = graph.add("Mul", [total, g], f"{path}.branch") if gate.is_exclusive else total
    return graph.add("Add", [total, shortcut], f"{prefix}sum")


def _chain(graph: Graph, value: str, layers: Sequence[Layer], prefix: str) -> str:
    for layer in layers:
        value = _layer(graph, value, layer, prefix + layer.name)
    return value


def _layer(graph: Graph, value: str, layer: Layer, path: str) -> str:
    match layer:
        case Conv():
            inputs = [value, graph.weight(f"{path}.weight")]
            inputs += [graph.weight(f"{path}.bias")] if layer.bias else []
            return graph.add("Conv", inputs, path, **_window(layer))
        case Norm():
            gamma = (
                graph.weight(f"{path}.weight")
                if layer.gamma
                else graph.constant(f"{path}.weight", np.ones(layer.channels, np.float32))
            )
            others = [graph.weight(f"{path}.{leaf}") for leaf in ("bias", "running_mean", "running_var")]
            return graph.add("BatchNormalization", [value, gamma, *others], path, epsilon=layer.eps)
        case Act():
            slope = layer.slope or None
            return graph.add("LeakyRelu" if slope else "Relu", [value], path, alpha=slope)
        case Pool():
            return _pool(graph, value, layer, path)
        case PadChannels():
            pads = graph.constant(f"{path}.pads", np.array([0, layer.before, 0, 0, 0, layer.after, 0, 0]))
            return graph.add("Pad", [value, pads], path)
        case Scale(factor=factor):
            return _times(graph, value, factor, path)
        case Dropout(rate=rate):
            return _times(graph, value, 1 - rate, path)
        case Gate():
            raise AssertionError(f"{path}: a gate stands at the end of a shortcut alone")
        case Linear():
            inputs = [value, graph.weight(f"{path}.weight"), graph.weight(f"{path}.bias")]
            return graph.add("Gemm", inputs, path, transB=1)


def _times(graph: Graph, value: str, factor: float, path: str) -> str:
    return graph.add("Mul", [value, graph.constant(f"{path}.factor", np.float32(factor))], path)


def _window(layer: Conv | Pool) -> dict[str, object]:
    sizes: dict[str, object] = {"kernel_shape": [layer.kernel] * 2, "strides": [layer.stride] * 2}
    if layer.padding == "same":
        return {**sizes, "auto_pad": "SAME_UPPER"}  # the odd pixel goes after, as TensorFlow's SAME
    return {**sizes, "pads": [layer.padding] * 4}


def _pool(graph: Graph, value: str, layer: Pool, path: str) -> str:
    if layer.kind == "global":
        return graph.add("Flatten", [graph.add("GlobalAveragePool", [value], f"{path}.mean")], path, axis=1)
    if layer.kind == "subsample":
        numbers = {"starts": [0, 0], "ends": [2**31 - 1] * 2, "axes": [2, 3], "steps": [layer.stride] * 2}
        constants = [graph.constant(f"{path}.{name}", np.array(each)) for name, each in numbers.items()]
        return graph.add("Slice", [value, *constants], path)
    window = _window(layer)
    if layer.zeros:
        pads = graph.constant(f"{path}.pads", np.array([0, 0, layer.padding, layer.padding] * 2))
        value = graph.add("Pad", [value, pads], f"{path}.padded")
        # A maximum pads with -inf, and yet onnxruntime (1.31, PadFusion) and onnx-simplifier would
        # make zeros right before it its own padding. This changes nothing and stands between.
        least = graph.constant(f"{path}.least", np.finfo(np.float32).min)
        value = graph.add("Clip", [value, least], f"{path}.kept")
        window["pads"] = [0] * 4
    if layer.kind == "max":
        return graph.add("MaxPool", [value], path, **window)
    return graph.add("AveragePool", [value], path, count_include_pad=0, **window)
