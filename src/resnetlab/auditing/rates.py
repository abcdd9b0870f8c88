"""The learning rate: what the schedule says, at every row."""

from collections.abc import Iterator

from resnetlab.auditing.facts import Facts, Row, Stretch, is_close
from resnetlab.auditing.finding import Found, Promise, judged
from resnetlab.base.reading.plain import is_number
from resnetlab.base.units import counted
from resnetlab.recipe.schedule import LearningRate, Plateau


def every_row(facts: Facts) -> Found:
    """Compare each row's rate with the one that the schedule has for its step."""
    problems = facts.least(lambda size: _off(facts, size))
    return judged(problems, f"so at {counted(len(facts.rows), 'row')}")


def _off(facts: Facts, size: int) -> Iterator[str]:
    rates = {stretch: stretch.rate(size) for stretch in facts.stretches}
    plateau, schedule = Plateau(), facts.recipe.schedule
    for number, row in enumerate(facts.rows, start=1):
        told = row.get("learning_rate")
        due = [rate.at(max(row["step"] - 1, 0), plateau.reductions) for rate in _meant(facts, row, rates)]
        if not any(is_close(told, each) for each in due):
            yield f"line {number}, step {row['step']:,}: {told!r}, the schedule says {due[0]:g}"
        if schedule.schedule == "plateau" and row["kind"] == "val" and is_number(loss := row.get("loss")):
            plateau = plateau.after(loss, schedule)


def _meant(facts: Facts, row: Row, rates: dict[Stretch, LearningRate]) -> list[LearningRate]:
    """Return the rates that a row can be of: an evaluation where a run goes on may be of what comes next."""
    stretch = facts.stretch_of(row["step"])
    found = [rates[stretch]]
    if row["kind"] != "train" and row["step"] == stretch.last and stretch is not facts.stretches[-1]:
        found.append(rates[facts.stretches[facts.stretches.index(stretch) + 1]])
    return found


PROMISES = (
    Promise(
        "learning rate",
        "at every row of metrics.jsonl the rate that the recipe's schedule has for its step",
        "a run at another rate is of another recipe than it says",
        every_row,
    ),
)
