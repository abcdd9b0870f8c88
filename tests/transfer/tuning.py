"""Short fine-tunings of an 8-layer network."""

from typing import Any

from resnetlab.data.recognise import AnySource
from resnetlab.recipes import named_recipe
from resnetlab.settings import override
from resnetlab.training.planning import RunPlan
from resnetlab.transfer import Trained, plan_finetuning, suggest
from resnetlab.units import Duration
from tests.training.helpers import CPU, small_source


def tuned(
    trained: Trained, source: AnySource | None = None, *, steps: int = 6, text: str = "small", **changes: Any
) -> RunPlan:
    """The plan of a short fine-tuning: 60 images of 16 px, batches of 8, saved every 3 steps."""
    source = source or small_source()
    values = {"batch": 8, "checkpoint_every": 3, "keep_checkpoints": 100, "compile": "off", "log_every": 3}
    recipe = named_recipe("finetune")
    for _, layer in suggest(recipe, trained, source, channels=3, number=len(source.train)):
        recipe = override(recipe, layer)
    recipe = override(recipe, values | {"length": Duration(steps, "st"), "eval_every": Duration(0, "ep")})
    plan, _, _ = plan_finetuning(trained, trained.spec, source, text, override(recipe, changes), CPU)
    return plan
