"""Keras Applications' ResNet50, 101, 152 (with the old names of ResNet50) and their V2.

Source: keras-team/keras, keras/src/applications/resnet.py; keras-applications 1.0.8, resnet50.py.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace

from resnetlab.network.catalog import imagenet, model_spec
from resnetlab.network.spec import ModelSpec
from resnetlab.weights.facts.measure import Measured, measure, to_torch_shapes
from resnetlab.weights.facts.naming import Dialect, InputFacts, Match, Shapes, rename_leaf
from resnetlab.weights.facts.preprocessings import KERAS_CAFFE, KERAS_TF

SOURCE = "Keras Applications, keras/src/applications/resnet.py"
EPS = 1.001e-5
EPS_OLD = 1e-3  # the layer's default
MOMENTUM = 0.01  # of the layer: a decay of .99

_BODY = r"(conv\d(_block\d+)?_\w+|post_bn)/\w+"
_LAYER = re.compile(r"conv([2-9])_block(\d{1,6})_(?:(preact)_bn|([0-3])_(conv|bn))")
_OLD = re.compile(r"(res|bn)([2-9])([a-z])_branch(?:2([abc])|(1))")


def _v1(name: str) -> str | None:
    fixed = {"conv1_conv": "conv1", "conv1_bn": "bn1"}
    if name in fixed:
        return fixed[name]
    match = _LAYER.fullmatch(name)
    if match is None or match[3]:
        return None
    unit = f"layer{int(match[1]) - 1}.{int(match[2]) - 1}"
    if match[4] == "0":
        return f"{unit}.downsample.{0 if match[5] == 'conv' else 1}"
    return f"{unit}.{match[5]}{match[4]}"


def _old(name: str) -> str | None:
    fixed = {"conv1": "conv1", "bn_conv1": "bn1"}
    if name in fixed:
        return fixed[name]
    match = _OLD.fullmatch(name)
    if match is None:
        return None
    unit = f"layer{int(match[2]) - 1}.{ord(match[3]) - ord('a')}"
    is_conv = match[1] == "res"
    if match[5]:
        return f"{unit}.downsample.{0 if is_conv else 1}"
    return f"{unit}.{'conv' if is_conv else 'bn'}{'abc'.index(match[4]) + 1}"


def _v2(name: str) -> str | None:
    fixed = {"conv1_conv": "stem.conv", "post_bn": "norm"}
    if name in fixed:
        return fixed[name]
    match = _LAYER.fullmatch(name)
    if match is None:
        return None
    unit = f"stages.{int(match[1]) - 2}.blocks.{int(match[2]) - 1}"
    if match[3]:
        return f"{unit}.norm1"
    if match[4] == "0":
        return f"{unit}.downsample.conv"
    return f"{unit}.conv{match[4]}" if match[5] == "conv" else f"{unit}.norm{int(match[4]) + 1}"


def keras_v1_spec(depth: int, eps: float = EPS) -> ModelSpec:
    """Return the ResNet of Keras Applications, its convolutions' biases folded into BN."""
    return replace(model_spec(f"resnet{depth}_v1").with_(bn_eps=eps, bn_momentum=MOMENTUM), source=SOURCE)


def keras_v2_spec(depth: int) -> ModelSpec:
    """Return the ResNetV2 of Keras Applications.

    The last unit of a stage strides, on its 3x3 and by a subsampled shortcut; zeros surround the
    max pool. The biases stand in the residual stream; those before a BN are zeros, which stay.
    """
    spec = model_spec(f"resnet{depth}_v2").with_(
        stride_on="last-3x3",
        strides=(2, 2, 2, 1),
        shortcut="stage",
        max_pool="zeros",
        conv_bias=True,
        bn_eps=EPS,
        bn_momentum=MOMENTUM,
    )
    return replace(spec, source=SOURCE)


def _reader(
    signature: str,
    rename: Callable[[str], str | None],
    network: Callable[[int], ModelSpec],
    preprocessing: InputFacts,
) -> Callable[[Shapes], Match | None]:
    """Return the naming's reader: files that hold the layer `signature` are its."""

    def match(shapes: Shapes) -> Match | None:
        if f"{signature}/gamma" not in shapes:
            return None
        keys = {name: ours for name in shapes if (ours := rename_leaf(name, rename)) is not None}
        measured = measure(to_torch_shapes(keys, shapes, "tensorflow"))
        return Match(keys, measured.apply(network(depth_of(measured))), preprocessing)

    return match


def depth_of(measured: Measured) -> int:
    """Return the depth that has such stages, or 50."""
    known: dict[tuple[int, ...], int] = {
        imagenet.BLOCKS[depth]: depth for depth in imagenet.BOTTLENECK_DEPTHS
    }
    return known.get(measured.blocks, 50)


KERAS_V1 = Dialect(
    "keras-applications",
    "Keras Applications' ResNet",
    "tensorflow",
    _reader("conv1_bn", _v1, keras_v1_spec, KERAS_CAFFE),
    "conv1_bn/gamma",
    _BODY,
    is_bgr=True,
)
KERAS_OLD = Dialect(
    "keras-applications-old",
    "Keras Applications' ResNet50 of before 2019",
    "tensorflow",
    _reader("bn2a_branch2a", _old, lambda depth: keras_v1_spec(depth, EPS_OLD), KERAS_CAFFE),
    "bn2a_branch2a/gamma",
    r"(conv1|bn_conv1|(res|bn)\d\w+)/\w+",
    is_bgr=True,
    note="Versions of Keras before 2.2 pooled without padding (55x55 maps); taken is the padded pool.",
)
KERAS_V2 = Dialect(
    "keras-applications-v2",
    "Keras Applications' ResNetV2",
    "tensorflow",
    _reader("conv2_block1_preact_bn", _v2, keras_v2_spec, KERAS_TF),
    "conv2_block1_preact_bn/gamma",
    _BODY,
)


Pairs = Iterator[tuple[str, str]]


def keras_layers(spec: ModelSpec) -> tuple[tuple[str, str], ...]:
    """Return (their layer, ours) of a bottleneck network, as `model.layers` of Keras has them."""
    return tuple(v2_layers(spec.blocks) if spec.order == "pre" else v1_layers(spec.blocks))


def v1_layers(blocks: tuple[int, ...]) -> Pairs:
    """Give (their layer, ours) of Keras' ResNet with so many units a stage, in Keras' order."""
    yield from (("conv1_conv", "conv1"), ("conv1_bn", "bn1"))
    for stage, count in enumerate(blocks, 1):
        for unit in range(count):
            theirs, ours = f"conv{stage + 1}_block{unit + 1}", f"layer{stage}.{unit}"
            for index in (1, 2):
                yield f"{theirs}_{index}_conv", f"{ours}.conv{index}"
                yield f"{theirs}_{index}_bn", f"{ours}.bn{index}"
            if unit == 0:
                yield f"{theirs}_0_conv", f"{ours}.downsample.0"
            yield f"{theirs}_3_conv", f"{ours}.conv3"
            if unit == 0:
                yield f"{theirs}_0_bn", f"{ours}.downsample.1"
            yield f"{theirs}_3_bn", f"{ours}.bn3"
    yield "predictions", "fc"


def v2_layers(blocks: tuple[int, ...]) -> Pairs:
    """Give (their layer, ours) of Keras' ResNetV2, in Keras' order."""
    yield "conv1_conv", "stem.conv"
    for stage, count in enumerate(blocks):
        for unit in range(count):
            theirs, ours = f"conv{stage + 2}_block{unit + 1}", f"stages.{stage}.blocks.{unit}"
            yield f"{theirs}_preact_bn", f"{ours}.norm1"
            for index in (1, 2):
                yield f"{theirs}_{index}_conv", f"{ours}.conv{index}"
                yield f"{theirs}_{index}_bn", f"{ours}.norm{index + 1}"
            if unit == 0:
                yield f"{theirs}_0_conv", f"{ours}.downsample.conv"
            yield f"{theirs}_3_conv", f"{ours}.conv3"
    yield from (("post_bn", "norm"), ("predictions", "head.fc"))
