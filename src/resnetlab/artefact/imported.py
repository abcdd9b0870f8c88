"""A weight file of another program as an artefact."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from resnetlab.artefact.class_names import class_count, distinct_names, logit_note, name_classes
from resnetlab.artefact.model import Artefact, in_channels
from resnetlab.artefact.places import looking_at
from resnetlab.data.normalise import Normaliser
from resnetlab.data.preprocessing import Geometry, Preprocessing
from resnetlab.errors import UsageError
from resnetlab.spec import ModelSpec
from resnetlab.weights import InputFacts, WeightsReport, load_weights


def import_weights(
    path: Path | str, *, network: ModelSpec | None = None, class_names: Sequence[str] = ()
) -> tuple[Artefact, WeightsReport]:
    """Return the network that a foreign weight file holds, and what became of every tensor.

    Args:
        path: See `load_weights`.
        network: The network to load it as; None takes the one that the file holds.
        class_names: One for each class, in the order of the logits; those that occur twice get their
            number behind them, and all are numbered if left out. One logit has two classes, the second
            of which is the likelier the larger it is; a single name is the second's.

    Raises:
        UsageError: If the arguments do not allow it, the file is not there, or an extra is missing.
        CheckpointError: If the file is damaged, or its network another one.
    """
    with looking_at(path):
        tensors, report = load_weights(network, path)
    spec = report.spec
    names, notes = _named(class_names, spec.classes)
    preprocessing, more = preprocessing_of(report.preprocessing, spec)
    side = preprocessing.geometry.side
    artefact = Artefact(
        spec=spec,
        class_names=names,
        preprocessing=preprocessing,
        image_shape=(side, side, spec.in_channels),
        origin=f"{Path(path).name}, {report.naming.dialect.title}",
        facts={},
        tensors=tensors,
        notes=(*notes, *more),
    )
    return artefact, report


def _named(given: Sequence[str], logits: int) -> tuple[tuple[str, ...], list[str]]:
    """Return a name for each class, and what to say of them.

    Raises:
        UsageError: If there are not as many as classes.
    """
    count = class_count(logits)
    if given and len(given) != count and not (logits == 1 and len(given) == 1):
        raise UsageError(f"{len(given)} class names, but the network has {count} classes")
    notes = []
    distinct, twice = distinct_names(given)
    if twice:
        notes.append(f"class names that occur twice got their number behind them: {', '.join(twice[:5])}")
    if not given:
        notes.append("no class names given: the classes are numbered (--classes FILE or A,B,... names them)")
    names = name_classes(distinct, logits)
    return names, [*notes, *logit_note(names, logits)]


def preprocessing_of(facts: InputFacts, spec: ModelSpec) -> tuple[Preprocessing, list[str]]:
    """Return what the weights' source did to its images, and what is not known of it.

    Raises:
        UsageError: If the network takes images that are neither grey nor in colour.
    """
    if spec.in_channels not in (1, 3):
        raise UsageError(f"the network takes images of {spec.in_channels} channels; read are 1 and 3")
    channels: Literal[1, 3] = 1 if spec.in_channels == 1 else 3
    notes = []
    if not facts.is_told:
        notes.append("the file does not tell its preprocessing: pixels are taken as 0 to 1, as they are")
    mean, std = (np.array(values) if values else None for values in (facts.mean, facts.std))
    if mean is not None and len(mean) != channels:
        notes.append("the normalisation of colour images is averaged over the channels")
    if facts.normalise == "per-pixel-mean":
        notes.append("the training images' mean image is not in the file, and nothing is subtracted for it")
    side = facts.crop or spec.input_size
    interpolation = facts.interpolation
    if interpolation not in ("bilinear", "bicubic", "tf-bilinear"):
        notes.append(f"images are resized by bicubic instead of {interpolation}")
        interpolation = "bicubic"
    geometry = Geometry(side, facts.resize or side, interpolation)
    normaliser = in_channels(Normaliser(facts.normalise, facts.pixel_range, mean, std), channels)
    return Preprocessing(normaliser, geometry, channels), notes
