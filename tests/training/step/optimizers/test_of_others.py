"""Optimizers of other packages, whose state is there for some of the weights, or after some of the steps."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from resnetlab import register
from resnetlab.errors import CheckpointError, UsageError
from resnetlab.recipe import Optimizer
from resnetlab.recipe.optimizers import OPTIMIZERS, Groups
from resnetlab.training.step.optim import build_optimizer
from tests.kit.interrupted_runs import run_until
from tests.kit.small_runs import final_bytes, finish, go_on, small_source, train_whole, two_stage_plan

Make = Callable[[Groups, Optimizer], torch.optim.Optimizer]


class Hybrid(torch.optim.Optimizer):
    """Momentum for convolutions, from the second step on; all else moves by its gradient."""

    def __init__(self, groups: Groups) -> None:
        super().__init__(groups, {"lr": 0.0})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for weight in group["params"]:
                update = weight.grad
                if weight.ndim == 4:
                    state = self.state[weight]
                    state["calls"] = state.get("calls", torch.zeros(())) + 1
                    if state["calls"] > 1:
                        mean = state.setdefault("mean", torch.zeros_like(weight))
                        update = mean.lerp_(weight.grad, 0.1)
                weight.add_(update, alpha=-group["lr"])


MADE: dict[str, Make] = {
    "plain": lambda groups, config: torch.optim.SGD(groups, momentum=0.0),
    "hybrid": lambda groups, config: Hybrid(groups),
}


@pytest.fixture(autouse=True)
def added(monkeypatch: pytest.MonkeyPatch) -> None:
    """Add them for this test alone."""
    for table in ("_things", "_owners"):
        monkeypatch.setattr(OPTIMIZERS, table, dict(getattr(OPTIMIZERS, table)))
    register.optimizer("plain", state=["momentum_buffer"])(MADE["plain"])
    register.optimizer("hybrid", state=["mean"], counters=["calls"])(MADE["hybrid"])


@pytest.mark.parametrize("stop", [1, 2, 3])
@pytest.mark.parametrize("name", MADE)
def test_state_for_some_of_the_weights_resumes_to_the_same_bytes(
    name: str, stop: int, tmp_path: Path
) -> None:
    changes: dict[str, Any] = {"optimizer": name, "lr": 1e-3, "length": "4st", "checkpoint_every": 1}
    whole = train_whole(tmp_path / "whole", two_stage_plan(**changes))
    half = run_until(tmp_path / "half", stop, **changes)

    trainer = go_on(half, small_source())
    assert trainer.state.step == stop
    trainer.close()
    finish(half)

    assert final_bytes(half, 4) == final_bytes(whole, 4)


def test_state_that_was_there_and_is_missing_is_noticed(tmp_path: Path) -> None:
    half = run_until(tmp_path / "half", 3, optimizer="hybrid", lr=1e-3, length="4st")
    trainer = go_on(half, small_source())
    tensors, scalars = trainer.state.tensors(), trainer.state.scalars()
    trainer.close()
    assert "mean/conv1.weight" in tensors["optimizer"]
    assert "mean/fc.weight" in scalars["optimizer_lacks"]

    with pytest.raises(CheckpointError, match=r"optimizer tensors do not fit this run: missing: calls/conv1"):
        trainer.state.load(tensors | {"optimizer": {}}, scalars)
    with pytest.raises(CheckpointError, match="damaged: optimizer_lacks is 3"):
        trainer.state.load(tensors, scalars | {"optimizer_lacks": 3})


class Odd(torch.optim.Optimizer):
    """Keeps something undeclared of what has one dimension, or of none of the weights."""

    def __init__(self, groups: Groups, place: str) -> None:
        super().__init__(groups, {"lr": 0.0})
        self.place = place

    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for weight in group["params"]:
                if self.place == "vectors" and weight.ndim == 1:
                    self.state[weight]["mean"] = torch.zeros_like(weight)
        if self.place == "beside":
            self.state["k"] = {"count": torch.zeros(())}  # type: ignore[index]


@pytest.mark.parametrize(
    ("place", "said"),
    [("vectors", r"keeps mean, of \(2,\), undeclared"), ("beside", "keeps state under 'k', no weight")],
)
def test_what_is_kept_of_vectors_or_beside_the_weights_is_seen_before_a_run(place: str, said: str) -> None:
    register.optimizer("odd", state=[])(lambda groups, config: Odd(groups, place))

    with pytest.raises(UsageError, match=said):
        build_optimizer(torch.nn.Linear(2, 2), Optimizer(optimizer="odd"))
