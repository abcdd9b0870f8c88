"""How the sources of published weights prepared their images. Plain facts."""

import json
from dataclasses import replace
from pathlib import Path

from resnetlab.weights.naming import InputFacts

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
# chao-ji/tf-resnet-cifar10, dataset.py.
CHAOJI = InputFacts(normalise="per-pixel-mean", pixel_range=255)


def beside(path: Path, given: InputFacts) -> tuple[InputFacts, str]:
    """Return `given` with what a config.json in timm's form beside the file says, and a remark."""
    config = (path if path.is_dir() else path.parent) / "config.json"
    try:
        facts = json.loads(config.read_text(encoding="utf-8"))["pretrained_cfg"]
        crop = int(facts["input_size"][-1])
        found = replace(
            given,
            normalise="channel",
            pixel_range=1,
            is_told=True,
            mean=tuple(float(x) for x in facts["mean"]),
            std=tuple(float(x) for x in facts["std"]),
            crop=crop,
            resize=int(crop / float(facts.get("crop_pct", 0.875))),  # timm cuts the fraction off
            interpolation=str(facts.get("interpolation", given.interpolation)),
        )
    except (OSError, ValueError, KeyError, TypeError, IndexError, ArithmeticError, RecursionError):
        return given, ""
    return found, f"the preprocessing is that of {config.name} beside the file"
