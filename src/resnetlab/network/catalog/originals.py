"""The four original code bases' networks, to the letter.

    chaoji_resnet20, chaoji_plain20, chaoji_tf2_...   chao-ji/tf-resnet-cifar10, TF1 and TF2
    keras_resnet20v1, keras_resnet20v2                keras/examples/cifar10_resnet.py
    tfofficial_cifar_resnet32v1 (v2), tfofficial_resnet50v1 (v2)   tensorflow/models official
    tfresearch_resnet32, tfresearch_bottleneck164, tfresearch_wrn28_10, tfresearch_cifar100_...
                                                      tensorflow/models research/resnet

Torch's BN momentum is 1 - their decay.
"""

import re
from collections.abc import Callable
from dataclasses import replace

from resnetlab.network.catalog import imagenet
from resnetlab.network.catalog.depths import one_of, units_per_stage
from resnetlab.network.spec import ModelSpec

CHAOJI = "chao-ji/tf-resnet-cifar10, commit 4720bb2"
KERAS = "keras-team/keras, examples/cifar10_resnet.py, commit 08f8f0a"
OFFICIAL = "tensorflow/models, official/r1/resnet"
RESEARCH = "tensorflow/models, research/resnet"

DEPTHS = (20, 32, 44, 56, 110)


def _names(pattern: str, depths: tuple[int, ...] = DEPTHS) -> tuple[str, ...]:
    return tuple(pattern.format(depth) for depth in depths)


_RESEARCH_NAMES = ("resnet20", "resnet32", "resnet110", "bottleneck164", "bottleneck1001")

FAMILIES: dict[str, tuple[str, ...]] = {
    "chao-ji, TensorFlow 1": _names("chaoji_resnet{}") + _names("chaoji_plain{}"),
    "chao-ji, TensorFlow 2": _names("chaoji_tf2_resnet{}") + _names("chaoji_tf2_plain{}"),
    "Keras example, v1": _names("keras_resnet{}v1", (*DEPTHS, 164)),
    "Keras example, v2": _names("keras_resnet{}v2", (20, 56, 110, 164, 1001)),
    "TensorFlow official, CIFAR-10": _names("tfofficial_cifar_resnet{}v1")
    + _names("tfofficial_cifar_resnet{}v2"),
    "TensorFlow official, ImageNet": _names("tfofficial_resnet{}v1", imagenet.DEPTHS)
    + _names("tfofficial_resnet{}v2", imagenet.DEPTHS),
    "TensorFlow research, CIFAR-10": tuple(f"tfresearch_{name}" for name in (*_RESEARCH_NAMES, "wrn28_10")),
    "TensorFlow research, CIFAR-100": tuple(
        f"tfresearch_cifar100_{name}" for name in (*_RESEARCH_NAMES, "wrn28_10")
    ),
}


def find(name: str) -> ModelSpec | None:
    """Return the original network of that name, or None if it is not such a name.

    Raises:
        UsageError: If the system has no network of that depth.
    """
    for pattern, build in _BUILDERS.items():
        if match := re.fullmatch(pattern, name):
            return build(match)
    return None


def _cifar(name: str, source: str, count: int) -> ModelSpec:
    """Return what all share: three stages of basic units, pre-activated, TensorFlow's SAME."""
    return ModelSpec(
        name=name,
        source=source,
        classes=10,
        input_size=32,
        stem="small",
        stem_width=16,
        stem_norm=False,
        blocks=(count,) * 3,
        widths=(16, 32, 64),
        out_channels=(16, 32, 64),
        strides=(1, 2, 2),
        unit="basic",
        order="pre",
        shortcut="A-avgpool",
        projection_norm=False,
        first_shortcut_preact=True,
        padding="same",
        bn_eps=1e-3,
        bn_momentum=0.01,
        conv_init="glorot_uniform",
        fc_init="glorot_uniform",
    )


def _chaoji(match: re.Match[str]) -> ModelSpec:
    """TF1: the BN before the split and the last one are slim's defaults: no gamma, decay .999."""
    version, kind = match[1] or "", match[2]
    depth = one_of(f"chaoji_{version}{kind}{{}}".format, int(match[3]), DEPTHS)
    spec = _cifar(match[0], CHAOJI + (", v2/" if version else ""), (depth - 2) // 6)
    if version:
        spec = replace(spec, shortcut="A-avgpool-same")
    else:
        spec = replace(spec, preact_gamma=False, preact_momentum=0.001)
    return replace(spec, shortcut="none") if kind == "plain" else spec


def _keras_v1(match: re.Match[str]) -> ModelSpec:
    count = units_per_stage("keras_resnet{}v1".format, int(match[1]), convs=2)
    return replace(
        _cifar(match[0], KERAS, count),
        order="post",
        stem_norm=True,
        shortcut="B",
        first_shortcut_preact=False,
        conv_bias=True,
        conv_init="he_truncated",
        fc_init="he_truncated",
    )


def _keras_v2(match: re.Match[str]) -> ModelSpec:
    """The inner widths are the previous stage's outer ones, not the paper's."""
    count = units_per_stage("keras_resnet{}v2".format, int(match[1]), convs=3)
    return replace(
        _cifar(match[0], KERAS, count),
        stem_norm=True,
        unit="bottleneck",
        widths=(16, 64, 128),
        out_channels=(64, 128, 256),
        shortcut="B",
        first_shortcut_preact=False,
        first_unit_bare=True,
        conv_bias=True,
        conv_init="he_truncated",
        fc_init="he_truncated",
    )


def _official(spec: ModelSpec, version: str) -> ModelSpec:
    """Projections in every stage's first unit; padding before strided convolutions is torch's."""
    is_v1 = version == "1"
    return replace(
        spec,
        source=OFFICIAL,
        stem_norm=is_v1,
        max_pool="same",
        order="post" if is_v1 else "pre",
        stride_on="3x3",
        shortcut="stage",
        projection_norm=is_v1,
        projection_source="raw" if is_v1 else "preact",
        first_shortcut_preact=False,
        padding="torch",
        bn_eps=1e-5,
        bn_momentum=0.003,
        conv_init="lecun_truncated",
        fc_init="glorot_uniform",
        published_parameters=None,
        published_multiply_adds=None,
    )


def _official_cifar(match: re.Match[str]) -> ModelSpec:
    named = f"tfofficial_cifar_resnet{{}}v{match[2]}".format
    count = units_per_stage(named, int(match[1]), convs=2)
    return _official(_cifar(match[0], OFFICIAL, count), match[2])


def _official_imagenet(match: re.Match[str]) -> ModelSpec:
    """Class 0 is the background: 1001 logits."""
    depth = one_of(f"tfofficial_resnet{{}}v{match[2]}".format, int(match[1]), imagenet.DEPTHS)
    spec = imagenet.find(f"resnet{depth}")
    assert spec is not None
    return _official(replace(spec, name=match[0], classes=1001), match[2])


def _research(name: str, data: str | None, count: int) -> ModelSpec:
    """BN by hand, whose moving variance averages the batches' biased ones; leaky ReLU, .1."""
    return replace(
        _cifar(name, RESEARCH, count),
        classes=100 if data else 10,
        act_slope=0.1,
        bn_momentum=0.1,
        bn_biased_variance=True,
        conv_init="he_fan_out",
        fc_init="unit_scaling",
    )


def _research_basic(match: re.Match[str]) -> ModelSpec:
    named = f"tfresearch_{match[1] or ''}resnet{{}}".format
    return _research(match[0], match[1], units_per_stage(named, int(match[2]), convs=2))


def _research_bottleneck(match: re.Match[str]) -> ModelSpec:
    """Projections read the raw input, but in the very first unit the pre-activated one."""
    named = f"tfresearch_{match[1] or ''}bottleneck{{}}".format
    count = units_per_stage(named, int(match[2]), convs=3)
    return replace(
        _research(match[0], match[1], count),
        unit="bottleneck",
        out_channels=(64, 128, 256),
        shortcut="B",
    )


def _research_wide(match: re.Match[str]) -> ModelSpec:
    """The wide network that the code's comment gives: 4 units a stage, ten times the channels."""
    widths = (160, 320, 640)
    return replace(_research(match[0], match[1], 4), widths=widths, out_channels=widths)


_BUILDERS: dict[str, Callable[[re.Match[str]], ModelSpec]] = {
    r"chaoji_(tf2_)?(resnet|plain)([1-9]\d*)": _chaoji,
    r"keras_resnet([1-9]\d*)v1": _keras_v1,
    r"keras_resnet([1-9]\d*)v2": _keras_v2,
    r"tfofficial_cifar_resnet([1-9]\d*)v([12])": _official_cifar,
    r"tfofficial_resnet([1-9]\d*)v([12])": _official_imagenet,
    r"tfresearch_(cifar100_)?resnet([1-9]\d*)": _research_basic,
    r"tfresearch_(cifar100_)?bottleneck([1-9]\d*)": _research_bottleneck,
    r"tfresearch_(cifar100_)?wrn28_10": _research_wide,
}
