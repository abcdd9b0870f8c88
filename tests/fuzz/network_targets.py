"""Parsers of networks: weights of others and ours, and what is said beside and within them."""

import io
import json
import pickle
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import safetensors.torch
import torch

from resnetlab.base.reading.hdf5_process import _Walk
from resnetlab.base.reading.plain import parse_json
from resnetlab.errors import ResnetlabError
from resnetlab.network.spec import ModelSpec
from resnetlab.trained.artefact.folder import from_safetensors, is_described
from resnetlab.trained.artefact.model import from_texts
from resnetlab.trained.artefact.onnx_contents import read_onnx_contents
from resnetlab.trained.artefact.onnx_model import OnnxModel
from resnetlab.weights.facts.architecture import heed
from resnetlab.weights.facts.label_names import names_beside
from resnetlab.weights.facts.naming import InputFacts
from resnetlab.weights.facts.preprocessings import beside
from resnetlab.weights.files import unpickle
from resnetlab.weights.files.checkpoint_facts import class_names, mmlab, own_images, plain_facts
from resnetlab.weights.files.keras_config import heed_configuration
from resnetlab.weights.files.reading import read_weight_file
from resnetlab.weights.files.tensorflow.bundle import read_bundle
from resnetlab.weights.recognising import recognise, shapes_of
from tests.fuzz.data_targets import npy_bytes, zip_bytes
from tests.fuzz.fitting import bundle_sums, safetensors_length
from tests.fuzz.mutations import of_bytes
from tests.fuzz.target import Packed, Target, in_a_file, in_a_folder, of_reader
from tests.kit.outside import OLD, RUN
from tests.kit.tensorflow_checkpoints import write_bundle
from tests.kit.torch_files import save

_SMALL = {"conv1.weight": torch.zeros(4, 3, 3, 3), "bn1.bias": torch.zeros(4), "fc.weight": torch.ones(2, 4)}


def _small_safetensors(folder: Path) -> Sequence[bytes]:
    return [
        safetensors.torch.save(_SMALL, metadata={"format": "pt", "arch": "resnet18", "classes": '["a", "b"]'})
    ]


_SAFETENSORS_TOKENS = (
    b'"data_offsets"', b'"shape"', b'"dtype"', b'"F32"', b'"F64"', b'"BF16"', b'"F8_E4M3"', b'"F4"',
    b'"F8_E8M0"', b'"C64"', b'"BOOL"', b'"I64"', b"[0,0]", b"[18446744073709551615]",
    b"[4294967296,4294967296]", b"[-1]", b'"__metadata__"', b"{", b"}", b"[", b"]", b'"', b",",
)  # fmt: skip


def _ours(folder: Path) -> Sequence[bytes]:
    return [(OLD / "0.1.0/net.safetensors").read_bytes()]


def _ours_read(content: bytes, folder: Path) -> None:
    (folder / "net.safetensors").write_bytes(content)
    is_described(folder / "net.safetensors")
    from_safetensors(content, "net.safetensors")


def _texts(folder: Path) -> Sequence[bytes]:
    with safetensors.safe_open(OLD / "0.1.0/net.safetensors", "pt") as file:
        return [json.dumps({key: _json(text) for key, text in file.metadata().items()}).encode()]


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _described(content: bytes, folder: Path) -> None:
    """Have a description read that says this; what a header cannot hold is none."""
    try:
        found = json.loads(content)
        texts = {key: each if isinstance(each, str) else json.dumps(each) for key, each in found.items()}
    except (ValueError, RecursionError, AttributeError):
        return
    from_texts(texts, "net.safetensors")


# ONNX.


def _onnx(folder: Path) -> Sequence[bytes]:
    return [(OLD / "0.1.0/net.onnx").read_bytes()]


def _small_onnx(folder: Path) -> Sequence[bytes]:
    import onnx

    graph: Any = onnx.helper.make_graph(
        [onnx.helper.make_node("Relu", ["w"], ["y"])],
        "g",
        [onnx.helper.make_tensor_value_info("x", 1, ["n", 3])],
        [onnx.helper.make_tensor_value_info("y", 1, [2])],
        [onnx.helper.make_tensor("w", 1, [2], [1.0, 2.0])],
    )
    model = onnx.helper.make_model(graph, producer_name="p")
    onnx.helper.set_model_props(model, {"a": "b"})
    return [model.SerializeToString()]


_ONNX_TOKENS = (
    b"Relu",
    b"Conv",
    b"\x0a\x01x",
    b"\x08\x01",
    b"\x12\x00",
    b"\xff" * 9 + b"\x01",
    b"\x3a",
    b"\x72",
    b"\x2a",
)


# Torch.


def _torch_file(**how: Any) -> Any:
    def make(folder: Path) -> Sequence[bytes]:
        content = {
            "state_dict": _SMALL,
            "arch": "resnet18",
            "epoch": 3,
            "classes": ["a", "b"],
            "args": (1, 2.5),
        }
        save(content, folder / "whole.pth", **how)
        return [(folder / "whole.pth").read_bytes()]

    return make


def _script(folder: Path) -> Sequence[bytes]:
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4)).eval()
    trace: Any = torch.jit.trace
    trace(net, torch.zeros(1, 3, 8, 8)).save(folder / "whole.pt")
    return [(folder / "whole.pt").read_bytes()]


def _zipped(make: Any, **more: Any) -> Target:
    """Return the target of an archive of torch's, whose members are changed."""

    def change(seeds: Sequence[bytes]) -> Any:
        with zipfile.ZipFile(io.BytesIO(seeds[0])) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        pickled = {
            name: of_bytes(_PICKLE_TOKENS, [content]) for name, content in members.items() if ".pkl" in name
        }
        return Packed(
            zip_bytes, members, pickled, raw=0.15, favoured=next(n for n in members if n.endswith("data.pkl"))
        )(seeds)

    return Target(make=make, call=in_a_file("net.pth", _unpickled), change=change, is_guarded=True, **more)


def _unpickled(path: Path) -> object:
    return unpickle._main(str(path), str(path.with_name("target.safetensors")))


_PICKLE_TOKENS = (
    b".", b"(", b"]", b"}", b"N", b"\x85", b"\x86", b"\x87", b"R", b"b", b"q\0", b"r\xff\xff\0\0", b"h\0",
    b"j\xff\0\0\0", b"ccollections\nOrderedDict\n", b"ctorch._utils\n_rebuild_tensor_v2\n",
    b"ctorch\nFloatStorage\n", b"cos\nsystem\n", b"X\4\0\0\0data", b"K\1", b"J\xff\xff\xff\xff",
    b"\x8a\x08" + b"\xff" * 8, b"\x95" + b"\xff" * 8, b"\x94", b"\x93", b"u", b"s", b"a", b"e", b"t", b"0",
    b"2", b"Q", b"cnumpy.core.multiarray\n_reconstruct\n", b"cnumpy\ndtype\n", b"\x81", b"\x92",
    b"cargparse\nNamespace\n", b"ctorch.nn.modules.conv\nConv2d\n", b"ctorch._utils\n_rebuild_parameter\n",
    b"\x8f", b"\x90",
)  # fmt: skip


def _facts(content: bytes, folder: Path) -> None:
    """Have a checkpoint's own words read, as they come out of a pickle."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return
    plain_facts(found)
    class_names(found)
    mmlab(found)
    own_images(found)


def _words(folder: Path) -> Sequence[bytes]:
    norm = {"type": "Normalize", "mean": [1, 2, 3], "std": [1, 2, 3], "to_rgb": True}
    return [
        json.dumps(
            {
                "arch": "resnet18",
                "epoch": 3,
                "classes": ["a", "b"],
                "class_to_idx": {"a": 0, "b": 1},
                "meta": {
                    "CLASSES": ["a", "b"],
                    "config": "model = dict(backbone=dict(type='ResNet', depth=18, style='pytorch'))",
                    "dataset_meta": {"classes": ["a", "b"]},
                },
                "cfg": {
                    "model": {"backbone": {"type": "ResNet", "depth": 18}, "data_preprocessor": norm},
                    "pipeline": [norm],
                },
                "state_dict": {"mean": [1, 2]},
            }
        ).encode()
    ]


# Keras.


def _hdf5(folder: Path) -> Sequence[bytes]:
    made = []
    for libver in ("earliest", "latest"):
        stream = io.BytesIO()
        with h5py.File(stream, "w", libver=libver) as file:
            file.attrs["layer_names"] = [b"conv", b"bn"]
            group = file.create_group("conv")
            group.attrs["weight_names"] = [b"conv/kernel:0", b"conv/bias:0"]
            group["conv/kernel:0"] = np.zeros((1, 1, 2, 2), np.float32)
            group.create_dataset(
                "conv/bias:0", data=np.arange(4, dtype=np.float32), chunks=(2,), compression="gzip"
            )
            file.create_group("bn").attrs["weight_names"] = np.array([], "S1")
            file.attrs["model_config"] = "{}"
        made.append(stream.getvalue())
    return made


def _walked(path: Path) -> None:
    """Have it read as the process does that reads HDF5, which tells of whatever is wrong."""
    walk = _Walk(path.stat().st_size)
    try:
        with h5py.File(path, "r") as file:
            walk.group(file)
    except Exception:
        return


def _keras_config(folder: Path) -> Sequence[bytes]:
    def layer(kind: str, **config: Any) -> dict[str, Any]:
        return {
            "class_name": kind,
            "config": {"name": kind.lower(), **config},
            "inbound_nodes": [[["x", 0, 0, {}]]],
        }

    layers = [
        layer("InputLayer", batch_input_shape=[None, 8, 8, 3]),
        layer("Rescaling", scale=0.1, offset=[1.0, 2.0, 3.0]),
        layer("Normalization", mean=[1.0, 2.0, 3.0], variance=[1.0, 1.0, 1.0], axis=[-1]),
        layer("TFOpLambda", function="math.subtract"),
        layer("ZeroPadding2D", padding=[[1, 1], [1, 1]]),
        layer("Conv2D", activation="linear", dilation_rate=[1, 1]),
        layer("Activation", activation={"class_name": "relu"}),
        layer("Dense", activation="softmax", units=2),
        {"class_name": "Functional", "config": {"layers": []}},
    ]
    return [json.dumps({"class_name": "Functional", "config": {"name": "net", "layers": layers}}).encode()]


def _keras_heeded(content: bytes, folder: Path) -> None:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return
    heed_configuration(found, {"normalization/mean": torch.zeros(3), "normalization/variance": torch.ones(3)})


# TensorFlow.


def _bundle(folder: Path) -> Sequence[bytes]:
    write_bundle(
        folder / "net.ckpt",
        {"conv/kernel": torch.zeros(1, 1, 2, 2), "bn/gamma": torch.ones(2), "n": torch.tensor(3)},
    )
    return [(folder / "net.ckpt.index").read_bytes()]


def _bundle_data(folder: Path) -> Sequence[bytes]:
    _bundle(folder)
    return [(folder / "net.ckpt.data-00000-of-00001").read_bytes()]


def _read_prefix(folder: Path) -> object:
    return read_bundle(folder / "net.ckpt")


# What lies beside weights.


def _recognised(folder: Path) -> Any:
    tensors = safetensors.torch.load_file(RUN / "checkpoints/step-00000008/model.safetensors")
    return recognise(shapes_of(tensors))


_NAMING = []  # made once


def _beside(folder: Path) -> None:
    if not _NAMING:
        _NAMING.append(_recognised(folder))
    path = folder / "model.safetensors"
    heed("model.safetensors", path, {})
    beside(path, InputFacts())
    names_beside(path, _NAMING[0])


def _config(folder: Path) -> Sequence[bytes]:
    facts = {
        "input_size": [3, 32, 32],
        "mean": [0.5] * 3,
        "std": [0.2] * 3,
        "crop_pct": 0.9,
        "interpolation": "bicubic",
        "fixed_input_size": True,
        "label_names": ["a", "b"],
    }
    whole = {
        "architecture": "resnet18",
        "pretrained_cfg": facts,
        "label_names": [str(n) for n in range(10)],
        "num_classes": 10,
        "id2label": {str(n): str(n) for n in range(10)},
        "hidden_sizes": [1, 2],
        "layer_type": "bottleneck",
        "downsample_in_first_stage": False,
        "depths": [3, 4],
        "model_type": "resnet",
    }
    return [json.dumps(whole).encode()]


def _preprocessor(folder: Path) -> Sequence[bytes]:
    return [
        json.dumps(
            {
                "do_normalize": True,
                "image_mean": [0.5] * 3,
                "image_std": [0.2] * 3,
                "crop_pct": 0.9,
                "size": {"shortest_edge": 36},
                "rescale_factor": 1 / 255,
                "resample": 3,
                "do_resize": True,
                "do_rescale": True,
                "do_center_crop": True,
                "crop_size": {"height": 32, "width": 32},
            }
        ).encode()
    ]


def _shards_index(folder: Path) -> Sequence[bytes]:
    (folder / "a.safetensors").write_bytes(safetensors.torch.save(_SMALL))
    return [
        json.dumps(
            {"weight_map": dict.fromkeys(_SMALL, "a.safetensors"), "metadata": {"total_size": 1}}
        ).encode()
    ]


def _npz_members() -> dict[str, bytes]:
    return {f"{name}.npy": npy_bytes(tensor.numpy()) for name, tensor in _SMALL.items()}


def _names_and_shapes(folder: Path) -> Sequence[bytes]:
    tensors = safetensors.torch.load_file(RUN / "checkpoints/step-00000008/model.safetensors")
    return [json.dumps({name: [*tensor.shape] for name, tensor in tensors.items()}).encode()]


def _recognise(content: bytes, folder: Path) -> None:
    """Have names and shapes recognised, which a file of weights is free to choose."""
    try:
        found = json.loads(content)
        shapes = {str(name): tuple(int(size) for size in sizes) for name, sizes in found.items()}
    except (ValueError, RecursionError, AttributeError, TypeError, OverflowError):
        return
    if all(0 <= size < 2**63 for sizes in shapes.values() for size in sizes):
        recognise(shapes)


def _spec(content: bytes, folder: Path) -> None:
    try:
        found = parse_json(content)
    except ValueError:
        return
    if isinstance(found, dict):
        ModelSpec.from_json(found).num_parameters  # noqa: B018


TARGETS: Mapping[str, Target] = {
    "safetensors of others": Target(
        make=_small_safetensors,
        call=in_a_file("net.safetensors", read_weight_file),
        tokens=_SAFETENSORS_TOKENS,
        fit=safetensors_length,
    ),
    "our safetensors": Target(make=_ours, call=_ours_read, tokens=_SAFETENSORS_TOKENS),
    "our description": Target(make=_texts, call=_described, kind="json"),
    "our safetensors: the network": of_reader("our safetensors: its description"),
    "a model folder: MANIFEST.json": of_reader("model folder: MANIFEST.json"),
    "ONNX: its contents": Target(
        make=lambda folder: [*_small_onnx(folder), *_onnx(folder)],
        tokens=_ONNX_TOKENS,
        call=in_a_file("net.onnx", lambda path: read_onnx_contents(path).rows()),
    ),
    "our ONNX": Target(
        make=_onnx, call=lambda content, _: OnnxModel(content, "net.onnx"), tokens=_ONNX_TOKENS
    ),
    "a torch file": _zipped(_torch_file()),
    "TorchScript": _zipped(_script),
    "a torch file of before 1.6": Target(
        make=_torch_file(_use_new_zipfile_serialization=False),
        call=in_a_file("net.pth", _unpickled),
        tokens=_PICKLE_TOKENS,
        is_guarded=True,
    ),
    "a pickle of arrays": Target(
        make=lambda folder: [pickle.dumps({name: each.numpy() for name, each in _SMALL.items()}, protocol=2)],
        call=in_a_file("net.pkl", _unpickled),
        tokens=_PICKLE_TOKENS,
        is_guarded=True,
    ),
    "a checkpoint's own words": Target(
        make=_words, call=_facts, kind="json", tokens=("dict(type='ResNet')", "img_norm_cfg = dict(mean=[1])")
    ),
    "HDF5": Target(make=_hdf5, call=in_a_file("net.h5", _walked), is_guarded=True),
    "Keras: its configuration": Target(make=_keras_config, call=_keras_heeded, kind="json"),
    "TensorFlow: index": Target(
        make=_bundle, call=in_a_folder("net.ckpt.index", _read_prefix), fit=bundle_sums
    ),
    "TensorFlow: data": Target(
        make=_bundle_data, call=in_a_folder("net.ckpt.data-00000-of-00001", _read_prefix)
    ),
    "TensorFlow: checkpoint": of_reader("TensorFlow: checkpoint"),
    "an archive of weights": of_reader("an archive of weights"),
    "arrays of weights": Target(
        make=lambda folder: [zip_bytes(_npz_members())],
        call=in_a_file("net.npz", read_weight_file),
        change=Packed(
            zip_bytes, _npz_members(), raw=0.0
        ),  # what is no archive any more goes to another process
    ),
    "hub: config.json": Target(make=_config, call=in_a_folder("config.json", _beside), kind="json"),
    "hub: preprocessor_config.json": Target(
        make=_preprocessor, call=in_a_folder("preprocessor_config.json", _beside), kind="json"
    ),
    "hub: model.safetensors.index.json": Target(
        make=_shards_index,
        call=in_a_file("model.safetensors.index.json", read_weight_file),
        kind="json",
        tokens=("a.safetensors", "b.safetensors", "../a.safetensors"),
    ),
    "names and shapes of weights": Target(
        make=_names_and_shapes, call=_recognise, kind="json", tokens=("fc.weight", "layer1.0.conv1.weight")
    ),
    "spec.json": Target(
        make=lambda folder: [(RUN / "spec.json").read_bytes()],
        call=_spec,
        kind="json",
        allowed=(ResnetlabError,),
    ),
}
