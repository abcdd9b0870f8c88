"""Our layers by the names of Keras Applications, in Keras' order: the way out of keras_applications.py.

Keras' .h5 files are read by the order of their layers and not by name, so that the order matters.
"""

from collections.abc import Iterator

from resnetlab.network.spec import ModelSpec

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
