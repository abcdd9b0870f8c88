"""Artefact: a network that is ready for use, and its description as texts that any file format holds."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from torch import Tensor

from resnetlab.data.normalise import Floats, Normaliser
from resnetlab.data.preprocessing import Geometry, Preprocessing
from resnetlab.errors import CheckpointError, ResnetlabError, UsageError
from resnetlab.models import ResNet, create_model
from resnetlab.spec import ModelSpec

FORMAT = "resnetlab-model-1"
Shape = tuple[int, int, int]


@dataclass(frozen=True, kw_only=True)
class Description:
    """All of a trained network but its numbers."""

    spec: ModelSpec

    class_names: tuple[str, ...]
    """One for each logit."""

    preprocessing: Preprocessing
    """What was done to the images in evaluation."""

    image_shape: Shape
    """(height, width, channels) of what the network gets."""

    origin: str
    """Where it comes from, in a sentence."""

    facts: Mapping[str, Any]
    """How it was trained and how good it was, as plain data; empty if that is not known."""

    def to_texts(self) -> dict[str, str]:
        """Return it as named texts: the metadata of safetensors, ONNX and torch.export files."""
        return {
            "format": FORMAT,
            "spec": json.dumps(self.spec.to_json()),
            "class_names": json.dumps(self.class_names),
            "preprocessing": json.dumps(self.preprocessing.to_json()),
            "image_shape": json.dumps(self.image_shape),
            "origin": self.origin,
            "facts": json.dumps(dict(self.facts)),
        }


def from_texts(texts: Mapping[str, str], place: str) -> Description:
    """Return what `to_texts` wrote.

    Raises:
        UsageError: If the texts are not ours.
        CheckpointError: If they are damaged.
    """
    if not texts.get("format", "").startswith("resnetlab-model-"):
        raise UsageError(
            f"{place} does not say what network it holds: another program has made it",
            hint="`resnetlab import FILE -o FOLDER` reads the weights of others.",
        )
    if texts["format"] != FORMAT:
        raise CheckpointError(
            f"{place} is of the format {texts['format']}; this version reads {FORMAT}",
            hint="Read it with the version of resnetlab that wrote it, or a later one.",
        )
    try:
        height, width, channels = json.loads(texts["image_shape"])
        shape = (int(height), int(width), int(channels))
        return Description(
            spec=ModelSpec.from_json(json.loads(texts["spec"])),
            class_names=tuple(map(str, json.loads(texts["class_names"]))),
            preprocessing=fit_geometry(Preprocessing.from_json(json.loads(texts["preprocessing"])), shape),
            image_shape=shape,
            origin=texts["origin"],
            facts=json.loads(texts["facts"]),
        )
    except (KeyError, ValueError, TypeError, ResnetlabError) as error:
        raise CheckpointError(f"{place}: its description is damaged ({error!r})") from error


@dataclass(frozen=True, kw_only=True, eq=False)
class Artefact(Description):
    """A trained network with all that using it takes."""

    tensors: Mapping[str, Tensor]
    """The state dict, on the CPU."""

    notes: tuple[str, ...] = ()
    """What its user should know."""

    def model(self) -> ResNet:
        """Return the network in evaluation mode, on the CPU.

        Raises:
            CheckpointError: If the tensors are not the network's.
        """
        model = create_model(self.spec, device="meta")
        expected = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
        found = {name: tuple(tensor.shape) for name, tensor in self.tensors.items()}
        if found != expected:
            wrong = sorted(name for name in found | expected if found.get(name) != expected.get(name))
            raise CheckpointError(
                f"{self.origin}: {len(wrong)} tensors are not {self.spec.name}'s: {', '.join(wrong[:5])}"
            )
        model = create_model(self.spec, seed=0)
        model.load_state_dict(dict(self.tensors))
        return model.eval()


def name_classes(names: Sequence[str], count: int) -> tuple[str, ...]:
    """Return a name for each of `count` logits: a network may have more of them than its data has classes.

    Raises:
        UsageError: If there are more names than logits, or one stands for two.
    """
    if len(names) > count:
        raise UsageError(f"{len(names)} class names, but the network has {count} classes")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UsageError(f"class names occur twice: {', '.join(twice[:5])}")
    return (*names, *(f"class {index}" for index in range(len(names), count)))


def in_channels(normaliser: Normaliser, channels: int) -> Normaliser:
    """Return the normaliser for images of so many channels: its numbers' mean over the channels for each.

    One that has no numbers, or has so many channels, is returned as it is.
    """

    def spread(values: Floats | None) -> Floats | None:
        if values is None or values.shape[-1] == channels:
            return values
        return np.repeat(values.mean(axis=-1, keepdims=True), channels, axis=-1)

    mean, std = spread(normaliser.mean), spread(normaliser.std)
    return Normaliser(normaliser.kind, normaliser.pixel_range, mean, std)


def fit_geometry(preprocessing: Preprocessing, shape: Shape) -> Preprocessing:
    """Return a preprocessing that brings any picture to the network's size.

    One that takes images as they are leaves those of the right size as they are, and resizes others:
    the shorter side to the network's, bilinear, and the square in the middle.
    """
    height, width, channels = shape
    if preprocessing.geometry.side or height != width:
        return preprocessing
    grey_or_colour: Literal[1, 3] = 1 if channels == 1 else 3
    return replace(preprocessing, geometry=Geometry(height, height), channels=grey_or_colour)
