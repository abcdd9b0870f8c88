"""The CIFAR networks of the two papers: resnetD, plainD, preresnetD, the 2016 shortcuts and ablations.

    resnet20                    basic units, option A (He et al., 2015)
    resnet50_cifar              the same for a depth whose short name is an ImageNet network
    resnet29_bottleneck         bottleneck units; resnet164 and resnet1001 are such without saying
    resnet110_bn_after_add      an ablation of the second paper, of any of these
    resnet110_dropout_shortcut  another shortcut of the second paper, likewise

Silent in the papers: BN's constants are torch's, the classifier starts as torch's Linear does,
and of the two forms of He et al.'s initialiser (arXiv:1502.01852, section 2.2) it is fan-in.
Silent in the second: what its shortcuts are where the shape changes. Factors, gates and dropout
are of whatever the first paper has there, and a gate reads the unit's input with its stride.
"""

import re
from dataclasses import replace
from typing import Any

from resnetlab.network.catalog import imagenet
from resnetlab.network.catalog.depths import units_per_stage
from resnetlab.network.fields import Order
from resnetlab.network.spec import ModelSpec

RESNET_2015 = "He et al., 2015, arXiv:1512.03385, section 4.2"
RESNET_2016 = "He et al., 2016, arXiv:1603.05027, section 5 and appendix"
ABLATION_2016 = "He et al., 2016, arXiv:1603.05027, section 4, Fig. 4 and Table 2"

SHORTCUTS_2016 = "He et al., 2016, arXiv:1603.05027, section 3.1, Fig. 2 and Table 1"

BASIC_DEPTHS = (20, 32, 44, 56, 110)
BOTTLENECK_DEPTHS = (164, 1001)
ABLATIONS: dict[str, Order] = {
    "bn_after_add": "bn-after-add",
    "relu_before_add": "relu-before-add",
    "relu_only_preact": "relu-only-pre",
}
SHORTCUTS: dict[str, dict[str, Any]] = {
    "constant_scaling": {"shortcut_scale": 0.5, "branch_scale": 0.5},
    "exclusive_gating": {"shortcut_gate": "exclusive", "gate_bias": -6.0},
    "shortcut_gating": {"shortcut_gate": "shortcut-only", "gate_bias": -6.0},
    "conv_shortcut": {"shortcut": "C"},
    "dropout_shortcut": {"shortcut_dropout": 0.5},
}
"""Of several factors or biases in Table 1 those that did best there."""

FAMILIES: dict[str, tuple[str, ...]] = {
    "CIFAR: He et al., 2015": tuple(f"resnet{depth}" for depth in (*BASIC_DEPTHS, 1202)),
    "CIFAR: He et al., 2015, plain": tuple(f"plain{depth}" for depth in BASIC_DEPTHS),
    "CIFAR: bottleneck, post-activation": tuple(f"resnet{depth}" for depth in BOTTLENECK_DEPTHS),
    "CIFAR: He et al., 2016, pre-activation": tuple(
        f"preresnet{depth}" for depth in (*BASIC_DEPTHS, *BOTTLENECK_DEPTHS)
    ),
    "CIFAR: He et al., 2016, shortcuts": tuple(f"resnet110_{shortcut}" for shortcut in SHORTCUTS),
    "CIFAR: He et al., 2016, ablations": tuple(
        f"resnet{depth}_{ablation}" for depth in (110, 164) for ablation in ABLATIONS
    ),
}

# He et al., 2015, Table 6; He et al., 2016, section 5 for 164 and 1001. In units of one.
PUBLISHED_PARAMETERS = {
    "resnet20": 270_000,
    "resnet32": 460_000,
    "resnet44": 660_000,
    "resnet56": 850_000,
    "resnet110": 1_700_000,
    "resnet1202": 19_400_000,
    "resnet164": 1_700_000,
    "resnet1001": 10_200_000,
    "preresnet164": 1_700_000,
    "preresnet1001": 10_200_000,
}
_GRAMMAR = re.compile(
    rf"(resnet|plain|preresnet)([1-9]\d*)(_cifar|_bottleneck)?(?:_({'|'.join((*ABLATIONS, *SHORTCUTS))}))?"
)


def find(name: str) -> ModelSpec | None:
    """Return the CIFAR network of that name, or None if it is not such a name.

    Raises:
        UsageError: If no network of the family has that depth.
    """
    match = _GRAMMAR.fullmatch(name)
    if match is None:
        return None
    family, depth, suffix, variant = match[1], int(match[2]), match[3] or "", match[4] or ""
    if (variant and family != "resnet") or (family == "plain" and suffix == "_bottleneck"):
        return None
    is_bottleneck = suffix == "_bottleneck" or (family != "plain" and depth in BOTTLENECK_DEPTHS)

    def named(depth: int) -> str:
        return _canonical(family, depth, suffix) + (f"_{variant}" if variant else "")

    count = units_per_stage(named, depth, convs=3 if is_bottleneck else 2)
    full = named(depth)
    spec = _bottleneck(full, count) if is_bottleneck else _basic(full, count)
    if family == "plain":
        return replace(spec, shortcut="none")
    if family == "preresnet":
        return _preactivated(spec)
    if variant in SHORTCUTS:
        return replace(spec, source=SHORTCUTS_2016, published_parameters=None, **SHORTCUTS[variant])
    return _ablated(spec, ABLATIONS[variant]) if variant else spec


def _canonical(family: str, depth: int, suffix: str) -> str:
    """Return the shortest name that means this network, in the catalog's order of precedence."""
    short = f"{family}{depth}"
    if suffix == "_bottleneck":
        return short if depth in BOTTLENECK_DEPTHS else short + suffix
    return f"{short}_cifar" if imagenet.is_name(short) else short


def _basic(name: str, count: int) -> ModelSpec:
    return ModelSpec(
        name=name,
        source=RESNET_2015,
        classes=10,
        input_size=32,
        stem="small",
        stem_width=16,
        blocks=(count,) * 3,
        widths=(16, 32, 64),
        out_channels=(16, 32, 64),
        strides=(1, 2, 2),
        unit="basic",
        order="post",
        shortcut="A",
        conv_init="he_fan_in",
        fc_init="torch_default",
        published_parameters=PUBLISHED_PARAMETERS.get(name),
    )


def _bottleneck(name: str, count: int) -> ModelSpec:
    """Projections where the shape changes, the stride on the first 1x1 (He et al., 2015)."""
    return replace(
        _basic(name, count),
        source=RESNET_2016,
        unit="bottleneck",
        out_channels=(64, 128, 256),
        shortcut="B",
    )


def _preactivated(spec: ModelSpec) -> ModelSpec:
    """The first activation stands before the first split, and projections read it (appendix)."""
    return replace(
        spec,
        source=RESNET_2016,
        order="pre",
        stem_norm=False,
        first_shortcut_preact=True,
        projection_source="preact",
        projection_norm=False,
    )


def _ablated(spec: ModelSpec, order: Order) -> ModelSpec:
    """BN follows a projection where it follows every convolution of the branch.

    With ReLU-only pre-activation the stem's ReLU is the first unit's, before the split.
    """
    is_relu_only = order == "relu-only-pre"
    return replace(
        spec,
        source=ABLATION_2016,
        order=order,
        projection_norm=order != "bn-after-add",
        first_unit_bare=is_relu_only,
        projection_source="preact" if is_relu_only else "raw",
        published_parameters=None,
    )
