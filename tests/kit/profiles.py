"""Steps of a small network profiled, and what its plan says that they compute."""

from pathlib import Path
from typing import Any

import torch

from resnetlab.network.catalog import model_spec
from resnetlab.network.layers import Conv
from resnetlab.recipe.named import named_recipe
from resnetlab.recipe.settings import override
from resnetlab.training.speed import Speed
from resnetlab.training.timing.benched import measure_profiled
from resnetlab.training.timing.kinds import PASSES
from resnetlab.training.timing.profile import Profile

SPEC = model_spec("resnet8").with_(input_size=16)
STEPS, BATCH = 2, 4


def profiled(what: str = "train", trace: Path | None = None, **changes: Any) -> tuple[Speed, Profile]:
    """Return what two steps of four images took."""
    recipe = override(named_recipe("quick"), {"batch": BATCH, "compile": "off"} | changes)
    return measure_profiled(what, SPEC, recipe, torch.device("cpu"), steps=STEPS, warmup=1, trace=trace)


def counted_operations(profile: Profile) -> dict[str, float]:
    """Return the operations of a step that the profile has seen, by pass of convolutions."""
    found = dict.fromkeys(PASSES, 0.0)
    for passes in profile.account.convolutions.values():
        for what, taken in passes.items():
            found[what] += taken.operations / profile.account.steps
    return found


def planned_operations() -> tuple[float, float]:
    """Return those of all convolutions forward, and of the first, whose input wants no gradient."""
    rows = SPEC.plan().trace(SPEC.input_size, SPEC.input_size, folded=True)
    found = []
    for row in rows:
        if isinstance(layer := row.layer, Conv):
            channels, height, width = row.output
            taps = layer.kernel**2 * layer.in_channels
            found.append(2.0 * BATCH * row.count * taps * channels * height * width)
    return sum(found), found[0]
