"""The explanations from Python."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from resnetlab.base.paths import user_path
from resnetlab.data.sources.choices import Choices
from resnetlab.explaining.measuring import Measures
from resnetlab.explaining.question import DEPTHS, Question
from resnetlab.explaining.study import Explanation, explain
from resnetlab.recipe import Recipe
from resnetlab.recipe.settings import once
from resnetlab.training.asking import Asked
from resnetlab.training.observer import Silence
from resnetlab.training.studies import StudyObserver
from resnetlab.watching.here import watching_study_here


def explain_residual(
    *,
    depths: Sequence[int] = DEPTHS,
    data: str = "digits",
    data_set: Mapping[str, str] | None = None,
    recipe: str | Path | Recipe | None = None,
    runs: str | Path | None = None,
    device: str = "auto",
    observer: StudyObserver | Silence | None = None,
    workers: int = -1,
    epochs: int | None = None,
    steps: int | None = None,
    images: int = Measures.images,
    knobs: Mapping[str, Any] | None = None,
    **values: Any,
) -> Explanation:
    """Train plain and residual networks of two depths and return what differs, with a page of it.

    The runs, residual.json and residual.html lie in one folder; the same call again uses what is there.

    Args:
        depths: Two depths of 6n+2.
        data: A dataset's name or path.
        data_set: As `train`.
        recipe: As `train`.
        runs: The folder of the runs; None is runs/residual-DEPTHS-DATA-RECIPE-LENGTH-SEED.
        device: auto, cpu, cuda, cuda:1 or mps.
        observer: Who watches the runs; None shows nothing.
        workers: Processes that read image files, -1 for as many as suit the machine.
        epochs: Length of training in epochs.
        steps: Length of training in steps; excludes `epochs`.
        images: Training images that gradients and losses are measured on.
        knobs: Of all four networks, e.g. {"width": 0.5}; those of the digits have stem_stride=2.
        values: Any value of the recipe, e.g. lr=0.2, seed=1.

    Raises:
        UsageError: If a name or value cannot be, or the folder holds other runs.
        DataError: If the data is missing or damaged.
        Interrupted: If a signal came; the same call goes on.
        DivergedError, WriteError, LockedError: As training ends before its end.
    """
    lengths = {name: count for name, count in (("epochs", epochs), ("steps", steps)) if count is not None}
    asked = Asked(
        data=data,
        choices=Choices.of(data_set),
        recipe=recipe,
        values=once((f"{name}={value}", name, value) for name, value in {**lengths, **values}.items()),
        origin="argument",
        device=device,
        workers=workers,
    )
    question = Question(depths=depths, asked=asked, knobs=knobs or {})
    place = user_path(runs) if runs else None
    with watching_study_here(Silence() if observer is None else observer) as watcher:
        return explain(question, place, observer=watcher, measures=Measures(images=images))
