"""Small trained-looking networks with their descriptions."""

from typing import Any

import numpy as np
import torch

from resnetlab.data.batches.normalise import Normaliser
from resnetlab.data.batches.preprocessing import Geometry, Preprocessing
from resnetlab.trained.artefact import Artefact
from resnetlab.trained.predict import Classifier
from tests.kit.foreign_weights import lively
from tests.kit.small_runs import CPU

MEAN, STD = np.array([0.49, 0.47, 0.42]), np.array([0.21, 0.22, 0.25])


def normaliser(kind: str = "channel", side: int = 32, channels: int = 3) -> Normaliser:
    if kind == "channel":
        return Normaliser(kind, 1, MEAN[:channels], STD[:channels])
    if kind == "per-pixel-mean":
        return Normaliser(kind, 255, np.random.default_rng(0).uniform(0, 255, (side, side, channels)))
    return Normaliser(kind, 255)


def small_artefact(
    name: str = "resnet8",
    *,
    side: int = 32,
    kind: str = "channel",
    names: tuple[str, ...] = ("ant", "bee", "cat"),
    **knobs: Any,
) -> Artefact:
    """A network of 3 classes; images are made 36 px at the shorter side, cut to 32."""
    model = lively(name, classes=len(names), **knobs)
    channels = model.spec.in_channels
    geometry = Geometry(side, side + 4)
    return Artefact(
        spec=model.spec,
        class_names=names,
        preprocessing=Preprocessing(normaliser(kind, side, channels), geometry, 1 if channels == 1 else 3),
        image_shape=(side, side, channels),
        origin="made here",
        facts={"step": 7, "accuracy": 0.75, "correct": 3, "seen": 4},
        tensors=model.state_dict(),
    )


def classifier_of(artefact: Artefact) -> Classifier:
    model = artefact.model().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return Classifier(model, artefact, artefact.preprocessing, CPU)
