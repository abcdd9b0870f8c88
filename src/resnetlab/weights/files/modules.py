"""What a whole module of torch says of its network beyond names and shapes: strides, activations, pools."""

import re
from collections.abc import Iterator

from resnetlab.weights.files.inert import Inert

# Modules that compute what no network of ours does, by the end of their class's name.
_OTHERS = (
    (r"\w*(blur|antialias)\w*", "pools against aliasing"),
    (
        r"(silu|swish|mish|gelu|elu|celu|selu|prelu|rrelu|relu6|hard\w+|softplus|tanh|leakyrelu)\w*",
        "another activation",
    ),
    (r"(group|layer|instance|local\w*|filterresponse)norm\w*", "another normalisation"),
    (r"\w*(squeezeexcit\w*|semodule|selayer|seblock|cbam\w*|attention\w*|nonlocal\w*)", "attention"),
)
# An activation with a slope is one of ours if all have the same.
_SLOPED = "LeakyReLU"
_IN_BODY = re.compile(
    r"(^|\.)(layer\d|stages|blocks|stem|conv1|bn1|act\d?|relu|maxpool|downsample|shortcut)(\.|$)"
)


def oddities(module: Inert) -> list[str]:
    """Return the modules within one that compute what no network of ours does, with what they are."""
    found = []
    for path, part in _parts(module, ""):
        name = part.name.rpartition(".")[2]
        contents = part.contents()
        if name == _SLOPED and "negative_slope" in contents:
            continue
        kind = next((words for sign, words in _OTHERS if re.fullmatch(sign, name.lower())), "")
        if name == "AvgPool2d" and re.search(r"(^|\.)(layer\d|stages|blocks|downsample|shortcut)\b", path):
            kind = "average pools within the stages"
        if name == "Conv2d" and contents.get("dilation", (1, 1)) not in ((1, 1), 1):
            kind = "dilated convolutions"
        if name == "Conv2d" and contents.get("padding_mode", "zeros") != "zeros":
            kind = "another padding"
        if kind and _IN_BODY.search(path):
            found.append(f"{name} at {path or 'the top'} ({kind})")
    return found


def knobs_of(module: Inert) -> dict[str, object]:
    """Return what a module's attributes say of its network and names and shapes do not."""
    parts = {path: part for path, part in _parts(module, "") if _IN_BODY.search(path)}
    contents = {path: part.contents() for path, part in parts.items()}
    knobs: dict[str, object] = {}
    for path, own in contents.items():
        is_striding = re.search(r"(^|\.)layer[2-9]\.0\.conv[12]$", path) and _stride(own) == 2
        if is_striding and f"{path[:-1]}3" in parts:
            knobs["stride_on"] = "first" if path.endswith("1") else "3x3"
        if re.search(r"(^|(?<!\d)\.)conv1$", path) and "stride" in own and "layer" not in path:
            knobs["stem_stride"] = _stride(own)
        if re.search(r"(^|\.)maxpool$", path):
            knobs["stem_pool"] = parts[path].name.endswith("MaxPool2d")
    for knob, attribute in (("bn_eps", "eps"), ("act_slope", "negative_slope")):
        values = {own[attribute] for own in contents.values() if isinstance(own.get(attribute), float)}
        if len(values) == 1:
            knobs[knob] = values.pop()
    return knobs


def _stride(contents: dict[str, object]) -> int:
    stride = contents.get("stride")
    return stride[0] if isinstance(stride, tuple) and stride and isinstance(stride[0], int) else 1


def _parts(module: Inert, path: str) -> Iterator[tuple[str, Inert]]:
    """Give a module and all within it, each with its path."""
    yield path, module
    contents = module.contents()
    inner = contents.get("_modules")
    for name, part in (inner if isinstance(inner, dict) else contents).items():
        if isinstance(part, Inert) and isinstance(name, str):
            yield from _parts(part, f"{path}.{name}" if path else name)
