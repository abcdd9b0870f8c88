"""ModelSpec: what a residual network is, as plain data, with its exact counts. No torch."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from math import inf
from typing import Any, ClassVar

from resnetlab.base.plaindata import LATER, convert, field_types, parse_text, required_fields, to_plain
from resnetlab.errors import UsageError, nearest
from resnetlab.network.drafting import draw_plan
from resnetlab.network.fields import SpecFields
from resnetlab.network.layers import image_size
from resnetlab.network.plan import Plan, Traced
from resnetlab.network.rules import contradictions


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelSpec(SpecFields):
    """A residual network in plain data: comparable, hashable, printable, to JSON and back.

    Raises:
        UsageError: If the values contradict each other; all problems are named at once.
    """

    summary: ClassVar[Callable[..., str]]
    """The table of the network's layers as text: `resnetlab.show.summary` of it."""
    draw: ClassVar[Callable[..., Any]]
    """The network's drawing, which a notebook shows, or which is saved: `resnetlab.show.draw` of it."""
    _repr_svg_: ClassVar[Callable[..., str | None]]
    _repr_html_: ClassVar[Callable[..., str]]

    def __post_init__(self) -> None:
        problems = []
        for name, kind in field_types(ModelSpec).items():
            try:  # a list becomes a tuple, an int a float where one is due
                object.__setattr__(self, name, convert(kind, getattr(self, name), name))
            except UsageError as error:
                problems.append(str(error))
        if not problems:  # what the stem says by itself is not said twice
            if self.stem_stride == (2 if self.stem == "imagenet" else 1):
                object.__setattr__(self, "stem_stride", None)
            if self.stem_pool is (self.stem == "imagenet"):
                object.__setattr__(self, "stem_pool", None)
        problems = problems or list(contradictions(self))
        if problems:
            raise UsageError(f"the model {self.name!r} cannot be: " + "; ".join(problems))

    def plan(self) -> Plan:
        """Return the network layer by layer."""
        return draw_plan(self)

    def shapes(self, height: int | None = None, width: int | None = None) -> tuple[Traced, ...]:
        """Return every layer with its input and output shape; the default is the nominal size.

        Raises:
            UsageError: If the size is no whole numbers from 1 on, or the strides do not allow it.
        """
        return _trace(self, *image_size(self.input_size, height, width))

    def num_multiply_adds(self, height: int | None = None, width: int | None = None) -> int:
        """Return the products for one image in convolutions and classifier.

        Half the floating-point operations; what He et al. (2015, Table 1) call FLOPs.
        """
        return self.plan().num_multiply_adds(*image_size(self.input_size, height, width))

    @property
    def num_parameters(self) -> int:
        """The number of trainable numbers."""
        return self.plan().num_parameters

    @property
    def depth(self) -> int:
        """Weighted layers, as the papers count them."""
        return self.plan().depth

    @property
    def keep_probabilities(self) -> tuple[float, ...]:
        """Each unit's probability of keeping its branch: 1 - l/L (1 - p_L), Huang et al., 2016."""
        count = sum(self.blocks)
        return tuple(1 - self.stochastic_depth * unit / count for unit in range(1, count + 1))

    def with_(self, **changes: object) -> "ModelSpec":
        """Return the specification with knobs changed; KNOBS lists them.

        Besides the fields there is `width`, a factor on all channel counts but the image's.
        A new `stem` sets input_size to 32 (small) or 224 (imagenet) unless that is given too.
        The published counts do not survive a change.

        Raises:
            UsageError: If a knob is unknown or the result cannot be.
        """
        unknown = [name for name in changes if name not in KNOBS]
        if unknown:
            raise _unknown_knobs(unknown)
        values: dict[str, Any] = dict(changes)
        factor = values.pop("width", 1.0)
        if values.get("stem", self.stem) != self.stem:
            values.setdefault("input_size", 32 if values["stem"] == "small" else 224)
        spec = _widened(replace(self, **values), factor)
        if spec == self:
            return self
        return replace(spec, published_parameters=None, published_multiply_adds=None)

    def to_json(self) -> dict[str, Any]:
        """Return all fields as plain JSON types."""
        plain: dict[str, Any] = to_plain(self)
        return plain

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "ModelSpec":
        """Return the specification that `to_json` described; fields left out keep their defaults.

        An earlier version did not know every field, and its networks are those of the defaults.

        Raises:
            UsageError: If fields are unknown, wrong, or missing and without a default; all are named.
        """
        unknown = sorted(set(data) - set(field_types(cls)))
        missing = sorted(set(required_fields(cls)) - set(data))
        problems = [f"unknown {', '.join(unknown)}"] if unknown else []
        problems += [f"missing {', '.join(missing)}"] if missing else []
        if problems:
            hint = LATER if unknown else ""
            raise UsageError(f"not a model specification: {'; '.join(problems)}", hint=hint)
        return cls(**data)


_NOT_KNOBS = ("name", "source", "published_parameters", "published_multiply_adds")
_KNOB_KINDS: dict[str, Any] = {
    name: kind for name, kind in field_types(ModelSpec).items() if name not in _NOT_KNOBS
} | {"width": float}

KNOBS: tuple[str, ...] = tuple(_KNOB_KINDS)
"""The names that `with_`, `create_model` and `--set` accept."""


def parse_knob(name: str, text: str) -> Any:
    """Return the knob's value from a command line's text: "2", "B", "3,4,6,3", "true".

    Raises:
        UsageError: If there is no such knob, or the text is none of its values.
    """
    if name not in KNOBS:
        raise _unknown_knobs([name])
    return parse_text(_KNOB_KINDS[name], text, name)


@lru_cache(maxsize=16)
def _trace(spec: ModelSpec, height: int, width: int) -> tuple[Traced, ...]:
    return spec.plan().trace(height, width)


def _unknown_knobs(names: list[str]) -> UsageError:
    hints = [hint for name in names if (hint := nearest(name, KNOBS))]
    hints.append(f"A model's knobs are {', '.join(KNOBS)}.")
    return UsageError(f"no such model knob: {', '.join(names)}", hint="\n".join(hints))


def _widened(spec: ModelSpec, factor: object) -> ModelSpec:
    """Return the network with all its channel counts times the factor, at least 1 each."""
    times: float = convert(float, factor, "width")
    if not 0 < times < inf:
        raise UsageError(f"width must be a factor > 0, got {factor}")

    def widen(channels: int) -> int:
        return max(1, round(channels * times))

    return replace(
        spec,
        stem_width=widen(spec.stem_width),
        widths=tuple(map(widen, spec.widths)),
        out_channels=tuple(map(widen, spec.out_channels)),
    )
