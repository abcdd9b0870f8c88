"""The score of a run's weights computed again, where its data can be opened. Needs torch, and time."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from resnetlab.auditing.facts import first_line, may_be_rounded
from resnetlab.auditing.finding import Found, Promise, judged, passed, unknown
from resnetlab.errors import ResnetlabError
from resnetlab.reporting.reading import RecordedRun
from resnetlab.runs.directory import RunDirectory

if TYPE_CHECKING:
    from resnetlab.data.sources.encoded import AnySource

DATA = Promise(
    "the data again", "of the fingerprint, class names and held-out images that the run has",
    "another split, or other images, give another score",
)  # fmt: skip
SCORE = Promise(
    "the score again", "as many right answers as the result says", "it is the whole point of a result"
)

_LOSS = 0.02
"""In nats, or relative above 1: far more than the roundings of any device make of the mean over a set."""


def look_deep(run: RecordedRun, data: str | None, device: str, workers: int) -> list[tuple[Promise, Found]]:
    """Open a finished run's data and score its last weights again; nothing is written.

    Args:
        run: The run.
        data: Where its data lies now, if not where it was.
        device: Where to compute.
        workers: Processes that read image files.
    """
    from resnetlab.data.open import reopen_source

    recorded = RunDirectory(run.path).read("data")
    try:
        source = reopen_source(recorded, data)
    except ResnetlabError as error:
        text = f"its data cannot be opened: {first_line(error)}"
        return [(DATA, unknown(text)), *([(SCORE, unknown(text))] if run.is_finished else [])]
    found = [(DATA, judged(_other(run, recorded, source), f"{len(source.train):,} images to train on"))]
    if not run.is_finished or found[0][1].verdict != "pass":
        return found
    return [*found, (SCORE, _score(run, data, device, workers))]


def _other(run: RecordedRun, recorded: Any, source: "AnySource") -> list[str]:
    from resnetlab.data.sources.split import hold_out

    if not source.has_fingerprint(str(recorded["fingerprint"])):
        return [
            f"it is of fingerprint {source.fingerprint[:12]}, the run's is {recorded['fingerprint'][:12]}"
        ]
    problems = ["other class names"] * (list(source.class_names) != recorded["class_names"])
    _, held_out = hold_out(source.train, run.recipe.run.val, run.seed)
    problems += ["other images are held out by this seed"] * (held_out.tolist() != recorded["val_indices"])
    return problems


def _score(run: RecordedRun, data: str | None, device: str, workers: int) -> Found:
    from resnetlab.trained.evaluate import evaluate

    path: Path = run.path / "checkpoints" / f"step-{run.step:08d}"
    if not path.is_dir():
        return unknown("the checkpoint of the last step was removed")
    try:
        scores = evaluate(
            path,
            data=data,
            split="test",
            device=device,
            workers=workers,
            insights=0,
            engine="reference",
            writes=False,
        ).scores
    except ResnetlabError as error:
        return unknown(first_line(error))
    correct, seen = run.result["correct"], run.result["seen"]
    text = f"{scores.correct:,} of {scores.seen:,}, the result says {correct:,} of {seen:,}"
    loss = float(run.result["loss"])
    if abs(scores.loss - loss) > _LOSS * max(1.0, loss):
        return judged([f"a loss of {scores.loss:.4g}, the result says {loss:.4g}; {text}"], "")
    if scores.seen != seen or not may_be_rounded(scores.correct, correct, seen):
        return judged([text], "")
    return passed(text if scores.correct == correct else f"{text}: roundings of another device or build")
