"""Evaluating a trained network on labelled images: one way, whatever holds the network.

A run's network is scored as it is predicted with and as it is exported: the same preprocessing, in
fp32. What only a run has is data of its own, with a test split and perhaps validation samples.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from resnetlab.base.paths import user_path
from resnetlab.data.batches.loaded import told_broken
from resnetlab.data.batches.loader import count_workers
from resnetlab.data.feeding import EVALUATION_BATCH, Reading, evaluation_batch, viewed_batch
from resnetlab.data.sources.choices import Choices
from resnetlab.data.sources.encoded import AnySplit, EncodedSplit
from resnetlab.data.sources.leftovers import refuse_within
from resnetlab.engines.answering import Engine
from resnetlab.engines.choosing import Work, choose
from resnetlab.engines.names import AUTO
from resnetlab.errors import DataError, UsageError, WriteError, one_of
from resnetlab.evaluation.answers import Answers
from resnetlab.evaluation.averaging import View
from resnetlab.evaluation.collecting import Collected, Collecting, answers_of, calibration_from
from resnetlab.evaluation.insights import Insights
from resnetlab.evaluation.metrics import Scores
from resnetlab.evaluation.results import Evaluation, NotKept, write_evaluation
from resnetlab.evaluation.scoring import score
from resnetlab.evaluation.views import SINGLE, Views
from resnetlab.insights.looking import SECONDS, look_inside
from resnetlab.insights.subject import Subject
from resnetlab.parallel.world import ALONE, World
from resnetlab.recipe.settings import Resolution
from resnetlab.reporting.at_the_end import refresh_page
from resnetlab.reporting.pictures.confusion import confusion_picture
from resnetlab.runs.environment import software
from resnetlab.trained.matching import Match, match_classes
from resnetlab.trained.predict.classifier import Classifier
from resnetlab.trained.scored_data import (
    MEANT,
    SPLITS,
    ScoredData,
    choose_split,
    fit_images,
    held_out_of,
    open_scored,
)
from resnetlab.trained.scored_network import ScoredNetwork, load_network
from resnetlab.training.step.device import apply_switches, leaving_as_found, made_on, threads_on


@leaving_as_found()
def evaluate(
    run: str | Path,
    *,
    data: str | Path | None = None,
    data_set: Mapping[str, str] | None = None,
    split: str = "auto",
    weights: str = "auto",
    device: str = "auto",
    workers: int = -1,
    out: str | Path | None = None,
    by_order: bool = False,
    bad_samples: float | str | None = None,
    insights: float = SECONDS,
    engine: str = AUTO,
    views: str = SINGLE,
    writes: bool = True,
    world: World = ALONE,
) -> Evaluation:
    """Score a trained network on labelled images, and write the result.

    Args:
        run: A run (its newest checkpoint is taken), a checkpoint, a model folder, a .safetensors or
            .onnx file of ours, or weights of another program, which are read as `import` reads them.
        data: A dataset's name or path; None is the run's own. What the network was trained on is known
            by its fingerprint wherever it lies, and keeps its own splits.
        data_set: What the data leaves open, see `Choices`; where it is silent, what the run chose.
        split: "test", "val", "train" or "all". "auto" is the test split of the run's own data; of other
            data its test split, its val split if it has no test split, or all of it if it is one.
        weights: Of a run: "plain", "averaged", or "auto": averaged if there are any.
        device: auto, cpu, cuda, cuda:1 or mps.
        workers: Processes that read image files, -1 for as many as suit the machine.
        out: The directory of what `write_evaluation` writes; None is RUN/eval/NAME, or NAME-eval/ beside
            what is no run, or in the working directory if nothing can be written there.
        by_order: Take the data's classes for the network's by their order, not by their names.
        bad_samples: The share of broken images that are left out, as 0.01 or "1%"; None is as it was trained.
        insights: Seconds for pictures of answers and a look at the layers, as far as they go; 0 makes none.
        engine: Who makes the logits, see `engines.names`; "auto": who is done first. Answers stay the same.
        views: "single", or those whose answers are averaged: "10crop", "multiscale"; see `evaluation.views`.
        writes: Whether the result is written; else `keep` writes it later.
        world: The processes that divide the images among them, all of which call this and return the
            evaluation, to the last bit that of one. Each needs to see the data, the first alone the network,
            unless that is an ONNX file; and the first alone writes.

    Raises:
        UsageError: If an argument cannot be, the data has no such split, or processes are asked differently.
        CheckpointError: If the network is damaged, or its loss on these images no finite number.
        DataError: If the data is damaged or has classes that the network does not know.
        NotKept: If the scores could not be written; it holds them.
    """
    _refuse(split, insights)
    trained = leaving_out(load_network(str(run), weights, device, world), bad_samples)
    trained.classifier.refuse_backbone()
    place, choices = None if data is None else str(data), Choices.of(data_set)
    viewed = trained.classifier.views_of_squares(views)
    opened = world.together(lambda: open_scored(trained, place, choices))
    if out is not None:
        world.from_first(lambda: refuse_within(opened.source.folders, user_path(out)))
    count = count_workers(workers, trained.classifier.device, world.local_size)
    found = scored(trained, opened, split, count, insights, engine, viewed, by_order=by_order, world=world)
    found = replace(found, out=str(user_path(out)), otherwise="") if out else found
    return keep(found, world) if writes else found


def _refuse(split: str, insights: float) -> None:
    one_of("split", split, SPLITS, MEANT)
    if not insights >= 0:
        raise UsageError(f"insights are seconds, 0 or more, got {insights}")


def scored(
    trained: ScoredNetwork,
    opened: ScoredData,
    split: str,
    workers: int,
    insights: float,
    asked: str = AUTO,
    views: Views | None = None,
    *,
    by_order: bool,
    world: World = ALONE,
) -> Evaluation:
    """Return the evaluation; its place is the network's own for evaluations. Raises as `evaluate`.

    `opened` may have been opened for another network of the same run; all else is as for `evaluate`.
    """
    chosen, label, said = choose_split(trained, opened, split)
    source = opened.source
    match = match_classes(
        source.name, source.class_names, chosen.labels, trained.classifier.class_names, by_order=by_order
    )
    relabelled = replace(chosen, labels=match.logits[chosen.labels])
    fitted, resized = fit_images(trained, relabelled, source.name, views)
    world.agree(_facts(trained, opened, relabelled, label, views))
    held_out = _held_out(trained, opened, label, match, views)
    engine = _engine(asked, trained, [fitted, *held_out], views, world)
    way = _Way(trained, workers, source.origin, engine, views, world)
    found, fitting = way.score(fitted, label), [way.score(each, "val") for each in held_out]
    class_names = tuple(source.class_names[index] for index in match.scored)
    logits = tuple(int(match.logits[index]) for index in match.scored)
    folder = folder_of(trained, opened, label, views)
    per_image = answers_of(found.collected, class_names, logits, chosen.place)
    return Evaluation(
        checkpoint=trained.place,
        step=int(trained.classifier.description.facts.get("step", 0)),
        data=source.name,
        fingerprint=opened.fingerprint_for(trained),
        split=label,
        weights=str(trained.classifier.description.facts.get("weights", "weights")),
        scores=found.scores,
        class_names=class_names,
        logits=logits,
        answers=trained.classifier.class_names,
        out=str(trained.home / folder),
        otherwise=str(trained.elsewhere / folder),
        notes=(
            *(*trained.classifier.notes, *source.notes, *opened.said),
            *(*said, *match.notes, *resized, *([views.said] if views else []), *told_broken(found.broken)),
        ),
        bad_samples=found.broken,
        model=trained.classifier.description.spec.name,
        engine=engine.name,
        engine_said=engine.said,
        threads=threads_on(trained.classifier.device),
        made_on=made_on(trained.classifier.device),
        views=views,
        per_image=per_image,
        calibration=calibration_from(found.collected, label, *(each.collected for each in fitting)),
        insights=_look(trained, fitted, per_image, logits, insights, views) if world.is_first else None,
    )


def _held_out(
    trained: ScoredNetwork, opened: ScoredData, label: str, match: Match, views: Views | None
) -> list[AnySplit]:
    """Return the samples on which the temperature is found, if there are any."""
    if (split := held_out_of(trained, opened, label)) is None:
        return []
    split = replace(split, labels=match.logits[split.labels])
    return [fit_images(trained, split, opened.source.name, views)[0]]


def _engine(
    asked: str, trained: ScoredNetwork, splits: list[AnySplit], views: Views | None, world: World
) -> Engine:
    """Return who makes the logits of these images."""
    (height, width, channels), images = trained.shape, sum(map(len, splits))
    in_files = isinstance(splits[0], EncodedSplit)
    batch = evaluation_batch(height, width, channels) if in_files else EVALUATION_BATCH
    apply_switches(trained.classifier.device, trained.recipe.execution)
    work = Work(images, min(batch, images), (height, width))
    if views:
        batch = min(viewed_batch(height, width, channels, views), images)
        images = round(images * 2 * views.num_pixels / (height * width))
        work = Work(images, batch, (height, width), is_of_one_size=bool(views.crop))
    return choose(
        asked, trained.classifier.model, work, lambda: _some_images(trained.classifier, splits[0]), world
    )


def _some_images(classifier: Classifier, split: AnySplit) -> Tensor:
    """Return some images of a split as the network is given them; grey ones if none of them can be read."""
    found = []
    for index in np.unique(np.linspace(0, len(split) - 1, _TRIED).astype(int)).tolist():
        if isinstance(split, EncodedSplit):
            with contextlib.suppress(DataError):
                found.append(classifier.pixels(split.read(index)))
        else:
            found.append(split.images[index])
    return classifier.prepare(found or [np.full(classifier.description.image_shape, 128, np.uint8)])


_TRIED = 8


def _look(
    trained: ScoredNetwork,
    split: AnySplit,
    answers: Answers,
    logits: tuple[int, ...],
    seconds: float,
    views: Views | None,
) -> Insights | None:
    subject = Subject(
        model=trained.classifier.model,
        preprocessing=trained.classifier.preprocessing,
        device=trained.classifier.device,
        size=trained.shape[:2],
        split=split,
        answers=answers,
        logits=logits,
        channels_last=trained.recipe.execution.channels_last,
        are_of_views=views is not None,
    )
    return look_inside(subject, seconds)


def keep(evaluation: Evaluation, world: World = ALONE) -> Evaluation:
    """Write an evaluation, in the working directory if its own place cannot be written to.

    Scoring can have taken hours, and what many use is often for reading only. Of several processes the
    first writes. A run's page shows it, if the run has one.

    Raises:
        NotKept: If it can be written nowhere.
    """
    kept = world.from_first(lambda: _keep(evaluation))
    evaluation = replace(evaluation, out=kept.out, notes=kept.notes, files=kept.files)
    if kept.problem:
        raise NotKept(evaluation, WriteError(kept.problem))
    return evaluation


class _Kept(NamedTuple):
    """How an evaluation was written."""

    out: str
    notes: tuple[str, ...]
    files: tuple[str, ...] = ()
    problem: str = ""
    """Why it could not be."""


def _keep(evaluation: Evaluation) -> _Kept:
    try:
        written = write_evaluation(evaluation, confusion_picture)
    except WriteError as error:
        problem = str(error.args[0])
        if not evaluation.otherwise:
            return _Kept(evaluation.out, evaluation.notes, problem=problem)
        note = f"the result lies in the working directory: {problem}"
        there = replace(evaluation, out=evaluation.otherwise, otherwise="", notes=(*evaluation.notes, note))
        return _keep(there)
    notes = list(written.notes)
    refresh_page(Path(written.out), notes.append)
    return _Kept(written.out, tuple(notes), written.files)


def leaving_out(trained: ScoredNetwork, share: float | str | None) -> ScoredNetwork:
    """Return the network with the share of broken images that are left out, if one is given."""
    if share is None:
        return trained
    resolution = Resolution(trained.recipe)
    resolution.set_texts({"bad_samples": str(share)}, "flag")
    return replace(trained, recipe=resolution.recipe)


def _facts(
    trained: ScoredNetwork, opened: ScoredData, split: AnySplit, label: str, views: Views | None
) -> dict[str, str]:
    """Return what must be the same in all processes that score a network."""
    source = opened.source
    return {
        **software(),
        "the kind of device": trained.classifier.device.type,
        "threads": str(torch.get_num_threads()),
        "the data": f"{source.name}, fingerprint {source.fingerprint[:12]}",
        "the images": f"{label}, {len(split):,}",
        "the views of each": views.name if views else SINGLE,
    }


class _Scored(NamedTuple):
    """What was found of a split."""

    scores: Scores
    collected: Collected
    broken: tuple[str, ...]
    """Which images are broken and were left out, with their places."""


class _Way(NamedTuple):
    """How a network is scored, on each split alike."""

    trained: ScoredNetwork
    workers: int
    origin: str
    engine: Engine
    views: Views | None
    world: World

    def score(self, split: AnySplit, label: str) -> _Scored:
        """Return what is found of a split."""
        classifier, recipe = self.trained.classifier, self.trained.recipe
        reading = Reading(
            preprocessing=classifier.preprocessing,
            recipe=recipe,
            device=classifier.device,
            size=self.trained.shape[:2],
            workers=self.workers,
            origin=self.origin,
        )
        apply_switches(classifier.device, recipe.execution)
        logits: Callable[[Any, Tensor], Tensor]
        if self.views is None:
            on, logits = reading.evaluation_set(label, split), self.engine.logits
        else:
            assert isinstance(split, EncodedSplit), "views are made of files, or of pixels as if they were"
            on, logits = reading.viewed_set(label, split, self.views), self._averaged
        num_classes = len(classifier.class_names)
        collecting = Collecting(num_classes, on.size, on.batch)
        scores = score(
            classifier.model,
            on,
            num_classes=num_classes,
            device=classifier.device,
            world=self.world,
            collecting=collecting,
            logits=logits,
        )
        assert scores is not None
        classifier.refuse_non_finite(scores.loss)
        broken = tuple(problem for _, problem in sorted(reading.bad.found.items()))
        assert scores.seen + len(broken) == len(split), "every sample counts exactly once"
        return _Scored(scores, collecting.gathered(self.world), broken)

    def _averaged(self, views: Callable[[], Iterator[View]], labels_N: Tensor) -> Tensor:
        return self.engine.averaged(views, len(labels_N), labels_N)


def folder_of(trained: ScoredNetwork, opened: ScoredData, label: str, views: Views | None = None) -> str:
    """Return a name that no evaluation of other weights, data, split or views has."""
    parts = [trained.checkpoint, label, "plain" * trained.is_plain]
    if trained.record is None or not opened.is_own:
        parts.append(opened.source.fingerprint[:8])
    if views:
        parts.append(views.name)
    return "-".join(filter(None, parts))
