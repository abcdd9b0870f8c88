"""tensorflow/models official/r1/resnet: layers are numbered in the order in which they were made.

In a unit the projection comes before the branch, and before it, in version 2, the first BN.
"""

import re
from collections.abc import Iterator

from resnetlab.errors import CheckpointError
from resnetlab.network.catalog import imagenet, model_spec
from resnetlab.network.layers import Conv, Layer, Norm
from resnetlab.network.plan import Plan
from resnetlab.network.spec import ModelSpec
from resnetlab.weights.facts.naming import Dialect, InputFacts, Match, Shapes, rename_leaf
from resnetlab.weights.facts.preprocessings import OFFICIAL_IMAGENET, PER_IMAGE

IGNORED = {
    r"(.*/)?global_step": "the step counter",
    r".*/Momentum": "the optimizer's",
    r".*/(Adam|Adam_1|RMSProp|ExponentialMovingAverage)": "the optimizer's",
    r"beta[12]_power": "the optimizer's",
}
_BODY = r"(conv2d|batch_normalization)(_\d+)?/\w+"
_CONV = re.compile(r"conv2d(?:_\d+)?/kernel")


def _match(shapes: Shapes, *, is_imagenet: bool) -> Match | None:
    stem = shapes.get("conv2d/kernel", ())
    if len(stem) != 4 or is_imagenet != (stem[0] == 7) or "batch_normalization/gamma" not in shapes:
        return None
    if "conv2d/bias" in shapes:  # Keras calls its layers so too, and its convolutions have biases
        return None
    convs = sum(_CONV.fullmatch(name) is not None for name in shapes)
    norms = sum(name.startswith("batch_normalization") and name.endswith("/gamma") for name in shapes)
    spec = _network(convs, norms, is_imagenet=is_imagenet)
    spec = spec.with_(in_channels=stem[2])
    layers = dict(official_layers(spec.plan()))
    keys = {name: ours for name in shapes if (ours := rename_leaf(name, layers.get)) is not None}
    return Match(keys, spec, _preprocessing(is_imagenet=is_imagenet))


def _preprocessing(*, is_imagenet: bool) -> InputFacts:
    return OFFICIAL_IMAGENET if is_imagenet else PER_IMAGE


def _network(convs: int, norms: int, *, is_imagenet: bool) -> ModelSpec:
    """Return the network with so many convolutions; in version 1 each has its BN."""
    version = 1 if norms == convs else 2
    if is_imagenet:
        for depth in imagenet.DEPTHS:
            spec = model_spec(f"tfofficial_resnet{depth}v{version}")
            if convs == sum(isinstance(layer, Conv) for _, _, layer in spec.plan().placed()):
                return spec
    elif convs > 4 and (convs - 4) % 6 == 0:
        return model_spec(f"tfofficial_cifar_resnet{convs - 2}v{version}")
    raise CheckpointError(
        f"the names are the official TensorFlow ResNet's, but none of its networks has {convs}"
        f" convolutions and {norms} batch normalisations"
    )


def official_layers(plan: Plan) -> Iterator[tuple[str, str]]:
    """Give their name and ours of each layer, in the order of making."""
    counts = {"conv2d": 0, "batch_normalization": 0}
    for path, layer in _in_order_of_making(plan):
        kind = "conv2d" if isinstance(layer, Conv) else "batch_normalization"
        if isinstance(layer, Conv | Norm):
            yield f"{kind}_{counts[kind]}" if counts[kind] else kind, path
            counts[kind] += 1


def _in_order_of_making(plan: Plan) -> Iterator[tuple[str, Layer]]:
    yield from ((layer.name, layer) for layer in plan.stem)
    for unit in plan.units:
        for layer in (*unit.before, *(unit.shortcut or ()), *unit.branch):
            yield f"{unit.name}.{layer.name}", layer
    yield from ((layer.name, layer) for layer in plan.tail)


OFFICIAL = Dialect(
    "tensorflow-official",
    "the official TensorFlow ResNet",
    "tensorflow",
    lambda shapes: _match(shapes, is_imagenet=True),
    "conv2d/kernel",
    _BODY,
    ignored=IGNORED,
)
OFFICIAL_CIFAR = Dialect(
    "tensorflow-official-cifar",
    "the official TensorFlow ResNet for CIFAR-10",
    "tensorflow",
    lambda shapes: _match(shapes, is_imagenet=False),
    "conv2d/kernel",
    _BODY,
    ignored=IGNORED,
)
