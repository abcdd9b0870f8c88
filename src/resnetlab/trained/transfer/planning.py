"""From trained weights and new data to a run: what of the recipe these decide, and the plan."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from resnetlab.base.units import Duration
from resnetlab.data.batches.normalise import Normaliser
from resnetlab.data.open import absolute_source, open_data
from resnetlab.data.sources.encoded import AnySource
from resnetlab.data.sources.wanted import Wanted
from resnetlab.models import build
from resnetlab.network.spec import ModelSpec
from resnetlab.parallel.world import ALONE, World
from resnetlab.recipe import Normalisation, Recipe
from resnetlab.recipe.settings import Resolution
from resnetlab.trained.artefact.model import in_channels
from resnetlab.trained.transfer.trained import Trained, open_trained
from resnetlab.training.asking import Asked, Look, begins, leaves_shards_open
from resnetlab.training.choosing.choosing import Tell, choose, silent
from resnetlab.training.first_weights import Beginning
from resnetlab.training.planning import RunPlan, fit_to_source, make_plan
from resnetlab.training.step.device import pick_device
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


Model = Callable[[ModelSpec], ModelSpec]
"""From the network that weights are of to the one that they are for."""


@dataclass(frozen=True)
class Tuning:
    """A planned fine-tuning."""

    plan: RunPlan
    resolution: Resolution
    report: WeightsReport
    """What became of every tensor."""
    notes: list[str]


def plan_tuning(
    weights: str | Path,
    asked: Asked,
    model: Model | None = None,
    *,
    prefix: str | None = None,
    ignore: Sequence[str] = (),
    world: World = ALONE,
    tell: Tell = silent,
    look: Look = begins,
) -> Tuning:
    """Return what is asked for as a plan.

    Args:
        weights: As `open_trained` takes them.
        asked: All but the network; its recipe is "finetune" if none is asked for.
        model: The network for given weights; none: theirs.
        prefix: As for `open_trained`.
        ignore: As for `open_trained`.
        world: The processes that are to make the run together; the first reads the weights for all.
        tell: Is told what takes some seconds.
        look: Is shown the plan before.

    Raises:
        UsageError: If a name or value cannot be, or the parts do not fit each other.
        CheckpointError: If the weights are damaged or another network's, saying which.
        DataError: If the data is missing or damaged.
    """
    world.together(lambda: asked.resolve(18, "finetune"))  # names, before anything is downloaded
    trained = world.from_first(lambda: open_trained(weights, prefix=prefix, ignore=ignore))
    tuning = world.together(lambda: _plan(trained, asked, model))
    return tuning if look([tuning.plan]) else replace(tuning, plan=choose([tuning.plan], world, tell)[0])


def _plan(trained: Trained, asked: Asked, model: Model | None) -> Tuning:
    device = pick_device(asked.device)
    spec = model(trained.spec) if model else trained.spec
    resolution = asked.resolve(spec.depth, "finetune")
    side = resolution["image_size"] if resolution.is_given("image_size") else 0
    size = (side, side) if side else trained.size
    source = open_data(asked.data, Wanted(fits=size, channels=spec.in_channels, choices=asked.choices))
    resolution.hold_out(len(source.train))
    suggest(resolution, trained, source, channels=fit_to_source(spec, source, asked.fixed).in_channels)
    resolution.follow_length(len(source.train))
    plan, report, notes = plan_finetuning(
        trained, spec, source, asked.data, resolution.recipe, device, asked.fixed, workers=asked.workers
    )
    plan = replace(plan, shards_are_open=leaves_shards_open(resolution))
    return Tuning(plan, resolution, report, notes)


def suggest(resolution: Resolution, trained: Trained, source: AnySource, *, channels: int) -> None:
    """Suggest to a recipe what weights and data decide of it, in accord with what the user gives.

    The normalisation is always that of the weights. The rest goes for the recipe `finetune` alone:
    images of the weights' size, and batch, length and evaluations that suit few images.

    Args:
        resolution: The recipe, with all that the user gives.
        trained: The weights.
        source: The data.
        channels: Of the images as the new network gets them.
    """
    resolution.suggest(_normalisation(trained.preprocessing.normaliser, channels), "the weights")
    if resolution.name != "finetune":
        return
    _suggest_geometry(resolution, trained, source)
    _suggest_for_few(resolution, len(source.train) - resolution["val"])


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


def _suggest_geometry(resolution: Resolution, trained: Trained, source: AnySource) -> None:
    """Suggest images of the weights' size, and crops that suit it."""
    if source.train.reads_files:
        sides = _sides_of_files(resolution, trained, source)
        side = resolution["train_size"] or sides["image_size"] or min(source.train.input_shape(None)[:2])
    else:
        sides, side = {"image_size": 0, "resize": 0}, min(source.train.image_shape[:2])
    resolution.suggest(sides, "the weights")
    if not source.train.reads_files or not sides["image_size"] or side <= _SMALL_SIDE:
        resolution.suggest({"train_crop": "none"}, "the weights")
    if resolution["train_crop"] == "none" and not resolution["shift"]:
        resolution.suggest({"crop_padding": side // 8}, "the weights")
    if source.name == "digits":
        resolution.suggest({"flip": "none"}, "the weights")  # a mirrored 2 is no digit


def _sides_of_files(resolution: Resolution, trained: Trained, source: AnySource) -> dict[str, Any]:
    """Return to what size image files are brought: the one that is given, or the weights' own.

    Weights of oblong images take such files as they are, if these are of that size, and of others squares
    of the shorter side.
    """
    own, is_given = trained.preprocessing.geometry, resolution.is_given("image_size")
    if not own.side and not is_given and source.train.input_shape(None)[:2] == trained.size:
        return {"image_size": 0, "resize": 0}
    side = resolution["image_size"] if is_given else own.side or min(trained.size)
    resize = round(own.resize * side / own.side) if own.side else side
    return {"image_size": side, "resize": resize, "interpolation": own.interpolation}


def _suggest_for_few(resolution: Resolution, number: int) -> None:
    """Suggest the batch, length and evaluations for this number of training images, where others suit."""
    origin = f"{number:,} training images"
    shards = resolution["shards"]
    if number < _FEW_IMAGES:
        small = min(_SMALL_BATCH, max(1, number // 2))
        resolution.suggest({"batch": max(shards, small - small % shards)}, origin)
    batch = resolution["batch"]
    seen_by_bn = batch // resolution.recipe.execution.bn_parts
    if seen_by_bn < _LEAST_BN_BATCH:
        resolution.suggest({"bn": "frozen-statistics"}, f"batches of {seen_by_bn}")
    epoch = max(1, number // batch)
    if epoch * resolution["length"].count < _LEAST_STEPS:
        resolution.suggest({"length": Duration(_LEAST_STEPS, "st")}, origin)
    if epoch < _STEPS_BETWEEN_EVALUATIONS:
        resolution.suggest({"eval_every": Duration(_STEPS_BETWEEN_EVALUATIONS, "st")}, origin)


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
    model = build(fitted, seed=recipe.run.seed)
    tensors, report = trained.fit(model, source.class_names, recipe.transfer.head)
    normaliser, note = _normaliser(trained, recipe, plan)
    kept = len(report.matched) + len(report.derived)
    alike = "" if note or not trained.is_told else "; images normalised as they were"
    text = f"{trained.origin}: {kept} tensors kept, {len(report.reset)} begin anew{alike}"
    beginning = Beginning(tensors, text, report.to_json(), normaliser, trained.fingerprint())
    notes = [*trained.notes, *([note] if note else []), *_small_batches(recipe)]
    return replace(plan, beginning=beginning, weights_text=text), report, notes


def _small_batches(recipe: Recipe) -> list[str]:
    count = recipe.run.batch // recipe.execution.bn_parts
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
