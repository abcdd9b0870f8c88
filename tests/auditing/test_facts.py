"""What a run's files say, read once."""

from collections.abc import Iterator
from pathlib import Path

from resnetlab.auditing.facts import Facts
from resnetlab.runs.directory import RunDirectory


def test_of_a_thousand_sizes_no_more_problems_are_counted_than_the_fewest(honest: Path) -> None:
    facts, made = Facts(RunDirectory(honest)), []
    facts.sizes = [*range(1, 1001)]

    def problems_of(size: int) -> Iterator[str]:
        for number in range(10_000 if size != 900 else 5):
            made.append(size)
            yield f"size {size}, problem {number}"

    assert facts.least(problems_of) == [f"size 900, problem {number}" for number in range(5)]
    assert len(made) < 40_000
    assert facts.least(lambda size: iter(()) if size == 7 else problems_of(size)) == []
