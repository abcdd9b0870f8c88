"""A network as an ONNX file: its graph, with the normalisation and the softmax if they are asked for."""

import numpy as np

from resnetlab.data.batches.normalise import Normaliser
from resnetlab.engines.folding import Folded
from resnetlab.engines.onnx_graph import IR_VERSION, OPSET, Graph, add_network
from resnetlab.trained.artefact.model import Artefact
from resnetlab.trained.artefact.onnx_model import LOGITS, PROBABILITIES, need


def onnx_bytes(artefact: Artefact, layers: Folded, *, takes_pixels: bool, any_size: bool = False) -> bytes:
    """Return the ONNX file of a network, its description in metadata_props.

    Args:
        artefact: The network.
        layers: It, folded or not.
        takes_pixels: From uint8 images (N, H, W, C) to probabilities (N, K), with the normalisation
            and the softmax inside; else from normalised images (N, C, H, W) to logits (N, K).
        any_size: Leave the images' height and width open.

    Raises:
        UsageError: If the package onnx is not installed.
    """
    onnx = need("onnx", "an ONNX file")
    height, width, channels = artefact.image_shape
    graph = Graph(onnx, layers.tensors)
    value = "images"
    if takes_pixels:
        value = _normalise(graph, value, artefact.preprocessing.normaliser)
    value = add_network(graph, value, layers.plan)
    result = PROBABILITIES if takes_pixels else LOGITS
    answers = len(artefact.class_names) if takes_pixels else artefact.spec.classes
    if takes_pixels and artefact.spec.classes == 1:
        value = _two_sided(graph, value)
    graph.add("Softmax" if takes_pixels else "Identity", [value], result, axis=-1 if takes_pixels else None)
    kind = onnx.TensorProto.UINT8 if takes_pixels else onnx.TensorProto.FLOAT
    sides: list[int | str] = ["height", "width"] if any_size else [height, width]
    shape = [*sides, channels] if takes_pixels else [channels, *sides]
    inputs = [onnx.helper.make_tensor_value_info("images", kind, ["batch", *shape])]
    outputs = [onnx.helper.make_tensor_value_info(result, onnx.TensorProto.FLOAT, ["batch", answers])]
    model = onnx.helper.make_model(
        onnx.helper.make_graph(graph.nodes, artefact.spec.name, inputs, outputs, graph.initialisers),
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="resnetlab",
    )
    onnx.helper.set_model_props(model, artefact.to_texts())
    onnx.checker.check_model(model, full_check=True)
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def _two_sided(graph: Graph, value: str) -> str:
    """Append what `metrics.answer_logits` does with one logit."""
    halves = graph.constant("sides", np.array([[-0.5, 0.5]], np.float32))
    return graph.add("Mul", [value, halves], "logits.sides")


def _normalise(graph: Graph, value: str, normaliser: Normaliser) -> str:
    """Append what `Normaliser` does; from uint8 (N, H, W, C) to float (N, C, H, W)."""
    value = graph.add("Cast", [value], "pixels", to=1)
    if normaliser.kind == "per-image":
        unit = graph.constant("pixels.unit", np.float32(255 / normaliser.pixel_range))
        value = graph.add("Div", [value, unit], "pixels.scaled")
        mean = graph.add("ReduceMean", [value], "pixels.mean", axes=[1, 2, 3], keepdims=1)
        value = graph.add("Sub", [value, mean], "pixels.centred")
        square = graph.add("Mul", [value, value], "pixels.square")
        variance = graph.add("ReduceMean", [square], "pixels.variance", axes=[1, 2, 3], keepdims=1)
        sides = graph.add("Shape", [value], "pixels.shape", start=1, end=4)
        count = graph.add(
            "Cast", [graph.add("ReduceProd", [sides], "pixels.count", keepdims=0)], "pixels.n", to=1
        )
        least = graph.add("Reciprocal", [graph.add("Sqrt", [count], "pixels.root_n")], "pixels.least")
        std = graph.add("Max", [graph.add("Sqrt", [variance], "pixels.root"), least], "pixels.std")
        value = graph.add("Div", [value, std], "pixels.normalised")
    else:
        offset, factor = normaliser.offset_and_factor()
        offsets = graph.constant("pixels.offset", offset.astype(np.float32))
        factors = graph.constant("pixels.factor", factor.astype(np.float32))
        value = graph.add("Sub", [value, offsets], "pixels.centred")
        value = graph.add("Mul", [value, factors], "pixels.normalised")
    return graph.add("Transpose", [value], "pixels.NCHW", perm=[0, 3, 1, 2])
