"""Whether recorded steps compute what the same steps do when they are made one operation after another."""

from typing import Any

import torch

from resnetlab.bench import training_program
from resnetlab.catalog import model_spec
from resnetlab.recipes import named_recipe
from resnetlab.settings import override
from resnetlab.training.device_steps import DeviceSteps
from resnetlab.training.recording import Recorder
from resnetlab.units import Duration

_STEPS = 37  # three to warm up, three launches of ten, four alone

_MIXED: dict[str, Any] = {"mixup": 0.4, "cutmix": 1.0, "clip_norm": 1.0}
_WAYS: dict[str, dict[str, Any]] = {
    "sgd": _MIXED | {"ema_decay": 0.99},
    "muon": {"optimizer": "muon", "rest_rate": 0.5, "bias_rate": 8.0, "sam": 0.05, "lookahead": 5},
    "lamb": {
        "optimizer": "lamb",
        "sam": 0.05,
        "sam_form": "adaptive",
        "mixup": 0.4,
        "mix_tail": Duration(980, "st"),
    },
}
"""Everything that a step may hold, by the optimizer."""


def differing_tensors(device: torch.device) -> list[str]:
    """Return the names of weights, statistics, averages and optimizer state that differ after some steps.

    Both ways count their steps on the device, in deterministic mode, fp32 and not compiled, with everything
    that a step may hold. ResNet-20 at batch 128; a tiny network on the CPU, where nothing is recorded.
    """
    return [f"{way}: {name}" for way, changes in _WAYS.items() for name in _differing(device, changes)]


def _differing(device: torch.device, changes: dict[str, Any]) -> list[str]:
    is_cuda = device.type == "cuda"
    spec = model_spec("resnet20") if is_cuda else model_spec("resnet8").with_(width=0.25)
    batch = 128 if is_cuda else 8
    fixed = {"capture": "on", "compile": "off", "deterministic": True, "length": Duration(1000, "st")}
    recipe = override(named_recipe("quick"), fixed | changes | {"batch": batch})
    states = []
    for records in (True, False):
        program, _ = training_program(
            spec.with_(stochastic_depth=0.3), recipe, device, num_samples=batch * 10 + 3
        )
        assert isinstance(program, DeviceSteps)
        if not records:
            program.recorder = Recorder(torch.device("cpu"))
        program.run(_STEPS)
        tensors = program.state.tensors()
        states.append({f"{group}/{name}": t for group, named in tensors.items() for name, t in named.items()})
    torch.use_deterministic_algorithms(False)
    return [name for name, tensor in states[0].items() if not torch.equal(tensor, states[1][name])]
