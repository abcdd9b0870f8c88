"""Every family against the equations of its paper or code base, restated in plain NumPy.

Both compute in float64 and differ in the order of sums only: 1e-10.
"""

import numpy as np
import pytest
import torch

from resnetlab import create_model
from resnetlab.models import ResNet
from tests.kit.restated_networks import (
    Family,
    Net,
    ablation,
    averaged,
    gated,
    halved,
    keras_v2,
    nothing,
    paper_basic,
    post,
    pre,
    preact_projection,
    research_projection,
)

TOLERANCE = 1e-10
TORCH = {"eps": 1e-5, "decay": 0.9}
TF1 = {"eps": 1e-3, "decay": 0.99}
OFFICIAL = {"eps": 1e-5, "decay": 0.997}
RESEARCH = {"eps": 1e-3, "decay": 0.9, "slope": 0.1, "biased": True}
SMALL = {"blocks": (2, 2, 2), "width": 0.25}
LARGE = {"blocks": (2, 1, 1, 1), "width": 0.125}

CIFAR_CASES: dict[str, tuple[str, dict[str, object], Family, dict[str, float], bool]] = {
    "resnet A": ("resnet20", {}, post(option="A"), TORCH, False),
    "resnet B": ("resnet20", {"shortcut": "B"}, post(option="B"), TORCH, False),
    "resnet C": ("resnet20", {"shortcut": "C"}, post(option="C"), TORCH, False),
    "plain": ("plain20", {}, post(option="plain"), TORCH, False),
    "bottleneck": ("resnet164", {}, post(bottleneck=True), TORCH, False),
    "scaled": ("resnet20_constant_scaling", {}, post(option="A", join=halved), TORCH, False),
    "exclusive": (
        "resnet20_exclusive_gating",
        {"gate_bias": -1.0},
        post(option="A", join=gated(exclusive=True)),
        TORCH,
        False,
    ),
    "shortcut gates": (
        "resnet20_shortcut_gating",
        {"gate_bias": 0.0, "shortcut": "B"},
        post(join=gated(exclusive=False)),
        TORCH,
        False,
    ),
    "preresnet": ("preresnet20", {}, pre(shortcut=paper_basic), TORCH, False),
    "pre bottleneck": (
        "preresnet164",
        {},
        pre(bottleneck=True, stride_on_first=True, shortcut=preact_projection),
        TORCH,
        False,
    ),
    "chaoji": ("chaoji_resnet20", {}, pre(preact_decay=0.999, shortcut=averaged), TF1, True),
    "chaoji plain": ("chaoji_plain20", {}, pre(preact_decay=0.999, shortcut=nothing), TF1, True),
    "chaoji tf2": ("chaoji_tf2_resnet20", {}, pre(shortcut=averaged), TF1, True),
    "keras v1": ("keras_resnet20v1", {}, post(option="keras"), TF1, True),
    "keras v2": ("keras_resnet20v2", {}, keras_v2, TF1, True),
    "official v1": ("tfofficial_cifar_resnet20v1", {}, post(option="official"), OFFICIAL, False),
    "official v2": (
        "tfofficial_cifar_resnet20v2",
        {},
        pre(shortcut=preact_projection),
        OFFICIAL,
        False,
    ),
    "research": ("tfresearch_resnet32", {}, pre(shortcut=averaged), RESEARCH, True),
    "research wide": (
        "tfresearch_wrn28_10",
        {"width": 0.125},
        pre(shortcut=averaged),
        RESEARCH,
        True,
    ),
    "research bottleneck": (
        "tfresearch_bottleneck164",
        {},
        pre(bottleneck=True, stride_on_first=True, shortcut=research_projection),
        RESEARCH,
        True,
    ),
}
for kind, ablated in (("b", "bn_after_add"), ("c", "relu_before_add"), ("d", "relu_only_preact")):
    for depth, has_bottleneck in ((110, False), (164, True)):
        family = ablation(kind, bottleneck=has_bottleneck)
        CIFAR_CASES[f"{ablated} {depth}"] = (f"resnet{depth}_{ablated}", {}, family, TORCH, False)

v15 = post(imagenet=True, bottleneck=True, v15=True)
official_v15 = post(imagenet=True, bottleneck=True, v15=True, option="official")
v2 = {"imagenet": True, "shortcut": preact_projection}
IMAGENET_CASES: dict[str, tuple[str, dict[str, object], Family, dict[str, float], bool]] = {
    "v1 basic": ("resnet18", {}, post(imagenet=True), TORCH, False),
    "v1 basic A": ("resnet18", {"shortcut": "A"}, post(imagenet=True, option="A"), TORCH, False),
    "v1 basic C": ("resnet18", {"shortcut": "C"}, post(imagenet=True, option="C"), TORCH, False),
    "plain": ("plain18", {}, post(imagenet=True, option="plain"), TORCH, False),
    "v1": ("resnet50_v1", {}, post(imagenet=True, bottleneck=True), TORCH, False),
    "v1.5": ("resnet50", {}, v15, TORCH, False),
    "v2 basic": ("resnet18_v2", {}, pre(**v2), TORCH, False),
    "v2": ("resnet50_v2", {}, pre(bottleneck=True, **v2), TORCH, False),
    "official 18 v1": (
        "tfofficial_resnet18v1",
        {},
        post(imagenet=True, option="official"),
        OFFICIAL,
        False,
    ),
    "official 50 v1": ("tfofficial_resnet50v1", {}, official_v15, OFFICIAL, False),
    "official 18 v2": ("tfofficial_resnet18v2", {}, pre(same_pool=True, **v2), OFFICIAL, False),
    "official 50 v2": (
        "tfofficial_resnet50v2",
        {},
        pre(bottleneck=True, same_pool=True, **v2),
        OFFICIAL,
        False,
    ),
}
CASES = [(*case, SMALL, (16, 8)) for case in CIFAR_CASES.values()]
CASES += [(*case, LARGE, (64, 70)) for case in IMAGENET_CASES.values()]
IDS = [f"cifar {key}" for key in CIFAR_CASES] + [f"imagenet {key}" for key in IMAGENET_CASES]


def randomise(model: ResNet) -> None:
    """Give every number that a network can learn or record a value that shows."""
    generator = torch.Generator().manual_seed(1)
    norms = [module for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    with torch.no_grad():
        for parameter in model.parameters():
            noise = torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype)
            parameter.copy_(parameter + 0.3 * noise * (1 if parameter.dim() == 1 else 0.3))
        for norm in norms:
            norm.running_mean.normal_(0, 0.3, generator=generator)
            norm.running_var.uniform_(0.5, 2, generator=generator)


@pytest.mark.parametrize(("name", "knobs", "family", "norm", "is_same", "size", "hw"), CASES, ids=IDS)
@pytest.mark.parametrize("is_training", [False, True], ids=["eval", "train"])
def test_family_follows_its_equations(
    name: str,
    knobs: dict[str, object],
    family: Family,
    norm: dict[str, float],
    is_same: bool,
    size: dict[str, object],
    hw: tuple[int, int],
    is_training: bool,
) -> None:
    """Logits and running statistics equal the plain restatement's, in both modes."""
    model = create_model(name, seed=0, **{**size, **knobs}).double().train(is_training)
    randomise(model)
    images = torch.randn(3, 3, *hw, generator=torch.Generator().manual_seed(2), dtype=torch.double)
    net = Net(model, **norm)
    net.is_same = is_same
    expected = family(net, images.numpy())

    with torch.no_grad():
        logits = model(images)

    np.testing.assert_allclose(logits.numpy(), expected, rtol=TOLERANCE, atol=TOLERANCE)
    state = model.state_dict()
    norms = sum(key.endswith("running_mean") for key in state)
    assert len(net.updates) == (2 * norms if is_training else 0)
    for key, value in net.updates.items():
        np.testing.assert_allclose(state[key].numpy(), value, rtol=TOLERANCE, atol=TOLERANCE, err_msg=key)
