"""The engines by name, and which of them can be had here. Imports no torch and no engine."""

import importlib.util
import shutil
from collections.abc import Iterable

from resnetlab.runs.environment import how_to_install, version

AUTO = "auto"
REFERENCE = "reference"
ENGINES = {
    REFERENCE: "the network itself in torch, layer by layer: every byte as in training",
    "torch": "torch, BN folded into the convolutions",
    "native": "kernels of our own, compiled for the network's convolutions once on a machine",
    "inductor": "torch.compile of the folded network, its weights frozen; compiles for many seconds",
    "onnxruntime": "ONNX Runtime, given the folded network",
    "openvino": "OpenVINO, given the folded network",
}
"""Each with what it is."""

_NEEDS = {"onnxruntime": ("onnxruntime", "onnx"), "openvino": ("openvino", "onnx")}
"""Packages beside torch, by engine; onnx writes the graph that the others read."""


def missing(engine: str) -> str:
    """Return what the engine lacks here, whatever the network, and how to install packages; "" if nothing."""
    from resnetlab.native import building  # not for a verb's help

    if engine == "native":
        return building.obstacle()
    if engine == "inductor" and not (building.compiler_here() or shutil.which("cl")):
        return building.NO_COMPILER
    absent = [package for package in _NEEDS.get(engine, ()) if importlib.util.find_spec(package) is None]
    return "; ".join(f"{package} is not installed: {how_to_install(package)}" for package in absent)


def versions(engines: Iterable[str]) -> dict[str, str]:
    """Return the versions of what makes the engines' answers, beside torch's."""
    return {name: version(_NEEDS[name][0]) if name in _NEEDS else "" for name in engines}
