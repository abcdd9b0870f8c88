"""What became of every tensor of a weight file, for people and for programs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from resnetlab.base.units import first_of
from resnetlab.network.spec import ModelSpec
from resnetlab.weights.converting import COUNTERS
from resnetlab.weights.facts.naming import InputFacts, Naming
from resnetlab.weights.recognising import describe_spec

_MOST = 4


@dataclass(frozen=True)
class WeightsReport:
    """Every key of the file and of the network, and what became of it."""

    path: str
    kind: str
    """Of the file, in words."""
    naming: Naming
    spec: ModelSpec
    """The network that was filled."""
    matched: Mapping[str, str]
    """Our names, and theirs."""
    derived: Mapping[str, str]
    """Our names, and how the tensor was made."""
    reset: Mapping[str, str]
    """Our names that begin anew, and why."""
    unused: Mapping[str, str]
    """Their names, and why."""
    notes: tuple[str, ...]
    preprocessing: InputFacts

    def __str__(self) -> str:
        return "\n".join(f"{title:<9}  {text}" for title, text in self.rows())

    def rows(self) -> list[tuple[str, str]]:
        """Return what is to be told, as titles and texts."""
        rows = [
            ("file", f"{self.path} ({self.kind})"),
            ("names", self.naming.dialect.title),
            ("network", describe_spec(self.naming.spec)),
        ]
        if self.spec != self.naming.spec:
            rows.append(("loaded as", describe_spec(self.spec)))
        if self.naming.prefixes:
            rows.append(("prefixes", f"removed {', '.join(self.naming.prefixes)}"))
        rows += [
            ("matched", f"{len(self.matched)} tensors"),
            ("derived", _grouped({key: how for key, how in self.derived.items() if how != COUNTERS})),
            ("reset", _grouped(self.reset)),
            ("unused", _grouped(self.unused)),
            ("images", _images(self.preprocessing)),
        ]
        rows += [("note", note) for note in self.notes]
        return [(title, text) for title, text in rows if text]

    def to_json(self) -> dict[str, Any]:
        """Return all of it as plain JSON types."""
        return {
            "file": self.path,
            "kind": self.kind,
            "naming": self.naming.name,
            "file_network": self.naming.spec.to_json(),
            "network": self.spec.to_json(),
            "prefixes": list(self.naming.prefixes),
            "matched": dict(self.matched),
            "derived": dict(self.derived),
            "reset": dict(self.reset),
            "unused": dict(self.unused),
            "notes": list(self.notes),
            "preprocessing": self.preprocessing.to_json(),
        }


def _grouped(entries: Mapping[str, str]) -> str:
    """Return the count, and the names by reason: 2 tensors: a, b (why)."""
    if not entries:
        return ""
    groups: dict[str, list[str]] = {}
    for name, reason in entries.items():
        groups.setdefault("made of two" if " - " in reason else reason, []).append(name)
    texts = []
    for reason, names in groups.items():
        why = "running mean less the convolution's bias" if reason == "made of two" else reason
        texts.append(f"{first_of(names, _MOST)} ({why})")
    return f"{len(entries)} tensors: " + "; ".join(texts)


def _images(facts: InputFacts) -> str:
    if not facts.is_told:
        return "the file does not tell how they were normalised: taken from 0 to 1 as they are"
    if facts.normalise == "per-image":
        return "each image standardised"
    if facts.normalise == "per-pixel-mean":
        where = "the file's" if facts.mean_image else "which the file does not contain"
        return f"0 to {facts.pixel_range}, less the training images' mean image, {where}"
    mean, std = (", ".join(f"{x:g}" for x in values) for values in (facts.mean, facts.std))
    text = f"{facts.channel_order} 0 to {facts.pixel_range}, mean {mean}, std {std}"
    if facts.resize or facts.crop:
        text += f"; shorter side to {facts.resize}, centre {facts.crop}, {facts.interpolation}"
    return text
