"""Inputs chosen by the code that they reach: by atheris, libFuzzer for Python, where it is installed."""

import importlib
import os
import random
import tempfile
from pathlib import Path
from typing import Any, Protocol

from tests.fuzz.target import MOST_BYTES, Opened

_OURS = 0.5
"""The share of changes that are not libFuzzer's own."""


class Course(Protocol):
    """Who is given the inputs."""

    @property
    def is_over(self) -> bool:
        """Whether there is no more time."""

    def take(self, content: bytes) -> None:
        """Give the parser an input."""

    def close(self) -> None:
        """Write down what there is to say at the end."""


def go(course: Course, opened: Opened, rng: random.Random) -> None:
    """Give the parser inputs until it is over, and end the process."""
    atheris: Any = importlib.import_module("atheris")
    seeds = [*opened.seeds]
    corpus = Path(tempfile.mkdtemp(prefix="corpus-", dir=os.environ.get("RESNETLAB_CACHE")))
    for number, seed in enumerate(seeds):
        (corpus / str(number)).write_bytes(seed)

    def one(content: bytes) -> None:
        if course.is_over:
            course.close()
            os._exit(0)
        course.take(content)

    def change(content: bytes, most: int, seed: int) -> bytes:
        own = random.Random(seed)
        if own.random() < _OURS:
            return bytes(opened.change(content or own.choice(seeds), own)[:most])
        return bytes(atheris.Mutate(content, most))

    signals = [f"-handle_{name}=0" for name in ("segv", "bus", "abrt", "ill", "fpe", "int", "term", "xfsz")]
    numbers = {
        "seed": rng.randrange(1, 2**31),
        "max_len": MOST_BYTES // 4,
        "timeout": 10**6,
        "rss_limit_mb": 0,
    }
    options = [f"-{name}={number}" for name, number in numbers.items()]
    atheris.Setup(["fuzz", *options, *signals, "-detect_leaks=0", str(corpus)], one, custom_mutator=change)
    atheris.Fuzz()
