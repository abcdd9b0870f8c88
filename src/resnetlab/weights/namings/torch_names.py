"""torchvision's and timm's names, which are ours, and our own files."""

import re

from resnetlab.errors import CheckpointError, UsageError
from resnetlab.network.catalog import imagenet, model_spec
from resnetlab.network.spec import ModelSpec
from resnetlab.weights.facts.measure import Measured, measure, to_torch_shapes
from resnetlab.weights.facts.naming import COMPUTES, NEARLY, Dialect, Match, Shapes
from resnetlab.weights.facts.preprocessings import TIMM_RESNETV2, TORCHVISION, UNTOLD

# Names and shapes are the same whatever these are.
OPEN = frozenset((*COMPUTES, *NEARLY))


def base_network(measured: Measured, shapes: Shapes) -> ModelSpec:
    """Return the network of the catalog with these stages, or the nearest with them put in.

    Raises:
        CheckpointError: If no residual network of ours has such stages.
    """
    count, is_bottleneck = len(measured.blocks), measured.unit == "bottleneck"
    is_large = count == 4 or measured.stem_kernel == 7
    if is_large:
        own = {
            depth: blocks
            for depth, blocks in imagenet.BLOCKS.items()
            if (depth in imagenet.BOTTLENECK_DEPTHS) == is_bottleneck
        }
        depth = next((depth for depth, blocks in own.items() if blocks == measured.blocks), min(own))
        name = f"resnet{depth}{'_v2' if measured.is_pre else ''}"
    else:
        depth = 2 + measured.blocks[0] * (9 if is_bottleneck else 6)
        family = "preresnet" if measured.is_pre else "resnet"
        suffix = "_bottleneck" if is_bottleneck else "_cifar"
        name = f"{family}{depth}{suffix}"
    more: dict[str, object] = {} if count == (4 if is_large else 3) else {"strides": (1, *(2,) * (count - 1))}
    if (shortcut := measured.shortcut()) is not None:
        more["shortcut"] = shortcut
    elif measured.projections:
        raise CheckpointError("its projections stand where no network of ours has them")
    if measured.has_gates:
        more["shortcut_gate"] = "shortcut-only"
    if is_large and measured.stem_kernel != 7:
        more["stem"] = "small"
    stem_norm = "stem.norm.weight" if measured.is_pre else "bn1.weight"
    if not is_large and is_bottleneck and not measured.is_pre:
        more["stride_on"] = "3x3"  # bearpaw's and all that follow torchvision; the paper's is a knob
    more["stem_norm"] = stem_norm in shapes
    more["conv_bias"] = ("stem.conv.bias" if measured.is_pre else "conv1.bias") in shapes
    if measured.is_pre:
        more["preact_gamma"] = "norm.weight" in shapes
        more["first_unit_bare"] = "stages.0.blocks.0.norm1.bias" not in shapes
    if measured.projections:
        more["projection_norm"] = any(
            key.endswith((".downsample.1.weight", ".downsample.norm.weight")) for key in shapes
        )
    try:
        return measured.apply(model_spec(name), **more)
    except UsageError as error:
        raise CheckpointError(f"no network of ours is like it: {error}") from error


# The names of the body, and of what other networks have in its place or between its parts.
BODY = (
    r"(conv|bn|norm|gn|ln|layer|stem|stages?|blocks?|(p|leaky_?)?relu|act|downsample|shortcut|maxpool"
    r"|ca|sa|se|cbam|attn|attention|non_?local|nl|inplanes|pre|post|group_?norm)\d*\..*"
)


def assumptions(spec: ModelSpec) -> dict[str, str]:
    """Return what of a network in torch's names neither names nor shapes tell, with what is taken."""
    is_large = spec.stem == "imagenet"
    found = {
        "stem_stride": f"its first convolution is {'7x7, stride 2' if is_large else '3x3, stride 1'}",
        "stem_pool": "a 3x3/2 max pool follows" if is_large else "no max pool follows",
    }
    if spec.shortcut_gate != "none":
        found["shortcut_gate"] = "its gates are the shortcuts' alone (exclusive ones are the branches' too)"
    if spec.unit == "bottleneck":
        where = "3x3, as torchvision's (v1.5)" if spec.stride_on == "3x3" else "first 1x1, as the paper's"
        found["stride_on"] = f"a bottleneck strides on its {where}"
    if spec.conv_bias and not is_large:  # as Keras' example has them
        found["padding"] = "strides pad both sides alike, as torch's (same is TensorFlow's and Keras')"
    if spec.order == "pre" and not is_large:
        found["order"] = "it is no original's variant (--model NAME, if it is one)"
    return found


def _match(shapes: Shapes, *, is_large: bool, is_pre: bool) -> Match | None:
    if ("stem.conv.weight" if is_pre else "conv1.weight") not in shapes or has_shortcut_names(shapes):
        return None
    keys = {key: key for key in shapes if re.fullmatch(BODY, key)}
    ours = to_torch_shapes(keys, shapes, "torch")
    measured = measure(ours)
    if is_large != (measured.stem_kernel == 7):
        return None
    facts = UNTOLD if not is_large else TIMM_RESNETV2 if is_pre else TORCHVISION
    spec = base_network(measured, ours)
    return Match(keys, spec, facts, assumptions(spec))


def has_shortcut_names(shapes: Shapes) -> bool:
    """Return whether the names are those of kuangliu's kind: shortcut for downsample, linear for fc."""
    return "linear.weight" in shapes or any(".shortcut." in name for name in shapes)


POST_ANCHOR = r"layer1\.0\.conv1\.weight"
_PRE_ANCHOR = r"stages\.0\.blocks\.0\.conv1\.weight"

TORCHVISION_NAMES = Dialect(
    "torchvision",
    "torchvision's and timm's ResNets",
    "torch",
    lambda shapes: _match(shapes, is_large=True, is_pre=False),
    POST_ANCHOR,
    BODY,
    open_knobs=OPEN,
)
TIMM_V2 = Dialect(
    "timm-resnetv2",
    "timm's resnetv2",
    "torch",
    lambda shapes: _match(shapes, is_large=True, is_pre=True),
    _PRE_ANCHOR,
    BODY,
    open_knobs=OPEN,
    note="Our own files have these names too: the images are taken to be timm's, of resnetv2_50.a1h_in1k.",
)
RESNETLAB = Dialect(
    "resnetlab",
    "our own names",
    "torch",
    lambda shapes: (
        _match(shapes, is_large=False, is_pre=False) or _match(shapes, is_large=False, is_pre=True)
    ),
    f"{POST_ANCHOR}|{_PRE_ANCHOR}",
    BODY,
    open_knobs=OPEN,
)
