"""A model folder or a file of ours: whole, and the network that it says."""

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path

from resnetlab.auditing.facts import first_line
from resnetlab.auditing.finding import Finding, Found, Promise, judged, passed, unknown
from resnetlab.errors import ResnetlabError, UsageError
from resnetlab.runs.manifest import NAME, read_verified

_FILES = Promise("files", "every file of the size and SHA-256 in its manifest", "damaged weights are others")
_NETWORK = Promise(
    "network", "tensors, classes and preprocessing of the network that it says",
    "what answers is what is said",
)  # fmt: skip
_NUMBERS = Promise("numbers", "all finite", "a NaN answers nothing")


def audit_model(path: Path) -> list[Finding]:
    """Return what is found of a model folder, or of a .safetensors or .onnx file of ours.

    Raises:
        UsageError: If the file is another program's.
    """
    if path.suffix.lower() == ".onnx" and importlib.util.find_spec("onnxruntime") is None:
        return [_NETWORK.finding(unknown("reading it needs the package onnxruntime, which is not installed"))]
    found: list[tuple[Promise, Found]] = []
    if path.is_dir():
        found.append((_FILES, _of(lambda: read_verified(path), f"as {NAME} says")))
    found.append((_NETWORK, _of(lambda: _load(path), "it is that")))
    if found[-1][1].verdict == "pass" and path.suffix.lower() != ".onnx":
        found.append((_NUMBERS, judged(_not_finite(path), "all are")))
    return [promise.finding(each) for promise, each in found]


def _of(read: Callable[[], object], text: str) -> Found:
    try:
        read()
    except UsageError:
        raise
    except ResnetlabError as error:
        return judged([first_line(error)], "")
    return passed(text)


def _load(path: Path) -> object:
    from resnetlab.trained.predict import Classifier  # torch

    return Classifier.load(str(path), device="cpu")


def _not_finite(path: Path) -> Iterator[str]:
    from resnetlab.trained.artefact import load_artefact

    for name, tensor in load_artefact(str(path)).tensors.items():
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            yield f"{name} is not finite"
