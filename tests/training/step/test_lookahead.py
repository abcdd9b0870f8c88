"""Lookahead against a loop written by hand."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch

from resnetlab.errors import CheckpointError, UsageError
from resnetlab.recipe import Optimizer
from resnetlab.runs.directory import RunDirectory, claim_new
from resnetlab.training.observer import Observer
from resnetlab.training.session import start
from resnetlab.training.step.averages import Lookahead
from resnetlab.training.trainer import Trainer
from tests.kit.small_runs import small_plan

EVERY, DECAY = 3, 0.9


def begun(out: Path, **changes: Any) -> Trainer:
    with claim_new(out):
        values = {"ema_decay": 0.0, "lookahead": EVERY, "lookahead_decay": DECAY, "mixup": 0.0}
        trainer = start(small_plan(**(values | changes)), RunDirectory(out), Observer())
    trainer.close()
    return trainer


@pytest.mark.parametrize("capture", ["off", "on"])
@pytest.mark.parametrize("length", [7, 9])
def test_it_is_the_loop_written_by_hand_over_weights_and_statistics(
    capture: str, length: int, tmp_path: Path
) -> None:
    """Runs of which the last update is a third one, and is none."""
    trainer = begun(tmp_path / "run", length=f"{length}st", capture=capture)
    state, plain = trainer.state, begun(tmp_path / "plain", length=f"{length}st", lookahead=0)
    model = plain.state.model
    slow = {n: t.clone() for n, t in model.state_dict().items() if t.is_floating_point()}

    for t in range(1, length + 1):
        trainer.program.run(1)
        plain.program.run(1)
        fast = model.state_dict()
        if t % EVERY == 0 or t == length:
            for name, tensor in slow.items():
                if t % EVERY == 0:
                    tensor.lerp_(fast[name], 1 - DECAY**EVERY * (t / length) ** 3)
                fast[name].copy_(tensor)

        found = state.tensors()
        for name, tensor in slow.items():
            assert torch.equal(found["slow"][name], tensor), (t, name)
        for name, tensor in fast.items():
            assert torch.equal(found["model"][name], tensor), (t, name)
    assert set(slow) >= {"conv1.weight", "bn1.weight", "bn1.running_var", "fc.bias"}
    assert not any("num_batches" in name for name in found["slow"])


def test_the_slow_copies_lie_in_memory_as_the_models_tensors_and_are_none_of_them(tmp_path: Path) -> None:
    state = begun(tmp_path / "run").state
    assert state.lookahead
    before = {name: tensor.clone() for name, tensor in state.lookahead.tensors.items()}
    tensors = state.model.state_dict()

    for name, tensor in before.items():
        assert torch.equal(tensor, tensors[name]), name
        assert state.lookahead.tensors[name].stride() == tensors[name].stride(), name
    for p in state.model.parameters():
        with torch.no_grad():
            p.add_(1)
    assert all(torch.equal(state.lookahead.tensors[name], tensor) for name, tensor in before.items())


def test_the_end_of_a_run_and_every_kth_update_are_due_and_no_other() -> None:
    lookahead = Lookahead(torch.nn.Linear(1, 1), 5, 0.95)

    due = {t: share for t in range(1, 23) if (share := lookahead.share_after(t, 22)) is not None}

    assert due == {t: pytest.approx(1 - 0.95**5 * (t / 22) ** 3) for t in (5, 10, 15, 20)} | {22: 0.0}
    assert [lookahead.row_after(t, 22) for t in (4, 22)] == [(0.0, 0.0), (1.0, 0.0)]
    assert lookahead.share_after(20, 20) == pytest.approx(1 - 0.95**5)


def test_where_nothing_is_due_or_the_step_was_bad_nothing_changes() -> None:
    """To the bit: where a number is -0.0 too."""
    model = torch.nn.Linear(3, 2)
    lookahead, optimizer = Lookahead(model, 3, 0.9), torch.optim.SGD(model.parameters())
    with torch.no_grad():
        model.weight.add_(1)
        lookahead.tensors["bias"].fill_(-0.0)
        model.bias.fill_(0.0)
    tensors = [*model.state_dict().values(), *lookahead.tensors.values()]
    before = [tensor.clone() for tensor in tensors]

    lookahead.update(model, optimizer, torch.tensor(0.5), is_due=torch.tensor(False))
    optimizer.found_inf = torch.tensor(1.0)  # type: ignore[attr-defined]
    lookahead.update(model, optimizer, 0.5)

    assert all(
        torch.equal(a.view(torch.int32), b.view(torch.int32)) for a, b in zip(tensors, before, strict=True)
    )
    optimizer.found_inf = torch.tensor(0.0)  # type: ignore[attr-defined]
    lookahead.update(model, optimizer, torch.tensor(0.5), is_due=torch.tensor(True))
    assert not any(torch.equal(a, b) for a, b in zip(tensors[::2], before[::2], strict=True))


def test_a_checkpoint_without_slow_copies_is_refused_and_one_with_them_restored(tmp_path: Path) -> None:
    state, fresh = begun(tmp_path / "run").state, begun(tmp_path / "other").state
    tensors = copy.deepcopy(state.tensors())
    for tensor in tensors["slow"].values():
        tensor.add_(1)

    fresh.load(tensors, state.scalars())

    assert all(torch.equal(fresh.tensors()["slow"][n], t) for n, t in tensors["slow"].items())
    with pytest.raises(CheckpointError, match="tensor groups missing: slow"):
        fresh.load({k: v for k, v in tensors.items() if k != "slow"}, state.scalars())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lookahead": 5, "ema_decay": 0.9}, "lookahead and ema_decay exclude each other"),
        ({"lookahead": -1}, "lookahead must not be negative"),
        ({"lookahead": 5, "lookahead_decay": 1.5}, "lookahead_decay lies in"),
    ],
)
def test_what_lookahead_cannot_be_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Optimizer(**changes)


def test_slow_copies_that_the_weights_would_never_meet_are_refused() -> None:
    small_plan(lookahead=40, ema_decay=0.0)
    with pytest.raises(UsageError, match="lookahead=41 is more than the 40 steps of the run"):
        small_plan(lookahead=41, ema_decay=0.0)
