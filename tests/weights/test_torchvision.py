"""torchvision's ResNets: by a restatement of their equations, and by themselves where importable."""

from pathlib import Path

import pytest
import safetensors.torch
import torch

from resnetlab.models import ResNet
from resnetlab.weights import load_weights
from tests.kit.foreign_weights import lively
from tests.kit.restated_networks import Family, Net, post

V15 = post(imagenet=True, bottleneck=True, v15=True)
BASIC = post(imagenet=True)
CASES = {"resnet50": V15, "resnet18": BASIC}


@pytest.mark.parametrize("name", CASES)
def test_a_torchvision_file_computes_torchvisions_equations(tmp_path: Path, name: str) -> None:
    """v1.5 with eps 1e-5, without being told: the restatement is float64, ours float32: 1e-5."""
    family: Family = CASES[name]
    source = lively(name, blocks=(2, 1, 1, 1), width=0.125)
    path = tmp_path / "weights.safetensors"
    safetensors.torch.save_file(source.state_dict(), path)
    images = torch.randn(2, 3, 64, 70, generator=torch.Generator().manual_seed(2))
    expected = torch.from_numpy(family(Net(source, eps=1e-5, decay=0.9), images.double().numpy()))

    state, report = load_weights(None, path)

    model = ResNet(report.spec).eval()
    model.load_state_dict(state)
    with torch.no_grad():
        found = model(images).double()
    assert report.naming.name == "torchvision"
    assert float((found - expected).abs().max() / expected.abs().max()) < 1e-5


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "wide_resnet50_2"])
def test_torchvision_itself(tmp_path: Path, name: str) -> None:
    """The same modules in the same order give the same bits, or nearly: 1e-5."""
    torchvision = pytest.importorskip("torchvision")
    theirs = getattr(torchvision.models, name)(weights=None).eval()
    path = tmp_path / "weights.safetensors"
    safetensors.torch.save_file(theirs.state_dict(), path)

    state, report = load_weights(None, path)

    ours = ResNet(report.spec).eval()
    ours.load_state_dict(state)
    images = torch.randn(1, 3, 97, 97, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        expected, found = theirs(images), ours(images)
    assert float((found - expected).abs().max() / expected.abs().max()) < 1e-5
