"""Training for longer: a new run that goes on where another one is, to another length.

The new run holds the other's newest checkpoint (weights, their averages, optimizer, counts) as its own
first one, its metrics up to there and, in continues.json, where they come from. All else is the recipe's with
the new length: rate, sample order and augmentation are functions of the step and the whole length, so that
the steps to come are those of a run that was planned so long from the beginning. It is another run than one
that was: its identity covers continues.json.
"""

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from resnetlab.base import files
from resnetlab.base.paths import with_name
from resnetlab.base.plaindata import to_plain
from resnetlab.base.units import Duration
from resnetlab.data.open import absolute_source
from resnetlab.data.sources.encoded import AnySource
from resnetlab.errors import CheckpointError, UsageError
from resnetlab.recipe.schedule import LearningRate
from resnetlab.recipe.settings import override, recipe_from_json
from resnetlab.runs.checkpoint import (
    Checkpoint,
    checkpoint_name,
    load_checkpoint,
    load_newest,
    save_checkpoint,
)
from resnetlab.runs.directory import CONTINUES, RunDirectory
from resnetlab.runs.edited import as_begun
from resnetlab.runs.journal import read_content, refuse_changed
from resnetlab.runs.records import RunRecords
from resnetlab.training.first_weights import write_beginning
from resnetlab.training.planning import RunPlan, environment_of, plan_from_records, refuse_impossible

_ANEW = {"reached": False, "evaluations_since_best": 0}
"""What would end the new run at once: it was to go on."""


def newest_checkpoint(run: RunDirectory) -> Checkpoint:
    """Return the newest checkpoint of a run that is to be trained for longer.

    Raises:
        CheckpointError: If there is none that can be used.
    """

    def take(checkpoint: Checkpoint) -> None:
        state = checkpoint.state
        digest = state.get("metrics_digest", "")
        refuse_changed(run.metrics, length=state["metrics_length"], digest=digest)

    checkpoint, problems = load_newest(run.checkpoints, identity=run.identity(), take=take)
    if checkpoint is None:
        raise CheckpointError(
            f"{run.path} has no checkpoint to go on from" + "".join(f"; {problem}" for problem in problems)
        )
    return checkpoint


def plan_longer(
    run: RunRecords,
    step: int,
    length: Duration,
    source: AnySource,
    data: str | None,
    device: torch.device,
    workers: int,
) -> RunPlan:
    """Return a run's plan with another length, to go on with after `step` updates.

    Args:
        run: The run that is to go on.
        step: Of the checkpoint that it begins with.
        length: Of the whole, the steps that are made already included.
        source: The run's data.
        data: Where that lies now, if not where it was.
        device: Where to train.
        workers: Processes that read image files.

    Raises:
        UsageError: If more steps are made already, or the length does not suit the recipe.
        DataError: If the data is not the run's.
    """
    recipe = recipe_from_json(run.read("recipe"))
    recorded = run.read("data") | ({"source": absolute_source(data)} if data else {})
    longer = to_plain(override(recipe, {"length": length}))
    records = run.read("spec"), longer, recorded
    plan = plan_from_records(run.path, *records, source, device, workers, optimizer_of=run.optimizer_of)
    before, now = replace(plan, recipe=recipe).timeline, plan.timeline
    if now.num_steps <= step:
        raise UsageError(
            f"{run.path} has made {step:,} steps, and {length} are {now.num_steps:,} in all",
            hint=f"The length is that of the whole, at first {recipe.run.length}: give more than that.",
        )
    refuse_impossible(plan)
    text = f"{run.path} from step {step:,} of {before.num_steps:,} ({recipe.run.length}) on; "
    if recipe.schedule.schedule == "plateau":
        return replace(plan, continues=text + "its rate follows the validation loss as before")
    old_rate = LearningRate(recipe.schedule, before).at(max(step - 1, 0))
    rate = LearningRate(plan.recipe.schedule, now).at(step)
    return replace(plan, continues=text + f"its rate was {old_rate:.3g} and is {rate:.3g} now")


def write_longer(old: RunDirectory, checkpoint: Checkpoint, plan: RunPlan, new: RunDirectory) -> None:
    """Write a run that goes on from another one into its claimed directory, to be resumed there.

    Raises:
        WriteError: If it cannot be written.
    """
    environment = environment_of(plan)
    record = {
        "from": str(old.path.absolute()),
        "text": plan.continues,
        "identity": checkpoint.identity,
        "step": checkpoint.step,
        "length": str(recipe_from_json(old.read("recipe")).run.length),
        "before": [old.read(CONTINUES)] if old.continues else [],
    }
    new.write("spec", plan.spec.to_json())
    new.write("data", old.read("data") | {"source": plan.source_text})
    new.write("environment", environment)
    write_beginning(new, None)  # removes that of a process that was killed while it began a run here
    if old.begins_trained:
        new.write("weights", old.read("weights"))
    new.write(CONTINUES, record)
    new.write("recipe", to_plain(plan.recipe))
    rows = read_content(old.metrics)[: checkpoint.state["metrics_length"]]
    files.write_file(new.metrics, rows)
    started = {"time": time.time(), "event": "start", "environment": environment, CONTINUES: record}
    started["begun"] = as_begun(new)
    files.write_file(new.events, json.dumps(started) + "\n")
    files.make_directory(new.checkpoints)
    _copy_best(old, checkpoint, new)
    _save(new, checkpoint, dict(checkpoint.state) | _ANEW)


def _copy_best(old: RunDirectory, checkpoint: Checkpoint, new: RunDirectory) -> None:
    """Copy the weights that were best on the validation samples, if they are still there."""
    step = checkpoint.state["best_step"]
    if not step or step == checkpoint.step:
        return
    try:
        best = load_checkpoint(old.checkpoints / checkpoint_name(step))
    except CheckpointError:
        return
    _save(new, best, dict(best.state))


def _save(run: RunDirectory, checkpoint: Checkpoint, state: dict[str, Any]) -> Path:
    return save_checkpoint(
        run.checkpoints,
        step=checkpoint.step,
        identity=run.identity(),
        tensors=checkpoint.tensors,
        state=state,
    )


def longer_out(run: RunDirectory, length: Duration) -> Path:
    """Return a name beside the run for the one that goes on from it: RUN-30ep, as the run's is written."""
    path = with_name(run.path)
    return path.with_name(f"{path.name}-{length}")
