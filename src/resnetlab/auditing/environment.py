"""Where it was made: on what machine, with which versions, by which code."""

from collections.abc import Iterator, Mapping
from typing import Any

from resnetlab.auditing.facts import Facts
from resnetlab.auditing.finding import Found, Promise, judged, passed, unknown
from resnetlab.base.units import counted
from resnetlab.runs.environment import binding_differences, recorded_threads, source_digest

_NAMED = ("python", "platform", "cpu", "device", "torch")


def told(facts: Facts) -> Found:
    """Look for what every environment says."""
    environment = facts.read("environment")
    problems = [
        f"no {name}" for name in _NAMED if not isinstance(environment.get(name), str) or not environment[name]
    ]
    if not recorded_threads(dict(environment)):
        problems.append(f"{environment.get('threads')!r} threads")
    packages = environment.get("packages")
    if not isinstance(packages, Mapping) or not isinstance(packages.get("resnetlab"), str):
        problems.append("no version of resnetlab")
    elif packages.get("torch", environment.get("torch")) != environment.get("torch"):
        problems.append(f"torch {environment.get('torch')!r} and {packages.get('torch')!r}")
    if not problems and isinstance(packages, Mapping) and not packages["resnetlab"]:
        return unknown("made from source files that were not installed: of no version")
    return judged(problems, f"{environment.get('device')}, torch {environment.get('torch')}")


def as_at_the_start(facts: Facts) -> Found:
    """Compare environment.json with what the event of the start says."""
    starts = [row.get("environment") for row in facts.happened("start")]
    if not starts:
        return unknown("no event of the start: it was killed before")
    if not isinstance(starts[0], Mapping):
        return judged(["the event of the start tells of none"], "")
    now = facts.read("environment")
    names = [name for name in {**starts[0], **now} if starts[0].get(name) != now.get(name)]
    return judged([f"{name} was {starts[0].get(name)!r}, is {now.get(name)!r}" for name in names], "the same")


def resumed(facts: Facts) -> Found | None:
    """Compute again what each restart found otherwise than at the start."""
    restarts = facts.happened("resume")
    if not restarts:
        return None
    return judged(_untold(facts), f"{counted(len(restarts), 'restart')}, and what differed is said")


def _untold(facts: Facts) -> Iterator[str]:
    first: dict[str, Any] = dict(facts.read("environment"))
    for row in facts.happened("resume"):
        now = row.get("environment")
        if not isinstance(now, Mapping):
            yield f"the restart at step {row.get('step')!r} tells of no machine"
            continue
        found = binding_differences(first, dict(now))
        if found and not row.get("differing"):
            yield f"step {row.get('step')!r}: {found[0]}, and it is not said"


def code(facts: Facts) -> Found:
    """Look whether the code is known that made it."""
    environment = facts.read("environment")
    revision, source = str(environment.get("revision", "")), environment.get("source")
    if source and source == source_digest():
        return passed("the very source files of this resnetlab")
    if revision.endswith("+"):
        return unknown(f"revision {revision} with changes that nothing keeps")
    if not revision and not source:
        return unknown("neither a revision nor a hash of the source files")
    return passed(f"revision {revision}" if revision else f"source files {str(source)[:12]}")


PROMISES = (
    Promise("environment", "machine, device, threads and versions", "they decide the last bits", told),
    Promise(
        "environment then", "as at the start", "where it was made is a part of what came out", as_at_the_start
    ),
    Promise(
        "restarts", "what is otherwise than at the start is said", "bits may differ from there on", resumed
    ),
    Promise(
        "code",
        "a revision without changes, or these source files",
        "code that nobody has cannot be run again",
        code,
    ),
)
