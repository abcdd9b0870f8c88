"""The layer responses of runs, measured of their last weights, which lie beside their records.

FOLDER/records/NAME.json    the record
FOLDER/responses/NAME.json  the responses, once they were measured
FOLDER/NAME/                the run, as long as it is there
"""

from pathlib import Path

import numpy as np
import torch

from resnetlab.data.batches.normalise import to_NCHW
from resnetlab.data.sources.encoded import AnySource
from resnetlab.data.sources.source import Split
from resnetlab.errors import DataError, ResnetlabError
from resnetlab.insights.by_layer import Responses
from resnetlab.models import ResNet
from resnetlab.network.layers import Conv
from resnetlab.network.plan import Plan
from resnetlab.reporting.reading import read_run
from resnetlab.reporting.records.collecting import Found
from resnetlab.reporting.records.making import record_of
from resnetlab.reproducing.results.responses import RESPONSES, LayerResponses, read_responses
from resnetlab.runs.checkpoint import list_checkpoints
from resnetlab.runs.directory import RunDirectory
from resnetlab.trained.artefact.loading import load_artefact
from resnetlab.trained.predict.classifier import Classifier

IMAGES, _AT_ONCE = 1_000, 100
"""Test images, evenly spaced, and how many go through the network together."""


def responses_beside(found: Found) -> LayerResponses | None:
    """Return the responses of a record's run, if they were measured where it lies."""
    return read_responses(_folder(found) / RESPONSES / f"{found.record.name}.json", found.record)


def what_is_missing(found: Found) -> str:
    """Return why the responses of a record's run cannot be known; "" if they can."""
    if responses_beside(found) or _run_beside(found):
        return ""
    return "its responses were not measured, and its run, whose weights tell them, does not lie beside it"


def responses_of(found: Found, source: AnySource, *, device: str) -> LayerResponses:
    """Return the responses of a record's run, of which nothing `what_is_missing`; measured if they were not.

    Args:
        found: The record.
        source: The run's data; images as arrays.
        device: Where they are measured: auto, cpu, cuda, cuda:1 or mps.

    Raises:
        CheckpointError: If the run's checkpoint cannot be used.
        DataError: If its directory is not whole, or the images lie in files.
    """
    if known := responses_beside(found):
        return known
    if run := _run_beside(found):
        return measure_responses(run, source, device=device, key=found.record.key)
    raise DataError(f"{found.path}: {what_is_missing(found)}")


def _folder(found: Found) -> Path:
    return found.path.resolve().parent.parent


def _run_beside(found: Found) -> Path | None:
    """Return the directory of a record's run, if it is there and is that run."""
    path = _folder(found) / found.record.name
    if not (RunDirectory(path).is_finished and list_checkpoints(RunDirectory(path).checkpoints)):
        return None
    try:
        return path if record_of(read_run(path)).key == found.record.key else None
    except ResnetlabError:
        return None


def measure_responses(run: Path, source: AnySource, *, device: str, key: str) -> LayerResponses:
    """Return the standard deviations of the outputs of a network's 3x3 layers, after BN, before ReLU or sum.

    Source: He et al., 2015, arXiv:1512.03385, Fig. 7.

    Args:
        run: The directory of a finished run.
        source: Its data; images as arrays.
        device: Where it is measured: auto, cpu, cuda, cuda:1 or mps.
        key: The run's, as its record has it.

    Raises:
        CheckpointError: If its checkpoint cannot be used.
        DataError: If its directory is not whole, or the images lie in files.
    """
    if not isinstance(source.test, Split):
        raise DataError(f"{source.origin or source.name} has images in files: responses are of arrays")
    trained = Classifier.of(load_artefact(run), device=device)
    assert isinstance(trained.model, ResNet)
    images = source.test.images
    chosen = np.unique(np.linspace(0, len(images) - 1, min(len(images), IMAGES)).astype(np.int64))
    measured = Responses(trained.model)
    for rows in np.array_split(chosen, -(-len(chosen) // _AT_ONCE)):
        images_NHWC = torch.from_numpy(np.ascontiguousarray(images[rows])).to(trained.device)
        normalised = trained.preprocessing.normaliser(images_NHWC)
        measured.add(to_NCHW(normalised, channels_last=True))
    of_3x3 = _of_3x3(trained.model.spec.plan())
    found = [each for each in measured.found() if each.layer in of_3x3]
    return LayerResponses(
        run=key,
        images=measured.images,
        layers=tuple(each.layer for each in found),
        deviations=tuple(float(f"{each.deviation:.5g}") for each in found),
    )


def _of_3x3(plan: Plan) -> set[str]:
    """Return the names of the trunk's 3x3 convolutions."""
    layers = [("", layer) for layer in plan.stem]
    layers += [(f"{unit.name}.", layer) for unit in plan.units for layer in unit.branch]
    return {prefix + layer.name for prefix, layer in layers if isinstance(layer, Conv) and layer.kernel == 3}
