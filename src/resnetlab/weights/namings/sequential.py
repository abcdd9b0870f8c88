"""torchvision's network cut into a Sequential: nn.Sequential(*resnet.children()), whole or without its end.

Lightly, fastai and many more cut a backbone so: 0 is conv1, 1 bn1, 4 to 7 the stages, 9 the classifier.
"""

import re

from resnetlab.weights.facts.measure import measure, to_torch_shapes
from resnetlab.weights.facts.naming import Dialect, Match, Shapes
from resnetlab.weights.facts.preprocessings import TORCHVISION, UNTOLD
from resnetlab.weights.namings.torch_names import OPEN, assumptions, base_network

_PARTS = {"0": "conv1", "1": "bn1", "4": "layer1", "5": "layer2", "6": "layer3", "7": "layer4"}
_NAME = re.compile(r"([014567])\.(.+)")


def _match(shapes: Shapes) -> Match | None:
    if len(shapes.get("0.weight", ())) != 4:
        return None
    keys = {name: f"{_PARTS[match[1]]}.{match[2]}" for name in shapes if (match := _NAME.fullmatch(name))}
    ours = to_torch_shapes(keys, shapes, "torch")
    measured = measure(ours)
    spec = base_network(measured, ours)
    facts = TORCHVISION if measured.stem_kernel == 7 else UNTOLD
    return Match(keys, spec, facts, assumptions(spec))


SEQUENTIAL = Dialect(
    "torchvision-sequential",
    "torchvision's ResNets, cut into a Sequential",
    "torch",
    _match,
    r"4\.0\.conv1\.weight",
    r"[0-8]\..*",
    also="0.weight",
    open_knobs=OPEN,
)
