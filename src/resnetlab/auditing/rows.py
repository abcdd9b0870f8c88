"""The rows of metrics.jsonl: each whole, in order, each once, none missing."""

from collections import Counter
from collections.abc import Iterator

from resnetlab.auditing.facts import Facts, Row
from resnetlab.auditing.finding import Found, Promise, judged
from resnetlab.base.reading.plain import is_count, is_number, is_share
from resnetlab.base.units import counted

_NUMBERS = {
    "train": ("learning_rate", "train_loss", "train_accuracy"),
    "evaluation": ("epoch", "learning_rate", "loss", "accuracy", "accuracy_top_5"),
}
"""What every version has written."""


_MANY = 100
"""Times as many rows as there are: they are not even counted one by one."""


def whole(facts: Facts) -> Found:
    """Look at each row's numbers."""
    return judged(_unwhole(facts), counted(len(facts.rows), "row"))


def _unwhole(facts: Facts) -> Iterator[str]:
    if facts.run.is_finished and not facts.run.metrics.is_file():
        yield "the run is finished, and there is no metrics.jsonl"
    for number, row in enumerate(facts.rows, start=1):
        is_train = row["kind"] == "train"
        names = [*_NUMBERS["train" if is_train else "evaluation"], *_more(row)]
        if wrong := [name for name in names if not _can_be(name, row.get(name))]:
            yield f"line {number}: {', '.join(f'{name} is {row.get(name)!r}' for name in wrong)}"
        if not is_train and not (is_count(row.get("correct")) and is_count(row.get("seen"))):
            yield f"line {number}: {row.get('correct')!r} of {row.get('seen')!r} right"


def _more(row: Row) -> list[str]:
    return [name for name in ("train_loss", "train_accuracy", "train_accuracy_top_5") if name in row]


def _can_be(name: str, value: object) -> bool:
    if "accuracy" in name:
        return is_share(value)
    return is_number(value) and value >= 0


def in_order(facts: Facts) -> Found:
    """Look whether steps only rise, and no row is there twice."""
    return judged(_disorder(facts), f"steps 0 to {facts.last:,}")


def _disorder(facts: Facts) -> Iterator[str]:
    before, was_evaluation = 0, False
    for number, row in enumerate(facts.rows, start=1):
        step, is_evaluation = row["step"], row["kind"] != "train"
        if step < before:
            yield f"line {number}: step {step:,} after {before:,}"
        elif step == before and was_evaluation and not is_evaluation:
            yield f"line {number}: training of step {step:,} behind its evaluation"
        before, was_evaluation = step, is_evaluation
    for (kind, step), count in Counter((row["kind"], row["step"]) for row in facts.rows).items():
        if count > 1:
            yield f"{count} rows of {kind} at step {step:,}"


def complete(facts: Facts) -> Found:
    """Compare the steps that have rows with those that the recipe says are due one."""
    return judged(
        facts.least(lambda size: _missing(facts, size)), f"all that are due up to step {facts.last:,}"
    )


def _missing(facts: Facts, size: int) -> Iterator[str]:
    trained = {row["step"] for row in facts.rows if row["kind"] == "train"}
    evaluated = {row["step"] for row in facts.evaluations}
    rows_due: set[int] = set()
    required: set[int] = set()
    allowed: set[int] = set()
    for stretch in facts.stretches:
        due = stretch.due(size)
        if (many := due.most_within(stretch.after, stretch.last)) > _MANY * (len(facts.rows) + 1):
            yield f"{many:,} rows are due up to step {stretch.last:,}, and {len(facts.rows):,} are there"
            return
        rows_due |= {*due.rows_within(stretch.after, stretch.last)}
        found = {*due.evaluations_within(stretch.after, stretch.last)}
        allowed |= found | {step for step in (stretch.after,) if due.evaluation(step)}
        is_seam = stretch is not facts.stretches[-1]
        required |= found - ({stretch.last} if is_seam or not facts.run.is_finished else set())
    yield from _told("of training", rows_due - trained, trained - rows_due)
    yield from _told("of an evaluation", required - evaluated, evaluated - allowed)


def _told(what: str, missing: set[int], extra: set[int]) -> Iterator[str]:
    for steps, word in ((missing, "no row"), (extra, "a row that is not due")):
        if steps:
            first = min(steps)
            yield f"{word} {what} at step {first:,}" + (f" and {len(steps) - 1:,} more" * (len(steps) > 1))


def of_one_kind(facts: Facts) -> Found:
    """Look whether all evaluations are of the images that the run watches."""
    kinds = {row["kind"] for row in facts.evaluations}
    has_val = bool(facts.data.get("val_indices"))
    problems = [f"evaluations on {' and '.join(sorted(kinds))}"] * (len(kinds) > 1)
    if has_val and "test" in kinds:
        problems.append("evaluations on the test images, though validation images were held out")
    return judged(problems, f"all on {next(iter(kinds))}" if kinds else "no evaluation yet")


PROMISES = (
    Promise(
        "rows are whole",
        "every row with its numbers, finite and in their bounds",
        "what is no number was not measured",
        whole,
    ),
    Promise(
        "rows are in order",
        "steps that only rise, each row once",
        "rows were written as training went",
        in_order,
    ),
    Promise(
        "no row is missing",
        "a row after every step that the recipe says",
        "what is left out may be what is bad",
        complete,
    ),
    Promise(
        "what is watched",
        "all evaluations on the same images, on held-out ones if there are any",
        "what is chosen by test images flatters on them",
        of_one_kind,
    ),
)
