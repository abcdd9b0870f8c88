"""What a whole module of torch says of its network beyond names and shapes: strides, activations, pools."""

import re
from collections.abc import Iterator

from resnetlab.weights.files.inert import Inert
from resnetlab.weights.files.wrapped import as_tensor

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
_ACTIVATIONS = rf"{_OTHERS[1][0]}|relu|\w*sigmoid|\w*softmax\w*"
_OURS_BEFORE, _OURS_BEHIND = ("ReLU",), ("Softmax", "LogSoftmax")
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
        if name == "Conv2d" and not _is_padded_alike(contents):
            kind = "another padding"
        if name == "MaxPool2d" and not _is_our_pool(contents):
            kind = "another pool than 3x3, stride 2"
        if kind and _IN_BODY.search(path):
            found.append(f"{name} at {path or 'the top'} ({kind})")
    return [*found, *_mixed(module)]


def _is_padded_alike(convolution: dict[str, object]) -> bool:
    """Return whether zeros keep the map's size, but for the stride, as far as it tells."""
    size, padding = convolution.get("kernel_size"), convolution.get("padding")
    if convolution.get("padding_mode", "zeros") != "zeros":
        return False
    if not (isinstance(size, tuple) and isinstance(padding, tuple)):
        return padding != "valid" or size in (None, (1, 1))
    dilation = convolution.get("dilation")
    steps = dilation if isinstance(dilation, tuple) else (1,) * len(size)
    return all(2 * pad == step * (side - 1) for side, pad, step in zip(size, padding, steps, strict=True))


def _is_our_pool(pool: dict[str, object]) -> bool:
    """Return whether it is torchvision's 3x3 with stride 2, as far as it tells."""
    wanted = {"kernel_size": 3, "stride": 2, "padding": 1, "dilation": 1, "ceil_mode": False}
    return all(pool.get(name, value) in (value, (value, value)) for name, value in wanted.items())


def _mixed(module: Inert) -> Iterator[str]:
    """Give what a network of ours has once for all its layers, and this one in several values."""
    parts = [part for path, part in _parts(module, "") if _IN_BODY.search(path)]
    slopes = {slope for part in parts if isinstance(slope := part.contents().get("negative_slope"), float)}
    slopes |= {0.0} if slopes and any(part.name.endswith(".ReLU") for part in parts) else set()
    constants = {eps for part in parts if isinstance(eps := part.contents().get("eps"), float)}
    for values, what in ((slopes, "slopes of its activations"), (constants, "BN constants")):
        if len(values) > 1:
            yield f"several {what} ({', '.join(f'{value:g}' for value in sorted(values))})"


def beyond_the_body(module: Inert) -> list[str]:
    """Return the modules without weights around a body, by which the answers are not our network's.

    Looked at are the chains of one linear layer, which are taken as classifiers, and the last pool. The
    softmax behind it is ours too, and a ReLU before it finds nothing below zero.
    """
    found = []
    for path, part in _parts(module, ""):
        if part.name.endswith("AdaptiveMaxPool2d") and not _IN_BODY.search(path):
            found.append(f"AdaptiveMaxPool2d at {path} (the features are their maps' largest values)")
        if not part.name.endswith("Sequential"):
            continue
        chain = [(inner, each) for inner, each in _parts(part, path) if inner.rpartition(".")[0] == path]
        linear = [index for index, (_, each) in enumerate(chain) if each.name.endswith(".Linear")]
        if len(linear) != 1:
            continue
        for index, (inner, each) in enumerate(chain):
            name = each.name.rpartition(".")[2]
            same = _OURS_BEHIND if index > linear[0] else _OURS_BEFORE
            if re.fullmatch(_ACTIVATIONS, name.lower()) and name not in same:
                one = name == "Sigmoid" and index > linear[0] and _outputs(chain[linear[0]][1]) == 1
                found += [] if one else [f"{name} at {inner}"]
    return found


def _outputs(linear: Inert) -> int:
    contents = linear.contents()
    weight = as_tensor((contents.get("_parameters") or contents).get("weight"))
    return 0 if weight is None else len(weight)


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
    if strides := _strides(contents):
        knobs["strides"] = strides
    return knobs


def _strides(contents: dict[str, dict[str, object]]) -> list[int]:
    """Return the stages' strides where they are not 1, 2, 2, ...; an empty list where they are."""
    found: dict[int, int] = {}
    for path, own in contents.items():
        match = re.search(r"(^|\.)layer(\d)\.0\.conv\d$", path)
        if match and "stride" in own:
            found[int(match[2])] = max(found.get(int(match[2]), 1), _stride(own))
    strides = [found[stage] for stage in sorted(found)]
    return strides if strides != [1, *[2] * (len(strides) - 1)] else []


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
