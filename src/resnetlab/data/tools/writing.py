"""What writing a whole collection takes: a place that can be taken, and a count of the images."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from resnetlab.data.sources.encoded import AnySource
from resnetlab.errors import UsageError


@dataclass
class ImageCount:
    """Counts the images that are done, of several threads."""

    total: int
    progress: Callable[[int, int], None] | None
    images: int = 0
    length: int = 0
    """Bytes of these."""
    kinds: Counter[str] = field(default_factory=Counter)
    _lock: Lock = field(default_factory=Lock)

    def add(self, content: bytes, kind: str) -> None:
        """Count an image."""
        with self._lock:
            self.kinds[kind] += 1
            self.images, self.length = self.images + 1, self.length + len(content)
            if self.progress is not None:
                self.progress(self.images, self.total)


def refuse_place(source: AnySource, out: Path) -> None:
    """Raise a UsageError if `out` holds anything, would be a part of the source, or cannot be renamed to."""
    if out.is_file() or (out.is_dir() and any(out.iterdir())):
        raise UsageError(f"{out} is not empty", hint="Choose a new folder.")
    real = out.resolve()
    if source.origin and Path(source.origin).is_dir() and real.is_relative_to(Path(source.origin).resolve()):
        raise UsageError(
            f"{out} lies in {source.origin}, of which it would become a part",
            hint="Choose a folder beside it.",
        )
    if real.is_mount():
        raise UsageError(f"{out} is where a disk is mounted", hint="Name a new folder in it.")
