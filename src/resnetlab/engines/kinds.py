"""Each engine: what keeps it from being used, and how it is made of a network. Nothing is imported before."""

import importlib
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from resnetlab.base.machine.compiling import allow_many_kinds
from resnetlab.engines.folding import Folded, InferenceNetwork, fold
from resnetlab.engines.names import REFERENCE, missing
from resnetlab.engines.onnx_graph import IR_VERSION, OPSET, Graph, add_network
from resnetlab.models import ResNet
from resnetlab.native.inference import NativeInference, obstacle_to_inference

Answers = Callable[[Tensor], Tensor]
"""Maps normalised images, float32 (N, C, H, W), to logits, float32 (N, K), both on the network's device."""

_ON_DEVICES = (REFERENCE, "torch", "inductor")


def obstacle(engine: str, model: ResNet, device: torch.device) -> str:
    """Return why an engine cannot make this network's answers here, or ""."""
    if device.type != "cpu" and engine not in _ON_DEVICES:
        return f"it computes on the CPU, not on {device.type}"
    if device.type != "cpu" and engine == "inductor":
        return "not tried on devices: the GPU's own kernels are what torch has"
    if engine == "native":
        return obstacle_to_inference(model.spec)
    return missing(engine)


def make(engine: str, model: ResNet, batch: int) -> Answers:
    """Return an engine's answers of a network in evaluation mode.

    Args:
        engine: One without an obstacle.
        model: The network; it stays as it is.
        batch: Images that it will mostly be given at once; it takes any number.
    """
    if engine == REFERENCE:
        return model
    if engine == "native":
        return NativeInference(model)
    layers = fold(model.spec, model.state_dict())
    if engine == "torch":
        return _torch(layers, next(model.parameters()).device)
    if engine == "inductor":
        return _inductor(layers, batch)
    return {"onnxruntime": _onnxruntime, "openvino": _openvino}[engine](model, layers)


def _torch(layers: Folded, device: torch.device) -> Answers:
    network = InferenceNetwork(layers).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def answers(images_NCHW: Tensor) -> Tensor:
        logits_NK: Tensor = network(images_NCHW.contiguous(memory_format=torch.channels_last))
        return logits_NK

    return answers


def _inductor(layers: Folded, batch: int) -> Answers:
    """Compiled for one number of images, to which fewer are filled up."""
    allow_many_kinds()
    network = InferenceNetwork(layers).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    compiled: Answers = torch.compile(network, dynamic=False, options={"freezing": True})

    def whole(images_NCHW: Tensor) -> Tensor:
        filled = torch.zeros((batch, *images_NCHW.shape[1:])).contiguous(memory_format=torch.channels_last)
        filled[: len(images_NCHW)] = images_NCHW
        return compiled(filled)[: len(images_NCHW)]

    def answers(images_NCHW: Tensor) -> Tensor:
        starts = range(0, len(images_NCHW), batch)
        return torch.cat([whole(images_NCHW[start : start + batch]) for start in starts])

    return answers


def _onnxruntime(model: ResNet, layers: Folded) -> Answers:
    session = onnxruntime_session(_graph(model, layers))

    def answers(images_NCHW: Tensor) -> Tensor:
        (logits_NK,) = session.run(None, {"images": images_NCHW.contiguous().numpy()})
        return torch.from_numpy(logits_NK)

    return answers


def onnxruntime_session(content: bytes) -> Any:
    """Return a session of ONNX Runtime: silent, telling nobody, of as many threads as torch has.

    Raises:
        Exception: Of its C++ side, if the content is no whole file.
    """
    runtime = importlib.import_module("onnxruntime")
    runtime.disable_telemetry_events()
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = torch.get_num_threads()  # of several processes each has its share
    options.add_session_config_entry("session.set_denormal_as_zero", "1")  # as evaluation has it in torch
    # Else it prints of what it could not read, and tries once more with what it has tried.
    more = {"providers": ["CPUExecutionProvider"], "enable_fallback": 0}
    return runtime.InferenceSession(content, options, **more)


def _openvino(model: ResNet, layers: Folded) -> Answers:
    openvino = importlib.import_module("openvino")
    settings = {
        "INFERENCE_PRECISION_HINT": "f32",  # it would take bf16 where the processor multiplies it
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "PERFORMANCE_HINT": "LATENCY",
    }
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(_graph(model, layers)), "CPU", settings)

    def answers(images_NCHW: Tensor) -> Tensor:
        found: Any = compiled(images_NCHW.contiguous().numpy())[0]
        return torch.from_numpy(found.copy())  # its memory is the runtime's

    return answers


def _graph(model: ResNet, layers: Folded) -> bytes:
    """Return the network as an ONNX model: images of any number and size to logits."""
    onnx = importlib.import_module("onnx")
    graph, spec = Graph(onnx, layers.tensors), model.spec
    graph.add("Identity", [add_network(graph, "images", layers.plan)], "logits")
    floats, value = onnx.TensorProto.FLOAT, onnx.helper.make_tensor_value_info
    inputs = [value("images", floats, ["batch", spec.in_channels, "height", "width"])]
    outputs = [value("logits", floats, ["batch", spec.classes])]
    made = onnx.helper.make_model(
        onnx.helper.make_graph(graph.nodes, spec.name, inputs, outputs, graph.initialisers),
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )
    content: bytes = made.SerializeToString()
    return content
