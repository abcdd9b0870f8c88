"""Artefact: a network that is ready for use, and its description as texts that any file format holds."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from torch import Tensor

from resnetlab.base.units import first_of
from resnetlab.data.batches.normalise import Floats, Normaliser
from resnetlab.data.batches.preprocessing import Geometry, Preprocessing, is_whole
from resnetlab.errors import CheckpointError, ResnetlabError, UsageError
from resnetlab.models import ResNet, with_tensors
from resnetlab.network.spec import ModelSpec
from resnetlab.trained.artefact.class_names import class_count, name_classes, repeated

FORMAT = "resnetlab-model-1"
BACKBONE = "backbone"
"""The fact that a network came without a classifier, and gives features alone."""
INT8 = "int8"
"""The fact that a network was written in whole numbers of 8 bits: how, and what it cost."""
Shape = tuple[int, int, int]
DAMAGE = (KeyError, ValueError, TypeError, AttributeError, ArithmeticError, RecursionError)
"""What reading a description raises that another program wrote or somebody edited."""


@dataclass(frozen=True, kw_only=True)
class Description:
    """All of a trained network but its numbers.

    Raises:
        UsageError: If its parts do not fit each other; all problems are named.
    """

    spec: ModelSpec

    class_names: tuple[str, ...]
    """One for each logit; two for a single one, whose sigmoid is the probability of the second; none
    for a backbone, which has no classifier: BACKBONE is among the facts."""

    preprocessing: Preprocessing
    """What was done to the images in evaluation."""

    image_shape: Shape
    """(height, width, channels) of what the network gets."""

    origin: str
    """Where it comes from, in a sentence."""

    facts: Mapping[str, Any]
    """How it was trained and how good it was, as plain data; empty if that is not known."""

    def __post_init__(self) -> None:
        if problems := [*description_problems(self)]:
            raise UsageError(f"not the description of a network: {'; '.join(problems)}")

    @property
    def has_classifier(self) -> bool:
        """Whether there are answers, and not only features."""
        return not (isinstance(self.facts, Mapping) and self.facts.get(BACKBONE, False))

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


def is_ours(texts: Mapping[str, str]) -> bool:
    """Whether `to_texts` of some version wrote the metadata of a file."""
    return texts.get("format", "").startswith("resnetlab-model-")


def from_texts(
    texts: Mapping[str, str],
    place: str,
    *,
    otherwise: str = "`resnetlab import FILE -o FOLDER` reads the weights of others.",
) -> Description:
    """Return what `to_texts` wrote.

    Args:
        texts: The metadata of a file.
        place: The file, for errors.
        otherwise: What to do with another program's file.

    Raises:
        UsageError: If the texts are not ours.
        CheckpointError: If they are damaged.
    """
    if not is_ours(texts):
        raise UsageError(
            f"{place} does not say what network it holds: another program has made it",
            hint=otherwise,
        )
    if texts["format"] != FORMAT:
        raise CheckpointError(
            f"{place} is of the format {texts['format']}; this version reads {FORMAT}",
            hint="Read it with the version of resnetlab that wrote it, or a later one.",
        )
    try:
        height, width, channels = json.loads(texts["image_shape"])
        shape = (height, width, channels)
        names = json.loads(texts["class_names"])
        if not isinstance(names, list):
            raise ValueError("class_names is no list")
        spec = ModelSpec.from_json(json.loads(texts["spec"]))
        if spec.classes == 1 and len(names) == 1:  # until 0.1.0 one logit had one name
            names = list(name_classes(names, 1))
        return Description(
            spec=spec,
            class_names=tuple(names),
            preprocessing=fit_geometry(Preprocessing.from_json(json.loads(texts["preprocessing"])), shape),
            image_shape=shape,
            origin=texts["origin"],
            facts=json.loads(texts["facts"]),
        )
    except (*DAMAGE, ResnetlabError) as error:
        why = error if isinstance(error, ResnetlabError) else repr(error)
        raise CheckpointError(f"{place}: its description is damaged ({why})") from error


@dataclass(frozen=True, kw_only=True, eq=False)
class Artefact(Description):
    """A trained network with all that using it takes."""

    tensors: Mapping[str, Tensor]
    """The state dict, on the CPU."""

    notes: tuple[str, ...] = ()
    """What its user should know."""

    run: Path | None = None
    """Whose end it is, if it is a run's, and the run is here."""

    def model(self) -> ResNet:
        """Return the network in evaluation mode, on the CPU; the logits of a backbone mean nothing.

        Raises:
            CheckpointError: If the tensors are not the network's.
        """
        return with_tensors(self.spec, self.tensors, self.origin, has_classifier=self.has_classifier)


def description_problems(given: Description) -> Iterator[str]:
    """Yield what of a description does not fit the rest."""
    spec, names, shape = given.spec, given.class_names, given.image_shape
    if not all(isinstance(name, str) and name for name in names):
        yield "a class name is no text or empty"
    elif twice := repeated(names):
        yield f"class names occur twice: {first_of(twice)}"
    expected = class_count(spec.classes) if given.has_classifier else 0
    if len(names) != expected:
        yield f"{len(names)} class names, but the network has {expected} classes"
    if len(shape) != 3 or not all(is_whole(length) and length > 0 for length in shape):
        yield f"image_shape {shape} is no (height, width, channels)"
    else:
        yield from _shape_problems(given)
    yield from _fact_problems(given.facts)


def _shape_problems(given: Description) -> Iterator[str]:
    shape, preprocessing = given.image_shape, given.preprocessing
    side, channels = preprocessing.geometry.side, 1 if shape[2] == 1 else 3
    if shape[2] != given.spec.in_channels:
        yield f"images of {shape[2]} channels, but the network takes {given.spec.in_channels}"
    if (side and shape[:2] != (side, side)) or preprocessing.channels != channels:
        made = (side or shape[0], side or shape[1], preprocessing.channels)
        yield f"the network takes images of {shape}, its preprocessing makes such of {made}"
    if not preprocessing.normaliser.fits(shape):
        yield f"its normalisation does not fit images of {shape}"


def _fact_problems(facts: object) -> Iterator[str]:
    if not isinstance(facts, Mapping):
        yield f"its facts are a {type(facts).__name__}, no names with values"
        return
    counts = [name for name in ("step", "correct", "seen") if name in facts]
    yield from (f"{name} {facts[name]!r} is no count" for name in counts if not is_whole(facts[name]))
    if "accuracy" in facts and not (is_whole(facts["accuracy"]) or isinstance(facts["accuracy"], float)):
        yield f"accuracy {facts['accuracy']!r} is no number"
    choices = facts.get("choices", {})
    if not isinstance(choices, Mapping) or not all(isinstance(text, str) for text in choices.values()):
        yield f"choices {choices!r} are no texts by name"
    if not isinstance(facts.get(INT8, {}), Mapping):
        yield f"{INT8} {facts[INT8]!r} is no names with values"
    if "accuracy" in facts and not {"correct", "seen"} <= facts.keys():
        yield "an accuracy without the counts that it is of"


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
    if preprocessing.geometry.side:
        return preprocessing
    grey_or_colour: Literal[1, 3] = 1 if channels == 1 else 3
    geometry = Geometry(height, height) if height == width else preprocessing.geometry
    return replace(preprocessing, geometry=geometry, channels=grey_or_colour)
