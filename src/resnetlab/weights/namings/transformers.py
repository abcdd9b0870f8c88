"""Hugging Face's transformers: microsoft/resnet-18 to 152, and what is trained with ResNetFor....

Source: huggingface/transformers, models/resnet/modeling_resnet.py. The names are torchvision's network
part by part; config.json tells where a bottleneck strides (`architecture.heed`).
"""

import re

from resnetlab.weights.facts.measure import measure, to_torch_shapes
from resnetlab.weights.facts.naming import Dialect, Match, Shapes
from resnetlab.weights.facts.preprocessings import TORCHVISION
from resnetlab.weights.namings.torch_names import OPEN, assumptions, base_network

_UNIT = re.compile(r"encoder\.stages\.(\d{1,6})\.layers\.(\d{1,6})\.(?:layer\.([0-2])|(shortcut))\.(.+)")
_STEM = re.compile(r"embedder\.embedder\.(convolution|normalization)\.(.+)")
_BODY = r"(embedder|encoder)\..*"


def _rename(name: str) -> str | None:
    """Return our name; None for what is no part of the body."""
    if match := _STEM.fullmatch(name):
        return f"{'conv1' if match[1] == 'convolution' else 'bn1'}.{match[2]}"
    match = _UNIT.fullmatch(name)
    if match is None:
        return None
    part, _, leaf = match[5].partition(".")
    if part not in ("convolution", "normalization"):
        return None
    unit, is_conv = f"layer{int(match[1]) + 1}.{int(match[2])}", part == "convolution"
    if match[4]:
        return f"{unit}.downsample.{0 if is_conv else 1}.{leaf}"
    return f"{unit}.{'conv' if is_conv else 'bn'}{int(match[3]) + 1}.{leaf}"


def _match(shapes: Shapes) -> Match | None:
    if "embedder.embedder.convolution.weight" not in shapes:
        return None
    keys = {name: ours for name in shapes if (ours := _rename(name)) is not None}
    found = to_torch_shapes(keys, shapes, "torch")
    spec = base_network(measure(found), found)
    return Match(keys, spec, TORCHVISION, assumptions(spec))


TRANSFORMERS = Dialect(
    "transformers",
    "the ResNets of Hugging Face's transformers",
    "torch",
    _match,
    r"embedder\.embedder\.convolution\.weight",
    _BODY,
    open_knobs=OPEN,
)
