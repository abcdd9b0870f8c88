"""Evaluating a run or a checkpoint: exact counts, per class, with a confidence interval."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from resnetlab.data.normalise import Normaliser
from resnetlab.data.source import Source, Split
from resnetlab.errors import CheckpointError, DataError, UsageError
from resnetlab.evaluation import Evaluation, write_evaluation
from resnetlab.metrics import Scores
from resnetlab.models import create_model
from resnetlab.runs.checkpoint import Checkpoint, load_checkpoint, load_newest
from resnetlab.runs.directory import RunDirectory, open_run
from resnetlab.settings import recipe_from_json
from resnetlab.spec import ModelSpec
from resnetlab.training.device import apply_switches, pick_device
from resnetlab.training.optim import check_tensors
from resnetlab.training.run import reopen_source
from resnetlab.training.scoring import score
from resnetlab.training.session import evaluation_set


def evaluate_run(
    path: Path,
    *,
    data: str | None = None,
    split: str = "test",
    weights: str = "auto",
    device: str = "auto",
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

    Raises:
        UsageError: If there is no run at `path`, or it has no such split or weights.
        CheckpointError: If the checkpoint cannot be used.
        DataError: If the data does not fit the network.
    """
    run, checkpoint, problems = _find(path)
    source = reopen_source(run, data)
    recorded = run.read("data")
    _check_fit(source, recorded["class_names"], run)
    chosen = _choose_split(source, split, recorded)
    group = _choose_weights(checkpoint, weights)
    scores = _score(run, checkpoint, group, chosen, pick_device(device))
    assert scores.seen == len(chosen.labels), "every sample counts exactly once"
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
        notes=tuple(f"A newer checkpoint cannot be used. {problem}" for problem in problems),
    )
    write_evaluation(evaluation)
    return evaluation


def _score(
    run: RunDirectory, checkpoint: Checkpoint, group: str, split: Split, device: torch.device
) -> Scores:
    recipe = recipe_from_json(run.read("recipe"))
    spec = ModelSpec.from_json(run.read("spec"))
    apply_switches(device, recipe.execution)
    normaliser = Normaliser.from_json(run.read("data")["preprocessing"])
    scores = score(
        load_model(spec, checkpoint, group).to(device),
        evaluation_set("", split, normaliser, recipe, device).batches(),
        num_classes=spec.classes,
        device=device,
        precision=recipe.execution.precision,
    )
    assert scores is not None
    return scores


def _find(path: Path) -> tuple[RunDirectory, Checkpoint, list[str]]:
    if (path / "MANIFEST.json").exists():
        run, chosen = open_run(path.absolute().parent.parent), load_checkpoint(path)
        if chosen.identity != run.identity():
            raise CheckpointError(f"{path} is another run's checkpoint, not one of {run.path}")
        return run, chosen, []
    run = open_run(path)
    checkpoint, problems = load_newest(run.checkpoints, identity=run.identity())
    if checkpoint is None:
        why = "; ".join(problems) or "none was written yet"
        raise CheckpointError(f"no usable checkpoint in {run.checkpoints}: {why}")
    return run, checkpoint, problems


def _folder(checkpoint: Checkpoint, source: Source, split: str, group: str, recorded: dict[str, Any]) -> str:
    """Return a name that no evaluation of other weights, data or split has."""
    parts = [checkpoint.path.name, split]
    if group == "model" and "ema" in checkpoint.tensors:
        parts.append("plain")
    if source.fingerprint != recorded["fingerprint"]:
        parts.append(source.fingerprint[:8])
    return "-".join(parts)


def _check_fit(source: Source, class_names: list[str], run: RunDirectory) -> None:
    if list(source.class_names) != class_names:
        raise DataError(
            f"{source.name} has other classes than {run.path} was trained on: "
            f"{len(source.class_names)} ({', '.join(source.class_names[:3])}, ...), "
            f"the run {len(class_names)} ({', '.join(class_names[:3])}, ...)"
        )


def _choose_split(source: Source, split: str, recorded: dict[str, Any]) -> Split:
    if split == "test":
        return source.test
    is_own = source.fingerprint == recorded["fingerprint"]
    held_out = np.asarray(recorded["val_indices"], dtype=np.int64)
    if split == "train":
        kept = np.setdiff1d(np.arange(len(source.train)), held_out) if is_own else slice(None)
        return Split(images=source.train.images[kept], labels=source.train.labels[kept])
    if not recorded["val_indices"]:
        raise UsageError("the run held no validation samples out (it was trained without --val)")
    if not is_own:
        raise DataError("the validation samples are known by their place in the run's own data")
    return source.train.take(held_out)


def _choose_weights(checkpoint: Checkpoint, weights: str) -> str:
    if weights == "averaged" and "ema" not in checkpoint.tensors:
        raise UsageError("the run kept no averaged weights (its ema_decay is 0)")
    return "ema" if "ema" in checkpoint.tensors and weights != "plain" else "model"


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
