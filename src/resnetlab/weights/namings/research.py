"""tensorflow/models research/resnet: units by group and number, kernels called DW."""

import re

from resnetlab.network.catalog import model_spec
from resnetlab.weights.facts.measure import measure, to_torch_shapes
from resnetlab.weights.facts.naming import Dialect, Match, Shapes, rename_leaf
from resnetlab.weights.facts.preprocessings import PER_IMAGE
from resnetlab.weights.namings.official import IGNORED

_UNIT = re.compile(r"unit_([1-3])_(\d{1,6})/(.+)")
_PARTS = [
    (r"(?:shared_activation|residual_only_activation|common_bn_relu|residual_bn_relu)/init_bn", "norm1"),
    (r"sub([1-3])/conv\1", r"conv\1"),
    (r"sub([23])/bn\1", r"norm\1"),
    (r"sub_add/project", "downsample.conv"),
]
_FIXED = {"init/init_conv": "stem.conv", "unit_last/final_bn": "norm"}


def _rename(name: str) -> str | None:
    if name in _FIXED:
        return _FIXED[name]
    if (match := _UNIT.fullmatch(name)) is None:
        return None
    for pattern, part in _PARTS:
        if found := re.fullmatch(pattern, match[3]):
            return f"stages.{int(match[1]) - 1}.blocks.{match[2]}.{found.expand(part)}"
    return None


def _match(shapes: Shapes) -> Match | None:
    if "init/init_conv/DW" not in shapes:
        return None
    keys = {name: ours for name in shapes if (ours := rename_leaf(name, _rename)) is not None}
    measured = measure(to_torch_shapes(keys, shapes, "tensorflow"))
    count, is_basic = measured.blocks[0], measured.unit == "basic"
    name = f"resnet{2 + 6 * count}" if is_basic else f"bottleneck{2 + 9 * count}"
    if is_basic and (count, measured.widths) == (4, (160, 320, 640)):
        name = "wrn28_10"
    data = "cifar100_" if shapes.get("logit/biases") == (100,) else ""
    return Match(keys, measured.apply(model_spec(f"tfresearch_{data}{name}")), PER_IMAGE)


RESEARCH = Dialect(
    "tensorflow-research",
    "tensorflow/models research/resnet",
    "tensorflow",
    _match,
    "init/init_conv/DW",
    r"(init|unit_\w+)/(?!.*/(Momentum|Adam|Adam_1|RMSProp|ExponentialMovingAverage)$).*",
    ignored=IGNORED,
)
