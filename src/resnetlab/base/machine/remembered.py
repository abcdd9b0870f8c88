"""What was measured on this machine, kept in the user's cache, so that it is measured once.

Imports no torch before it is asked which one is here.
"""

import contextlib
import functools
import hashlib
import json
import os
import platform
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from resnetlab.base.download import cache_folder
from resnetlab.base.files import make_directory, write_file
from resnetlab.base.plaindata import to_json_bytes
from resnetlab.base.reading.plain import read_json
from resnetlab.errors import ResnetlabError

_MOST_BYTES = 2**20


@functools.cache
def machine_facts() -> dict[str, Any]:
    """Return what a measurement depends on: the processor, how many this process may use, torch's version."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {"processor": _processor(), "processors": usable, "torch": version("torch")}


def _processor() -> str:
    """Return the processor's name, model and abilities in one line, as the system tells them."""
    wanted = ("model name", "cpu family", "model", "stepping", "flags", "Features", "CPU part")
    try:
        lines = Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines()
    except OSError:
        return f"{platform.machine()} {platform.processor()}"
    told = dict(line.split(":", 1) for line in lines if ":" in line)
    return " ".join(value.strip() for name, value in told.items() if name.strip() in wanted)


def remembered(
    about: str,
    question: Mapping[str, Any],
    measure: Callable[[], Any],
    *,
    anew: bool = False,
    is_kept: Callable[[Any], bool] = lambda answer: True,
) -> Any:
    """Return what `measure` answered to this question on this machine, from the cache if it is there.

    A cache that cannot be read or written, or that holds something else, costs a measurement alone.

    Args:
        about: What is measured, a plain name; the folder of the cache.
        question: All on which the answer depends beside the machine, as plain JSON data: the versions of
            what is measured too.
        measure: Makes the answer, plain JSON data.
        anew: Whether to measure whatever the cache holds.
        is_kept: Whether an answer is one for the next time too, and not of something that went wrong.
    """
    asked, path = _place(about, question)
    kept = None if anew else _read(path)
    if kept is not None and kept["asked"] == asked:
        return kept["answer"]
    answer = measure()
    if is_kept(answer):
        remember(about, question, answer)
    return answer


def remember(about: str, question: Mapping[str, Any], answer: Any) -> None:
    """Keep an answer in the place of what `remembered` would return."""
    asked, path = _place(about, question)
    kept = {"asked": asked, "answer": answer}
    with contextlib.suppress(ResnetlabError):
        make_directory(path.parent)
        write_file(path, to_json_bytes(kept | {"sha256": _digest(kept)}))


def _place(about: str, question: Mapping[str, Any]) -> tuple[dict[str, Any], Path]:
    asked = {"machine": machine_facts(), "question": dict(question)}
    return asked, cache_folder() / "measured" / about / f"{_digest(asked)[:32]}.json"


def _read(path: Path) -> dict[str, Any] | None:
    """Return what was kept in a file; None if that is nothing, or it was changed since."""
    try:
        found = read_json(path, most=_MOST_BYTES)
        kept = {name: found[name] for name in ("asked", "answer")}
        return kept if found["sha256"] == _digest(kept) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
