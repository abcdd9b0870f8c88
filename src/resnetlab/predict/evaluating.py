"""Scoring what is no run: a model folder, an exported safetensors file, an ONNX file."""

import os
from dataclasses import replace
from pathlib import Path

from resnetlab.artefact.folder import is_folder
from resnetlab.artefact.model import Description
from resnetlab.data.choices import LEFT_OPEN, Choices
from resnetlab.data.loaded import BadSamples
from resnetlab.data.open import open_to_fit
from resnetlab.data.recognise import AnySource, AnySplit
from resnetlab.errors import DataError, UsageError, WriteError
from resnetlab.evaluation import Evaluation, write_evaluation
from resnetlab.metrics import Scores
from resnetlab.predict.classifier import Classifier
from resnetlab.recipes import named_recipe
from resnetlab.training.device import apply_switches
from resnetlab.training.reading import Reading
from resnetlab.training.scoring import score


def is_model(path: Path) -> bool:
    """Return whether `path` is a model folder or a file of ours, and no run."""
    return path.suffix in (".onnx", ".safetensors") or is_folder(path)


def evaluate_model(
    path: Path | str,
    *,
    data: str | None,
    split: str = "test",
    device: str = "auto",
    workers: int = -1,
    out: Path | str | None = None,
    choices: Choices = LEFT_OPEN,
) -> Evaluation:
    """Score a model folder, or a .safetensors or .onnx file of ours, as `evaluate_run` does a run.

    Args:
        path: See `Classifier.load`.
        data: A dataset's name or path.
        split: "test", "train" or "val", as the data has them.
        device: auto, cpu, cuda or mps.
        workers: Processes that read image files, -1 for as many as suit the machine.
        out: Where the result goes; None is NAME-eval/SPLIT-FINGERPRINT beside the file or folder, or in
            the working directory if nothing can be written there.
        choices: What the data leaves open.

    Raises:
        UsageError: If no data is named, or it has no such split.
        DataError: If the data does not fit the network.
        CheckpointError: If the file is damaged, or its loss no finite number.
        WriteError: If the result cannot be written.
    """
    path = Path(path).expanduser()
    if data is None:
        raise UsageError(f"{path} does not know where its data lies", hint="Name it with --data.")
    classifier = Classifier.load(path, device=device)
    source, notes = _open(data, classifier.description, choices)
    scores = _score(classifier, _split(source, split), workers)
    beside = Path(os.path.abspath(path))
    folder = Path(f"{beside.name}-eval") / f"{split}-{source.fingerprint[:8]}"
    evaluation = Evaluation(
        checkpoint=str(path),
        step=int(classifier.description.facts.get("step", 0)),
        data=source.name,
        fingerprint=source.fingerprint,
        split=split,
        weights="weights",
        scores=scores,
        class_names=source.class_names,
        out=str(out or beside.parent / folder),
        notes=(*classifier.notes, *notes),
    )
    return _keep(evaluation, None if out else folder)


def _keep(evaluation: Evaluation, otherwise: Path | None) -> Evaluation:
    """Write an evaluation, at `otherwise` if its own place cannot be written; return it with its place.

    Scoring can have taken hours, and a model folder that many use is often for reading only.
    """
    try:
        write_evaluation(evaluation)
    except WriteError as error:
        if otherwise is None:
            raise
        note = f"the result lies in the working directory: {error.args[0]}"
        evaluation = replace(evaluation, out=str(otherwise), notes=(*evaluation.notes, note))
        write_evaluation(evaluation)
    return evaluation


def _score(classifier: Classifier, split: AnySplit, workers: int) -> Scores:
    recipe = named_recipe("quick")
    reading = Reading(
        preprocessing=classifier.preprocessing,
        recipe=recipe,
        device=classifier.device,
        size=classifier.description.image_shape[:2],
        workers=workers,
        bad=BadSamples(0.0),
    )
    apply_switches(classifier.device, recipe.execution)
    scores = score(
        classifier.model,
        reading.evaluation_set("chosen", split).batches(),
        num_classes=len(classifier.class_names),
        device=classifier.device,
    )
    assert scores is not None
    classifier.refuse_non_finite(scores.loss)
    assert scores.seen == len(split.labels), "every sample counts exactly once"
    return scores


def _open(data: str, description: Description, choices: Choices) -> tuple[AnySource, list[str]]:
    """Return the data, its images of the network's size or files, and what to say of its classes."""
    height, width, channels = description.image_shape
    source = open_to_fit(
        data, (height, width), classes=len(description.class_names), channels=channels, choices=choices
    )
    if (shape := _input_shape(source, description)) != description.image_shape:
        raise DataError(
            f"{source.name} has images of {shape} (height, width, channels), the network takes"
            f" {description.image_shape}"
        )
    names, theirs = description.class_names, source.class_names
    if names[: len(theirs)] == theirs and _are_numbered(names, len(theirs)):
        return source, []
    if len(names) == len(theirs) and _are_numbered(names, 0):
        return source, ["the network's classes have no names; taken is the order of the data's"]
    raise DataError(
        f"{source.name} has other classes than the network: {len(theirs)} ({', '.join(theirs[:3])}, ...),"
        f" the network {len(names)} ({', '.join(names[:3])}, ...)"
    )


def _input_shape(source: AnySource, description: Description) -> tuple[int, int, int]:
    height, width, channels = description.image_shape
    return source.train.input_shape((height, width), channels)


def _are_numbered(names: tuple[str, ...], start: int) -> bool:
    """Return whether the names from `start` on only stand for a logit that has none."""
    return all(name == f"class {index}" for index, name in enumerate(names) if index >= start)


def _split(source: AnySource, split: str) -> AnySplit:
    if split == "val" and source.val is None:
        raise UsageError(f"{source.name} has no validation split")
    found: AnySplit | None = source.parts.get(split)
    if found is None:
        raise UsageError(f"split is test, train or val, got {split!r}")
    return found
