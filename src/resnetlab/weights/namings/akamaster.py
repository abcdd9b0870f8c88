"""akamaster/pytorch_resnet_cifar10's .th files; kuangliu/pytorch-cifar has the same names."""

import re

from resnetlab.weights.measure import measure, to_torch_shapes
from resnetlab.weights.naming import Dialect, Match, Shapes
from resnetlab.weights.namings.torch_names import OPEN, base_network
from resnetlab.weights.preprocessings import AKAMASTER, KUANGLIU


def _match(shapes: Shapes) -> Match | None:
    if "linear.weight" not in shapes or "layer1.0.conv1.weight" not in shapes:
        return None
    keys = {name: re.sub(r"^linear\.", "fc.", name.replace(".shortcut.", ".downsample.")) for name in shapes}
    ours = to_torch_shapes(keys, shapes, "torch")
    measured = measure(ours)
    # akamaster's networks have the three stages of CIFAR, kuangliu's the four of ImageNet.
    facts = AKAMASTER if len(measured.blocks) == 3 else KUANGLIU
    return Match(keys, base_network(measured, ours), facts)


AKAMASTER_NAMES = Dialect(
    "akamaster",
    "akamaster's and kuangliu's CIFAR networks",
    "torch",
    _match,
    open_knobs=OPEN,
)
