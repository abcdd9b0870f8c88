"""Evaluating a run or a checkpoint: exact counts, per class, with a confidence interval."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from resnetlab import files
from resnetlab.data.normalise import Normaliser
from resnetlab.data.source import Source, Split
from resnetlab.errors import CheckpointError, DataError, UsageError
from resnetlab.metrics import Scores, wilson_interval
from resnetlab.models import create_model
from resnetlab.runs.checkpoint import Checkpoint, load_checkpoint, load_newest
from resnetlab.runs.directory import RunDirectory, open_run
from resnetlab.runs.manifest import to_json_bytes
from resnetlab.settings import recipe_from_json
from resnetlab.spec import ModelSpec
from resnetlab.training.device import apply_switches, pick_device
from resnetlab.training.optim import check_tensors
from resnetlab.training.run import reopen_source
from resnetlab.training.scoring import score
from resnetlab.training.session import evaluation_set


@dataclass(frozen=True)
class Evaluation:
    """The scores of one checkpoint on one split, and where they were written."""

    checkpoint: str
    step: int
    split: str
    weights: str
    scores: Scores
    class_names: tuple[str, ...]
    out: str

    @property
    def interval(self) -> tuple[float, float]:
        """95 % confidence interval of the accuracy (Wilson)."""
        return wilson_interval(self.scores.correct, self.scores.seen)

    def per_class(self) -> list[dict[str, Any]]:
        """Return recall, precision and F1 of every class, with the class it is most often taken for."""
        confusion = self.scores.confusion_KK.numpy()[: len(self.class_names), :]
        rows = []
        for index, name in enumerate(self.class_names):
            right, has = int(confusion[index, index]), int(confusion[index].sum())
            answered = int(confusion[:, index].sum())
            wrong = confusion[index].copy()
            wrong[index] = 0
            other = int(wrong.argmax())
            rows.append(
                {
                    "class": name,
                    "samples": has,
                    "recall": right / has if has else 0.0,
                    "precision": right / answered if answered else 0.0,
                    "f1": 2 * right / (has + answered) if has + answered else 0.0,
                    "taken_for": self.class_names[other] if wrong[other] and other < len(self.class_names) else "",
                    "taken_for_count": int(wrong[other]),
                }
            )
        return rows

    def to_json(self) -> dict[str, Any]:
        """Return all of it as plain JSON data."""
        return {
            "checkpoint": self.checkpoint,
            "step": self.step,
            "split": self.split,
            "weights": self.weights,
            **self.scores.row(),
            "interval": list(self.interval),
            "per_class": self.per_class(),
            "out": self.out,
        }


def evaluate_run(
    path: Path, *, data: str | None = None, split: str = "test", weights: str = "best-known", device: str = "auto"
) -> Evaluation:
    """Score a run's newest checkpoint, or the checkpoint at `path`, and write the result.

    Writes eval/step-XXXXXXXX-SPLIT/{scores.json,per_class.csv,confusion.csv,confusion.png} into
    the run.

    Args:
        path: A run's directory, or one of its checkpoints.
        data: A dataset's name or path; the run's own if None.
        split: "test", "train" or "val" (the samples the run held out).
        weights: "plain", "averaged", or "best-known": averaged if there are any.
        device: auto, cpu, cuda or mps.

    Raises:
        UsageError: If there is no run at `path`, or it has no such split or weights.
        CheckpointError: If the checkpoint cannot be used.
        DataError: If the data does not fit the network.
    """
    run, checkpoint = _find(path)
    source = reopen_source(run, data)
    target = pick_device(device)
    recipe = recipe_from_json(run.read("recipe"))
    apply_switches(target, recipe.execution)
    recorded = run.read("data")
    _check_fit(source, recorded, run)
    chosen = _choose_split(source, split, recorded)
    group = _choose_weights(checkpoint, weights)
    spec = ModelSpec.from_json(run.read("spec"))
    model = load_model(spec, checkpoint, group).to(target)
    normaliser = Normaliser.from_json(recorded["preprocessing"])
    scores = score(
        model,
        evaluation_set(split, chosen, normaliser, recipe, target).batches(),
        num_classes=spec.classes,
        device=target,
        precision=recipe.execution.precision,
    )
    assert scores is not None
    if scores.seen != len(chosen.labels):
        raise AssertionError("every sample counts exactly once")
    evaluation = Evaluation(
        checkpoint=str(checkpoint.path),
        step=checkpoint.step,
        split=split,
        weights="averaged weights" if group == "ema" else "weights",
        scores=scores,
        class_names=tuple(recorded["class_names"]),
        out=str(run.path / "eval" / f"{checkpoint.path.name}-{split}"),
    )
    write_evaluation(evaluation)
    return evaluation


def _find(path: Path) -> tuple[RunDirectory, Checkpoint]:
    if (path / "MANIFEST.json").exists():
        return open_run(path.absolute().parent.parent), load_checkpoint(path)
    run = open_run(path)
    checkpoint, problems = load_newest(run.checkpoints, identity=run.identity())
    if checkpoint is None:
        why = "; ".join(problems) or "none was written yet"
        raise CheckpointError(f"no usable checkpoint in {run.checkpoints}: {why}")
    return run, checkpoint


def _check_fit(source: Source, recorded: dict[str, Any], run: RunDirectory) -> None:
    if list(source.class_names) != recorded["class_names"]:
        raise DataError(
            f"{source.name} has other classes than {run.path} was trained on: "
            f"{len(source.class_names)} ({', '.join(source.class_names[:3])}, ...), "
            f"the run {len(recorded['class_names'])} ({', '.join(recorded['class_names'][:3])}, ...)"
        )


def _choose_split(source: Source, split: str, recorded: dict[str, Any]) -> Split:
    if split == "test":
        return source.test
    if split == "train":
        return source.train
    if not recorded["val_indices"]:
        raise UsageError("the run held no validation samples out (it was trained without --val)")
    if source.fingerprint != recorded["fingerprint"]:
        raise DataError("the validation samples are known by their place in the run's own data")
    held_out = np.asarray(recorded["val_indices"])
    return Split(images=source.train.images[held_out], labels=source.train.labels[held_out])


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


def write_evaluation(evaluation: Evaluation) -> None:
    """Write scores.json, per_class.csv, confusion.csv and confusion.png into `evaluation.out`."""
    out = Path(evaluation.out)
    files.make_directory(out)
    names = evaluation.class_names
    confusion = evaluation.scores.confusion_KK.numpy()[: len(names), : len(names)]
    files.write_file(out / "scores.json", to_json_bytes(evaluation.to_json()))
    rows = evaluation.per_class()
    files.write_file(out / "per_class.csv", _csv([list(rows[0]), *(list(r.values()) for r in rows)]))
    table = [["true \\ answered", *names], *([n, *map(int, c)] for n, c in zip(names, confusion, strict=True))]
    files.write_file(out / "confusion.csv", _csv(table))
    files.write_file(out / "confusion.png", draw_confusion(confusion, names))


def _csv(rows: Sequence[Sequence[Any]]) -> str:
    import csv

    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows(rows)
    return stream.getvalue()


def draw_confusion(confusion_KK: np.ndarray, names: Sequence[str]) -> bytes:
    """Return a PNG of the confusion matrix; each row's shares are colours, its counts are written.

    Above 20 classes the counts, above 100 the names are left out.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    count = len(names)
    side = min(max(4.5, 0.55 * count + 2), 16)
    figure = Figure(figsize=(side, side), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    shares = confusion_KK / np.maximum(confusion_KK.sum(1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_xlabel("answered")
    axes.set_ylabel("true class")
    if count <= 100:
        size = 9 if count <= 20 else 5
        axes.set_xticks(range(count), names, rotation=90, fontsize=size)
        axes.set_yticks(range(count), names, fontsize=size)
    if count <= 20:
        for (row, column), number in np.ndenumerate(confusion_KK):
            if number:
                colour = "white" if shares[row, column] > 0.5 else "black"
                axes.text(column, row, str(number), ha="center", va="center", fontsize=8, color=colour)
    right, total = int(np.trace(confusion_KK)), int(confusion_KK.sum())
    axes.set_title(f"{100 * right / max(total, 1):.2f} % of {total:,} right", fontsize=11)
    stream = io.BytesIO()
    figure.savefig(stream, format="png", metadata={"Software": None})
    return stream.getvalue()


__all__ = ["Evaluation", "draw_confusion", "evaluate_run", "load_model", "write_evaluation"]
