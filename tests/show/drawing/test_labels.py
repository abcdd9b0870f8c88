"""Every label of every named network against a traced forward pass of the torch module."""

import re
from collections import Counter, defaultdict

import pytest
import torch
from torch import nn

from resnetlab.models.layers import (
    Dropout,
    Gate,
    GlobalAveragePool,
    SameConv2d,
    SamePool2d,
    Scale,
    Subsample,
)
from resnetlab.models.layers import PadChannels as PadModule
from resnetlab.network.catalog import list_models, model_spec
from resnetlab.network.layers import Act, Norm, PadChannels
from resnetlab.network.spec import ModelSpec
from resnetlab.show.drawing.labels import name_text, norm_text, padding_text, shape_text
from resnetlab.show.drawing.scene import Box, Scene, Text
from resnetlab.show.picture import Layout, draw
from tests.kit.drawings import folded
from tests.kit.traced_networks import shallow, traced

Truth = dict[str, tuple[nn.Module, tuple[int, ...]]]


def expected(module: nn.Module, layout: Layout) -> Counter[tuple[str, str]]:
    """Return what a box must say of the module, as (role, text), read from torch's attributes."""
    said: list[tuple[str, str]] = []
    match module:
        case Gate():
            outputs, inputs, *_ = module.weight.shape
            branch = ", branch × g" if module.is_exclusive else ""
            said = [
                ("name", f"× (1 - g){branch}"), ("note", "g = sigmoid(1×1 conv)"),
                ("kernel", f"W=[1,1,{inputs},{outputs}]"), ("note", f"b=[{outputs}]"),
            ]  # fmt: skip
            if module.stride[0] > 1:
                said.append(("stride", f"stride {module.stride[0]}"))
        case Scale():
            said = [("name", f"× {module.factor}")]
        case Dropout():
            said = [("name", f"dropout {module.rate}")]
        case nn.Conv2d():
            out_channels, in_channels, height, width = module.weight.shape
            pad = "SAME" if isinstance(module, SameConv2d) else str(module.padding[0])
            said = [
                ("name", f"conv {height}×{width}"),
                ("kernel", f"W=[{height},{width},{in_channels},{out_channels}]"),
                ("stride", f"stride {module.stride[0]}"), ("padding", f"pad {pad}"),
            ]  # fmt: skip
            if module.bias is not None:
                said.append(("note", f"b=[{out_channels}]"))
        case nn.BatchNorm2d():
            said = [("norm", "BN (beta)" if module.weight is None else "BN (beta, gamma)")]
        case nn.ReLU():
            said = [("name", "ReLU")]
        case nn.LeakyReLU():
            said = [("name", f"leaky ReLU {module.negative_slope}")]
        case nn.Linear():
            outputs, inputs = module.weight.shape
            said = [("name", "dense"), ("kernel", f"W=[{inputs},{outputs}]"), ("note", f"b=[{outputs}]")]
        case GlobalAveragePool():
            said = [("name", "global mean"), ("note", "over height and width")]
        case PadModule():
            before, after = module.padding[-2:]
            axes = ["[0,0]"] * 4
            axes["NHWC".index("C") if layout == "NHWC" else 1] = f"[{before},{after}]"
            said = [("name", "zero-pad channels"), ("padding", f"[{','.join(axes)}]")]
        case nn.Sequential():  # a maximum that takes in zeros around the map
            zeros, maximum = module
            assert isinstance(zeros, nn.ZeroPad2d) and isinstance(maximum, nn.MaxPool2d)
            said = [*pool(maximum)[:2], ("padding", f"pad {zeros.padding[0]} with zeros")]
        case nn.MaxPool2d() | nn.AvgPool2d() | SamePool2d() | Subsample():
            said = pool(module)
        case _:
            raise AssertionError(f"no such layer is known: {module}")
    return Counter(said)


def pool(module: nn.MaxPool2d | nn.AvgPool2d | SamePool2d | Subsample) -> list[tuple[str, str]]:
    if isinstance(module, Subsample):
        return [("name", "subsample 1×1"), ("stride", f"stride {module.stride}"), ("padding", "pad 0")]
    is_max = isinstance(module, nn.MaxPool2d) or getattr(module, "kind", "") == "max"
    kernel, stride = (
        module.kernel if isinstance(module, SamePool2d) else module.kernel_size,
        module.stride,
    )
    pad = "SAME" if isinstance(module, SamePool2d) else module.padding
    name = f"{'max' if is_max else 'average'} pool {kernel}×{kernel}"
    return [("name", name), ("stride", f"stride {stride}"), ("padding", f"pad {pad}")]


def axes(shape: tuple[int, ...], layout: Layout) -> list[int]:
    """Return torch's (1, C, H, W) or (1, C) without the batch, in the drawing's order."""
    return [*shape[2:], shape[1]] if layout == "NHWC" else list(shape[1:])


def wrong_labels(scene: Scene, truth: Truth, paths: set[str], layout: Layout) -> list[str]:
    found = []
    said: dict[str, Counter[tuple[str, str]]] = defaultdict(Counter)
    shapes: set[str] = set()
    for text in (item for item in scene.items if isinstance(item, Text)):
        if text.role == "shape":
            shapes.add(text.about)
            numbers = [int(number) for number in re.findall(r"\d+", text.text)]
            if numbers != axes(truth[text.about][1], layout) or not text.text.startswith("[N, "):
                found.append(f"{text.about}: {text.text} is not {truth[text.about][1]}")
        elif text.about in paths:
            said[text.about][text.role, text.text] += 1
    boxes = {item.about for item in scene.items if isinstance(item, Box) and item.about in paths}
    found += [f"{path}: no box" for path in sorted(paths - boxes)]
    found += [f"{path}: no size on the edge it feeds" for path in sorted(paths - shapes)]
    found += [
        f"{path}: says {dict(said[path])}, not {dict(expected(truth[path][0], layout))}"
        for path in sorted(paths)
        if said[path] != expected(truth[path][0], layout)
    ]
    return found


def paths_of(name: str) -> set[str]:
    spec = model_spec(name)
    return {row.path for row in spec.plan().trace(spec.input_size, spec.input_size, folded=True)}


def edges_of(spec: ModelSpec) -> int:
    """Return how many edges the folded network has; the shortcut's and the branch's to the sum too."""
    plan = spec.plan()
    edges = len(plan.stem) + len(plan.tail) + 1  # and the one to the logits
    for unit in (repeat.unit for stage in plan.stages for repeat in stage):
        edges += len(unit.before) + len(unit.branch) + len(unit.after)
        if unit.shortcut is not None:
            edges += len(unit.shortcut) + 2
    return edges


@pytest.mark.parametrize("name", list_models())
def test_every_label_is_what_a_forward_pass_shows_and_every_edge_has_its_size(name: str) -> None:
    spec, scene = model_spec(name), folded(name)

    assert wrong_labels(scene, traced(shallow(spec)), paths_of(name), "NHWC") == []
    shapes = [item for item in scene.items if isinstance(item, Text) and item.role == "shape"]
    assert len(shapes) == edges_of(spec)


@pytest.mark.parametrize("name", ("resnet20", "chaoji_tf2_resnet20", "resnet50_v2", "keras_resnet20v2"))
def test_the_other_layout_is_labelled_as_truly(name: str) -> None:
    scene = folded(name, "NCHW")

    assert wrong_labels(scene, traced(shallow(model_spec(name))), paths_of(name), "NCHW") == []


def test_a_max_pool_that_takes_in_zeros_says_so() -> None:
    spec = model_spec("resnet18").with_(max_pool="zeros")
    (scene,) = draw([spec])

    assert wrong_labels(scene, traced(shallow(spec)), paths_of("resnet18"), "NHWC") == []


def test_a_wrong_label_is_found() -> None:
    truth = dict(traced(shallow(model_spec("resnet20"))))
    truth["bn1"] = (nn.BatchNorm2d(16, affine=False), (1, 16, 31, 32))
    with torch.device("meta"):
        truth["layer2.0.conv1"] = (nn.Conv2d(16, 32, 3, stride=1, padding=1), (1, 32, 16, 16))

    found = wrong_labels(folded("resnet20"), truth, {*paths_of("resnet20"), "fc"}, "NHWC")

    assert [line.split(":")[0] for line in found] == ["bn1", "bn1", "layer2.0.conv1"]


def test_words_for_what_no_named_network_has() -> None:
    assert name_text(Act("act", 0.25)) == "leaky ReLU 0.25"
    assert norm_text(Norm("n", 4, False, 1e-5, 0.1, False)) == "BN (beta)"
    assert padding_text(PadChannels("pad", 1, 2), "NCHW") == "[[0,0],[1,2],[0,0],[0,0]]"
    assert shape_text((3, 20, 30), "NHWC") == "[N, 20, 30, 3]"
    assert shape_text((3, 20, 30), "NCHW") == "[N, 3, 20, 30]"
