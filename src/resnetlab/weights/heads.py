"""The classifier in a file: one linear layer that reads the features, whatever it is called."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import prod

from resnetlab.weights.facts.naming import Layout, Shape, Shapes, split_leaf

# Words in the names of classifiers, and in those of what looks like one and is none.
_HEADS = frozenset(
    (
        "fc", "classifier", "classifiers", "classif", "classification", "class", "cls", "clf", "head",
        "heads", "linear", "lin", "logit", "logits", "out", "output", "pred", "preds", "prediction",
        "predictions",
        "dense", "final", "last", "top", "softmax", "probe", "readout", "fully", "decision", "score",
    )
)  # fmt: skip
_NO_HEADS = frozenset(
    (
        "proj", "projection", "projector", "projhead", "predictor", "aux", "auxiliary", "prototypes", "queue",
        "criterion", "loss", "decoder", "decode", "embed", "embedding", "neck", "rpn", "bbox", "mask",
        "teacher",        "momentum", "metric", "metrics",
    )
)  # fmt: skip
_QUANTISED = "zero_point"
"""The leaf by which a quantised layer is known, whose matrix is packed into what is no tensor."""


@dataclass(frozen=True)
class Head:
    """What of a file is its classifier."""

    leaves: Mapping[str, str] = field(default_factory=dict)
    """Their names of the one linear layer's tensors to ours: weight, bias."""
    classes: int = 0
    own: tuple[str, ...] = ()
    """Their names where it is anything but one linear layer that reads the features."""


def find_head(rest: Shapes, width: int, layout: Layout, suffix: str = "") -> Head:
    """Return the classifier among the tensors that are no part of the body.

    Args:
        rest: Names and shapes, beginning where the network's names do.
        width: Channels of the features.
        layout: Of the matrices. TensorFlow's and Keras' heads are told by their shapes alone, in torch's
            names, where projections and queues stand beside networks, by a word in the name too.
        suffix: What ends every name, after the leaf.
    """
    layers: dict[str, dict[str, str]] = {}
    for name in rest:
        layer, leaf = split_leaf(name.removesuffix(suffix))
        layers.setdefault(layer, {})[leaf] = name
    matrices = {
        layer: shape
        for layer, leaves in layers.items()
        if "weight" in leaves and (shape := _matrix(rest[leaves["weight"]], layout)) is not None
    }
    likely = [layer for layer in layers if _is_called_head(layer)] if layout == "torch" else [*matrices]
    if not any(
        layer in matrices or leaf == _QUANTISED or len(rest[name]) > 1
        for layer in likely
        for leaf, name in layers[layer].items()
    ):
        return Head()
    if len(likely) == 1 and likely[0] in matrices:
        leaves, (outputs, inputs) = layers[likely[0]], matrices[likely[0]]
        has_bias = "bias" not in leaves or prod(rest[leaves["bias"]]) == outputs
        if inputs == width and set(leaves) <= {"weight", "bias"} and has_bias:
            return Head({name: leaf for leaf, name in leaves.items()}, outputs)
    return Head(own=tuple(name for layer in likely for name in layers[layer].values()))


def _matrix(shape: Shape, layout: Layout) -> tuple[int, int] | None:
    """Return (outputs, inputs) of a matrix or a 1x1 convolution."""
    if len(shape) == 2:
        return (shape[0], shape[1]) if layout == "torch" else (shape[1], shape[0])
    if len(shape) == 4 and layout == "torch" and shape[2:] == (1, 1):
        return shape[0], shape[1]
    if len(shape) == 4 and layout == "tensorflow" and shape[:2] == (1, 1):
        return shape[3], shape[2]
    return None


def _is_called_head(layer: str) -> bool:
    words = set(_words(layer))
    if re.fullmatch(r"[\d.]+", layer):  # the last of a Sequential, which begins with the network
        return True
    return bool(words & _HEADS) and not words & _NO_HEADS


def _words(name: str) -> Iterable[str]:
    """Return the words of a name in lower case: "cls_headFc2.0" has cls, head, fc."""
    return (word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name))
