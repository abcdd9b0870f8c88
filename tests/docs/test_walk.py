"""docs/walk.md: its code is the network that it explains, its pictures are all there."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.docs.pages import blocks_of, run_page
from tests.kit.foreign_weights import lively

DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "walk.md"


def test_the_page_runs_from_top_to_bottom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    outputs = run_page(PAGE)
    assert outputs[-1].startswith("the largest difference of a logit: ")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["chaoji_resnet20-unit.svg", "projection.svg"]


@pytest.mark.parametrize("is_training", [False, True])
def test_its_network_is_ours_whatever_the_numbers(is_training: bool) -> None:
    """With statistics, betas and gammas as of a trained network; in training BN takes the batch's own."""
    page: dict[str, Any] = {"__name__": "page"}
    *parts, _ = (block.text for block in blocks_of(PAGE) if block.kind == "python")
    exec("\n".join(parts), page)
    ours, plain = lively("chaoji_resnet20").train(is_training), page["ResNet20"]().train(is_training)
    theirs = {name: each for name, each in ours.state_dict().items() if "num_batches" not in name}
    own = {name: each for name, each in plain.state_dict().items() if "num_batches" not in name}
    with torch.no_grad():
        for here, there in zip(own.values(), theirs.values(), strict=True):
            assert here.shape == there.shape
            here.copy_(there)
        images = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(2))
        expected = ours(images)

        assert torch.allclose(plain(images), expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max()))
    assert sum(each.numel() for each in plain.parameters()) == ours.spec.num_parameters


def test_every_picture_is_there_in_both_themes() -> None:
    """What each must hold, `make gallery` writes and `make check` looks at."""
    text = PAGE.read_text()
    shown = re.findall(r'(?:src|srcset|href)="([^"]+)"', text)
    assert len(shown) == 18
    for place in shown:
        assert (DOCS / place).is_file(), place
    assert len([place for place in shown if place.endswith("-dark.svg")]) == 6
    links = re.findall(r"\]\(([^)#]+)\)", text)
    assert all((DOCS / link).exists() for link in links if "://" not in link)
