"""Layer responses of a run in a file beside its record: NAME.json, which names the run. No torch."""

import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from resnetlab.base.plaindata import from_plain, to_json_bytes, to_plain
from resnetlab.base.reading.plain import read_json
from resnetlab.errors import UsageError
from resnetlab.reporting.curves import Band
from resnetlab.reporting.records.record import Record, digest

RESPONSES = "responses"
"""The folder, beside that of the records."""

FORMAT, VERSION = "resnetlab layer responses", 1


@dataclass(frozen=True, kw_only=True)
class LayerResponses:
    """The standard deviations of a network's layers' outputs."""

    run: str
    """The key of its record."""
    images: int
    """Test images that it was measured on."""
    layers: tuple[str, ...]
    """In the network's order."""
    deviations: tuple[float, ...]
    """Of each, over images, channels and places."""

    def content(self) -> bytes:
        """Return the file's bytes, with a hash of all."""
        plain = {"format": FORMAT, "version": VERSION, **to_plain(self)}
        return to_json_bytes(plain | {"sha256": digest(plain)})


def read_responses(path: Path, record: Record) -> LayerResponses | None:
    """Return the responses in a file; none if there is none, it is damaged, or of another run than this.

    Whatever is none is measured anew, so what is wrong with it need not be told.
    """
    try:
        plain = read_json(path)
        told = plain.pop("sha256")
        if (plain["format"], plain["version"]) != (FORMAT, VERSION) or told != digest(plain):
            return None
        del plain["format"], plain["version"]
        found = from_plain(LayerResponses, plain, "responses")
    except (OSError, ValueError, TypeError, KeyError, AttributeError, UsageError):
        return None
    return None if found.run != record.key or any(_problems(found)) else found


def _problems(found: LayerResponses) -> Iterator[bool]:
    yield found.images < 1
    yield not found.layers or len(found.layers) != len(found.deviations)
    yield not all(0 <= deviation < math.inf for deviation in found.deviations)


@dataclass(frozen=True, kw_only=True)
class Profile:
    """The responses of several runs of one network."""

    layers: Band
    """In the network's order."""
    ranked: Band
    """Each run's in descending order: two runs need not have their greatest at the same layer."""
    means: tuple[float, ...]
    """Over the layers, by run."""

    @property
    def mean(self) -> float:
        """Over layers and runs."""
        return statistics.fmean(self.means)


def profile_of(runs: Sequence[LayerResponses]) -> Profile:
    """Return what runs of one network have together."""
    rows = [run.deviations for run in runs]
    return Profile(
        layers=_band(rows),
        ranked=_band([tuple(sorted(row, reverse=True)) for row in rows]),
        means=tuple(map(statistics.fmean, rows)),
    )


def _band(rows: Sequence[Sequence[float]]) -> Band:
    places = [*zip(*rows, strict=True)]
    return Band(
        mean=tuple(map(statistics.fmean, places)), low=tuple(map(min, places)), high=tuple(map(max, places))
    )
