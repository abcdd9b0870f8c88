"""Inference of one batch after another by another program: a peer of cpu.py. Nothing of resnetlab.

    python benchmarks/peer_inference.py onnxruntime --onnx resnet20.onnx --batch 16
    python benchmarks/peer_inference.py torch --network resnet20 --memory channels_last --compile --bf16

A step takes a batch of normalised float32 images in memory to logits; no step makes the batch. ONNX files are
those that `resnetlab export` writes. Prints the images of every step, see telling.py.

onnxruntime           a session with all its optimisations, its threads within operators
openvino              one request at a time, compiled for the hint LATENCY
openvino-throughput   as many requests at once as it asks for, compiled for the hint THROUGHPUT
torch                 the network of plain_network.py
torchvision, timm     theirs of this name

Torch compiles with its weights frozen, which folds BN into the convolutions. In bf16 its weights are so
before the first step, and the images in each; with --autocast they stay float32, and autocast is entered
once, so that it casts them once.
"""

import argparse
import contextlib
from collections.abc import Callable
from typing import Any

import numpy as np

from telling import repeat

Step = Callable[[int], object]


def of_onnxruntime(options: argparse.Namespace) -> Step:
    """Return a step of onnxruntime's."""
    import onnxruntime

    asked = onnxruntime.SessionOptions()
    asked.intra_op_num_threads, asked.inter_op_num_threads = options.threads, 1
    asked.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = onnxruntime.InferenceSession(options.onnx, asked, providers=["CPUExecutionProvider"])
    inputs = {session.get_inputs()[0].name: batch_of(options)}
    return lambda index: session.run(None, inputs)


def of_openvino(options: argparse.Namespace) -> Step:
    """Return a step of OpenVINO's; by throughput it waits for a request that is free, and leaves the rest."""
    import openvino
    from openvino import properties

    core = openvino.Core()
    model = core.read_model(options.onnx)
    images = batch_of(options)
    model.reshape(list(images.shape))
    is_throughput = options.program == "openvino-throughput"
    modes = properties.hint.PerformanceMode
    compiled = core.compile_model(model, "CPU", {
        properties.hint.performance_mode: modes.THROUGHPUT if is_throughput else modes.LATENCY,
        properties.hint.inference_precision: openvino.Type.bf16 if options.bf16 else openvino.Type.f32,
        properties.inference_num_threads: options.threads,
    })  # fmt: skip
    if is_throughput:
        requests: Any = openvino.AsyncInferQueue(compiled)
        return lambda index: requests.start_async({0: images}, share_inputs=True)
    request = compiled.create_infer_request()
    return lambda index: request.infer({0: images}, share_inputs=True)


def of_torch(options: argparse.Namespace) -> Step:
    """Return a step of torch's, of its own, torchvision's or timm's network."""
    import torch

    torch.manual_seed(0)
    memory = torch.channels_last if options.memory == "channels_last" else torch.contiguous_format
    model = network_of(options).eval().to(memory_format=memory)
    dtype = torch.bfloat16 if options.bf16 and not options.autocast else torch.float32
    model = model.to(dtype)
    forward = torch.compile(model, options={"freezing": True}) if options.compile else model
    images = torch.from_numpy(batch_of(options)).contiguous(memory_format=memory)

    @torch.inference_mode()
    def step(index: int) -> None:
        forward(images.to(dtype))

    return step


def casting(options: argparse.Namespace) -> contextlib.AbstractContextManager[Any]:
    """Return what all steps are made within."""
    if not options.autocast:
        return contextlib.nullcontext()
    import torch

    return torch.autocast("cpu", torch.bfloat16)


def network_of(options: argparse.Namespace) -> Any:
    """Return the network that is asked for."""
    from plain_network import plain_network

    if options.program == "torchvision":
        from torchvision import models

        return getattr(models, options.network)(weights=None)
    if options.program == "timm":
        import timm

        return timm.create_model(options.network)
    return plain_network(options.network, options.classes)


def batch_of(options: argparse.Namespace) -> "np.ndarray[Any, np.dtype[np.float32]]":
    """Return the images."""
    shape = (options.batch, 3, options.side, options.side)
    return np.random.default_rng(0).standard_normal(shape, dtype=np.float32)


PROGRAMS: dict[str, Callable[[argparse.Namespace], Step]] = {
    "onnxruntime": of_onnxruntime, "openvino": of_openvino, "openvino-throughput": of_openvino,
    "torch": of_torch, "torchvision": of_torch, "timm": of_torch,
}  # fmt: skip


def main() -> None:
    """Compute and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("program", choices=PROGRAMS)
    parser.add_argument("--onnx", help="the network as a file")
    parser.add_argument("--network", default="resnet20", help="its name")
    parser.add_argument("--side", type=int, default=32)
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument(
        "--threads", type=int, default=1, help="of onnxruntime and OpenVINO; torch has its own"
    )
    parser.add_argument("--memory", choices=("contiguous", "channels_last"), default="contiguous")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--bf16", action="store_true")
    parser.add_argument("--autocast", action="store_true", help="torch's: float32 weights, cast once")
    parser.add_argument("--steps", type=int, default=0, help="0, the default, goes on for ever")
    options = parser.parse_args()
    step = PROGRAMS[options.program](options)
    with casting(options):
        repeat(step, options.batch, options.steps, compiles=options.compile)


if __name__ == "__main__":
    main()
