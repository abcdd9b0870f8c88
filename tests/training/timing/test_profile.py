"""Where the time of steps goes: all of it is accounted for, and every convolution is counted."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from resnetlab.base.machine.yardstick import Peak
from resnetlab.errors import UsageError
from resnetlab.recipe.named import named_recipe
from resnetlab.recipe.settings import override
from resnetlab.training.timing.account import Account, Convolution
from resnetlab.training.timing.benched import measure_profiled
from resnetlab.training.timing.kinds import KINDS, kind_of
from resnetlab.training.timing.profile import Profile
from resnetlab.training.timing.words import lines_of
from tests.kit.profiles import SPEC, STEPS, counted_operations, planned_operations, profiled

CPU = torch.device("cpu")
WAYS: dict[str, dict[str, Any]] = {
    "eager": {},
    "bf16": {"precision": "bf16"},
    "microbatches": {"accumulate": 2, "mixup": 0.2, "ema_decay": 0.9},
}


@pytest.mark.parametrize("way", WAYS)
def test_all_time_and_every_convolution_of_training_is_accounted_for(way: str) -> None:
    speed, profile = profiled(**WAYS[way])

    assert sum(map(profile.share, KINDS)) == pytest.approx(1)
    expected = {"forward", "by_input", "by_weights", "norm", "head", "loss", "optimizer", "data"}
    assert {kind for kind in expected if profile.share(kind) <= 0} == set()
    assert all(profile.share(kind) >= -1e-3 for kind in KINDS)
    whole, first = planned_operations()
    found = counted_operations(profile)
    assert (found["forward"], found["by_weights"]) == (whole, whole)
    assert found["by_input"] == whole - first
    assert profile.unprofiled == speed.step_milliseconds / 1e3


def test_an_evaluation_has_no_gradients() -> None:
    _, profile = profiled("eval")

    assert counted_operations(profile) == {
        "forward": planned_operations()[0], "by_input": 0.0, "by_weights": 0.0
    }  # fmt: skip
    assert profile.share("norm") > 0 < profile.share("data")
    assert [profile.share(kind) for kind in ("by_input", "by_weights", "loss", "optimizer")] == [0, 0, 0, 0]


def test_a_trace_has_steps_and_their_parts(tmp_path: Path) -> None:
    profiled(trace=tmp_path / "trace.json")

    names = [event.get("name") for event in json.loads((tmp_path / "trace.json").read_text())["traceEvents"]]
    assert names.count("resnetlab step") == STEPS
    assert {"resnetlab data", "resnetlab loss", "resnetlab optimizer", "aten::convolution"} <= {*names}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("aten::mkldnn_convolution", "forward"),
        ("autograd::engine::evaluate_function: ConvolutionBackward0", "backward"),
        ("autograd::engine::evaluate_function: NativeBatchNormBackward0", "norm"),
        ("autograd::engine::evaluate_function: torch::autograd::AccumulateGrad", "copies"),
        ("graph_0_cpp_fused__native_batch_norm_legit_functional_add_copy__relu_1", "norm"),
        ("graph_0_cpp_fused_convolution_backward_native_batch_norm_backward_nll_loss_forward_2", "norm"),
        ("graph_0_cpp_fused__log_softmax_argmax_eq_nll_loss_forward_sum_6", "loss"),
        ("graph_1_cpp_fused_convolution_0", "copies"),
        ("Optimizer.step#SGD.step", "optimizer"),
        ("resnetlab data", "data"),
        ("resnetlab step", None),
        ("Torch-Compiled Region: 0/0", None),
    ],
)
def test_operations_of_torch_are_told_by_their_names(name: str, kind: str | None) -> None:
    assert kind_of(name) == kind


def some_profile() -> Profile:
    account = Account(steps=2)
    account.seconds |= {"forward": 0.4, "by_input": 0.5, "by_weights": 0.6, "norm": 0.3, "rest": 0.2}
    large = Convolution(128, 1024, 2048, 1, 2, 14, 14, 7, 7)
    for what, seconds in (("forward", 0.4), ("by_input", 0.5), ("by_weights", 0.6)):
        account.add_pass(large, what, seconds)
    return Profile(
        account, "bf16", Peak(1e12, "our own 3x3 convolution of 512 channels at 14x14", 1e12, 5e11), 0.9
    )


def test_no_gradient_is_faster_than_the_best_where_the_time_of_two_was_divided() -> None:
    account = Account(steps=1)
    kind = Convolution(1, 8, 8, 3, 1, 8, 8, 8, 8)
    for what, seconds in (("forward", 2.0), ("by_input", 1.0), ("by_weights", 5.0)):
        account.seconds[what] = seconds
        account.add_pass(kind, what, seconds)
    assert account.fastest() == (kind.operations / 2, "3x3 8→8 at 8x8, forward")

    account.keep_within(kind.operations / 2)

    found = {what: taken.seconds for what, taken in account.convolutions[kind].items()}
    assert found == {"forward": 2.0, "by_input": 2.0, "by_weights": 4.0}
    assert {what: account.seconds[what] for what in found} == found


@pytest.mark.parametrize("is_ascii", [False, True])
def test_a_profile_fits_80_columns_worst_first(is_ascii: bool) -> None:
    lines = lines_of(some_profile(), is_ascii=is_ascii)

    assert max(map(len, lines)) <= 80
    assert all(line.isascii() for line in lines) == is_ascii
    assert lines[0] == "profile of 2 steps of 1000.0 ms (without the profiler 900.0)"
    kinds = [line.partition("  ")[0] for line in lines[3:8]]
    assert kinds == [KINDS[kind] for kind in ("by_weights", "by_input", "forward", "norm", "rest")]
    assert " 30.0 %" in lines[3]


@pytest.mark.parametrize(
    ("device", "changes", "why"),
    [(torch.device("cuda"), {}, "profiled on CPUs"), (CPU, {"capture": "on"}, "a recorded step")],
)
def test_what_cannot_be_profiled_is_refused(device: torch.device, changes: dict[str, Any], why: str) -> None:
    recipe = override(named_recipe("quick"), changes)
    with pytest.raises(UsageError, match=why):
        measure_profiled("train", SPEC, recipe, device)
