"""Whether a GPU keeps the promises that only a GPU can break: recorded steps, resume, runs beside each other.

All in deterministic mode, fp32, not compiled: every bit must be the same. Tiny networks on the CPU, where
nothing is recorded.
"""

import os
import signal
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

import resnetlab
from resnetlab.base.units import Duration
from resnetlab.errors import Interrupted
from resnetlab.network.spec import ModelSpec
from resnetlab.recipe import Recipe
from resnetlab.recipe.named import named_recipe
from resnetlab.recipe.settings import override
from resnetlab.training.observer import Observer
from resnetlab.training.recorded.device_steps import DeviceSteps
from resnetlab.training.recorded.recording import Recorder
from resnetlab.training.speed import training

_STEPS = 37  # three to warm up, one tried, three launches of ten, three alone

_MIXED: dict[str, Any] = {"mixup": 0.4, "cutmix": 1.0, "clip_norm": 1.0}
_WAYS: dict[str, dict[str, Any]] = {
    "sgd": _MIXED | {"ema_decay": 0.99},
    "muon": {"optimizer": "muon", "rest_rate": 0.5, "bias_rate": 8.0, "sam": 0.05, "lookahead": 5},
    "lamb": {
        "optimizer": "lamb", "sam": 0.05, "sam_form": "adaptive", "mixup": 0.4,
        "mix_tail": Duration(17, "st"),
    },
}  # fmt: skip
"""Everything that a step may hold, by the optimizer."""


def checks(device: torch.device) -> dict[str, Callable[[], list[str]]]:
    """Return the checks by name; each returns what differs."""
    return {
        "recorded steps are the steps": lambda: recorded(device),
        "a resumed run is the whole run": lambda: resumed(device),
        "runs at once are the runs alone": lambda: together(device),
    }


def _network(device: torch.device) -> ModelSpec:
    is_cuda = device.type == "cuda"
    spec = resnetlab.model_spec("resnet20" if is_cuda else "resnet8")
    return spec.with_(stochastic_depth=0.3, width=1.0 if is_cuda else 0.25)


def _recipe(device: torch.device, way: str = "sgd") -> Recipe:
    return override(
        named_recipe("quick"),
        {"capture": "on", "compile": "off", "deterministic": True, "eval_every": Duration(0, "ep"),
         "batch": 128 if device.type == "cuda" else 8, "length": Duration(_STEPS, "st")} | _WAYS[way],
    )  # fmt: skip


def recorded(device: torch.device) -> list[str]:
    """Return the tensors that differ after steps that are recorded, and ones that are not."""
    return [f"{way}: {name}" for way in _WAYS for name in _differing(device, way)]


def _differing(device: torch.device, way: str) -> list[str]:
    states, recipe = [], _recipe(device, way)
    for records in (True, False):
        num_samples = recipe.run.batch * 10 + 3
        program = training(_network(device), recipe, device, num_samples=num_samples, keeps_rate=True).program
        assert isinstance(program, DeviceSteps)
        if not records:
            program.recorder = Recorder(torch.device("cpu"))
        program.run(_STEPS)
        tensors = program.state.tensors()
        states.append({f"{group}/{name}": t for group, named in tensors.items() for name, t in named.items()})
    torch.use_deterministic_algorithms(False)
    return [name for name, tensor in states[0].items() if not torch.equal(tensor, states[1][name])]


class _StopAfter(Observer):
    """Sends the signal to save and stop after some steps."""

    def __init__(self, step: int) -> None:
        self._step = step

    def progress(self, step: int, *, samples: int, seconds: float) -> None:
        """Send it once."""
        if step >= self._step:
            self._step = _STEPS + 1
            os.kill(os.getpid(), signal.SIGTERM)


def resumed(device: torch.device) -> list[str]:
    """Return the files that differ between runs and ones that were stopped on their way and resumed."""
    return [f"{way}: {name}" for way in _WAYS for name in _differing_if_resumed(device, way)]


def _differing_if_resumed(device: torch.device, way: str) -> list[str]:
    common: dict[str, Any] = {"data": "synthetic", "recipe": _recipe(device, way), "device": device.type}
    with tempfile.TemporaryDirectory() as work:
        whole, parts = Path(work) / "whole", Path(work) / "parts"
        resnetlab.train(_network(device), out=whole, **common)
        try:
            resnetlab.train(_network(device), out=parts, observer=_StopAfter(18), **common)
        except Interrupted:
            resnetlab.resume(parts, device=device.type)
        else:
            return ["the run was not interrupted"]
        return _differing_files(whole, parts)


def together(device: torch.device) -> list[str]:
    """Return the files that differ between runs made at once and the same ones alone."""
    common: dict[str, Any] = {"data": "synthetic", "recipe": _recipe(device), "device": device.type}
    with tempfile.TemporaryDirectory() as work:
        study = Path(work) / "study"
        results = resnetlab.study([_network(device)], seeds=3, at_once=3, out=study, **common)
        found = []
        for seed, name in enumerate(results):
            alone = Path(work) / f"alone-{seed}"
            resnetlab.train(_network(device), out=alone, seed=seed, **common)
            found += [f"{name}/{file}" for file in _differing_files(study / name, alone)]
        return found


def _differing_files(one: Path, other: Path) -> list[str]:
    last = Path("checkpoints") / f"step-{_STEPS:08d}"
    names = ("model", "optimizer", "ema", "slow")
    files = [Path("metrics.jsonl"), *(last / f"{name}.safetensors" for name in names)]
    files = [file for file in files if (one / file).exists() or (other / file).exists()]
    return [str(file) for file in files if (one / file).read_bytes() != (other / file).read_bytes()]
