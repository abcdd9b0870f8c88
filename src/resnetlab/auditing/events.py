"""What happened when: times that go forward, starts at steps that were saved, an end at the end."""

from collections.abc import Iterator, Mapping
from itertools import pairwise

from resnetlab.auditing.facts import Facts, Row
from resnetlab.auditing.finding import Found, NotTold, Promise, judged, judged_unless, passed, unknown
from resnetlab.base.reading.plain import is_count, is_number
from resnetlab.base.units import counted, first_of

_BACK = 5.0
"""Seconds by which the network's time may set a clock back."""
_STARTS = ("start", "resume")
_ENDS = (*_STARTS, "interrupted", "stopped", "end")


def forward(facts: Facts) -> Found:
    """Look whether every event has a time, and times only rise."""
    none = [f"event {number}, {row.get('event')!r}: time {row.get('time')!r}"
            for number, row in enumerate(facts.events, start=1) if not _has_time(row)]  # fmt: skip
    if not none and (back := [*_back(facts)]):
        return unknown(f"a clock was set back: {first_of(back, 3, between='; ')}")
    return judged(none, counted(len(facts.events), "event"))


def _has_time(row: Row) -> bool:
    return is_number(time := row.get("time")) and time > 0


def _back(facts: Facts) -> Iterator[str]:
    events = facts.events
    where = None
    for number, (before, row) in enumerate(pairwise(events), start=2):
        where, was = _machine(row) or where, where or _machine(before)
        if row.get("event") == "resume" and where != was:
            continue  # another clock
        if (back := before["time"] - row["time"]) > _BACK:
            yield f"event {number}, {row.get('event')!r}, is {back:,.0f} s before the one above it"


def _machine(row: Row) -> tuple[object, object] | None:
    environment = row.get("environment")
    if not isinstance(environment, Mapping):
        return None
    return environment.get("cpu"), environment.get("platform")


def steps(facts: Facts) -> Found:
    """Look whether steps only rise from each start, and each start is at a step that was saved."""
    if not facts.events:
        return unknown("no events: they are lost, or it was killed before the first")
    lost = "lines of events.jsonl are damaged" if facts.are_events_damaged else ""
    return judged_unless(lost, _jumps(facts), counted(len(facts.happened(*_STARTS)), "start"))


def _jumps(facts: Facts) -> Iterator[str]:
    saved = {0}
    later = (row for row in facts.events if row.get("event") != "interrupted" or row.get("step"))
    first = next(later, None)  # behind what struck before the first step
    # All events before a restart may be lost, and never some of the first.
    if first is not None and first.get("event") not in _STARTS:
        yield "no event of its start comes first"
    if len(facts.happened("start")) > 1:
        yield f"{len(facts.happened('start'))} starts"
    at = 0
    for number, row in enumerate(facts.events, start=1):
        step = row.get("step")
        if row.get("event") in _STARTS:
            at = step if is_count(step) else 0
            if at not in saved and at < max(saved) and not (facts.is_before(at) or facts.may_be_unsaid(at)):
                yield f"event {number}: goes on at step {at:,}, which was never saved"
            continue
        if step is None:
            continue
        if not is_count(step) or step < at:
            yield f"event {number}, {row.get('event')!r}: step {step!r} after {at:,}"
            continue
        if facts.run.is_finished and step > facts.last:
            yield f"event {number}, {row.get('event')!r}: step {step:,}, and the last is {facts.last:,}"
        at = step
        if row.get("event") == "save":
            saved.add(step)


def ended(facts: Facts) -> Found:
    """Compare the last event of its kind with whether there is a result."""
    told = facts.happened(*_ENDS)
    last: Row = told[-1] if told else {}
    if not facts.result:
        return passed(f"{last.get('event')}, step {last.get('step')}")
    if last.get("event") != "end":  # a power cut may have taken it; earlier versions wrote "stopped" behind
        return unknown(f"there is a result, and the last that happened is {last.get('event')!r}")
    is_so = last.get("step") == facts.result.get("step")
    problem = f"it ended at step {last.get('step')!r}, the result is of {facts.result.get('step')!r}"
    return judged([] if is_so else [problem], f"end, step {last.get('step')}")


def long_enough(facts: Facts) -> Found | None:
    """Compare the seconds of all updates with the time between each start and its last event."""
    if not facts.result or facts.continues:
        return None
    if facts.may_lack_events:
        return unknown("a kill or a power cut may have taken events, and their times with them")
    try:
        spans = _spans(facts)
        is_back = any(later < before for span in spans for before, later in pairwise(span))
    except TypeError as error:
        raise NotTold("events without times") from error
    if is_back:
        return unknown("a clock was set back")
    spent = [span[-1] - span[0] for span in spans]
    seconds, most = facts.result.get("train_seconds"), sum(spent)
    is_so = is_number(seconds) and 0 <= seconds <= most * 1.01 + _BACK
    told = f"{seconds:,.1f} s of updates in {most:,.1f} s from start to end"
    return judged([] if is_so else [told], told)


def _spans(facts: Facts) -> list[list[float]]:
    """Return the times of events since each start."""
    found: list[list[float]] = []
    for row in facts.events:
        if row.get("event") in _STARTS:
            found.append([])
        if found:
            found[-1].append(row["time"])
    return found


def speeds(facts: Facts) -> Found | None:
    """Compare the speeds that were noted on the way with the one of the end."""
    told = [row.get("average_images_per_second") for row in facts.happened("speed")]
    result = facts.result or {}
    if not told or not is_number(end := result.get("images_per_second")) or not end:
        return None
    if wrong := [each for each in told if not is_number(each) or each <= 0]:
        return judged([f"{wrong[0]!r} images/s"], "")
    numbers = [float(each) for each in told if each is not None]
    least, most = min(numbers), max(numbers)
    problems = [f"{end:,.0f} images/s in all, and at most {most:,.0f} on the way"] * (end > _FASTER * most)
    problems += facts.least(lambda size: _too_short(facts, size))
    return judged(problems, f"{least:,.0f} to {most:,.0f} images/s on the way, {end:,.0f} in all")


_FASTER = 3.0
"""The whole is slower than its parts, but for a first few steps that are in no average."""


def _too_short(facts: Facts, size: int) -> Iterator[str]:
    """Tell if the speeds of all that was not made again come to more seconds than training took."""
    told = (facts.result or {}).get("train_seconds")
    if facts.has_broken or not is_number(told):
        return
    spent, before = dict[int, float](), None
    for row in facts.events:
        step, speed = row.get("step"), row.get("images_per_second")
        if row.get("event") in _STARTS:
            before = None
            after = step if is_count(step) else 0
            spent = {last: seconds for last, seconds in spent.items() if last <= after}
        elif row.get("event") == "speed" and is_count(step) and is_number(speed) and speed > 0:
            timeline = facts.stretch_of(step).timeline(size)
            if before is not None and before < step <= timeline.num_steps:
                spent[step] = (timeline.samples_seen(step) - timeline.samples_seen(before)) / speed
            before = step
    if (least := sum(spent.values())) > told * 1.01:
        yield f"{told:,.1f} s of updates, and {least:,.1f} s by the speeds on the way"


PROMISES = (
    Promise("times", "that go forward", "a clock that goes back tells of no one course of things", forward),
    Promise(
        "starts",
        "each at a step that was saved, steps that rise from there",
        "a run goes on where it was",
        steps,
    ),
    Promise(
        "end",
        "the event of the end at the step of the result",
        "a result is of a run that ended",
        ended,
    ),
    Promise(
        "time of training",
        "no more seconds of updates than passed",
        "who trained for longer than there was time did not train here",
        long_enough,
    ),
    Promise(
        "speeds",
        "those noted on the way like that of the end, in no more seconds",
        "time is what others plan with",
        speeds,
    ),
)
