"""What came out of a run, in a sentence with its interval, and what was selected on what."""

import datetime
from collections.abc import Iterator
from typing import Any

from resnetlab.base.locks import holder_of
from resnetlab.evaluation.significance import wilson_interval
from resnetlab.reporting.groups import Group
from resnetlab.reporting.growing import Row
from resnetlab.reporting.reading import RecordedRun
from resnetlab.reporting.values import first_line_of, number_of

_SPLITS = {"test": "test images", "val": "validation images"}


def run_row(group: Group, run: RecordedRun, state: str = "") -> dict[str, Any]:
    """Return what a page says of a run before all else.

    Args:
        group: The runs that differ from it in nothing but the seed.
        run: The run.
        state: What is known of it beside its files: running, killed or waiting.
    """
    state = state or state_of(run)
    scored = _scored(run)
    published = group.published
    return {
        "name": run.path.resolve().name,
        "path": str(run.path),
        "network": group.network,
        "recipe": group.recipe,
        "deviations": list(group.deviations),
        "data": group.data,
        "seed": run.seed,
        "state": state,
        "progress": run.progress,
        "sentence": _sentence(run, scored),
        "notes": [*_selection(run), *_ending(run, state)],
        "error": 100 * (scored["seen"] - scored["correct"]) / scored["seen"] if scored else None,
        "correct": scored.get("correct"),
        "seen": scored.get("seen"),
        "interval": [*wilson_interval(scored["correct"], scored["seen"])] if scored else None,
        "split": scored.get("kind", "test"),
        "published": {"error": published.error, "text": published.text, "source": published.source}
        if published
        else None,
        "seconds": run.result.get("train_seconds"),
        "images_per_second": number_of(run.result.get("images_per_second")),
        "wait_share": number_of(run.result.get("wait_share")),
        "started": _day(run.events[0].get("time")) if run.events else None,
    }


def state_of(run: RecordedRun) -> str:
    """Return finished, stopped (by an error), interrupted (by a signal), running or killed, by its lock."""
    if run.is_finished:
        return "finished"
    resumed = [i for i, row in enumerate(run.events) if row.get("event") == "resume"]
    since = {row.get("event") for row in run.events[resumed[-1] if resumed else 0 :]}
    if ended := next((state for state in ("interrupted", "stopped") if state in since), ""):
        return ended
    return "running" if holder_of(run.path) else "killed"


def _scored(run: RecordedRun) -> dict[str, Any]:
    """Return the counts that count: those of the end, or of the last evaluation."""
    if run.is_finished:
        return {"kind": "test", "correct": run.result["correct"], "seen": run.result["seen"]}
    for row in reversed(run.evaluations):
        if _are_counts(row):
            return {"kind": row["kind"], "correct": row["correct"], "seen": row["seen"]}
    return {}


def _are_counts(row: Row) -> bool:
    correct, seen = row.get("correct"), row.get("seen")
    return isinstance(correct, int) and isinstance(seen, int) and 0 <= correct <= seen > 0


def _sentence(run: RecordedRun, scored: dict[str, Any]) -> str:
    if not scored:
        return f"Nothing was evaluated yet: the run is at {run.progress}."
    correct, seen = scored["correct"], scored["seen"]
    low, high = wilson_interval(correct, seen)
    when = "" if run.is_finished else f", at the last evaluation of an unfinished run ({run.progress})"
    return (
        f"{correct:,} of {seen:,} {_SPLITS[scored['kind']]} are right: {100 * correct / seen:.2f} %"
        f" (95 % interval {100 * low:.2f} to {100 * high:.2f} %){when}."
    )


def _selection(run: RecordedRun) -> Iterator[str]:
    """Yield what was chosen by looking at which images."""
    result, recipe = run.result, run.recipe.run
    if result.get("stopped_on_test"):
        yield (
            f"The run ended when the test accuracy reached {recipe.stop_at:g}: its length is selected on the"
            " test set, and the accuracy flatters."
        )
    elif run.is_finished:
        yield "Measured at the last step, single view; nothing was selected on the test set."
    if run.is_finished and recipe.val and result.get("best_val_step"):
        yield _best(result)
    elif recipe.val and run.evaluations:
        yield f"The curve is of {recipe.val:,} validation images, held out of the training images."
    if result.get("stopped_early"):
        yield "It ended early, as the validation accuracy rose no more."
    if result.get("weights") == "averaged weights":
        plain = result.get("plain_accuracy")
        beside = f"; the plain ones have {100 * plain:.2f} %" if plain is not None else ""
        yield f"The weights scored are averaged ones{beside}."


def _best(result: Row) -> str:
    step, last = result["best_val_step"], result.get("step")
    accuracy = result.get("best_test_accuracy")
    if step == last or accuracy is None:
        return f"The weights best on the validation images are those of step {step:,}."
    return (
        f"The weights best on the validation images, of step {step:,}, have {100 * accuracy:.2f} % on the"
        " test images."
    )


def _ending(run: RecordedRun, state: str) -> Iterator[str]:
    last = next((row for row in reversed(run.events) if row.get("event") == state), {})
    match state:
        case "stopped":
            yield f"It stopped at {run.progress}: {first_line_of(last.get('error'))}"
        case "interrupted":
            yield f"It was interrupted by {last.get('signal')} at {run.progress}; all is saved."
        case "running":
            yield f"It is training, and at {run.progress}."
        case "killed":
            yield f"It was killed at {run.progress}: it noted neither its end nor an error."
        case "waiting":
            yield "It is planned in a study, and not begun yet."


def _day(seconds: object) -> str | None:
    """Return a time in UTC to the minute, so that a page is the same wherever it is written."""
    if not isinstance(seconds, int | float) or isinstance(seconds, bool) or not 0 < seconds < 1e11:
        return None
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
