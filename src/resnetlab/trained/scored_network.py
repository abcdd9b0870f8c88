"""A network that is to be scored, whatever holds it: a run, a model folder, a file of ours or of others."""

import functools
import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from resnetlab.base.paths import user_path
from resnetlab.data.sources.choices import Choices
from resnetlab.parallel.world import ALONE, World
from resnetlab.recipe import Recipe
from resnetlab.recipe.named import named_recipe
from resnetlab.recipe.settings import override, recipe_from_json
from resnetlab.trained.artefact.loading import artefact_of, choose_weights, find_checkpoint
from resnetlab.trained.artefact.model import Artefact, Description, Shape
from resnetlab.trained.artefact.onnx_contents import read_onnx
from resnetlab.trained.artefact.opening import group_of, kind_of, open_artefact
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


class _Found(NamedTuple):
    """What the first process has read."""

    artefact: Artefact
    network: Callable[..., ScoredNetwork]
    """Given its classifier."""

    channels_last: bool = True


def load_network(name: str, weights: str, device: str, world: World = ALONE) -> ScoredNetwork:
    """Return the network that a path or a published name stands for.

    Of several processes the first reads it, and alone needs to see its files; but an ONNX file is read
    by each.

    Args:
        name: See `evaluate`.
        weights: "auto", "plain" or "averaged".
        device: auto, cpu, cuda, cuda:1 or mps.
        world: The processes that score it; all call this.

    Raises:
        UsageError: If there is none, or no such weights or device.
        CheckpointError: If it is damaged.
        DataError: If a run is not whole.
    """
    if Path(name).suffix.lower() == ".onnx" and not user_path(name).is_dir():
        graph = world.together(lambda: Classifier.load(name, device=device, weights=weights))
        world.agree({name: f"SHA-256 {hashlib.sha256(read_onnx(user_path(name))).hexdigest()}"})
        return _of_file(name, "ours", graph.description)(classifier=graph)
    artefact, network, channels_last = world.from_first(lambda: _find(name, weights))
    return network(
        classifier=world.together(lambda: Classifier.of(artefact, device=device, channels_last=channels_last))
    )


def _find(name: str, weights: str) -> _Found:
    path, kind = user_path(name), kind_of(name)
    if kind == "run":
        return _find_run(path, weights)
    if kind == "part of a checkpoint":
        return _find_run(path.parent, group_of(path))
    artefact = open_artefact(name, weights=weights)
    return _Found(artefact, _of_file(name, kind, artefact))


def _of_file(name: str, kind: str, described: Description) -> Callable[..., ScoredNetwork]:
    path = user_path(name)
    beside = Path(os.path.abspath(path))
    elsewhere = Path(f"{beside.name}-eval")
    share = described.facts.get("bad_samples", 0.0)
    return functools.partial(
        ScoredNetwork,
        place=name if kind in ("foreign", "published") else str(path),
        home=elsewhere if kind == "published" else beside.parent / elsewhere,
        elsewhere=elsewhere,
        recipe=override(named_recipe("quick"), {"bad_samples": share}),
    )


def _find_run(path: Path, weights: str) -> _Found:
    run, checkpoint, problems = find_checkpoint(path)
    group, recipe = choose_weights(checkpoint, weights), recipe_from_json(run.read("recipe"))
    network = functools.partial(
        ScoredNetwork,
        place=str(checkpoint.path),
        home=run.path / "eval",
        elsewhere=Path(f"{run.path.absolute().name}-eval"),
        checkpoint=checkpoint.path.name,
        is_plain=group == "model" and "ema" in checkpoint.tensors,
        record=run.read("data"),
        recipe=recipe,
    )
    artefact = artefact_of(run, checkpoint, group, problems)
    return _Found(artefact, network, recipe.execution.channels_last)
