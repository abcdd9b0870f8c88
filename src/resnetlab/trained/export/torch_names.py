"""Exports for torch's two collections of models, whose names of tensors ours are: torchvision, timm."""

import io
from typing import Any

import torch
from torch import Tensor

from resnetlab.base.plaindata import to_json_bytes
from resnetlab.errors import UsageError
from resnetlab.network.catalog import model_spec
from resnetlab.network.spec import ModelSpec
from resnetlab.trained.artefact.card import card
from resnetlab.trained.artefact.folder import WEIGHTS, to_safetensors
from resnetlab.trained.artefact.model import Artefact
from resnetlab.trained.export.fitting import fit

_WIDE = (128, 256, 512, 1024)  # Zagoruyko and Komodakis, 2016: the 3x3s are twice as wide
_TORCHVISION = {
    **{f"resnet{depth}": model_spec(f"resnet{depth}") for depth in (18, 34, 50, 101, 152)},
    **{f"wide_resnet{depth}_2": model_spec(f"resnet{depth}").with_(widths=_WIDE) for depth in (50, 101)},
}
# timm/models/resnet.py and resnetv2.py: what there has the plain stem, shortcut and activation.
_TIMM = {
    **_TORCHVISION,
    "resnet26": model_spec("resnet50").with_(blocks=(2, 2, 2, 2)),
    "resnet200": model_spec("resnet200"),
    **{f"resnetv2_{depth}": model_spec(f"resnet{depth}_v2") for depth in (18, 34, 50, 101, 152)},
}


def for_torchvision(artefact: Artefact) -> tuple[str, ModelSpec, dict[str, Tensor]]:
    """Return torchvision's name of the network, its specification, and the state dict.

    Raises:
        UsageError: If torchvision has no such network.
    """
    if artefact.spec.in_channels != 3:
        raise UsageError(f"torchvision's networks take 3 channels, this one {artefact.spec.in_channels}")
    name, tensors = fit(artefact, _TORCHVISION, "torchvision")
    return name, _as(_TORCHVISION[name], artefact), tensors


def torch_file(tensors: dict[str, Tensor]) -> bytes:
    """Return a state dict as torch.load(..., weights_only=True) reads it."""
    stream = io.BytesIO()
    torch.save(tensors, stream)  # noqa: TID251 (what torchvision's users load; we never read it back so)
    return stream.getvalue()


def for_timm(artefact: Artefact, folder: str) -> tuple[str, ModelSpec, dict[str, bytes]]:
    """Return timm's name of the network, its specification, and the files of a Hugging Face folder.

    `timm.create_model("local-dir:FOLDER", pretrained=True)` reads the folder, and, once it is
    uploaded, "hf-hub:NAME". timm's resnetv2 has its classifier as a 1x1 convolution.

    Source: timm/models/_hub.py, load_model_config_from_path.

    Raises:
        UsageError: If timm has no such network.
    """
    name, tensors = fit(artefact, _TIMM, "timm")
    spec = _as(_TIMM[name], artefact)
    if name.startswith("resnetv2"):
        tensors["head.fc.weight"] = tensors["head.fc.weight"][:, :, None, None]
    contents = {
        WEIGHTS: to_safetensors(tensors),
        "config.json": to_json_bytes(_config(artefact, name)),
        "README.md": _hub_card(artefact, folder).encode(errors="surrogateescape"),
    }
    return name, spec, contents


def _as(theirs: ModelSpec, artefact: Artefact) -> ModelSpec:
    return theirs.with_(classes=artefact.spec.classes, in_channels=artefact.spec.in_channels)


def _config(artefact: Artefact, name: str) -> dict[str, Any]:
    spec, geometry, normaliser = (
        artefact.spec,
        artefact.preprocessing.geometry,
        artefact.preprocessing.normaliser,
    )
    if normaliser.kind not in ("channel", "none"):
        raise UsageError(
            f"timm normalises by channel; this network wants {normaliser.kind}",
            hint="--to onnx --uint8 has every normalisation inside.",
        )
    height, width, channels = artefact.image_shape
    is_pre = name.startswith("resnetv2")
    mean, factor = normaliser.offset_and_factor()
    resize = max(geometry.resize, height)
    config: dict[str, Any] = {
        "architecture": name,
        "num_classes": spec.classes,
        "num_features": spec.out_channels[-1],
        "label_names": list(artefact.class_names),
        "pretrained_cfg": {
            "input_size": [channels, height, width],
            "mean": _each(mean / 255, channels),
            "std": _each(1 / factor / 255, channels),
            "interpolation": "bicubic" if geometry.interpolation == "bicubic" else "bilinear",
            "crop_pct": _crop_share(height, resize),
            "crop_mode": "center",
            "fixed_input_size": False,
            "num_classes": spec.classes,
            "first_conv": "stem.conv" if is_pre else "conv1",
            "classifier": "head.fc" if is_pre else "fc",
        },
    }
    if channels != 3:
        config["model_args"] = {"in_chans": channels}
    return config


def _each(values: Any, channels: int) -> list[float]:
    return [round(float(values[index % len(values)]), 9) for index in range(channels)]


def _crop_share(crop: int, resize: int) -> float:
    """Return the share that timm, which cuts crop / share down to whole pixels, makes `resize` of."""
    share = round(crop / resize, 6)
    return share if int(crop / share) == resize else crop / (resize + 0.5)


def _hub_card(artefact: Artefact, folder: str) -> str:
    return card(artefact, folder, _USAGE.replace("FOLDER", folder), library="timm")


_USAGE = """Load it with timm 1.0.20 or later:

```python
import timm

model = timm.create_model("local-dir:FOLDER", pretrained=True).eval()
```

Uploaded to the Hugging Face hub it is `"hf-hub:USER/FOLDER"`. `config.json` holds the classes
(label_names) and the preprocessing (pretrained_cfg).
"""
