"""Kernels of our own are timed where somebody wants to know, and compute the same."""

import json
from pathlib import Path

import pytest
import torch

from resnetlab.models import build
from resnetlab.native import building
from resnetlab.native.measured import watch
from resnetlab.native.measured.rating import _of
from resnetlab.native.network import NativeNetwork
from resnetlab.training.timing.kinds import KINDS
from tests.kit.profiles import SPEC, STEPS, counted_operations, planned_operations, profiled

TYPES = [torch.float32, *([torch.bfloat16] if building.multiplies_bf16() else [])]


@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_all_time_and_every_convolution_of_their_steps_is_accounted_for(
    dtype: torch.dtype, tmp_path: Path
) -> None:
    precision = "fp32" if dtype == torch.float32 else "bf16"
    _, profile = profiled(compile="native", precision=precision, trace=tmp_path / "trace.json")

    assert sum(map(profile.share, KINDS)) == pytest.approx(1)
    expected = {"forward", "by_input", "by_weights", "norm", "head", "copies", "loss", "optimizer", "data"}
    assert {kind for kind in expected if profile.share(kind) <= 0} == set()
    assert profile.share("rest") > -1e-3
    whole, first = planned_operations()
    assert counted_operations(profile) == {
        "forward": whole, "by_weights": whole, "by_input": whole - first
    }  # fmt: skip
    assert watch.timed is None

    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    ranges = [event for event in events if event.get("name") == watch.RANGE and "dur" in event]
    ours = [event for event in events if event.get("name") == "convolution, by input 3x3 16→16"]
    assert (len(ranges), len(ours)) == (2 * STEPS, 2 * STEPS)
    for event in ours:
        end = event["ts"] + event["dur"]
        assert any(each["ts"] <= event["ts"] and end <= each["ts"] + each["dur"] for each in ranges)


def test_what_is_timed_computes_the_same() -> None:
    images = torch.randn(3, 3, 16, 16)

    def gradients() -> list[bytes]:
        model = build(SPEC, seed=1)
        model.train()
        NativeNetwork(model)(images).square().sum().backward()
        return [parameter.grad.numpy().tobytes() for parameter in model.parameters()]  # type: ignore[union-attr]

    alone = gradients()
    with watch.watching() as passes:
        assert gradients() == alone
    assert ["forward" in {timed.what for timed in made.operations} for made in passes] == [True, False]
    assert gradients() == alone
    assert len(passes) == 2  # of whom nobody looks at, nothing is kept


@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_the_convolution_of_the_yardstick_is_one(dtype: torch.dtype) -> None:
    _, works, facts = _of(torch.device("cpu"), dtype)
    operations, call = works[-1].of_size(64)
    x, y, weights, *_ = call()  # type: ignore[misc]

    expected = torch.conv2d(x.permute(0, 3, 1, 2).double(), weights.to(dtype).double(), padding=1)

    found = y.permute(0, 3, 1, 2).double()
    assert "our own" in works[-1].name and facts["kernels"]
    assert operations == 2.0 * 64 * 8 * 8 * 64 * 64 * 9
    tolerance = 2e-5 if dtype == torch.float32 else 2e-2  # of the largest number, as in test_kernels
    assert float((found - expected).abs().max() / expected.abs().max()) < tolerance
