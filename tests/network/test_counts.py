"""Exact counts: the published ones, and the arithmetic against the built modules."""

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from resnetlab import create_model
from resnetlab.network.catalog import list_models, model_spec

# reference/original_systems.md, section 1e, and issue 2, section 2: trainable parameters.
EXACT = {
    "chaoji_resnet{}": dict(
        zip((20, 32, 44, 56, 110), (269370, 463578, 657786, 851994, 1725930), strict=True)
    ),
    "resnet{}": {
        20: 269722,
        32: 464154,
        44: 658586,
        56: 853018,
        110: 1727962,
        1202: 19421274,
        164: 1704154,
        1001: 10328602,
        # torchvision's documentation
        18: 11689512,
        34: 21797672,
        50: 25557032,
        101: 44549160,
        152: 60192808,
        200: 64673832,
    },
    "keras_resnet{}v1": dict(
        zip((20, 32, 44, 56, 110), (273066, 467946, 662826, 857706, 1734666), strict=True)
    ),
    "tfofficial_cifar_resnet{}v1": dict(
        zip((20, 32, 44, 56, 110), (272762, 467194, 661626, 856058, 1731002), strict=True)
    ),
    "tfofficial_cifar_resnet{}v2": dict(
        zip((20, 32, 44, 56, 110), (272538, 466970, 661402, 855834, 1730778), strict=True)
    ),
    "keras_resnet{}v2": {20: 570602, 56: 1663338, 110: 3302442, 164: 4941546, 1001: 30347658},
    "preresnet{}": {20: 269722, 110: 1727962, 164: 1703258, 1001: 10327706},
    "tfresearch_resnet{}": {20: 269722, 32: 464154, 44: 658586, 56: 853018, 110: 1727962},
    "tfresearch_bottleneck{}": {164: 1703258, 1001: 10327706},
    "tfresearch_cifar100_bottleneck{}": {164: 1726388, 1001: 10350836},
    "tfresearch_cifar100_resnet{}": {32: 470004, 110: 1733812},
    "tfresearch_wrn28_{}": {10: 36220634},
    "tfofficial_resnet{}v1": {
        18: 11694249,
        34: 21802409,
        50: 25559081,
        101: 44551209,
        152: 60194857,
        200: 64675881,
    },
    "tfofficial_resnet{}v2": {
        18: 11692329,
        34: 21800489,
        50: 25551401,
        101: 44543529,
        152: 60187177,
        200: 64668201,
    },
    "resnet{}_v2": {50: 25549352, 101: 44541480, 152: 60185128, 200: 64666152},
}
for depth in (20, 32, 44, 56, 110):  # "Plain (a) equals its residual twin"; TF2 has every gamma
    EXACT.setdefault("chaoji_plain{}", {})[depth] = EXACT["chaoji_resnet{}"][depth]
    EXACT.setdefault("chaoji_tf2_resnet{}", {})[depth] = EXACT["resnet{}"][depth]
    EXACT.setdefault("chaoji_tf2_plain{}", {})[depth] = EXACT["resnet{}"][depth]
    EXACT.setdefault("plain{}", {})[depth] = EXACT["resnet{}"][depth]
PUBLISHED = [(pattern.format(k), n) for pattern, row in EXACT.items() for k, n in row.items()]

# Convolutions, and BNs in v1 and v2: the same table.
LAYERS = {18: (21, 17), 34: (37, 33), 50: (53, 49), 101: (104, 100), 152: (155, 151)}


@pytest.mark.parametrize(("name", "parameters"), PUBLISHED)
def test_published_parameter_counts(name: str, parameters: int) -> None:
    """The arithmetic gives the originals' and papers' exact counts."""
    assert parameters == model_spec(name).num_parameters


@pytest.mark.parametrize("name", [f"tfofficial_resnet{d}v{v}" for d in LAYERS for v in (1, 2)])
def test_official_networks_with_1000_classes_and_their_layers(name: str) -> None:
    """A class is 2048 (512) weights and a bias; convolutions and BNs number as in section 1e."""
    depth, version = int(name[17:-2]), int(name[-1])
    model = create_model(name, device="meta", classes=1000)

    per_class = 513 if depth < 50 else 2049
    convs = sum(isinstance(module, nn.Conv2d) for module in model.modules())
    norms = sum(isinstance(module, nn.BatchNorm2d) for module in model.modules())

    expected = EXACT[f"tfofficial_resnet{{}}v{version}"][depth] - per_class
    assert expected == model.spec.num_parameters
    num_convs, num_norms_v2 = LAYERS[depth]
    assert (num_convs, num_convs if version == 1 else num_norms_v2) == (convs, norms)


@pytest.mark.parametrize("name", list_models())
def test_arithmetic_counts_what_is_built(name: str) -> None:
    """Parameters and depth of the module are those of the arithmetic."""
    spec = model_spec(name)
    model = create_model(name, device="meta")

    depth = sum(
        isinstance(module, nn.Conv2d | nn.Linear) and "downsample" not in path
        for path, module in model.named_modules()
    )

    assert sum(p.numel() for p in model.parameters()) == spec.num_parameters
    assert depth == spec.depth


REPRESENTATIVE = [
    ("resnet20", {}, None),
    ("resnet20", {"shortcut": "C"}, (40, 24)),
    ("plain32", {}, None),
    ("preresnet29_bottleneck", {}, None),
    ("resnet50", {}, None),
    ("resnet50_v1", {}, (225, 190)),
    ("resnet18_v2", {"stem": "small", "classes": 7}, None),
    ("chaoji_resnet20", {}, None),
    ("chaoji_tf2_resnet20", {}, (33, 31)),
    ("keras_resnet20v1", {}, (33, 32)),
    ("keras_resnet20v2", {"in_channels": 1}, None),
    ("tfofficial_resnet18v1", {}, (97, 128)),
    ("tfofficial_resnet50v2", {}, None),
    ("tfresearch_bottleneck164", {"blocks": (1, 2, 1)}, None),
    ("tfresearch_wrn28_10", {"width": 0.5}, None),
]


@pytest.mark.parametrize(("name", "knobs", "size"), REPRESENTATIVE)
def test_multiply_adds_and_shapes_are_those_of_a_forward_pass(
    name: str, knobs: dict[str, object], size: tuple[int, int] | None
) -> None:
    """The counter of torch sees twice the multiply-adds, and every module gives the shape said."""
    model = create_model(name, device="meta", **knobs).eval()
    height, width = size or (model.spec.input_size, model.spec.input_size)
    seen: dict[str, tuple[int, ...]] = {}
    for path, module in model.named_modules():
        module.register_forward_hook(
            lambda _module, _inputs, output, path=path: seen.update({path: tuple(output.shape[1:])})
        )

    with FlopCounterMode(display=False) as counter:
        model(torch.empty(1, model.spec.in_channels, height, width, device="meta"))

    assert counter.get_total_flops() == 2 * model.spec.num_multiply_adds(height, width)
    rows = model.spec.shapes(height, width)
    assert {row.path: row.output[: len(seen[row.path])] for row in rows} == {
        row.path: seen[row.path] for row in rows
    }


def test_published_figures_are_met_in_their_own_precision() -> None:
    """The papers' rounded parameter counts and FLOPs are within 2.5 % of ours, all that we keep.

    2.5 %: He et al. print 1.7 M for 1.73 M and 3.6e9 for 3.66e9.
    """
    specs = [model_spec(name) for name in list_models()]
    pairs = [(s.name, s.published_parameters, s.num_parameters) for s in specs]
    pairs += [(s.name, s.published_multiply_adds, s.num_multiply_adds()) for s in specs]
    known = [(name, theirs, ours) for name, theirs, ours in pairs if theirs is not None]

    assert len(known) == 10 + 5 + 5
    assert [row for row in known if abs(row[1] / row[2] - 1) > 0.025] == []
