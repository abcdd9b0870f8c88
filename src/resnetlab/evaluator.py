"""Evaluating a run or a checkpoint: exact counts, per class, with a confidence interval."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch

from resnetlab.artefact.loading import choose_weights, find_checkpoint
from resnetlab.data.choices import LEFT_OPEN, Choices
from resnetlab.data.loaded import BadSamples
from resnetlab.data.preprocessing import Preprocessing
from resnetlab.data.recognise import AnySource, AnySplit
from resnetlab.errors import CheckpointError, DataError, UsageError
from resnetlab.evaluation import Evaluation, write_evaluation
from resnetlab.metrics import Scores
from resnetlab.models import create_model
from resnetlab.runs.checkpoint import Checkpoint
from resnetlab.runs.directory import RunDirectory
from resnetlab.settings import recipe_from_json
from resnetlab.spec import ModelSpec
from resnetlab.training.device import apply_switches, pick_device
from resnetlab.training.optim import check_tensors
from resnetlab.training.reading import Reading
from resnetlab.training.run import reopen_source
from resnetlab.training.scoring import score


def evaluate_run(
    path: Path,
    *,
    data: str | None = None,
    split: str = "test",
    weights: str = "auto",
    device: str = "auto",
    workers: int = -1,
    choices: Choices = LEFT_OPEN,
) -> Evaluation:
    """Score a run's newest checkpoint, or the checkpoint at `path`, and write the result.

    Writes eval/step-XXXXXXXX-SPLIT/{scores.json,per_class.csv,confusion.csv,confusion.png} into
    the run.

    Args:
        path: A run's directory, or one of its checkpoints.
        data: A dataset's name or path; the run's own if None.
        split: "test", "train" or "val" (the samples the run held out).
        weights: "plain", "averaged", or "auto": averaged if there are any.
        device: auto, cpu, cuda or mps.
        workers: Processes that read image files, -1 for as many as suit the machine.
        choices: What the data leaves open; where they are silent, what the run chose.

    Raises:
        UsageError: If there is no run at `path`, or it has no such split or weights.
        CheckpointError: If the checkpoint cannot be used, or its network's loss is no finite number.
        DataError: If the data does not fit the network.
    """
    run, checkpoint, problems = find_checkpoint(path)
    source = reopen_source(run.read("data"), data, choices)
    recorded = run.read("data")
    _check_fit(source, recorded["class_names"], run)
    chosen = _choose_split(source, split, recorded)
    group = choose_weights(checkpoint, weights)
    reading = _reading(run, pick_device(device), workers)
    scores = _score(run, checkpoint, group, reading, chosen)
    left_out = tuple(f"Left out, a broken image: {problem}" for problem in reading.bad.found.values())
    assert scores.seen + len(left_out) == len(chosen.labels), "every sample counts exactly once"
    evaluation = Evaluation(
        checkpoint=str(checkpoint.path),
        step=checkpoint.step,
        data=source.name,
        fingerprint=source.fingerprint,
        split=split,
        weights="averaged weights" if group == "ema" else "weights",
        scores=scores,
        class_names=tuple(recorded["class_names"]),
        out=str(run.path / "eval" / _folder(checkpoint, source, split, group, recorded)),
        notes=(*(f"A newer checkpoint cannot be used. {problem}" for problem in problems), *left_out),
    )
    write_evaluation(evaluation)
    return evaluation


def _reading(run: RunDirectory, device: torch.device, workers: int) -> Reading:
    data, recipe = run.read("data"), recipe_from_json(run.read("recipe"))
    height, width, _ = data["image_shape"]
    return Reading(
        preprocessing=Preprocessing.from_json(data["preprocessing"]),
        recipe=recipe,
        device=device,
        size=(height, width),
        workers=workers,
        bad=BadSamples(recipe.preparation.bad_samples),
    )


def _score(
    run: RunDirectory, checkpoint: Checkpoint, group: str, reading: Reading, split: AnySplit
) -> Scores:
    spec, execution = ModelSpec.from_json(run.read("spec")), reading.recipe.execution
    apply_switches(reading.device, execution)
    scores = score(
        load_model(spec, checkpoint, group).to(reading.device),
        reading.evaluation_set("chosen", split).batches(),
        num_classes=spec.classes,
        device=reading.device,
        precision=execution.precision,
    )
    assert scores is not None
    if not math.isfinite(scores.loss):
        raise CheckpointError(f"{checkpoint.path}: its network's loss on these images is {scores.loss}")
    return scores


def _folder(
    checkpoint: Checkpoint, source: AnySource, split: str, group: str, recorded: dict[str, Any]
) -> str:
    """Return a name that no evaluation of other weights, data or split has."""
    parts = [checkpoint.path.name, split]
    if group == "model" and "ema" in checkpoint.tensors:
        parts.append("plain")
    if source.fingerprint != recorded["fingerprint"]:
        parts.append(source.fingerprint[:8])
    return "-".join(parts)


def _check_fit(source: AnySource, class_names: list[str], run: RunDirectory) -> None:
    if list(source.class_names) != class_names:
        raise DataError(
            f"{source.name} has other classes than {run.path} was trained on: "
            f"{len(source.class_names)} ({', '.join(source.class_names[:3])}, ...), "
            f"the run {len(class_names)} ({', '.join(class_names[:3])}, ...)"
        )


def _choose_split(source: AnySource, split: str, recorded: dict[str, Any]) -> AnySplit:
    if split == "test":
        return source.test
    is_own = source.fingerprint == recorded["fingerprint"]
    held_out = np.asarray(recorded["val_indices"], dtype=np.int64)
    if split == "train":
        if not (is_own and len(held_out)):
            return source.train
        return source.train.take(np.setdiff1d(np.arange(len(source.train)), held_out))
    if source.val is not None and not recorded["val_indices"]:
        return source.val
    if not recorded["val_indices"]:
        raise UsageError("the run held no validation samples out (it was trained without --val)")
    if not is_own:
        raise DataError("the validation samples are known by their place in the run's own data")
    return source.train.take(held_out)


def load_model(spec: ModelSpec, checkpoint: Checkpoint, group: str = "model") -> torch.nn.Module:
    """Return the network with a checkpoint's weights, in evaluation mode, on the CPU.

    Raises:
        CheckpointError: If its tensors are not the network's.
    """
    model = create_model(spec, seed=0)
    tensors = checkpoint.tensors[group]
    check_tensors(group, tensors, {name: t.shape for name, t in model.state_dict().items()})
    model.load_state_dict(tensors)
    return model.eval()
