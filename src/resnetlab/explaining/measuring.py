"""What is measured of a network of the study beside its curve: at the start, and along lines of weights."""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from resnetlab.data.batches.preprocessing import Preprocessing
from resnetlab.data.feeding import Reading, evaluation_batch
from resnetlab.data.sources.encoded import AnySplit
from resnetlab.errors import DataError, UsageError
from resnetlab.explaining.lines import (
    Weights,
    along,
    between,
    filter_normalised_direction,
    losses,
    weights_of,
)
from resnetlab.insights.by_layer import ByLayer
from resnetlab.models import ResNet, build, put_tensors
from resnetlab.network.layers import Conv, Linear
from resnetlab.network.spec import ModelSpec
from resnetlab.recipe.settings import recipe_from_json
from resnetlab.reporting.records.record import digest
from resnetlab.runs.directory import RunDirectory
from resnetlab.trained.artefact.loading import choose_weights, find_checkpoint
from resnetlab.training.planning import RunPlan


@dataclass(frozen=True, kw_only=True)
class Measures:
    """On how many images, along how many directions, at how many places."""

    images: int = 128
    """Of the training images, evenly spread over them, without augmentation; fewer if they are large."""

    directions: int = 2
    """Random directions around the end."""

    reach: float = 1.0
    """How far they go to either side; at 1 each filter is as far from its end as the end is from zero."""

    places: int = 17
    """Of a direction, from -reach to reach."""

    stops: int = 11
    """Of the way from the first weights to the last."""

    def __post_init__(self) -> None:
        if self.images < 2:
            raise UsageError(f"BN needs 2 images at least to measure with, got {self.images}")

    @property
    def around(self) -> list[float]:
        """The places along a direction."""
        return _evenly(-self.reach, self.reach, self.places)

    @property
    def on_the_way(self) -> list[float]:
        """The places from the first weights (0) to the last (1)."""
        return _evenly(0.0, 1.0, self.stops)


def _evenly(low: float, high: float, count: int) -> list[float]:
    return [round(low + (high - low) * index / (count - 1), 12) + 0.0 for index in range(count)]


@dataclass(frozen=True)
class Probe:
    """The images that all networks of a study are measured on, on their device."""

    images_NCHW: Tensor
    labels: Tensor


def open_probe(run: Path, plan: RunPlan, measures: Measures) -> Probe:
    """Return some of a run's training images as its network takes them in evaluation, without augmentation.

    Args:
        run: Its directory.
        plan: Its plan.
        measures: Says how many.

    Raises:
        DataError: If one of them cannot be read.
    """
    record = RunDirectory(run).read("data")
    held_out = np.asarray(record["val_indices"], dtype=np.int64)
    kept = np.setdiff1d(np.arange(len(plan.source.train.labels)), held_out)
    count = min(measures.images, len(kept), evaluation_batch(*plan.image_shape))
    chosen: AnySplit = plan.source.train.take(kept[np.arange(count) * len(kept) // count])
    reading = Reading(
        preprocessing=Preprocessing.from_json(record["preprocessing"]),
        recipe=plan.recipe,
        device=plan.device,
        size=plan.image_shape[:2],
        workers=plan.workers,
        origin=plan.source.origin,
    )
    on = reading.evaluation_set("train", chosen)
    batches = [batch for batch in on.batches(range(on.num_batches)) if batch is not None]
    if not batches:
        raise DataError(f"{plan.source.origin}: none of {count} training images can be read")
    return Probe(
        torch.cat([batch.images for batch in batches]), torch.cat([batch.labels for batch in batches])
    )


def measure(run: Path, probe: Probe, measures: Measures) -> dict[str, Any]:
    """Return what is measured of a finished run's network, as plain data.

    Raises:
        CheckpointError: If no checkpoint of the run can be used.
    """
    directory, checkpoint, _ = find_checkpoint(run)
    recipe, spec = recipe_from_json(directory.read("recipe")), ModelSpec.from_json(directory.read("spec"))
    seed, images, labels = recipe.run.seed, probe.images_NCHW, probe.labels
    model = build(spec, seed=seed).to(images.device)
    first = weights_of(model)
    start = at_the_start(model, probe)
    put_tensors(model, checkpoint.tensors[choose_weights(checkpoint, "auto")], str(checkpoint.path))
    last = weights_of(model)

    def around(number: int) -> list[float]:
        direction = filter_normalised_direction(last, seed, number)
        return losses(model, along(last, direction), measures.around, images, labels)

    way = losses(model, between(first, last), measures.on_the_way, images, labels)
    found = {
        "of": measured_of(directory, checkpoint.step, measures),
        "images": len(labels),
        "first_weights": _digest(first),
        "start": start,
        "around": {"places": measures.around, "losses": [around(n) for n in range(measures.directions)]},
        "between": {"places": measures.on_the_way, "losses": way},
    }
    return with_digest(found)


def with_digest(measured: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was measured of a run with a SHA-256 of all of it, by which it is known again."""
    plain = {name: value for name, value in measured.items() if name != "sha256"}
    return plain | {"sha256": digest(plain)}


def _digest(weights: Weights) -> str:
    """Return a hash of the names and values."""
    found = hashlib.sha256()
    for name, tensor in weights.items():
        found.update(name.encode() + tensor.cpu().contiguous().numpy().tobytes())
    return found.hexdigest()


def measured_of(run: RunDirectory, step: int, measures: Measures) -> dict[str, Any]:
    """Return what decides the measures of a run: where it is equal, they need not be made again."""
    return {"run": run.identity(), "step": step, "measures": asdict(measures)}


def at_the_start(model: ResNet, probe: Probe) -> list[dict[str, Any]]:
    """Return what goes forward and what comes back after the stem and after each unit, before any training.

    The network is in a training step's mode: BN normalises with these very images. The signal is the root
    mean square of the values, the gradient that of the summed loss by the values: of each image its norm,
    and of these the root mean square.
    """
    by_layer = ByLayer(model.train())
    by_layer.add(probe.images_NCHW, probe.labels)
    places = _places(model, *probe.images_NCHW.shape[2:])
    return [
        {
            "layer": level.layer,
            "depth": depth,
            "signal": level.signal / math.sqrt(values),
            "gradient": level.gradient,
        }
        for level, (depth, values) in zip(by_layer.depth(), places, strict=True)
    ]


def _places(model: ResNet, height: int, width: int) -> list[tuple[int, int]]:
    """Return, after the stem and after each unit, how many layers with weights there were, and values."""
    rows = [row for row in model.spec.shapes(height, width) if row.place not in ("shortcut", "tail")]
    depth, found = 0, dict[str, tuple[int, int]]()
    for row in rows:
        depth += isinstance(row.layer, Conv | Linear)
        found[row.unit] = depth, math.prod(row.output)
    return [*found.values()]
