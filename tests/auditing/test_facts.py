"""What a run's files say, read once."""

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from resnetlab.auditing import audit_run
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


def test_the_state_of_a_checkpoint_is_read_once_for_all_promises(honest: Path) -> None:
    opened = Counter[str]()
    listens = True
    sys.addaudithook(
        lambda event, given: opened.update([str(given[0])]) if listens and event == "open" else None
    )

    found = [*audit_run(RunDirectory(honest), reads_all=False)]
    listens = False

    states = [str(path) for path in honest.glob("checkpoints/*/state.json")]
    assert [opened[path] for path in states] == [1] * len(states)
    assert states and "states" in [finding.name for finding in found]
