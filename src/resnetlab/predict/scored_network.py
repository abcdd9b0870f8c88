"""A network that is to be scored, whatever holds it: a run, a model folder, a file of ours or of others."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from resnetlab.artefact.class_names import logit_note
from resnetlab.artefact.folder import is_folder
from resnetlab.artefact.imported import import_weights
from resnetlab.artefact.loading import (
    artefact_of,
    choose_weights,
    find_checkpoint,
    is_artefact,
    refuse_choice,
)
from resnetlab.artefact.model import Artefact, Shape
from resnetlab.artefact.places import looking_at
from resnetlab.data.choices import Choices
from resnetlab.errors import UsageError
from resnetlab.paths import user_path
from resnetlab.predict.classifier import Classifier
from resnetlab.recipe import Recipe
from resnetlab.recipes import named_recipe
from resnetlab.runs.manifest import NAME
from resnetlab.settings import override, recipe_from_json
from resnetlab.training.device import pick_device

_PUBLISHED = ("hf:", "torchvision:", "http:", "https:")
_IN_FOLDERS_OF_OTHERS = ("config.json", "model.safetensors.index.json", "checkpoint", "pytorch_model.bin")


@dataclass(frozen=True)
class ScoredNetwork:
    """A network that is to be scored."""

    place: str
    """For people."""

    home: Path
    """Where its evaluations lie."""

    elsewhere: Path
    """Where they lie if nothing can be written there."""

    classifier: Classifier

    notes: tuple[str, ...] = ()

    checkpoint: str = ""
    """Of a run: which."""

    is_plain: bool = False
    """Whether a run's plain weights were taken, though it has averaged ones."""

    record: Mapping[str, Any] | None = None
    """A run's data.json."""

    recipe: Recipe = field(default_factory=lambda: named_recipe("quick"))
    """Says how the device computes, and how many images may be broken."""

    @property
    def shape(self) -> Shape:
        """Height, width and channels of the network's input."""
        return self.classifier.description.image_shape

    @property
    def choices(self) -> Choices:
        """How the data was read that it was trained on, as far as its file says it.

        Raises:
            UsageError: If it was read in a way that this version does not know.
        """
        described = self.classifier.description
        chosen = Choices.of(described.facts.get("choices"))
        return replace(chosen, listed=described.class_names) if chosen.class_names else chosen

    @property
    def fingerprint(self) -> str:
        """Of what it was trained on; empty if that is not known."""
        known = self.record or self.classifier.description.facts
        return str(known.get("fingerprint", ""))


def load_network(name: str, weights: str, device: str) -> ScoredNetwork:
    """Return the network that a path or a published name stands for.

    Args:
        name: See `evaluate`.
        weights: "auto", "plain" or "averaged".
        device: auto, cpu, cuda, cuda:1 or mps.

    Raises:
        UsageError: If there is none, or no such weights or device.
        CheckpointError: If it is damaged.
        DataError: If a run is not whole.
    """
    path = user_path(name)
    with looking_at(path):
        kind = _kind(name, path)
    if kind == "run":
        return _load_run(path, weights, device)
    if kind == "part of a checkpoint":
        group = {"model.safetensors": "plain", "ema.safetensors": "averaged"}.get(path.name)
        if group is None:
            raise UsageError(f"{path} holds no weights", hint=f"Name the checkpoint: {path.parent}")
        return _load_run(path.parent, group, device)
    beside = Path(os.path.abspath(path))
    elsewhere = Path(f"{beside.name}-eval")
    if kind == "ours":
        classifier = Classifier.load(path, device=device, weights=weights)
        share = classifier.description.facts.get("bad_samples", 0.0)
        recipe = override(named_recipe("quick"), {"bad_samples": share})
        return ScoredNetwork(str(path), beside.parent / elsewhere, elsewhere, classifier, recipe=recipe)
    refuse_choice(path, weights)
    artefact, report = import_weights(path if kind == "foreign" else name)
    note = f"read as `resnetlab import` reads it: {report.spec.name}, {report.naming.dialect.title}"
    return ScoredNetwork(
        place=name,
        home=beside.parent / elsewhere if kind == "foreign" else elsewhere,
        elsewhere=elsewhere,
        classifier=_classifier(artefact, device),
        notes=(note, *report.notes),
    )


def _kind(name: str, path: Path) -> str:
    """Return what lies at `path`: a run, ours, foreign (weights of another program), or published weights."""
    if name.startswith(_PUBLISHED):
        return "published"
    if path.is_dir():
        if (path / "recipe.json").exists() or (not is_folder(path) and (path / NAME).exists()):
            return "run"
        if is_folder(path):
            return "ours"
        return "foreign" if any((path / each).is_file() for each in _IN_FOLDERS_OF_OTHERS) else "run"
    if path.suffix == ".onnx" or is_artefact(path):
        return "ours"
    if path.is_file() and (path.parent / NAME).is_file() and not is_folder(path.parent):
        return "part of a checkpoint"
    if not path.exists() and not path.with_name(f"{path.name}.index").is_file():
        raise UsageError(f"no run at {path}, no model folder and no file: there is no such path")
    return "foreign"


def _load_run(path: Path, weights: str, device: str) -> ScoredNetwork:
    run, checkpoint, problems = find_checkpoint(path)
    group = choose_weights(checkpoint, weights)
    recipe = recipe_from_json(run.read("recipe"))
    artefact = artefact_of(run, checkpoint, group, problems)
    return ScoredNetwork(
        place=str(checkpoint.path),
        home=run.path / "eval",
        elsewhere=Path(f"{run.path.absolute().name}-eval"),
        classifier=_classifier(artefact, device, channels_last=recipe.execution.channels_last),
        checkpoint=checkpoint.path.name,
        is_plain=group == "model" and "ema" in checkpoint.tensors,
        record=run.read("data"),
        recipe=recipe,
    )


def _classifier(artefact: Artefact, device: str, *, channels_last: bool = True) -> Classifier:
    order = torch.channels_last if channels_last else torch.contiguous_format
    model = artefact.model().to(memory_format=order)  # type: ignore[call-overload]
    notes = (*artefact.notes, *logit_note(artefact.class_names, artefact.spec.classes))
    return Classifier(model, artefact, artefact.preprocessing, pick_device(device), notes)
