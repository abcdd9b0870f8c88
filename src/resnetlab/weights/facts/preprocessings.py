"""How the sources of published weights prepared their images. Plain facts."""

import contextlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from resnetlab.base.reading.plain import read_json
from resnetlab.weights.facts.naming import InputFacts

# torchvision's presets of IMAGENET1K_V1; its V2 weights and timm's resize and crop otherwise.
TORCHVISION = InputFacts(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), resize=256, crop=224)
# timm, models/resnetv2.py: _cfg's mean and std (IMAGENET_INCEPTION), and what resnetv2_50.a1h_in1k has.
TIMM_RESNETV2 = InputFacts(mean=(0.5,) * 3, std=(0.5,) * 3, resize=235, crop=224, interpolation="bicubic")
# Our own files carry no preprocessing: a run keeps it in data.json.
UNTOLD = InputFacts(mean=(0.0,) * 3, std=(1.0,) * 3, is_told=False)
# akamaster/pytorch_resnet_cifar10, trainer.py: ImageNet's constants on CIFAR-10.
AKAMASTER = replace(TORCHVISION, resize=None, crop=None)
# kuangliu/pytorch-cifar, main.py.
KUANGLIU = InputFacts(mean=(0.4914, 0.4822, 0.4465), std=(0.2023, 0.1994, 0.2010))
# keras-applications, imagenet_utils.py, mode "caffe", turned from BGR to RGB.
KERAS_CAFFE = InputFacts(
    pixel_range=255,
    mean=(123.68, 116.779, 103.939),
    std=(1.0, 1.0, 1.0),
    resize=256,
    crop=224,
)
# The same, mode "tf": pixels to [-1, 1].
KERAS_TF = replace(KERAS_CAFFE, mean=(127.5,) * 3, std=(127.5,) * 3)
# tensorflow/models official/r1/resnet, imagenet_preprocessing.py.
OFFICIAL_IMAGENET = replace(KERAS_CAFFE, mean=(123.68, 116.78, 103.94), interpolation="tf-bilinear")
# official/r1/resnet/cifar10_main.py and research/resnet/cifar_input.py; the range does not matter.
PER_IMAGE = InputFacts(normalise="per-image", pixel_range=255)
# keras-team/keras, examples/cifar10_resnet.py: x / 255 less the training images' mean image.
KERAS_EXAMPLE = InputFacts(normalise="per-pixel-mean", pixel_range=1)
# chao-ji/tf-resnet-cifar10, dataset.py.
CHAOJI = InputFacts(normalise="per-pixel-mean", pixel_range=255)


# chenyaofo/pytorch-cifar-models, conf/cifar100.conf.
CIFAR100 = InputFacts(mean=(0.5070, 0.4865, 0.4409), std=(0.2673, 0.2564, 0.2762))
# huyvnphan/PyTorch_CIFAR10, data.py: the standard deviations of all pixels.
HUYVNPHAN = InputFacts(mean=(0.4914, 0.4822, 0.4465), std=(0.2471, 0.2435, 0.2616))

BY_NAME: dict[str, InputFacts] = {
    "torchvision": TORCHVISION,
    "imagenet": TORCHVISION,
    "torchvision-v2": replace(TORCHVISION, resize=232),
    "timm-resnetv2": TIMM_RESNETV2,
    "tf": KERAS_TF,
    "inception": KERAS_TF,
    "caffe": KERAS_CAFFE,
    "tensorflow": OFFICIAL_IMAGENET,
    "akamaster": AKAMASTER,
    "kuangliu": KUANGLIU,
    "chenyaofo": KUANGLIU,
    "cifar10": KUANGLIU,
    "huyvnphan": HUYVNPHAN,
    "cifar100": CIFAR100,
    "half": InputFacts(mean=(0.5,) * 3, std=(0.5,) * 3),
    "per-image": PER_IMAGE,
    "unit": replace(UNTOLD, is_told=True),
}
"""What a user may call a known preprocessing: whose it is. "half" is mean and std 0.5, "unit" pixels
from 0 to 1 as they are; "tf" and "inception" are pixels from -1 to 1."""

_DAMAGE = (OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError)


def beside(path: Path, given: InputFacts, described: Any = None) -> tuple[InputFacts, str]:
    """Return `given` with what lies beside the file in timm's or transformers' form, and a remark.

    timm has it in config.json, transformers in preprocessor_config.json, and our own exports for Keras
    within the file: `described`, None in another's.
    """
    with contextlib.suppress(*_DAMAGE):
        return _ours(described, given), "the preprocessing is that in the file"
    folder = path if path.is_dir() else path.parent
    for name, read in (("config.json", _timms), ("preprocessor_config.json", _transformers)):
        with contextlib.suppress(*_DAMAGE):
            facts = read_json(folder / name, is_ours=False)
            found, other = read(facts, given)
            remark = f"the preprocessing is that of {name} beside the file"
            return found, f"{remark}; not the same is: {', '.join(other)}" if other else remark
    return given, ""


def _ours(facts: Mapping[str, Any], given: InputFacts) -> InputFacts:
    """Read what an export of ours says of itself; without a side, images were taken as they are."""
    kind, mean, std = (facts[key] for key in ("normalise", "mean", "std"))
    normalise: Any = kind if kind in ("per-image", "per-pixel-mean") else "channel"
    is_plain = kind == "channel" and bool(mean) and bool(std)
    is_image = kind == "per-pixel-mean" and bool(mean)
    has_side = bool(facts.get("image_size"))
    return replace(
        given,
        normalise=normalise,
        pixel_range=int(facts["pixel_range"]),
        is_told=True,
        mean=tuple(map(float, mean)) if is_plain else (0.0,) * 3 if normalise == "channel" else (),
        std=tuple(map(float, std)) if is_plain else (1.0,) * 3 if normalise == "channel" else (),
        mean_image=tuple(tuple(tuple(map(float, x)) for x in row) for row in mean) if is_image else (),
        crop=int(facts["image_size"]) if has_side else None,
        resize=int(facts["resize"]) if has_side else None,
        interpolation=str(facts["interpolation"]) if has_side else given.interpolation,
    )


def _timms(config: Mapping[str, Any], given: InputFacts) -> tuple[InputFacts, list[str]]:
    """Read timm's configuration, and what of it is done otherwise here.

    Before 2022 it was written without `pretrained_cfg` around it; what it leaves out is as given.

    Raises:
        KeyError: If it says nothing of images.
    """
    inner = config.get("pretrained_cfg")
    facts = inner if isinstance(inner, dict) else config
    if not {"input_size", "mean", "std"} & set(facts):
        raise KeyError("input_size")
    height, width = facts.get("input_size", (3, given.crop or 224, given.crop or 224))[-2:]
    crop = int(min(height, width))
    mode = facts.get("crop_mode") or "center"
    ways = {
        "squash": "there images are squeezed to a square",
        "border": "there a border is put around images",
    }
    other = [ways.get(mode, f"crop_mode {mode}")] if mode != "center" else []
    if height != width:
        other.append(f"there images are {height} high and {width} wide, here a square of {crop}")
    found = replace(
        given,
        normalise="channel",
        pixel_range=1,
        is_told=True,
        mean=tuple(float(x) for x in facts.get("mean") or TORCHVISION.mean),
        std=tuple(float(x) for x in facts.get("std") or TORCHVISION.std),
        crop=crop,
        resize=int(crop / float(facts.get("crop_pct") or 0.875)),  # timm cuts the fraction off
        interpolation=str(facts.get("interpolation") or given.interpolation),
    )
    return found, other


_RESAMPLES = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic"}  # Pillow's numbers


def _transformers(facts: Mapping[str, Any], given: InputFacts) -> tuple[InputFacts, list[str]]:
    """Read an image processor's configuration, and what of it is done otherwise here.

    Source: transformers, models/convnext/image_processing_convnext.py, which ResNets use: below 384
    px the shorter side is brought to size / crop_pct, the fraction cut off, and the square cut out.
    """
    size = facts["size"]
    sides = (size, size) if isinstance(size, int) else (*map(int, size.values()),)
    side = min(sides)
    crop, other = side, []
    kind = str(facts.get("image_processor_type", facts.get("feature_extractor_type", "")))
    is_convnext = kind.startswith("ConvNext") or "crop_pct" in facts
    if "crop_size" in facts and facts.get("do_center_crop", True):
        cut = facts["crop_size"]
        crop = int(cut if isinstance(cut, int) else cut["height"])
    elif is_convnext and side < 384:
        side = int(side / float(facts.get("crop_pct") or 224 / 256))
    elif is_convnext or not isinstance(size, dict) or "shortest_edge" not in size:
        other.append(f"there images are squeezed to {' x '.join(map(str, sides))}")
    else:
        other.append("there nothing is cut out")
    if not facts.get("do_resize", True):
        other = ["there images are not resized"]
    factor = float(facts.get("rescale_factor", 1 / 255)) if facts.get("do_rescale", True) else 1.0
    scale = 1.0 if abs(255 * factor - 1) < 1e-6 else 1 / (255 * factor)
    is_normal = facts.get("do_normalize", True)
    found = replace(
        given,
        normalise="channel",
        pixel_range=1,
        is_told=True,
        mean=tuple(float(x) * scale for x in facts["image_mean"]) if is_normal else (0.0,) * 3,
        std=tuple(float(x) * scale for x in facts["image_std"]) if is_normal else (scale,) * 3,
        crop=crop,
        resize=side,
        interpolation=_RESAMPLES.get(facts.get("resample", 3), "bicubic"),
    )
    return found, other
