"""The ImageNet networks: resnet18 to resnet200 in v1, v1.5 and v2, plain18 and plain34.

    resnet50       v1.5: the stride on the 3x3 (fb.resnet.torch, torchvision)
    resnet50_v1    the stride on the first 1x1, as in the paper; 18 and 34 have no 1x1
    resnet50_v2    pre-activation, with the module names of timm's resnetv2

As torchvision and timm have them: BN's constants and the classifier's start are torch's, the
stem of v2 has no BN, and the first identity shortcut of 18 and 34 in v2 is raw.
"""

import re
from dataclasses import replace

from resnetlab.network.catalog.depths import one_of
from resnetlab.network.spec import ModelSpec

# He et al., 2015, Table 1; 200: He et al., 2016, section 5.
BLOCKS = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
    200: (3, 24, 36, 3),
}
DEPTHS = tuple(BLOCKS)
BOTTLENECK_DEPTHS = (50, 101, 152, 200)

FAMILIES: dict[str, tuple[str, ...]] = {
    "ImageNet: v1.5, stride on the 3x3": tuple(f"resnet{depth}" for depth in DEPTHS),
    "ImageNet: v1, He et al., 2015": tuple(f"resnet{depth}_v1" for depth in BOTTLENECK_DEPTHS),
    "ImageNet: v2, He et al., 2016": tuple(f"resnet{depth}_v2" for depth in DEPTHS),
    "ImageNet: He et al., 2015, plain": ("plain18", "plain34"),
}

RESNET_2015 = "He et al., 2015, arXiv:1512.03385, section 4.1 and Table 1"
RESNET_BASIC = "He et al., 2015, arXiv:1512.03385, Table 1, as in torchvision"
RESNET_V15 = "He et al., 2015, Table 1, stride on the 3x3 as in fb.resnet.torch and torchvision"
RESNET_V2 = "He et al., 2016, arXiv:1603.05027, section 5, as in timm's resnetv2"

# torchvision's documentation of its weights, "num_params".
TORCHVISION_PARAMETERS = {
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "resnet101": 44_549_160,
    "resnet152": 60_192_808,
}
# He et al., 2015, Table 1, "FLOPs"; they count the paper's v1.
PAPER_MULTIPLY_ADDS = {
    "resnet18": 1_800_000_000,
    "resnet34": 3_600_000_000,
    "resnet50_v1": 3_800_000_000,
    "resnet101_v1": 7_600_000_000,
    "resnet152_v1": 11_300_000_000,
}
_GRAMMAR = re.compile(r"(resnet|plain)(18|34|50|101|152|200)(_v1|_v2)?")


def is_name(name: str) -> bool:
    """Return whether the catalog has an ImageNet network of that name."""
    return any(name in names for names in FAMILIES.values())


def find(name: str) -> ModelSpec | None:
    """Return the ImageNet network of that name, or None if it is not such a name.

    Raises:
        UsageError: If the version has no network of that depth.
    """
    match = _GRAMMAR.fullmatch(name)
    if match is None or (match[1] == "plain" and not is_name(name)):
        return None
    depth, version = int(match[2]), match[3]
    if version == "_v1":
        one_of("resnet{}_v1".format, depth, BOTTLENECK_DEPTHS)
    spec = _resnet(name, depth)
    if match[1] == "plain":
        return replace(spec, source=RESNET_2015, shortcut="none")
    if version == "_v1":
        return replace(spec, source=RESNET_2015, stride_on="first")
    return _preactivated(spec) if version == "_v2" else spec


def _resnet(name: str, depth: int) -> ModelSpec:
    is_bottleneck = depth in BOTTLENECK_DEPTHS
    widths = (64, 128, 256, 512)
    return ModelSpec(
        name=name,
        source=RESNET_V15 if is_bottleneck else RESNET_BASIC,
        classes=1000,
        input_size=224,
        stem="imagenet",
        stem_width=64,
        blocks=BLOCKS[depth],
        widths=widths,
        out_channels=tuple(4 * width for width in widths) if is_bottleneck else widths,
        strides=(1, 2, 2, 2),
        unit="bottleneck" if is_bottleneck else "basic",
        order="post",
        stride_on="3x3",
        shortcut="B",
        conv_init="he_fan_out",
        fc_init="torch_default",
        published_parameters=TORCHVISION_PARAMETERS.get(name),
        published_multiply_adds=PAPER_MULTIPLY_ADDS.get(name),
    )


def _preactivated(spec: ModelSpec) -> ModelSpec:
    """Return the network with the activation before each convolution, projections included."""
    return replace(
        spec,
        source=RESNET_V2,
        order="pre",
        stem_norm=False,
        projection_source="preact",
        projection_norm=False,
    )
