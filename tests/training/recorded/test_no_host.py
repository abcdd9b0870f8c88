"""What a GPU is asked to record must not look at a number: made on a device that holds none.

Tensors on torch's "meta" device have shapes and no numbers. A step that reads one on the host (.item(), a
branch, a copy to the CPU), or that mixes in a tensor of another device, fails on it, as it would when CUDA
records it. A copy from the CPU does not.
"""

import contextlib
import importlib
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from resnetlab.base.units import Duration
from resnetlab.network.catalog import model_spec
from resnetlab.recipe.named import named_recipe
from resnetlab.recipe.settings import override
from resnetlab.training.recorded import device_steps
from resnetlab.training.recorded.device_steps import DeviceSteps
from resnetlab.training.speed import training

META = torch.device("meta")


@pytest.fixture(autouse=True)
def kernels_without_numbers(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Have torch's fused optimizers and autocast, which know no meta device, do nothing there."""
    called: list[str] = []
    for module in (importlib.import_module(f"torch.optim.{name}") for name in ("optimizer", "sgd", "adam")):
        if known := vars(module).get("_get_fused_kernels_supported_devices"):
            devices = [*known(), "meta"]
            monkeypatch.setattr(
                module, "_get_fused_kernels_supported_devices", lambda devices=devices: devices
            )
    for kernel in ("_fused_sgd_", "_fused_adam_", "_fused_adamw_"):

        def stand_in(*given: Any, name: str = kernel, **more: Any) -> None:
            tensors = [
                t for each in [*given, *more.values()] if isinstance(each, (list, tuple)) for t in each
            ]
            assert {t.device for t in tensors if isinstance(t, torch.Tensor)} == {META}
            assert more["lr"].device == META
            called.append(name)

        monkeypatch.setattr(torch, kernel, stand_in)
    monkeypatch.setattr(torch, "autocast", lambda *given, **more: contextlib.nullcontext())
    yield called


ONE_UNIT: dict[str, Any] = {
    "stem_width": 8, "blocks": (1,), "widths": (8,), "out_channels": (8,), "strides": (1,),
}  # fmt: skip
RECIPES: list[dict[str, Any]] = [
    {"mixup": 0.4, "cutmix": 1.0, "erasing": 0.2, "ema_decay": 0.99, "clip_norm": 1.0},
    {"normalise": "per-pixel-mean", "label_smoothing": 0.1, "accumulate": 2, "precision": "bf16"},
    {"normalise": "per-image", "cutout": 8, "shift": 0.1, "crop_padding": 0, "loss": "binary"},
    {"optimizer": "adamw", "repeats": 2},
    {"optimizer": "muon", "fixed_norm": True, "bias_rate": 64.0, "lookahead": 5},
    {"optimizer": "lamb"},
    {"optimizer": "lars", "schedule": "polynomial"},
    {"sam": 0.1, "sam_form": "adaptive", "mixup": 0.2, "mix_tail": Duration(5, "st")},
    {"shards": 4, "mixup": 0.2, "accumulate": 2},
]


def run_on_meta(changes: dict[str, Any], steps: int = 14) -> DeviceSteps:
    values = {"compile": "off", "capture": "on", "batch": 16, "length": Duration(steps, "st")}
    recipe = override(named_recipe("quick"), values | changes)
    spec = model_spec("resnet8").with_(**ONE_UNIT, stochastic_depth=0.3, shortcut_dropout=0.3)
    program = training(spec, recipe, META, num_samples=163).program
    assert isinstance(program, DeviceSteps)
    program.run(steps)
    return program


@pytest.mark.parametrize(
    ("changes", "steps"),
    [
        ({}, 14),  # three to warm up, a launch of ten, one alone
        *((changes, 4) for changes in RECIPES),
    ],
    ids=str,
)
def test_a_recorded_step_asks_nothing_of_the_device(
    changes: dict[str, Any], steps: int, kernels_without_numbers: list[str]
) -> None:
    program = run_on_meta(changes, steps)

    assert program.state.step == steps
    assert set(program._recordings) == {1, 10}
    optimizer = program._step_function.optimizer
    calls = steps * len(optimizer.param_groups) if optimizer.defaults.get("fused") else 0
    assert len(kernels_without_numbers) == calls


def test_a_step_that_looks_at_a_number_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = device_steps.DeviceSteps._make_one

    def looking(self: DeviceSteps, count: int) -> None:
        honest(self, count)
        if self.state.interval._loss > 0:
            self._rate.zero_()

    monkeypatch.setattr(device_steps.DeviceSteps, "_make_one", looking)

    with pytest.raises(RuntimeError, match="meta"):
        run_on_meta({})
