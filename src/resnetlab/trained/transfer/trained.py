"""Trained weights to begin with: our runs, checkpoints and model folders, or a file of another program."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from resnetlab.base.paths import user_path
from resnetlab.data.batches.preprocessing import Preprocessing
from resnetlab.models import ResNet
from resnetlab.network.spec import ModelSpec
from resnetlab.runs.manifest import NAME
from resnetlab.trained.artefact.class_names import names_of
from resnetlab.trained.artefact.folder import is_folder
from resnetlab.trained.artefact.imported import preprocessing_of
from resnetlab.trained.artefact.loading import is_artefact, load_artefact
from resnetlab.trained.artefact.model import Artefact
from resnetlab.trained.artefact.opening import group_of
from resnetlab.weights import WeightsReport
from resnetlab.weights.facts.naming import Naming
from resnetlab.weights.facts.preprocessings import UNTOLD
from resnetlab.weights.files.reading import WeightFile
from resnetlab.weights.loading import OpenedWeights, fit_weights, open_weights
from resnetlab.weights.namings.torch_names import RESNETLAB


@dataclass(frozen=True, eq=False)
class Trained:
    """A trained network, before it is fitted to new data."""

    weights: OpenedWeights

    class_names: tuple[str, ...]
    """One for each logit; empty if the file does not tell them."""

    preprocessing: Preprocessing
    """What was done to its images in evaluation; its geometry has no side if these were oblong."""

    size: tuple[int, int]
    """Height and width of these, in pixels."""

    origin: str
    """Where it comes from, in a line."""

    is_told: bool = True
    """Whether the file tells how its images were normalised."""

    notes: tuple[str, ...] = ()

    @property
    def spec(self) -> ModelSpec:
        """The network, with its own number of classes and channels."""
        return self.weights.naming.spec

    def fingerprint(self) -> str:
        """Return the SHA-256 of all its tensors: what two runs that begin with it have in common."""
        digest = hashlib.sha256()
        for name, tensor in sorted(self.weights.file.tensors.items()):
            digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype} ".encode())
            digest.update(tensor.contiguous().flatten().view(torch.uint8).numpy().data)
        return digest.hexdigest()

    def fit(
        self, model: ResNet, class_names: tuple[str, ...], head: Literal["reset", "keep-shared", "strict"]
    ) -> tuple[dict[str, Tensor], WeightsReport]:
        """Return the weights for `model`, whose new parts stay as they are, and what became of every tensor.

        Args:
            model: The network for the new data.
            class_names: The new data's.
            head: As `Transfer.head`.

        Raises:
            UsageError, CheckpointError: As `load_weights`.
        """
        return fit_weights(
            self.weights,
            model,
            head=head,
            class_names=class_names,
            file_class_names=self.class_names,
            adapt_channels=True,
        )


def open_trained(name: str | Path, *, prefix: str | None = None, ignore: Sequence[str] = ()) -> Trained:
    """Return the trained network that a path or a published name stands for.

    Args:
        name: A run, one of its checkpoints, a model folder or what `resnetlab export` wrote as
            safetensors; else anything that `load_weights` takes.
        prefix: As for `load_weights`.
        ignore: As for `load_weights`.

    Raises:
        UsageError: If there is no such thing, or an extra is missing.
        CheckpointError: If it is damaged, or holds no network of ours.
        DataError: If a run is not whole.
    """
    path = user_path(name)
    if os.path.isfile(path) and (path.parent / NAME).exists() and not is_folder(path.parent):
        return _of_ours(path, load_artefact(path.parent, weights=group_of(path)))
    if is_artefact(path):
        return _of_ours(path, load_artefact(path))
    weights = open_weights(name, prefix=prefix, ignore=ignore)
    preprocessing, notes = preprocessing_of(weights.preprocessing, weights.naming.spec)
    label = path.name if os.path.exists(path) else str(name)  # a published name, a checkpoint's prefix
    origin = f"{label} ({weights.naming.dialect.title})"
    told = weights.preprocessing.is_told
    side = preprocessing.geometry.side
    names, said = names_of(weights)
    return Trained(weights, names, preprocessing, (side, side), origin, told, (*said, *notes))


_OURS = replace(RESNETLAB, open_knobs=frozenset(), note="")
"""Our names, where the network is known and not only its shapes."""


def _of_ours(path: Path, artefact: Artefact) -> Trained:
    keys = {key: key for key in artefact.tensors}
    naming = Naming(_OURS, artefact.spec, keys, UNTOLD, (), artefact.has_classifier)
    weights = OpenedWeights(path, WeightFile(dict(artefact.tensors), artefact.origin), naming, UNTOLD)
    origin = f"{artefact.origin}, its {artefact.facts.get('weights', 'weights')}"
    size = (artefact.image_shape[0], artefact.image_shape[1])
    return Trained(weights, artefact.class_names, artefact.preprocessing, size, origin, True, artefact.notes)
