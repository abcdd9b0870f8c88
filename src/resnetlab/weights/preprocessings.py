"""How the sources of published weights prepared their images. Plain facts."""

import json
from dataclasses import replace
from pathlib import Path

from resnetlab.weights.naming import Preprocessing

# torchvision's presets of IMAGENET1K_V1; its V2 weights and timm's resize and crop otherwise.
TORCHVISION = Preprocessing(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), resize=256, crop=224)
# akamaster/pytorch_resnet_cifar10, trainer.py: ImageNet's constants on CIFAR-10.
AKAMASTER = replace(TORCHVISION, resize=None, crop=None)
# keras-applications, imagenet_utils.py, mode "caffe", turned from BGR to RGB.
KERAS_CAFFE = Preprocessing(
    pixel_range=255,
    mean=(123.68, 116.779, 103.939),
    std=(1.0, 1.0, 1.0),
    resize=256,
    crop=224,
)
# The same, mode "tf": pixels to [-1, 1].
KERAS_TF = replace(KERAS_CAFFE, mean=(127.5,) * 3, std=(127.5,) * 3)
# tensorflow/models official/r1/resnet, imagenet_preprocessing.py.
OFFICIAL_IMAGENET = replace(KERAS_CAFFE, mean=(123.68, 116.78, 103.94), interpolation="bilinear-tf1")
# official/r1/resnet/cifar10_main.py and research/resnet/cifar_input.py; the range does not matter.
PER_IMAGE = Preprocessing(normalise="per-image", pixel_range=255)
# chao-ji/tf-resnet-cifar10, dataset.py.
CHAOJI = Preprocessing(normalise="per-pixel-mean", pixel_range=255)


def beside(path: Path, given: Preprocessing) -> tuple[Preprocessing, str]:
    """Return `given` with what a config.json in timm's form beside the file says, and a remark."""
    config = (path if path.is_dir() else path.parent) / "config.json"
    try:
        facts = json.loads(config.read_text())["pretrained_cfg"]
        crop = int(facts["input_size"][-1])
        found = replace(
            given,
            mean=tuple(float(x) for x in facts["mean"]),
            std=tuple(float(x) for x in facts["std"]),
            crop=crop,
            resize=int(crop / float(facts.get("crop_pct", 0.875))),  # timm cuts the fraction off
            interpolation=str(facts.get("interpolation", given.interpolation)),
        )
    except (OSError, ValueError, KeyError, TypeError, IndexError, ZeroDivisionError):
        return given, ""
    return found, f"the preprocessing is that of {config.name} beside the file"
