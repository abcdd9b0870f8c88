"""torchvision's and timm's names, which are ours, and our own files."""

from resnetlab.catalog import imagenet, model_spec
from resnetlab.errors import CheckpointError, UsageError
from resnetlab.spec import ModelSpec
from resnetlab.weights.measure import Measured, measure, to_torch_shapes
from resnetlab.weights.naming import COMPUTES, NEARLY, Dialect, Match, Shapes
from resnetlab.weights.preprocessings import TIMM_RESNETV2, TORCHVISION, UNTOLD

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
    if is_large and measured.stem_kernel != 7:
        more["stem"] = "small"
    stem_norm = "stem.norm.weight" if measured.is_pre else "bn1.weight"
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


def _match(shapes: Shapes, *, is_large: bool, is_pre: bool) -> Match | None:
    if ("stem.conv.weight" if is_pre else "conv1.weight") not in shapes or "linear.weight" in shapes:
        return None
    if not any(key.startswith("stages.0.blocks.0." if is_pre else "layer1.0.") for key in shapes):
        return None
    keys = {key: key for key in shapes}
    ours = to_torch_shapes(keys, shapes, "torch")
    measured = measure(ours)
    if is_large != (measured.stem_kernel == 7):
        return None
    facts = UNTOLD if not is_large else TIMM_RESNETV2 if is_pre else TORCHVISION
    return Match(keys, base_network(measured, ours), facts)


TORCHVISION_NAMES = Dialect(
    "torchvision",
    "torchvision's and timm's ResNets",
    "torch",
    lambda shapes: _match(shapes, is_large=True, is_pre=False),
    open_knobs=OPEN,
    note="Names and shapes do not tell where a bottleneck strides: taken is torchvision's, the 3x3 (v1.5).",
)
TIMM_V2 = Dialect(
    "timm-resnetv2",
    "timm's resnetv2",
    "torch",
    lambda shapes: _match(shapes, is_large=True, is_pre=True),
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
    open_knobs=OPEN,
    note="Names and shapes do not tell the originals' variants apart: give the network if it is one.",
)
