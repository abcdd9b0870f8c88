"""What a drawing counts, of every named network, against sums over the modules of a traced forward pass."""

import re

import pytest
from torch import nn

from resnetlab.base.units import format_count
from resnetlab.network.catalog import list_models, model_spec
from resnetlab.show.drawing.scene import Box, Scene, Text
from tests.kit.drawings import folded
from tests.kit.traced_networks import shallow, traced


def counts(module: nn.Module, shape: tuple[int, ...]) -> tuple[int, int]:
    """Return the module's parameters and multiply-adds, from torch's tensors alone."""
    parameters = sum(parameter.numel() for parameter in module.parameters())
    if isinstance(module, nn.Conv2d):
        return parameters, module.weight.numel() * shape[2] * shape[3]
    return parameters, module.weight.numel() if isinstance(module, nn.Linear) else 0


def texts(scene: Scene, role: str, about: str) -> list[str]:
    found = [item for item in scene.items if isinstance(item, Text) and item.role == role]
    return [part for item in found if item.about == about for part in item.text.split("  ·  ")]


@pytest.mark.parametrize("name", list_models())
def test_every_count_is_a_sum_over_torchs_modules(name: str) -> None:
    spec, scene = model_spec(name), folded(name)
    truth = traced(shallow(spec))
    leaves = {path: counts(*found) for path, found in truth.items() if not list(found[0].children())}
    stages = [
        f"stages.{s}.blocks" if spec.order == "pre" else f"layer{s + 1}" for s in range(len(spec.blocks))
    ]

    def add(paths: list[str], times: int = 1) -> tuple[int, int]:
        return times * sum(leaves[p][0] for p in paths), times * sum(leaves[p][1] for p in paths)

    total, first = (
        [0, 0],
        add([path for path in leaves if path.split(".")[0] not in {s.split(".")[0] for s in stages}]),
    )
    total = list(first)
    for number, (stage, blocks) in enumerate(zip(stages, spec.blocks, strict=True), 1):
        units = [
            add([p for p in leaves if p.startswith(f"{stage}.{unit}.")]) for unit in range(min(blocks, 2))
        ]
        sums = [units[0][k] + (blocks - 1) * units[-1][k] for k in (0, 1)]
        channels, height, width = truth[f"{stage}.{min(blocks, 2) - 1}"][1][1:]
        assert texts(scene, "count", f"stage {number}") == [
            f"{blocks} unit{'s' * (blocks > 1)}", f"maps {height}×{width}", f"{channels} channels",
            f"{format_count(sums[0])} parameters", f"{format_count(sums[1])} multiply-adds",
        ]  # fmt: skip
        total = [total[k] + sums[k] for k in (0, 1)]
        check_ranges(scene, stage, blocks, truth)
    said = texts(scene, "count", "")
    assert [re.sub(r" \(published.*", "", part) for part in said[:2]] == [
        f"{total[0]:,} parameters", f"{format_count(total[1])} multiply-adds",
    ]  # fmt: skip
    check_tips(scene, leaves)


def check_ranges(
    scene: Scene, stage: str, blocks: int, truth: dict[str, tuple[nn.Module, tuple[int, ...]]]
) -> None:
    """See that the stage's labels count all its units, and that one drawn for several is like them."""
    following = 1
    labels = [item for item in scene.items if isinstance(item, Text) and re.match(r"units? \d", item.text)]
    for label in (item for item in labels if item.about.startswith(f"{stage}.")):
        first, last = (int(n) for n in re.fullmatch(r"units? (\d+)(?:-(\d+))?", label.text).group(1, 1))  # type: ignore[union-attr]
        if "-" in label.text:
            last = int(label.text.rpartition("-")[2])
        times = [text for text in texts(scene, "count", label.about) if text.startswith("×")]
        assert (label.about, first) == (f"{stage}.{following - 1}", following)
        assert times == ([f"× {last - first + 1}"] if last > first else [])
        if first == 1 < last:
            assert repr(truth[f"{stage}.0"][0]) == repr(truth[f"{stage}.1"][0])
        following = last + 1
    assert following == blocks + 1


def check_tips(scene: Scene, leaves: dict[str, tuple[int, int]]) -> None:
    boxes = {item.about: item.tip for item in scene.items if isinstance(item, Box) and item.about in leaves}
    for path, tip in boxes.items():
        if path == "image":
            continue
        parameters, products = leaves[path]
        assert (f" {parameters:,} parameters" in tip) == (parameters > 0), tip
        assert (f" {format_count(products)} multiply-adds" in tip) == (products > 0), tip
