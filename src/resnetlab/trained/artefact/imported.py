"""A weight file of another program as an artefact."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
from torch import Tensor

from resnetlab.base.units import first_of
from resnetlab.data.batches.normalise import Normaliser
from resnetlab.data.batches.preprocessing import Geometry, Preprocessing
from resnetlab.errors import UsageError
from resnetlab.network.spec import ModelSpec
from resnetlab.trained.artefact.class_names import (
    class_count,
    distinct_names,
    logit_note,
    name_classes,
    names_of,
)
from resnetlab.trained.artefact.model import BACKBONE, Artefact, in_channels
from resnetlab.trained.artefact.places import looking_at
from resnetlab.trained.artefact.preparing import Images, prepare
from resnetlab.weights import InputFacts, WeightsReport
from resnetlab.weights.facts.naming import is_head
from resnetlab.weights.loading import OpenedWeights, fit_weights, open_weights

BACKBONE_NOTE = (
    "the file has no classifier: a backbone, which gives features (`predict --features FILE`);"
    " `finetune --weights` puts a classifier on"
)
UNTOLD_NOTE = (
    "the file does not tell its preprocessing: pixels are taken as 0 to 1, as they are"
    " (`import --mean M --std S` or `--like NAME` says another)"
)
NO_MEAN_IMAGE = "the training images' mean image is not in the file, and nothing is subtracted for it"


def import_weights(
    path: Path | str,
    *,
    network: ModelSpec | None = None,
    class_names: Sequence[str] = (),
    prefix: str | None = None,
    ignore: Sequence[str] = (),
    knobs: Mapping[str, object] | None = None,
    like: str | Path = "",
    mean: Sequence[float] = (),
    std: Sequence[float] = (),
    resize: int | None = None,
    crop: int | None = None,
    interpolation: str = "",
    mean_image: str | Path = "",
) -> tuple[Artefact, WeightsReport]:
    """Return the network that a foreign weight file holds, and what became of every tensor.

    Args:
        path: See `load_weights`.
        network: The network to load it as; None takes the one that the file holds.
        class_names: One for each class, in the order of the logits; those that occur twice get their
            number behind them. If left out they are those beside the file, or of its naming, or numbers.
            One logit has two classes, the second of which is the likelier the larger it is; a single
            name is the second's.
        prefix: Where in the file the network lies, where it holds several.
        ignore: Patterns of the names of tensors that the network does without.
        knobs: What of the network its names and shapes do not tell, as {"stride_on": "first"}.
        like: Whose preprocessing it is: a name of `weights.preprocessings.BY_NAME`, or the path of a
            run, a model folder or a file of ours.
        mean: Of each channel, red first; of pixels from 0 to 1, or to 255 if a number of mean or std is
            above 1. This and what follows win over what the file tells.
        std: Likewise.
        resize: The shorter side's pixels before the cut.
        crop: Side of the square that is cut out, the network's input.
        interpolation: bilinear, bicubic or tf-bilinear.
        mean_image: Data, as cifar10, whose training images' mean image is taken off images, where the
            network was trained so and its file does not hold it.

    Raises:
        UsageError: If the arguments do not allow it, the file is not there, or an extra is missing.
        CheckpointError, DataError: If the file, or the data of the mean image, cannot be used.
    """
    images = Images(
        like=str(like),
        mean=tuple(mean),
        std=tuple(std),
        resize=resize,
        crop=crop,
        interpolation=interpolation,
        mean_image=str(mean_image),
    )
    with looking_at(path):
        opened = open_weights(path, prefix=prefix, ignore=ignore)
        network = _with_knobs(network or opened.naming.spec, opened, knobs) if knobs else network
        is_bare = not opened.naming.has_head and not opened.naming.own_head
        tensors, report = fit_weights(opened, network, head="reset" if is_bare else "strict")
    artefact, facts = _made(opened, report, tensors, class_names or None, images)
    artefact = replace(artefact, origin=f"{Path(path).name}, {report.naming.dialect.title}")
    return artefact, _told(report, artefact, facts, opened)


def _told(
    report: WeightsReport, artefact: Artefact, facts: InputFacts, opened: OpenedWeights
) -> WeightsReport:
    """Return the report with the preprocessing as it became: it may have the mean image that was lacking."""
    has_mean = artefact.preprocessing.normaliser.mean is not None
    lacks = opened.naming.dialect.without_mean_image if has_mean else ""
    reset = report.reset if artefact.has_classifier else {}
    notes = tuple(note for note in report.notes if note != lacks)
    return replace(report, preprocessing=facts, reset=reset, notes=notes)


def _made(
    opened: OpenedWeights,
    report: WeightsReport,
    tensors: Mapping[str, Tensor],
    class_names: Sequence[str] | None,
    images: Images,
) -> tuple[Artefact, InputFacts]:
    """Return the artefact, with names and preprocessing as the user or the file says, and these facts."""
    spec, is_whole = report.spec, opened.naming.has_head
    known, said = names_of(opened) if class_names is None else (class_names, [])
    if known and not is_whole:
        raise UsageError(f"{opened.path}: the file has no classifier: there are no classes to name")
    names, notes = _named(known, spec.classes) if is_whole else ((), [BACKBONE_NOTE])
    prepared = prepare(report.preprocessing, images, channels=spec.in_channels, side=spec.input_size)
    preprocessing, more = preprocessing_of(prepared.facts, spec)
    if prepared.normaliser is not None:
        more = [note for note in more if note != NO_MEAN_IMAGE]
        preprocessing = replace(preprocessing, normaliser=in_channels(prepared.normaliser, spec.in_channels))
    side = preprocessing.geometry.side
    artefact = Artefact(
        spec=spec,
        class_names=names,
        preprocessing=preprocessing,
        image_shape=(side, side, spec.in_channels),
        origin=report.naming.dialect.title,
        facts={} if is_whole else {BACKBONE: True},
        tensors={key: tensor for key, tensor in tensors.items() if is_whole or not is_head(key)},
        notes=(*said, *notes, *prepared.notes, *more),
    )
    return artefact, prepared.facts


def _with_knobs(spec: ModelSpec, opened: OpenedWeights, knobs: Mapping[str, object]) -> ModelSpec:
    """Return the network with knobs turned that its file leaves open.

    Raises:
        UsageError: If a knob is unknown, or the file tells it.
    """
    changed = spec.with_(**knobs)
    told = [name for name in knobs if name not in opened.naming.dialect.open_knobs]
    if told and changed != spec:
        open_ones = ", ".join(sorted(opened.naming.dialect.open_knobs)) or "none"
        raise UsageError(
            f"{opened.path}: the file itself tells {', '.join(told)}",
            hint=f"Names and shapes of such a file leave open: {open_ones}.",
        )
    return changed


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
        notes.append(f"class names that occur twice got their number behind them: {first_of(twice)}")
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
        notes.append(UNTOLD_NOTE)
    mean, std = (np.array(values) if values else None for values in (facts.mean, facts.std))
    if mean is not None and len(mean) != channels:
        notes.append("the normalisation of colour images is averaged over the channels")
    if facts.normalise == "per-pixel-mean" and facts.mean_image:
        mean, std = np.array(facts.mean_image), None
    elif facts.normalise == "per-pixel-mean":
        notes.append(NO_MEAN_IMAGE)
    side = facts.crop or spec.input_size
    interpolation = facts.interpolation
    if interpolation not in ("bilinear", "bicubic", "tf-bilinear"):
        notes.append(f"images are resized by bicubic instead of {interpolation}")
        interpolation = "bicubic"
    geometry = Geometry(side, facts.resize or side, interpolation)
    normaliser = in_channels(Normaliser(facts.normalise, facts.pixel_range, mean, std), channels)
    return Preprocessing(normaliser, geometry, channels), notes
