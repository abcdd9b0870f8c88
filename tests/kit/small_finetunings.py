"""Short fine-tunings of an 8-layer network."""

from typing import Any

from resnetlab.data.sources.encoded import AnySource
from resnetlab.recipe import Recipe
from resnetlab.recipe.named import named_recipe
from resnetlab.recipe.settings import Resolution
from resnetlab.trained.transfer import Trained, plan_finetuning, suggest
from resnetlab.training.planning import RunPlan
from tests.kit.small_runs import CPU, small_source


def suggested(
    base: Recipe, trained: Trained, source: AnySource, *, channels: int = 3, **given: Any
) -> Resolution:
    """A recipe with what weights and data decide of it, and the values that are given."""
    resolution = Resolution(base)
    resolution.set_values(given, "argument")
    suggest(resolution, trained, source, channels=channels)
    return resolution


def tuned(
    trained: Trained, source: AnySource | None = None, *, steps: int = 6, text: str = "small", **changes: Any
) -> RunPlan:
    """The plan of a short fine-tuning: 60 images of 16 px, batches of 8, saved every 3 steps."""
    source = source or small_source()
    given: dict[str, Any] = {
        "batch": 8, "checkpoint_every": 3, "keep_checkpoints": 100, "compile": "off", "log_every": 3,
        "length": f"{steps}st", "eval_every": "0ep", "bn": "train",
    }  # fmt: skip
    recipe = suggested(named_recipe("finetune"), trained, source, **(given | changes)).recipe
    plan, _, _ = plan_finetuning(trained, trained.spec, source, text, recipe, CPU)
    return plan
