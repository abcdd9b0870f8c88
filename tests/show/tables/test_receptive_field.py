"""Receptive fields against the pixels that a value's gradient reaches, and against published ones."""

from typing import Literal

import pytest
import torch
from torch import Tensor, nn

from resnetlab import create_model
from resnetlab.models.layers import SamePool2d, at
from resnetlab.models.resnet import ResNet
from resnetlab.network.catalog import model_spec
from resnetlab.network.layers import Act, Conv
from resnetlab.network.plan import Plan, Repeat, Unit
from resnetlab.show.tables.rows import receptive_fields

NETWORKS = [
    ("resnet20", {"blocks": (1, 2, 1)}),
    ("plain20", {"blocks": (1, 2, 1)}),
    ("resnet110_relu_only_preact", {"blocks": (2, 1, 1)}),
    ("resnet110_bn_after_add", {"blocks": (1, 1, 2), "shortcut": "C"}),
    ("chaoji_resnet20", {"blocks": (1, 2, 1)}),
    ("chaoji_tf2_resnet20", {"blocks": (1, 2, 1)}),
    ("keras_resnet20v2", {"blocks": (1, 2, 1)}),
    ("tfresearch_bottleneck164", {"blocks": (1, 2, 1), "shortcut": "A-avgpool-same"}),
    ("resnet50_v1", {"blocks": (1, 2, 1, 1)}),
    ("resnet50", {"blocks": (1, 2, 1, 1)}),
    ("resnet18_v2", {"blocks": (1, 1, 1, 1)}),
    ("tfofficial_resnet18v1", {"blocks": (1, 1, 1, 1)}),
]


@pytest.mark.parametrize(("name", "knobs"), NETWORKS, ids=[name for name, _ in NETWORKS])
def test_a_value_depends_on_as_many_pixels_as_are_said(name: str, knobs: dict[str, object]) -> None:
    """All weights are positive, so that no two paths cancel: the gradient's extent is the field.

    Along the height; the maps are a few pixels wide, and windows are square.
    """
    model = only_sums(create_model(name, width=1 / 16, **knobs))
    outputs: dict[str, Tensor] = {}
    paths = [path for path, _, _ in model.spec.plan().placed()]
    for path in paths:
        at(model, path).register_forward_hook(
            lambda _module, _inputs, output, path=path: outputs.update({path: output})
        )
    said = dict(zip(paths, receptive_fields(model.spec.plan(), folded=False), strict=True))
    height = 64 + 64 * (max(filter(None, said.values())) // 32)
    images = torch.ones(1, model.spec.in_channels, height, 32, dtype=torch.float64, requires_grad=True)
    model(images)

    spatial = [path for path in paths if outputs[path].dim() == 4]
    assert [path for path in paths if said[path] is None] == [path for path in paths if path not in spatial]
    assert {path: said[path] for path in spatial} == {path: extent(outputs[path], images) for path in spatial}


def only_sums(model: ResNet) -> ResNet:
    """Return the network as positive sums: equal weights, BN as it starts, mean for maximum."""
    for parameter in model.parameters():
        parameter.data.fill_(1 / parameter[0].numel() if parameter.dim() == 4 else parameter.new_ones(()))
    for path, module in list(model.named_modules()):
        if isinstance(module, nn.MaxPool2d):
            model.set_submodule(path, nn.AvgPool2d(3, 2, 1))
        elif isinstance(module, SamePool2d) and module.kind == "max":
            model.set_submodule(path, SamePool2d("average", 3, 2))
    return model.double().eval()


def extent(output: Tensor, images: Tensor) -> int:
    """Return the height of the pixels that the map's middle value depends on."""
    middle = output[0, :, output.shape[2] // 2, output.shape[3] // 2].sum()
    (gradient,) = torch.autograd.grad(middle, images, retain_graph=True)
    rows = gradient[0].sum((0, 2)).nonzero().flatten()
    first, last = int(rows.min()), int(rows.max())
    assert 0 < first <= last < images.shape[2] - 1, "the image is too small to see the field"
    return last - first + 1


@pytest.mark.parametrize(("shortcut_from", "field"), [("input", 5), ("preact", 7)])
def test_a_shortcut_sees_what_it_reads(shortcut_from: Literal["input", "preact"], field: int) -> None:
    """By hand: the first 3x3 sees 3 pixels; the shortcut's own 5x5 adds 4 to those of what it reads."""
    first, wide = Conv("a", 3, 3, 3, 1, 1, False), Conv("b", 3, 3, 5, 1, 2, False)
    unit = Unit("layer1.0", (first,), (), (wide,), shortcut_from, (Act("c", 0.0),))
    plan = Plan(3, (), ((Repeat(unit, 2),),), ())

    assert receptive_fields(plan, folded=False)[:3] == (3, field, field)
    assert receptive_fields(plan, folded=True) == receptive_fields(plan, folded=False)[3:]


@pytest.mark.parametrize(
    ("name", "stage_ends"),
    [("resnet101_v1", (35, 99, 835, 1027)), ("resnet152_v1", (35, 163, 1315, 1507))],
)
def test_published_fields_are_met(name: str, stage_ends: tuple[int, ...]) -> None:
    """The blocks' fields in the table of google-research/receptive_field, by the article's authors.

    TF-Slim strides at a block's end and not at the next one's start: the same fields at the ends.
    """
    plan = model_spec(name).plan()
    fields = dict(zip((p for p, _, _ in plan.placed()), receptive_fields(plan, folded=False), strict=True))
    lasts = [stage[-1].units[-1].name for stage in plan.stages]

    assert tuple(fields[f"{unit}.act3"] for unit in lasts) == stage_ends


def test_the_stride_on_the_3x3_sees_less() -> None:
    """By hand: 35 after stage 1; then 8 + 3*16, 16 + 5*32, 32 + 2*64, against 4*16, 6*32, 3*64."""
    last = {
        name: max(filter(None, receptive_fields(model_spec(name).plan(), folded=True)))
        for name in ("resnet50", "resnet50_v1")
    }

    assert last == {"resnet50": 35 + 56 + 176 + 160, "resnet50_v1": 35 + 64 + 192 + 192}
