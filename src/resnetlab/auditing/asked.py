"""What was asked for: there, readable, and still what the run began as."""

import hashlib
from collections.abc import Iterator, Mapping

from resnetlab.auditing.facts import Facts, first_line
from resnetlab.auditing.finding import Found, NotTold, Promise, judged, passed, unknown
from resnetlab.base.reading.plain import read_plain
from resnetlab.errors import ResnetlabError
from resnetlab.runs.directory import CONTINUES
from resnetlab.runs.edited import differences_since_the_start

_MOST_BYTES = 2**34


def readable(facts: Facts) -> Found:
    """Read every file that defines the run."""
    problems = []
    for name in ("recipe", "spec", "data"):
        try:
            getattr(facts, name)
        except NotTold as error:
            problems.append(str(error))
    others = ("RESULT", "weights", CONTINUES)
    for name in ("environment", *(each for each in others if (facts.path / f"{each}.json").exists())):
        try:
            facts.run.read(name)
        except ResnetlabError as error:
            problems.append(first_line(error))
    for read in ("rows", "events"):
        try:
            getattr(facts, read)
        except NotTold as error:
            problems.append(str(error))
    return judged(problems, "recipe, network, data, environment, rows and events")


def unedited(facts: Facts) -> Found:
    """Compare recipe, network and data with what the event of the start kept of them."""
    told = differences_since_the_start(facts.run)
    if told is None:
        return unknown("events.jsonl does not keep how it began: of an earlier version")
    return judged(told, "recipe, network and data as they were")


def beginning(facts: Facts) -> Found | None:
    """Compare the weights that a run began with with their hash."""
    said, is_there = facts.data.get("begins_trained"), facts.run.begins_trained
    if not is_there:
        problems = ["data.json says that it began with trained weights, and weights.json is gone"]
        return judged(problems, "") if said is True else None
    return judged(_beginning(facts, said), "initial.safetensors is of the SHA-256 in weights.json")


def _beginning(facts: Facts, said: object) -> Iterator[str]:
    path, told = facts.path / "initial.safetensors", facts.read("weights").get("sha256")
    if said is False and not facts.run.continues:
        yield "there is a weights.json, and by data.json it began with the seed's"
    if not path.exists() and facts.run.continues:
        return
    try:
        if hashlib.sha256(read_plain(path, most=_MOST_BYTES)).hexdigest() != told:
            yield "initial.safetensors has another SHA-256 than weights.json says"
    except (OSError, ValueError) as error:
        yield f"initial.safetensors cannot be read: {error}"


def going_on(facts: Facts) -> Found | None:
    """Compare continues.json with what the event of the start says of it."""
    begun = [row.get(CONTINUES) for row in facts.happened("start")][:1]
    if not begun and facts.continues:
        return unknown("the event of the start is lost")
    kept = begun[0] if begun and isinstance(begun[0], Mapping) else {}
    if not (facts.continues or kept):
        return None
    is_same = facts.continues == kept
    text = f"from step {facts.continues.get('step')} of {facts.continues.get('length')}"
    return passed(text) if is_same else judged(["continues.json is not what the run began with"], "")


PROMISES = (
    Promise("files", "every file of a run, whole", "what is gone or damaged cannot be checked", readable),
    Promise(
        "as it began",
        "recipe, network and data as when the run began",
        "what is said to be trained is what was trained",
        unedited,
    ),
    Promise(
        "first weights",
        "those of the hash in weights.json",
        "trained weights are a part of what came out",
        beginning,
        reads_all=True,
    ),
    Promise("goes on from", "the run that it began from", "the steps before are a part of it", going_on),
)
