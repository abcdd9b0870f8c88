"""Counts: images seen by steps and batches, and shares that are shares of whole images."""

from collections.abc import Iterator
from itertools import pairwise

from resnetlab.auditing.facts import Facts, Row, Stretch, is_close, is_near, is_share_of
from resnetlab.auditing.finding import Found, Promise, judged, unknown
from resnetlab.base.reading.plain import is_count, is_number
from resnetlab.base.units import counted
from resnetlab.evaluation.significance import wilson_interval


def epochs(facts: Facts) -> Found:
    """Compare each evaluation's epoch with the samples that so many steps read."""
    problems = facts.least(lambda size: _off(facts, size))
    number = len(facts.evaluations)
    return judged(problems, f"{facts.sizes[0]:,} images an epoch, at {counted(number, 'evaluation')}")


def _off(facts: Facts, size: int) -> Iterator[str]:
    told = [(f"step {row['step']:,}", row["step"], row.get("epoch")) for row in facts.evaluations]
    if facts.result and is_count(step := facts.result.get("step")):
        told.append(("RESULT.json", step, facts.result.get("epochs")))
    for where, step, epoch in told:
        timeline = facts.stretch_of(step).timeline(size)
        due = timeline.samples_seen(step) / size if step <= timeline.num_steps else None
        if epoch != due:
            yield f"{where}: {epoch!r} epochs, by steps x batch {due!r}"


def of_training(facts: Facts) -> Found:
    """Look whether each share of right answers is one of the images seen since the row before."""
    if facts.has_broken:
        return unknown("broken images were left out, so that batches had fewer")
    problems = facts.least(lambda size: _no_counts(facts, size))
    return judged(problems, f"so at {counted(len(facts.rows), 'row')}")


def _no_counts(facts: Facts, size: int) -> Iterator[str]:
    before = {"row": 0, "evaluation": 0}
    lines = {stretch: stretch.timeline(size) for stretch in facts.stretches}
    for number, row in enumerate(facts.rows, start=1):
        since, step = "row" if row["kind"] == "train" else "evaluation", row["step"]
        timeline = lines[facts.stretch_of(step)]
        if step > timeline.num_steps:
            yield f"line {number}: step {step:,} of {timeline.num_steps:,}"
            continue
        seen = timeline.samples_seen(step) - timeline.samples_seen(min(before[since], step))
        for name in ("train_accuracy", "train_accuracy_top_5"):
            if is_number(share := row.get(name)) and not is_share_of(share, seen):
                yield f"line {number}: {name} {share!r} is no share of {seen:,} images"
        before[since] = step


def sums(facts: Facts) -> Found:
    """Compare what rows count of training with what evaluations count, at the steps where both begin anew."""
    if facts.has_broken:
        return unknown("broken images were left out, so that batches had fewer")
    problems = facts.least(lambda size: _other_sums(facts, size))
    return judged(problems, f"so at {counted(len(facts.evaluations), 'evaluation')}")


_OF_TRAINING = ("train_loss", "train_accuracy", "train_accuracy_top_5")
_ADDED = 1e-5
"""Relative: between sums of losses that were added up apart, where a device has float32 alone."""


def _other_sums(facts: Facts, size: int) -> Iterator[str]:
    for name in _OF_TRAINING:
        rows, evaluations = (_sums(facts, size, name, is_row=is_row) for is_row in (True, False))
        both = [0, *(step for step in rows if step in evaluations)]
        for first, last in pairwise(both):
            one, other = (each[last] - each.get(first, 0.0) for each in (rows, evaluations))
            if abs(one - other) > max(_ADDED * abs(one), _WHOLE_ANSWER * ("accuracy" in name)):
                yield f"steps {first:,} to {last:,}: {name} of the rows and of the evaluations differ"


_WHOLE_ANSWER = 0.5
"""Right answers are whole."""


def _sums(facts: Facts, size: int, name: str, *, is_row: bool) -> dict[int, float]:
    """Return a number of training, summed over all images up to each row or evaluation that tells it."""
    found: dict[int, float] = {}
    total, before = 0.0, 0
    for row in facts.rows:
        if (row["kind"] == "train") != is_row:
            continue
        timeline = facts.stretch_of(step := row["step"]).timeline(size)
        if step > timeline.num_steps:
            break
        seen = timeline.samples_seen(step) - timeline.samples_seen(min(before, step))
        if not is_number(row.get(name)):
            if seen:
                break  # another version's
            continue
        total += row[name] * seen
        found[step], before = total, step
    return found


def of_evaluations(facts: Facts) -> Found:
    """Compare accuracies with counts, in every evaluation and at the end."""
    told = [(f"step {row['step']:,}", row) for row in facts.evaluations]
    told += [("RESULT.json", facts.result)] if facts.result else []
    return judged((text for where, row in told for text in _contradictions(where, row)), f"{len(told):,} so")


def _contradictions(where: str, row: Row) -> Iterator[str]:
    correct, seen = row.get("correct"), row.get("seen")
    if not (is_count(correct) and is_count(seen) and correct <= seen > 0):
        yield f"{where}: {correct!r} of {seen!r} right"
        return
    if row.get("accuracy") != correct / seen:
        yield f"{where}: an accuracy of {row.get('accuracy')!r}, and {correct:,} of {seen:,} right"
    five = row.get("accuracy_top_5")
    if not (is_number(five) and is_share_of(five, seen) and correct <= round(five * seen)):
        yield f"{where}: a top-5 accuracy of {five!r} with {correct:,} of {seen:,} right first answers"


def interval(facts: Facts) -> Found | None:
    """Compute the result's interval again."""
    if not (result := facts.result):
        return None
    correct, seen = result["correct"], result["seen"]
    due, told = wilson_interval(correct, seen), result.get("interval")
    is_told = isinstance(told, list) and len(told) == 2 and all(map(is_near, told, due))
    text = f"{100 * due[0]:.2f} to {100 * due[1]:.2f} %"
    return judged([] if is_told else [f"{told!r}, and it is {text}"], text)


def evaluated_whole(facts: Facts) -> Found:
    """Look whether each evaluation counted as many images, but for broken ones that were found since."""
    by_kind: dict[str, list[int]] = {}
    for row in facts.evaluations:
        if is_count(row.get("seen")):
            by_kind.setdefault(row["kind"], []).append(row["seen"])
    if facts.result and is_count(seen := facts.result.get("seen")):
        by_kind.setdefault("test", []).append(seen)
    met = {part: len({e.get("sample") for e in facts.happened("bad-sample") if e.get("part") == part})
           for part in ("test", "val")}  # fmt: skip
    problems = [
        f"{kind}: {min(counts):,} to {max(counts):,} images"
        for kind, counts in by_kind.items()
        if max(counts) - min(counts) > met.get(kind, 0)
    ]
    held_out = len(facts.data.get("val_indices") or [])
    if held_out and any(
        count + met["val"] < held_out or count > held_out for count in by_kind.get("val", [])
    ):
        problems.append(f"validation on {min(by_kind['val']):,} of {held_out:,} images held out")
    told = ", ".join(f"{max(counts):,} {kind} images" for kind, counts in by_kind.items())
    return judged(problems, told or "no evaluation yet")


def speed(facts: Facts) -> Found | None:
    """Compare the images per second at the end with images and seconds."""
    if not (result := facts.result):
        return None
    seconds, told = result.get("train_seconds"), result.get("images_per_second")

    def problems_of(size: int) -> list[str]:
        stretch: Stretch = facts.stretches[-1]
        samples = stretch.timeline(size).samples_seen(result["step"])
        due = samples / seconds if is_number(seconds) and seconds > 0 else 0.0
        return [] if is_close(told, due) or due == told else [f"{told!r} images/s, and it is {due:,.1f}"]

    return judged(facts.least(problems_of), f"{told:,.1f} images/s" if is_number(told) else "")


PROMISES = (
    Promise(
        "images seen",
        "at every evaluation as many epochs as steps x batch are",
        "who saw more images trained for longer",
        epochs,
    ),
    Promise(
        "training counts",
        "every share of right answers one of the images since the row before",
        "a share that no count can have was not counted",
        of_training,
    ),
    Promise(
        "training sums",
        "the same losses and right answers in the rows of training as in those of evaluations",
        "rows of another run, or smoothed ones, add up to something else",
        sums,
    ),
    Promise(
        "accuracies",
        "the share of right answers in all, at every evaluation and at the end",
        "the accuracy is what is compared with others",
        of_evaluations,
    ),
    Promise("interval", "Wilson's, of the counts", "it says how far chance reaches", interval),
    Promise(
        "whole sets",
        "every evaluation on all of its images",
        "images that are left out may be the hard ones",
        evaluated_whole,
    ),
    Promise("images per second", "images by seconds of training", "it is what others plan with", speed),
)
