"""facebookresearch/open_lth: a list of units without stages, whose shapes tell where one begins.

Source: models/cifar_resnet.py and datasets/cifar10.py there.
"""

import re

from resnetlab.weights.facts.measure import measure, to_torch_shapes
from resnetlab.weights.facts.naming import Dialect, Match, Shapes
from resnetlab.weights.facts.preprocessings import KUANGLIU
from resnetlab.weights.namings.torch_names import OPEN, assumptions, base_network

_UNIT = re.compile(r"blocks\.(\d{1,6})\.((?:conv|bn)[1-3]|shortcut\.[01])\.(\w+)")
_STEM = re.compile(r"(conv|bn)\.(\w+)")
_BODY = r"(conv|bn|blocks)\..*"


def _stages(shapes: Shapes) -> dict[int, tuple[int, int]]:
    """Return each unit's stage, from 1 on, and its number there: a new width begins a stage."""
    places: dict[int, tuple[int, int]] = {}
    stage, unit, width = 0, 0, 0
    numbers = sorted({int(match[1]) for name in shapes if (match := _UNIT.fullmatch(name))})
    for number in numbers:
        own = shapes.get(f"blocks.{number}.conv1.weight", (width,))[0]
        stage, unit = (stage + 1, 0) if own != width else (stage, unit + 1)
        places[number], width = (stage, unit), own
    return places


def _match(shapes: Shapes) -> Match | None:
    if "conv.weight" not in shapes or "blocks.0.conv1.weight" not in shapes:
        return None
    places, keys = _stages(shapes), {}
    for name in shapes:
        if match := _STEM.fullmatch(name):
            keys[name] = f"{match[1]}1.{match[2]}"
        elif match := _UNIT.fullmatch(name):
            stage, unit = places[int(match[1])]
            part = match[2].replace("shortcut", "downsample")
            keys[name] = f"layer{stage}.{unit}.{part}.{match[3]}"
    ours = to_torch_shapes(keys, shapes, "torch")
    spec = base_network(measure(ours), ours)
    # The lottery tickets' CIFAR-10 is normalised by kuangliu's numbers.
    return Match(keys, spec, KUANGLIU, assumptions(spec))


OPEN_LTH = Dialect(
    "open-lth",
    "open_lth's CIFAR networks",
    "torch",
    _match,
    r"blocks\.0\.conv1\.weight",
    _BODY,
    also="conv.weight",
    open_knobs=OPEN,
)
