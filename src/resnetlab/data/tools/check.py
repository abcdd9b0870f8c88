"""`data check`: every image of a source decoded once, and what is wrong with it or odd about it."""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from resnetlab.base.plaindata import to_plain
from resnetlab.data.sources.encoded import EncodedSource
from resnetlab.data.tools.check_findings import ERRORS, Finding, Kind, Looked, find

UNBALANCED = 10  # times as many images in the largest training class as in the smallest
_CHUNK = 64  # images that one thread takes at a time


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What `check_source` found."""

    name: str
    origin: str
    samples: Mapping[str, int]
    samples_per_class: Mapping[str, Mapping[str, int]]
    """By class, then by split."""

    formats: Mapping[str, int]
    modes: Mapping[str, int]
    """How many images have each of Pillow's modes, e.g. "RGB", "CMYK"."""

    imbalance: float
    """The largest training class by the smallest."""

    findings: tuple[Finding, ...]
    notes: tuple[str, ...]

    @property
    def is_clean(self) -> bool:
        """Whether nothing was found that spoils training or its scores: see ERRORS."""
        return not any(finding.kind in ERRORS for finding in self.findings)

    def of_kind(self, kind: Kind) -> tuple[Finding, ...]:
        """Return the findings of a kind."""
        return tuple(finding for finding in self.findings if finding.kind == kind)

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain data, without thumbnails."""
        findings = [to_plain(finding) for finding in self.findings]
        for finding in findings:
            del finding["thumbnail"]
        return {
            "name": self.name,
            "origin": self.origin,
            "is_clean": self.is_clean,
            "samples": dict(self.samples),
            "samples_per_class": {name: dict(counts) for name, counts in self.samples_per_class.items()},
            "formats": dict(self.formats),
            "modes": dict(self.modes),
            "imbalance": self.imbalance,
            "findings": findings,
            "notes": list(self.notes),
        }


def check_source(
    source: EncodedSource,
    *,
    num_threads: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> CheckReport:
    """Read and decode every image of a source.

    Found are: corrupt images; leaks (the same bytes or the same pixels in two splits); contradictions
    (the same image in two classes); duplicates (within a class of a split); 16-bit images whose values have
    12 bits or fewer; images with a side below 32 pixels; suffixes that are not their content's. The first
    three are errors, see `is_clean`.

    Args:
        source: What to check.
        num_threads: Pillow decodes outside of Python's lock; None takes one per core.
        progress: Is told how many images are done, of how many.
    """
    images = [
        Looked(part, source.class_names[split.labels[index]], split, index)
        for part, split in source.parts.items()
        for index in range(len(split))
    ]
    chunks = [images[start : start + _CHUNK] for start in range(0, len(images), _CHUNK)]
    done = 0
    with ThreadPoolExecutor(num_threads or os.cpu_count()) as pool:
        for number in pool.map(_look_at_all, chunks):
            done += number
            if progress is not None:
                progress(done, len(images))
    per_class = {
        part: split.samples_per_class(len(source.class_names)) for part, split in source.parts.items()
    }
    counts = [count for count in per_class["train"] if count]  # the background class is without images
    return CheckReport(
        name=source.name,
        origin=source.origin,
        samples={part: len(split) for part, split in source.parts.items()},
        samples_per_class={
            name: {part: column[label] for part, column in per_class.items()}
            for label, name in enumerate(source.class_names)
        },
        formats=_count(image.format for image in images if not image.problem),
        modes=_count(image.mode for image in images if not image.problem),
        imbalance=max(counts) / min(counts),
        findings=tuple(sorted(find(images), key=_rank)),
        notes=source.notes,
    )


def _rank(finding: Finding) -> int:
    """Return the place of its kind in the report: what spoils training comes first."""
    return ERRORS.index(finding.kind) if finding.kind in ERRORS else len(ERRORS)


def _look_at_all(images: Sequence[Looked]) -> int:
    for image in images:
        image.look()
    return len(images)


def _count(words: Iterable[str]) -> dict[str, int]:
    return dict(Counter(words).most_common())
