"""export_model: one network to one target, compared with PyTorch first."""

import contextlib
import io
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from resnetlab.base import files
from resnetlab.base.paths import user_path, with_name
from resnetlab.engines.folding import TOLERANCE as FOLDING
from resnetlab.engines.folding import Folded, InferenceNetwork, fold
from resnetlab.errors import UsageError, nearest
from resnetlab.models import with_tensors
from resnetlab.network.spec import ModelSpec
from resnetlab.trained.artefact.class_names import logit_note
from resnetlab.trained.artefact.folder import commit_new, folder_contents, from_safetensors, to_safetensors
from resnetlab.trained.artefact.model import Artefact
from resnetlab.trained.artefact.onnx_model import OnnxModel
from resnetlab.trained.artefact.places import default_name, refuse_file, refuse_taken
from resnetlab.trained.export.comparing import (
    Function,
    PixelsToProbabilities,
    differences,
    example,
    largest_difference,
)
from resnetlab.trained.export.keras_file import KerasNetwork, for_keras, for_keras_cifar10, keras_bytes
from resnetlab.trained.export.onnx_graph import onnx_bytes
from resnetlab.trained.export.sizes import WITH_SIZE, any_size, resized
from resnetlab.trained.export.speed import Speed, measured
from resnetlab.trained.export.targets import TARGETS
from resnetlab.trained.export.torch_names import for_timm, for_torchvision, torch_file
from resnetlab.trained.export.triton import MODEL, next_version, write_version
from resnetlab.trained.export.using import of_keras, of_onnx, of_ours, of_program, of_timm, of_torchvision
from resnetlab.weights import load_weights

GRAPHS = ("onnx", "torch-export", "triton")
"""Targets that hold what is computed, and may hold more or less than the network's layers."""
VERSIONED = "triton"
"""The target that is a folder of versions, each of which takes pixels."""


@dataclass(frozen=True)
class Exported:
    """What was written, and how far its answers are from PyTorch's."""

    path: str
    target: str
    difference: float
    """Largest difference of a logit, as a share of the largest; with takes_pixels, of a probability's
    logarithm."""
    notes: tuple[str, ...]
    more: Mapping[str, object] = field(default_factory=dict)
    """What was found while the file was made into another one, by name: see `Remade`."""
    bytes: int = 0
    """Of all that was written."""
    usage: tuple[str, ...] = ()
    """How it is used: lines of Python."""
    speed: Speed | None = None
    """Of a graph, where that was asked for."""

    def to_json(self) -> dict[str, object]:
        """Return it as plain data."""
        return {
            "path": self.path,
            "target": self.target,
            "difference": self.difference,
            "notes": list(self.notes),
            "bytes": self.bytes,
            "usage": list(self.usage),
            **(asdict(self.speed) if self.speed else {}),
            **self.more,
        }


class Remade(NamedTuple):
    """What was made of a file that is PyTorch's network, as one in int8."""

    content: bytes
    notes: tuple[str, ...]
    more: Mapping[str, object]
    """What was found, by name, as plain data."""


Remake = Callable[[Artefact, bytes], Remade]
"""Is given the network, for the images' size, and the file that is it."""


@dataclass(frozen=True)
class _Made:
    """Bytes of a file, or files of a folder; the function that they are; what to say."""

    contents: bytes | Mapping[str, bytes]
    function: Function
    usage: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def length(self) -> int:
        """How many bytes it is."""
        parts = (self.contents,) if isinstance(self.contents, bytes) else self.contents.values()
        return sum(map(len, parts))


def export_model(
    artefact: Artefact,
    target: str,
    path: Path | str | None = None,
    *,
    takes_pixels: bool = False,
    replaces: bool = False,
    size: int | Literal["any"] | None = None,
    folds: bool = True,
    remake: Remake | None = None,
    is_timed: bool = False,
) -> Exported:
    """Write a network for another program, compared with PyTorch at batches of 1, 2 and 5 before.

    A graph is folded: BN after a convolution lies in its weights and bias. Where that changes a logit by more
    than 1e-5 of the largest, it is not, which is noted.

    Args:
        artefact: The network.
        target: One of TARGETS.
        path: The file or folder, which is new; None names it after the run, else after the network, here.
        takes_pixels: onnx and torch-export: from uint8 images (N, H, W, C) to probabilities, as triton's
            always are.
        replaces: Whether a file that is there may be replaced, whole or not at all; folders never are.
        size: Side of the images in pixels, None is the network's own; the resizing before the cut keeps
            its proportion. "any", of onnx: height and width are open, and the description's are its own.
        folds: False leaves every layer and every tensor of onnx and torch-export as the network has it.
        remake: Makes of the file, once it was compared, the one that is written.
        is_timed: Whether a graph's speed is measured, which takes about a second.

    Raises:
        UsageError: If the target does not have such a network, saying why; an extra is missing; or
            the path does not suit or is taken.
        ResnetlabError: If it answers otherwise than PyTorch; nothing is written then.
        WriteError: If it cannot be written.
    """
    _check_target(artefact, target, takes_pixels=takes_pixels, folds=folds)
    suffixes = TARGETS[target]
    own = with_name(artefact.run).name if artefact.run else artefact.spec.name
    default = default_name(own) + (suffixes[0] or f"-{target}")
    out = user_path(path or default)
    takes_pixels = takes_pixels or target == VERSIONED
    if target != VERSIONED:
        _check_path(out, suffixes, target, replaces=replaces)
    artefact, sizes, said = _for_size(artefact, target, size)
    artefact.spec.shapes(*artefact.image_shape[:2])  # a size that the strides allow
    version = next_version(out, artefact) if target == VERSIONED else 1
    asked = _Asked(artefact, out, takes_pixels, folds and target in GRAPHS, size == "any", version)
    made, difference = _compared(_MAKERS[target], asked, sizes)
    more: Mapping[str, object] = {}
    if remake is not None and isinstance(made.contents, bytes):
        content, told, more = remake(artefact, made.contents)
        function = OnnxModel(content, str(out)).run
        made = replace(made, contents=content, function=function, notes=(*made.notes, *told))
    _write(asked, target, made.contents)
    notes = () if takes_pixels else logit_note(artefact.class_names, artefact.spec.classes)
    speed = None
    if is_timed and target in GRAPHS:
        speed = measured(artefact, made.function, takes_pixels=takes_pixels, size=sizes[0])
    told = (*made.notes, *said, *notes)
    return Exported(str(out), target, difference, told, more, made.length, made.usage, speed)


def _check_target(artefact: Artefact, target: str, *, takes_pixels: bool, folds: bool) -> None:
    """Raise UsageError if there is no such target, or it has no such network."""
    if target not in TARGETS:
        raise UsageError(
            f"no target {target!r}", hint=f"{nearest(target, TARGETS)} There are {', '.join(TARGETS)}."
        )
    if takes_pixels and target not in GRAPHS:
        raise UsageError(f"only {' and '.join(GRAPHS)} hold more than the network: not with {target}")
    if not artefact.has_classifier and target not in ("folder", "safetensors"):
        raise UsageError(
            f"{artefact.origin}: the network has no classifier, and so no logits for {target}",
            hint="--to folder and --to safetensors keep a backbone; finetune puts a classifier on.",
        )
    if not folds and target not in GRAPHS:
        raise UsageError(f"{target} has the layers as they are: there is no folded one to do without")


def _write(asked: "_Asked", target: str, contents: bytes | Mapping[str, bytes]) -> None:
    out = asked.out
    if target == VERSIONED and isinstance(contents, bytes):
        write_version(out, asked.artefact, contents, asked.version)
    elif isinstance(contents, bytes):
        files.make_directory(out.absolute().parent)
        files.remove_leftovers(out.absolute().parent, of=out.name)
        files.write_file(out, contents)
    else:
        commit_new(out, contents)


@dataclass(frozen=True)
class _Asked:
    """What a maker is asked for."""

    artefact: Artefact
    out: Path
    takes_pixels: bool = False
    folds: bool = False
    """Of a graph: whether BN lies in the convolutions."""
    any_size: bool = False
    version: int = 1
    """Of a target that is a folder of versions."""

    @property
    def file(self) -> Path:
        """Where an ONNX graph will lie."""
        return self.out if self.out.suffix == ".onnx" else self.out / str(self.version) / MODEL

    @property
    def layers(self) -> Folded:
        """The network's layers, folded if they are to be."""
        spec, tensors = self.artefact.spec, self.artefact.tensors
        return fold(spec, tensors) if self.folds else Folded(spec.plan(), dict(tensors))


def _compared(make: "_Maker", asked: _Asked, sizes: list[tuple[int, int]]) -> tuple[_Made, float]:
    """Return what is made, and how far it is from PyTorch's network; not folded where that is too far."""
    made, has_pixels = make(asked), asked.takes_pixels
    if not asked.folds:
        far = (
            largest_difference(asked.artefact, made.function, takes_pixels=has_pixels, size=s) for s in sizes
        )
        return made, max(far)
    each = [differences(asked.artefact, made.function, takes_pixels=has_pixels, size=s) for s in sizes]
    if (most := max(max(by_batch.values()) for by_batch in each)) <= FOLDING:
        return made, most
    told = f"BN is not folded into the convolutions: a logit would differ by {most:.1e} of the largest"
    made, most = _compared(make, replace(asked, folds=False), sizes)
    return replace(made, notes=(*made.notes, told)), most


def _for_size(
    artefact: Artefact, target: str, size: int | Literal["any"] | None
) -> tuple[Artefact, list[tuple[int, int]], tuple[str, ...]]:
    """Return the network for images of a size, the sizes to compare it at, and what to say.

    Raises:
        UsageError: If the target holds no size, or the network does not take it.
    """
    own = artefact.image_shape[:2]
    if size is None:
        return artefact, [own], ()
    if size == "any":
        if target != "onnx":
            raise UsageError(f"only onnx takes images of any size, not {target}", hint="Give --size N.")
        sizes = any_size(artefact)
        told = ", ".join(f"{width}x{height}" for height, width in sizes)
        return artefact, sizes, (f"height and width are open; compared at {told} px",)
    if target not in WITH_SIZE:
        raise UsageError(f"{target} does not hold the images' size: it takes every one as it is")
    artefact, note = resized(artefact, size)
    return artefact, [(size, size)], (note,)


def _check_path(out: Path, suffixes: tuple[str, ...], target: str, *, replaces: bool) -> None:
    if suffixes == ("",):
        refuse_taken(out)
        return
    refuse_file(out, replaces=replaces)
    if out.suffix not in suffixes or out.name.endswith(".weights.h5"):
        raise UsageError(f"{out.name}: a file for {target} ends in {' or '.join(suffixes)}")


def _safetensors(asked: _Asked) -> _Made:
    content = to_safetensors(asked.artefact.tensors, asked.artefact)
    usage = of_ours(asked.out, asked.artefact)
    return _Made(content, from_safetensors(content, str(asked.out)).model(), usage)


def _folder(asked: _Asked) -> _Made:
    contents = folder_contents(asked.artefact, asked.out.name)
    network = from_safetensors(contents["model.safetensors"], str(asked.out)).model()
    return _Made(contents, network, of_ours(asked.out, asked.artefact))


def _onnx(asked: _Asked) -> _Made:
    content = onnx_bytes(
        asked.artefact, asked.layers, takes_pixels=asked.takes_pixels, any_size=asked.any_size
    )
    model = OnnxModel(content, str(asked.out))
    usage = of_onnx(asked.file, asked.artefact, takes_pixels=asked.takes_pixels)
    return _Made(content, model.run, usage)


def _triton(asked: _Asked) -> _Made:
    note = (
        f"version {asked.version} of the model: tritonserver --model-repository={asked.out.absolute().parent}"
    )
    return replace(_onnx(asked), notes=(note,))


def _torch_export(asked: _Asked) -> _Made:
    content = program_bytes(asked.artefact, asked.layers, takes_pixels=asked.takes_pixels)
    usage = of_program(asked.out, asked.artefact, takes_pixels=asked.takes_pixels)
    return _Made(content, run_program(content), usage)


def _torchvision(asked: _Asked) -> _Made:
    artefact, out = asked.artefact, asked.out
    name, spec, tensors = for_torchvision(artefact)
    mended = artefact.spec.with_(bn_eps=spec.bn_eps, conv_bias=spec.conv_bias)  # as these tensors are
    described = replace(artefact, spec=mended, tensors=tensors)
    content = to_safetensors(tensors, described) if out.suffix == ".safetensors" else torch_file(tensors)
    note = f"torchvision.models.{name}(num_classes={spec.classes}).load_state_dict(...) takes it"
    network = with_tensors(spec, read_foreign(content, out.suffix, spec), str(out))
    return _Made(content, network, of_torchvision(out, artefact, name, spec.classes), (note,))


def _hf(asked: _Asked) -> _Made:
    artefact, out = asked.artefact, asked.out
    name, spec, contents = for_timm(artefact, out.name)
    tensors = read_foreign(contents["model.safetensors"], ".safetensors", spec)
    function = with_tensors(spec, tensors, str(out))
    load = f'timm.create_model("local-dir:{out.name}", pretrained=True)'
    notes = [f"timm's {name}, in the layout of the Hugging Face hub: {load}"]
    if artefact.preprocessing.geometry.interpolation == "tf-bilinear":
        notes.append("timm cannot resize as TensorFlow 1 does: its predictions will differ a little")
    return _Made(contents, function, of_timm(out), tuple(notes))


def _keras(asked: _Asked) -> _Made:
    return _of_keras(asked, for_keras(asked.artefact))


def _keras_cifar10(asked: _Asked) -> _Made:
    return _of_keras(asked, for_keras_cifar10(asked.artefact))


def _of_keras(asked: _Asked, network: KerasNetwork) -> _Made:
    artefact, out = asked.artefact, asked.out
    content = keras_bytes(artefact, network)
    notes = (f"{network.call.format(repr(out.name))} takes it", *network.notes)
    tensors = read_foreign(content, ".h5", network.spec)
    made = tuple(line.format(repr(str(out))) for line in network.lines)
    usage = of_keras(artefact, made, is_reversed=network.is_reversed)
    return _Made(content, with_tensors(network.spec, tensors, str(out)), usage, notes)


_Maker = Callable[[_Asked], _Made]

_MAKERS: Mapping[str, _Maker] = {
    "onnx": _onnx,
    "torch-export": _torch_export,
    "safetensors": _safetensors,
    "folder": _folder,
    "torchvision": _torchvision,
    "hf": _hf,
    "keras": _keras,
    "keras-cifar10": _keras_cifar10,
    "triton": _triton,
}


def read_foreign(content: bytes, suffix: str, spec: ModelSpec) -> dict[str, Tensor]:
    """Return the tensors that `load_weights` finds in a file of another program, for the network there.

    Args:
        content: The file's.
        suffix: The file's.
        spec: The network as that program has it.

    Raises:
        CheckpointError: If they are not the network's.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"weights{suffix}"
        files.write_file(path, content)
        tensors, _ = load_weights(spec, path)
    return tensors


def program_bytes(artefact: Artefact, layers: Folded, *, takes_pixels: bool) -> bytes:
    """Return the .pt2 file, for any batch; the description lies in its extra files."""
    model: nn.Module = InferenceNetwork(layers)
    if takes_pixels:
        model = PixelsToProbabilities(model, artefact.preprocessing.normaliser)
    images = example(artefact, 2, takes_pixels=takes_pixels)
    stream = io.BytesIO()
    with _quiet(), torch.no_grad():
        if takes_pixels:
            model(images)  # the normaliser's constants are made before they are traced
        program = torch.export.export(model, (images,), dynamic_shapes=({0: torch.export.Dim("batch")},))
        torch.export.save(program, stream, extra_files=artefact.to_texts())
    return stream.getvalue()


def run_program(content: bytes) -> Function:
    """Return the function in a .pt2 file."""
    with _quiet():
        module: Function = torch.export.load(io.BytesIO(content)).module()
    return module


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
