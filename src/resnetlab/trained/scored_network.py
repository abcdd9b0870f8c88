"""A network that is to be scored, whatever holds it: a run, a model folder, a file of ours or of others."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from resnetlab.base.paths import user_path
from resnetlab.data.sources.choices import Choices
from resnetlab.recipe import Recipe
from resnetlab.recipe.named import named_recipe
from resnetlab.recipe.settings import override, recipe_from_json
from resnetlab.trained.artefact.loading import artefact_of, choose_weights, find_checkpoint
from resnetlab.trained.artefact.model import Shape
from resnetlab.trained.artefact.opening import group_of, kind_of
from resnetlab.trained.predict.classifier import Classifier


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
    path, kind = user_path(name), kind_of(name)
    if kind == "run":
        return _load_run(path, weights, device)
    if kind == "part of a checkpoint":
        return _load_run(path.parent, group_of(path), device)
    beside = Path(os.path.abspath(path))
    elsewhere = Path(f"{beside.name}-eval")
    classifier = Classifier.load(name, device=device, weights=weights)
    share = classifier.description.facts.get("bad_samples", 0.0)
    return ScoredNetwork(
        place=name if kind in ("foreign", "published") else str(path),
        home=elsewhere if kind == "published" else beside.parent / elsewhere,
        elsewhere=elsewhere,
        classifier=classifier,
        recipe=override(named_recipe("quick"), {"bad_samples": share}),
    )


def _load_run(path: Path, weights: str, device: str) -> ScoredNetwork:
    run, checkpoint, problems = find_checkpoint(path)
    group = choose_weights(checkpoint, weights)
    recipe = recipe_from_json(run.read("recipe"))
    artefact = artefact_of(run, checkpoint, group, problems)
    return ScoredNetwork(
        place=str(checkpoint.path),
        home=run.path / "eval",
        elsewhere=Path(f"{run.path.absolute().name}-eval"),
        classifier=Classifier.of(artefact, device=device, channels_last=recipe.execution.channels_last),
        checkpoint=checkpoint.path.name,
        is_plain=group == "model" and "ema" in checkpoint.tensors,
        record=run.read("data"),
        recipe=recipe,
    )
