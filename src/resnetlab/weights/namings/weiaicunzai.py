"""weiaicunzai/pytorch-cifar100: stages conv2_x to conv5_x of units with a residual_function.

Source: models/resnet.py and conf/global_settings.py there.
"""

import re

from resnetlab.weights.facts.measure import measure, to_torch_shapes
from resnetlab.weights.facts.naming import Dialect, Match, Shapes
from resnetlab.weights.facts.preprocessings import CIFAR100
from resnetlab.weights.namings.torch_names import OPEN, assumptions, base_network

_UNIT = re.compile(r"conv([2-5])_x\.(\d{1,6})\.(?:residual_function\.([013467])|shortcut\.([01]))\.(\w+)")
_STEM = re.compile(r"conv1\.([01])\.(\w+)")


def _rename(name: str) -> str | None:
    """Return our name; None for what is no part of the body."""
    if match := _STEM.fullmatch(name):
        return f"{'bn1' if match[1] == '1' else 'conv1'}.{match[2]}"
    match = _UNIT.fullmatch(name)
    if match is None:
        return None
    unit = f"layer{int(match[1]) - 1}.{int(match[2])}"
    if match[4]:
        return f"{unit}.downsample.{match[4]}.{match[5]}"
    place, is_norm = divmod(int(match[3]), 3)  # convolution, BN, ReLU, and again
    return f"{unit}.{'bn' if is_norm else 'conv'}{place + 1}.{match[5]}"


def _match(shapes: Shapes) -> Match | None:
    if "conv2_x.0.residual_function.0.weight" not in shapes:
        return None
    keys = {name: ours for name in shapes if (ours := _rename(name)) is not None}
    found = to_torch_shapes(keys, shapes, "torch")
    spec = base_network(measure(found), found)
    return Match(keys, spec, CIFAR100, assumptions(spec))


WEIAICUNZAI = Dialect(
    "weiaicunzai",
    "weiaicunzai's CIFAR-100 networks",
    "torch",
    _match,
    r"conv2_x\.0\.residual_function\.0\.weight",
    r"conv\d(_x)?\..*",
    also="conv1.0.weight",
    open_knobs=OPEN,
)
