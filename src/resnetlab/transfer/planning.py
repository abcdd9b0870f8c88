"""From trained weights and new data to a run: what of the recipe these decide, and the plan."""

from collections.abc import Collection
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from resnetlab.artefact.model import in_channels
from resnetlab.data.normalise import Normaliser
from resnetlab.data.recognise import AnySource
from resnetlab.models import create_model
from resnetlab.recipe import Normalisation, Recipe
from resnetlab.settings import Layer
from resnetlab.spec import ModelSpec
from resnetlab.training.beginning import Beginning
from resnetlab.training.planning import RunPlan, absolute_source, fit_to_source, make_plan
from resnetlab.transfer.trained import Trained
from resnetlab.units import Duration
from resnetlab.weights import WeightsReport

_SMALL_SIDE = 64
"""Images of at most so many pixels a side are shifted and mirrored; larger ones are cut anew each time."""

_FEW_IMAGES = 5_000
_SMALL_BATCH = 32
_LEAST_STEPS = 500
"""Updates that even a few images get. Source: BiT-HyperRule, Kolesnikov et al., 2019, arXiv:1912.11370."""

_STEPS_BETWEEN_EVALUATIONS = 50

_LEAST_BN_BATCH = 16
"""Images whose statistics BN can be trained on. Source: Wu and He, 2018, arXiv:1803.08494, Figure 1."""


def suggest(
    recipe: Recipe, trained: Trained, source: AnySource, *, channels: int, number: int, side: int = 0
) -> list[Layer]:
    """Return what weights and data decide of a recipe, as (origin, values by leaf name).

    The normalisation is always that of the weights. The rest goes for the recipe `finetune` alone:
    images of the weights' size, and batch, length and evaluations that suit few images.

    Args:
        recipe: The recipe before these values.
        trained: The weights.
        source: The data.
        channels: Of the images as the new network gets them.
        number: Of the training images, less those held out.
        side: Of the images in pixels, if another one than the weights' is asked for.
    """
    values = _normalisation(trained.preprocessing.normaliser, channels)
    layers: list[Layer] = [("the weights", values)]
    if recipe.name != "finetune":
        return layers
    values |= _geometry(trained, source, side)
    if few := _for_few(recipe, number):
        layers.append((f"{number:,} training images", few))
    return layers


def _normalisation(normaliser: Normaliser, channels: int) -> dict[str, Any]:
    """Return the values of `Normalisation` that say what the normaliser does, but for a mean image."""
    fitted = in_channels(normaliser, channels)
    has_numbers = normaliser.kind == "channel"
    return {
        "normalise": normaliser.kind,
        "pixel_range": normaliser.pixel_range,
        "channel_mean": _numbers(fitted.mean) if has_numbers else (),
        "channel_std": _numbers(fitted.std) if has_numbers else (),
    }


def _numbers(values: Any) -> tuple[float, ...]:
    return tuple(np.asarray(values).tolist())


def _geometry(trained: Trained, source: AnySource, side: int) -> dict[str, Any]:
    own = trained.preprocessing.geometry
    side = side or own.side
    if not source.train.reads_files:
        height = source.train.image_shape[0]
        mirrors = {"flip": "none"} if source.name == "digits" else {}  # a mirrored 2 is no digit
        return {"image_size": 0, "resize": 0, "train_crop": "none", "crop_padding": height // 8} | mirrors
    resize = round(own.resize * side / own.side)
    sides = {"image_size": side, "resize": resize, "interpolation": own.interpolation}
    if side > _SMALL_SIDE:
        return sides
    return sides | {"train_crop": "none", "crop_padding": side // 8}


def _for_few(recipe: Recipe, number: int) -> dict[str, Any]:
    """Return the batch, length and evaluations for this number of training images, where others suit."""
    values: dict[str, Any] = {}
    batch = recipe.run.batch
    if number < _FEW_IMAGES:
        values["batch"] = batch = min(_SMALL_BATCH, max(1, number // 2))
    if batch < _LEAST_BN_BATCH:
        values["bn"] = "frozen-statistics"
    epoch = max(1, number // batch)
    if epoch * recipe.run.length.count < _LEAST_STEPS:
        values["length"] = Duration(_LEAST_STEPS, "st")
    if epoch < _STEPS_BETWEEN_EVALUATIONS:
        values["eval_every"] = Duration(_STEPS_BETWEEN_EVALUATIONS, "st")
    return values


def plan_finetuning(
    trained: Trained,
    spec: ModelSpec,
    source: AnySource,
    source_text: str,
    recipe: Recipe,
    device: torch.device,
    fixed: Collection[str] = (),
    *,
    workers: int = -1,
) -> tuple[RunPlan, WeightsReport, list[str]]:
    """Fit trained weights, network, data and recipe to each other.

    Args:
        trained: The weights.
        spec: The network as it was trained; it gets the data's classes and channels.
        source: The data.
        source_text: What the user called it.
        recipe: The recipe, with what `suggest` says.
        device: Where to train.
        fixed: Fields of the spec that the data must not change.
        workers: Processes that read image files.

    Returns:
        The plan, what became of every tensor, and remarks.

    Raises:
        UsageError: If they do not fit.
        CheckpointError: If the weights are another network's, saying which.
    """
    fitted = fit_to_source(spec, source, fixed)
    plan = make_plan(fitted, source, absolute_source(source_text), recipe, device, workers)
    model = create_model(fitted, seed=recipe.run.seed)
    tensors, report = trained.fit(model, source.class_names, recipe.transfer.head)
    normaliser, note = _normaliser(trained, recipe, plan)
    kept = len(report.matched) + len(report.derived)
    alike = "" if note or not trained.is_told else "; images normalised as they were"
    text = f"{trained.origin}: {kept} tensors kept, {len(report.reset)} begin anew{alike}"
    beginning = Beginning(tensors, text, report.to_json(), normaliser, trained.fingerprint())
    notes = [*trained.notes, *([note] if note else []), *_small_batches(recipe)]
    return replace(plan, beginning=beginning, weights_text=text), report, notes


def _small_batches(recipe: Recipe) -> list[str]:
    count = recipe.run.batch // recipe.execution.accumulate
    if recipe.transfer.bn != "train" or count >= _LEAST_BN_BATCH:
        return []
    return [f"BN trains on the statistics of {count} images: --bn frozen-statistics suits so few better"]


def _normaliser(trained: Trained, recipe: Recipe, plan: RunPlan) -> tuple[Normaliser | None, str]:
    """Return the weights' own normaliser, unless the user wants another or it cannot be."""
    height, width, channels = plan.image_shape
    own = trained.preprocessing.normaliser
    if recipe.normalisation != Normalisation(**_normalisation(own, channels)):
        if not trained.is_told:
            return (
                None,
                "the file does not tell how its images were normalised: taken is what the recipe says",
            )
        return None, "the images are not normalised as the weights' were: the recipe says otherwise"
    if own.kind != "per-pixel-mean":
        return None, ""  # the recipe holds all its numbers
    fitted = in_channels(own, channels)
    if fitted.mean is None:
        return None, "the weights' mean image is not known: the new training images' own is taken off"
    if fitted.mean.shape[:2] != (height, width):
        return None, "the weights' mean image has another size: the new training images' own is taken off"
    return fitted, ""
