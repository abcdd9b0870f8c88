"""ModelSpec: what a residual network is, as plain data, with its exact counts. No torch."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from math import inf
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from resnetlab.contradictions import contradictions
from resnetlab.drafting import draw_plan
from resnetlab.errors import UsageError, nearest
from resnetlab.layers import Layout, image_size
from resnetlab.plaindata import LATER, convert, field_types, parse_text, required_fields, to_plain
from resnetlab.plan import Plan, Traced

if TYPE_CHECKING:
    from resnetlab.drawing.picture import Picture

Order = Literal["post", "pre", "bn-after-add", "relu-before-add", "relu-only-pre"]
Shortcut = Literal["A", "A-avgpool", "A-avgpool-same", "B", "C", "stage", "none"]
ConvInit = Literal["he_fan_out", "he_fan_in", "he_truncated", "glorot_uniform", "lecun_truncated"]
FcInit = Literal["torch_default", "unit_scaling", "glorot_uniform", "he_truncated"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelSpec:
    """A residual network in plain data: comparable, hashable, printable, to JSON and back.

    Raises:
        UsageError: If the values contradict each other; all problems are named at once.
    """

    name: str
    """The network's name in the catalog."""
    source: str
    """The paper and section, or the code base, that defines it."""

    classes: int
    """Number of logits."""
    in_channels: int = 3
    """Channels of an image."""
    input_size: int
    """Nominal height and width in pixels, for the counts; any size the strides allow will do."""

    stem: Literal["small", "imagenet"]
    """small: a 3x3/1 convolution; imagenet: 7x7/2 and a 3x3/2 max pool."""
    stem_width: int
    """Channels after the stem's convolution."""
    stem_norm: bool = True
    """BN and activation follow the stem's convolution."""
    stem_stride: int | None = None
    """Stride of the stem's convolution; none: as the stem says, 1 or 2."""
    stem_pool: bool | None = None
    """A 3x3/2 max pool ends the stem; none: as the stem says, imagenet has one and small has not."""
    max_pool: Literal["torch", "same", "zeros"] = "torch"
    """The max pool's padding: 1 px on every side, TensorFlow's SAME, or 1 px of zeros that the
    maximum takes in (Keras Applications)."""

    blocks: tuple[int, ...]
    """Residual units per stage."""
    widths: tuple[int, ...]
    """Inner channels per stage, those of the 3x3 convolutions."""
    out_channels: tuple[int, ...]
    """Channels each stage gives on."""
    strides: tuple[int, ...]
    """Stride of each stage's first unit."""

    unit: Literal["basic", "bottleneck"]
    """basic: 3x3, 3x3; bottleneck: 1x1, 3x3, 1x1."""
    order: Order
    """Where BN and activation stand (He et al., 2016, Fig. 4): post and pre are the networks
    of the two papers; bn-after-add, relu-before-add, relu-only-pre are the ablations."""
    stride_on: Literal["first", "3x3", "last-3x3"] = "first"
    """The convolution of a bottleneck that strides: the first 1x1 (He et al.), the 3x3, or that of
    the stage's last unit instead of its first (Keras Applications' V2; with shortcut stage)."""

    shortcut: Shortcut
    """A: subsample and pad with zero channels where the shape changes; A-avgpool,
    A-avgpool-same: average pooling in place of subsampling (VALID, SAME); B: 1x1 projection
    where the shape changes; C: everywhere; stage: in every stage's first unit; none: plain."""
    projection_norm: bool = True
    """BN follows a projection."""
    projection_source: Literal["raw", "preact"] = "raw"
    """What a projection reads: the unit's input, or its pre-activation."""
    first_shortcut_preact: bool = False
    """The shortcut of the network's very first unit reads the pre-activation."""
    first_unit_bare: bool = False
    """The network's very first unit has no pre-activation of its own."""

    padding: Literal["torch", "same"] = "torch"
    """Padding of strided convolutions: kernel // 2 on every side, or TensorFlow's SAME."""
    act_slope: float = 0.0
    """Slope of the activation for negative values; 0 is ReLU."""
    conv_bias: bool = False
    """Convolutions have a bias."""
    bn_eps: float = 1e-5
    """BN's constant under the root; the default is torch's."""
    bn_momentum: float = 0.1
    """Weight of a new batch in BN's running statistics: 1 - TensorFlow's decay. The default is
    torch's."""
    bn_biased_variance: bool = False
    """BN's running variance averages biased batch variances."""
    preact_gamma: bool = True
    """The BN before the split, and the final one, have a gamma."""
    preact_momentum: float | None = None
    """The momentum of those; none: bn_momentum."""

    conv_init: ConvInit
    """How convolutions start; models/init.py has the formulas."""
    fc_init: FcInit
    """How the classifier starts."""
    zero_init_residual: bool = False
    """Every branch starts as zero: its last BN's gamma, or last convolution if no BN ends it."""
    stochastic_depth: float = 0.0
    """Drop probability of the last unit's branch; the others' rise linearly up to it
    (Huang et al., 2016, section 3)."""

    published_parameters: int | None = None
    """The source's own parameter count."""
    published_multiply_adds: int | None = None
    """The source's own count of multiply-adds."""

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

    def summary(
        self,
        *,
        full: bool = False,
        height: int | None = None,
        width: int | None = None,
        batch: int = 128,
        markdown: bool = False,
        layout: Layout = "NCHW",
    ) -> str:
        """Return the table of the network's layers as text; tables/text.py says what stands in it.

        Raises:
            UsageError: If batch or size are no whole numbers from 1 on, there is no such layout, or
                the strides do not allow the size.
        """
        from resnetlab.tables.text import summary

        return summary(
            self, full=full, height=height, width=width, batch=batch, markdown=markdown, layout=layout
        )

    @overload
    def draw(self, path: None = None, **options: object) -> "Picture": ...
    @overload
    def draw(self, path: str | PathLike[str], **options: object) -> list[Path]: ...
    def draw(self, path: str | PathLike[str] | None = None, **options: object) -> "Picture | list[Path]":
        """Return the network's drawing, which a notebook shows, or save it and return the files.

        The options, and what may be wrong with them, are those of `resnetlab.drawing.draw`.
        """
        from resnetlab.drawing.picture import draw_picture

        picture = draw_picture(self, path, options)
        return picture if path is None else picture.save(path)

    def _repr_svg_(self) -> str | None:
        return self.draw()._repr_svg_()

    def __str__(self) -> str:
        from resnetlab.tables.text import heading

        return heading(self, self.input_size, self.input_size)


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
