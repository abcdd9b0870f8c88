"""How it ended: why then, at what score, and what was selected by looking at which images."""

from collections.abc import Iterator, Mapping
from typing import Any

from resnetlab.auditing.facts import Facts, Row, is_share_of
from resnetlab.auditing.finding import Found, Promise, judged, judged_unless
from resnetlab.base.reading.plain import is_count, is_share


def at_its_length(facts: Facts) -> Found | None:
    """Look whether the run came to its length, or was ended by what the recipe says."""
    if not (result := facts.result):
        return None
    step, why = result.get("step"), _why_early(facts)
    problems = []
    if facts.rows and step != facts.rows[-1]["step"]:
        problems.append(f"the result is of step {step!r}, the last row of {facts.rows[-1]['step']:,}")
    share, since = facts.recipe.run.stop_at, facts.continues.get("step", 0)
    passed_by = [
        row["step"] for row in facts.evaluations[:-1] if row["step"] > since and 0 < share <= row["accuracy"]
    ]
    if passed_by:
        problems.append(f"stop_at was reached at step {passed_by[0]:,}, and it went on")
    if not why:
        problems += facts.least(lambda size: _length(facts, step, size))
    stretch = facts.stretches[-1]
    return judged(problems, why or f"step {step!r}, {stretch.recipe.run.length}")


def _length(facts: Facts, step: object, size: int) -> Iterator[str]:
    due = facts.stretches[-1].timeline(size).num_steps
    if step != due:
        yield f"ended at step {step!r} of {due:,}"


def _why_early(facts: Facts) -> str:
    if _reached(facts):
        return "stop_at was reached"
    return "validation rose no more" if _is_out_of_patience(facts) else ""


def _reached(facts: Facts) -> bool:
    share, last = facts.recipe.run.stop_at, facts.evaluations[-1:]
    return bool(last) and 0 < share <= last[0].get("accuracy", 0)


def _is_out_of_patience(facts: Facts) -> bool:
    since, best = 0, 0.0
    for row in facts.evaluations:
        if facts.continues and row["step"] <= facts.continues.get("step", 0):
            best = max(best, row.get("accuracy", 0.0))
            continue
        since = 0 if row.get("accuracy", 0.0) > best else since + 1
        best = max(best, row.get("accuracy", 0.0))
    is_val = bool(facts.evaluations) and facts.evaluations[-1]["kind"] == "val"
    return is_val and 0 < facts.recipe.run.patience <= since


def selection(facts: Facts) -> Found | None:
    """Look whether what was selected on the test images is said."""
    if not (result := facts.result):
        return None
    is_test = bool(facts.evaluations) and facts.evaluations[-1]["kind"] == "test"
    due = _reached(facts) and is_test
    told = result.get("stopped_on_test")
    text = (
        "its length is selected on the test images, and that is said"
        if due
        else "nothing selected on the test images"
    )
    problems = [] if told is due else [f"stopped_on_test is {told!r}, and by rows and stop_at it is {due}"]
    return judged([*problems, *_early(facts, result)], text)


def _early(facts: Facts, result: Mapping[str, Any]) -> Iterator[str]:
    if result.get("stopped_early") is not None:
        is_whole = facts.rows[-1]["step"] >= facts.least_num_steps
        due = _is_out_of_patience(facts) and not is_whole
        if result["stopped_early"] is not due:
            yield f"stopped_early is {result['stopped_early']!r}, and by the rows it is {due}"


def score(facts: Facts) -> Found | None:
    """Compare the result with the row of the last step."""
    if not (result := facts.result):
        return None
    last: Row = facts.evaluations[-1] if facts.evaluations else {}
    if last.get("kind") != "test":
        return None
    names = ("accuracy", "accuracy_top_5", "correct", "seen", "loss")
    problems = [f"{name}: {result.get(name)!r}, and {last.get(name)!r} at step {last['step']:,}"
                for name in names if result.get(name) != last.get(name)]  # fmt: skip
    return judged(problems, f"that of step {last['step']:,}")


def best(facts: Facts) -> Found | None:
    """Compare the best validation accuracy with the rows."""
    if not (result := facts.result):
        return None
    due: tuple[int | None, float | None] = (None, None)
    for row in facts.evaluations:
        if row["kind"] == "val" and row["accuracy"] > (due[1] or 0):
            due = (row["step"], row["accuracy"])
    told = (result.get("best_val_step"), result.get("best_val_accuracy"))
    problems = [f"{told[1]!r} at step {told[0]!r}, the rows say {due[1]!r} at step {due[0]!r}"] * (
        told != due
    )
    on_test = result.get("best_test_accuracy")
    if due[0] is None and on_test is not None:
        problems.append("weights that were best on validation images, and there are none")
    if on_test is not None and due[0] == result.get("step") and on_test != result.get("accuracy"):
        problems.append(
            f"the last weights are the best ones, with {on_test!r} and {result.get('accuracy')!r}"
        )
    seen = result.get("seen")
    problems += _no_share("best_test_accuracy", on_test, seen)
    return judged(
        problems, f"{due[1]:.4f} at step {due[0]:,}" if due[0] and due[1] else "no validation images"
    )


def _no_share(name: str, value: object, seen: object) -> list[str]:
    if value is None:
        return []
    is_so = is_share(value) and is_count(seen) and is_share_of(value, seen)
    return [] if is_so else [f"{name} is {value!r}, of {seen!r} images"]


def weights(facts: Facts) -> Found | None:
    """Look whether the weights that were scored are those of the recipe."""
    if not (result := facts.result):
        return None
    averages = facts.recipe.optimizer.ema_decay > 0
    due, told, plain = (
        "averaged weights" if averages else "weights",
        result.get("weights"),
        result.get("plain_accuracy"),
    )
    problems = [f"{told!r}, and by the recipe {due!r}"] * (told != due)
    if (plain is not None) is not averages:
        problems.append(f"plain_accuracy is {plain!r}")
    return judged([*problems, *_no_share("plain_accuracy", plain, result.get("seen"))], due)


def broken(facts: Facts) -> Found | None:
    """Compare the images that were left out with the events that tell of them."""
    if not (result := facts.result) or "bad_samples" not in result:
        return None
    met = {(row.get("part"), row.get("sample")): row.get("problem") for row in facts.happened("bad-sample")}
    told = result["bad_samples"]
    is_so = isinstance(told, list) and sorted(map(str, told)) == sorted(map(str, met.values()))
    share = facts.recipe.preparation.bad_samples
    problems = [] if is_so else [f"{len(told)} are said, {len(met)} were met"]
    problems += ["the recipe allows none"] * bool(met and not share)
    lost = "events are lost" if facts.may_lack_events else ""
    return judged_unless(lost, problems, f"{len(met):,} left out")


PROMISES = (
    Promise(
        "length", "that of the recipe, or what ends it before", "longer training does better", at_its_length
    ),
    Promise(
        "selection",
        "that is said which looked at the test images",
        "what is selected on them flatters",
        selection,
    ),
    Promise("last row", "the result is that of the last step", "the best of many steps is no result", score),
    Promise("best on validation", "that of the rows", "it says which weights to use", best),
    Promise("weights scored", "averaged ones where the recipe averages", "they are other weights", weights),
    Promise(
        "broken images", "those that events tell of", "images that are left out may be the hard ones", broken
    ),
)
