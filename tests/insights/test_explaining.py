"""Grad-CAM against captum's, an implementation of others."""

import numpy as np
import pytest
import torch

from resnetlab.insights.explaining import explain
from resnetlab.models.layers import at
from tests.kit.foreign_weights import lively


@pytest.mark.parametrize("name", ["resnet8", "resnet18", "resnet50_v2"])
def test_the_map_is_captums(name: str) -> None:
    captum = pytest.importorskip("captum.attr", reason="captum is not installed (extra dev)")
    model = lively(name, classes=4, width=0.25).eval()
    images = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    oracle = captum.LayerGradCam(model, at(model, model.unit_names[-1]))

    for index in range(4):
        found = explain(model, np.zeros((64, 64, 3), np.uint8), images, "abcd", index, "here").map
        theirs = oracle.attribute(images, target=index, relu_attributions=True)[0, 0].detach().numpy()
        assert found.shape == theirs.shape
        np.testing.assert_allclose(found, theirs / max(theirs.max(), 1e-30), atol=1e-6)
