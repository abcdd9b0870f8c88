"""akamaster/pytorch_resnet_cifar10's .th files; kuangliu/pytorch-cifar has the same names."""

import re

from resnetlab.weights.facts.measure import measure, to_torch_shapes
from resnetlab.weights.facts.naming import Dialect, Match, Shapes
from resnetlab.weights.facts.preprocessings import AKAMASTER, KUANGLIU, UNTOLD
from resnetlab.weights.namings.torch_names import (
    BODY,
    OPEN,
    POST_ANCHOR,
    assumptions,
    base_network,
    has_shortcut_names,
)


def _match(shapes: Shapes) -> Match | None:
    if not has_shortcut_names(shapes) or "layer1.0.conv1.weight" not in shapes:
        return None
    keys = {name: name.replace(".shortcut.", ".downsample.") for name in shapes if re.fullmatch(BODY, name)}
    ours = to_torch_shapes(keys, shapes, "torch")
    measured = measure(ours)
    # akamaster's networks have the three stages of CIFAR, kuangliu's the four of ImageNet.
    facts = AKAMASTER if len(measured.blocks) == 3 else KUANGLIU
    is_cifar10 = shapes.get("linear.weight", ())[:1] == (10,) and measured.in_channels == 3
    if not is_cifar10:  # somebody else's, who took the names over for other images
        facts = UNTOLD
    spec = base_network(measured, ours)
    return Match(keys, spec, facts, assumptions(spec))


AKAMASTER_NAMES = Dialect(
    "akamaster",
    "akamaster's and kuangliu's CIFAR networks",
    "torch",
    _match,
    POST_ANCHOR,
    BODY,
    open_knobs=OPEN,
)
