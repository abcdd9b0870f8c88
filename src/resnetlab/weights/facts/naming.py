"""What a foreign naming is, and what a file turns out to be: a naming, a network, a preprocessing."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from resnetlab.network.layers import Conv, Gate, Linear, Norm
from resnetlab.network.spec import ModelSpec

Shape = tuple[int, ...]
Shapes = Mapping[str, Shape]
Layout = Literal["torch", "tensorflow"]

COMPUTES = (
    "order",
    "stride_on",
    "strides",
    "shortcut",
    "shortcut_gate",
    "shortcut_scale",
    "branch_scale",
    "shortcut_dropout",
    "projection_source",
    "first_shortcut_preact",
    "first_unit_bare",
    "padding",
    "act_slope",
    "stem_stride",
    "stem_pool",
)
"""Knobs that change what a network computes with the same numbers."""
NEARLY = ("bn_eps", "max_pool")
"""The same, so little that a network which is trained on does not mind."""


@dataclass(frozen=True, kw_only=True)
class InputFacts:
    """How pixels became the input of the network whose weights a file holds; plain data."""

    normalise: Literal["channel", "per-image", "per-pixel-mean"] = "channel"
    """Channel mean and std; each image standardised; the training images' mean image taken off."""
    pixel_range: int = 1
    """Largest pixel before normalisation: 1 or 255."""
    mean: tuple[float, ...] = ()
    """Per channel, in pixel_range."""
    std: tuple[float, ...] = ()
    """Per channel, in pixel_range."""
    mean_image: tuple[tuple[tuple[float, ...], ...], ...] = ()
    """By rows, columns and channels, in pixel_range, with normalise="per-pixel-mean" in a file of ours."""
    channel_order: str = "RGB"
    """RGB always: conv1 of a BGR network is turned around when it is read."""
    resize: int | None = None
    """Shorter side in pixels after resizing; none: as the images are."""
    crop: int | None = None
    """Side of the central crop in pixels; none: no crop."""
    interpolation: str = "bilinear"
    """bilinear, bicubic, or tf-bilinear: TensorFlow 1's, without antialiasing or half pixels."""
    is_told: bool = True
    """Whether the naming, or what lies beside the file, tells all this; if not, it is 0 to 1 as it is."""

    def to_json(self) -> dict[str, Any]:
        """Return all fields as plain JSON types, of a mean image its height and width alone."""
        size = [len(self.mean_image), len(self.mean_image[0])] if self.mean_image else []
        plain = asdict(replace(self, mean_image=())) | {"mean_image": size}
        return {name: list(v) if isinstance(v, tuple) else v for name, v in plain.items()}


@dataclass(frozen=True)
class Match:
    """A naming's reading of a file: which of its names is which of ours, and which network it is.

    Shapes are in the file's layout. The classifier is found by `heads.find_head`.
    """

    keys: Mapping[str, str]
    """Their names of the body's tensors to ours."""
    spec: ModelSpec
    """With the classes of the catalog's network."""
    preprocessing: InputFacts
    assumed: Mapping[str, str] = field(default_factory=dict)
    """Knobs that names and shapes do not tell, with what is taken, in words."""


@dataclass(frozen=True, eq=False)
class Dialect:
    """One foreign naming."""

    name: str
    title: str
    """For people."""
    layout: Layout
    """Of kernels and matrices: (out, in, h, w) and (out, in), or (h, w, in, out) and (in, out)."""
    match: Callable[[Shapes], Match | None]
    """Reads names and shapes, prefixes removed; None if the naming is another."""
    anchor: str
    """Pattern of a name that such a network has: what stands before it is the prefix of all."""
    body: str
    """Pattern of the names that the body has, or another network's body has in its place."""
    suffix: str = ""
    """What ends every name."""
    also: str = ""
    """A name that must stand under the same prefix; empty if the anchor is enough."""
    open_knobs: frozenset[str] = frozenset()
    """What the network computes and neither names nor shapes tell."""
    ignored: Mapping[str, str] | None = None
    """Patterns of names that are no weights of the network, each with what they are."""
    is_bgr: bool = False
    """The first convolution reads blue, green, red."""
    note: str = ""
    """What a user should know of such a file."""
    without_mean_image: str = ""
    """What to do where its images were less a mean image and the file has none."""


@dataclass(frozen=True)
class Naming:
    """What `recognise` found: the naming, which names are which, and the network.

    `spec` is the network as the file has it: its class count, its channels.
    """

    dialect: Dialect
    spec: ModelSpec
    keys: Mapping[str, str]
    """Their full names to ours."""
    preprocessing: InputFacts
    prefixes: tuple[str, ...]
    """Removed before the names were read."""
    has_head: bool
    """The classifier is there, as one linear layer."""
    own_head: tuple[str, ...] = ()
    """Their full names of a classifier that is anything else."""
    besides: tuple[str, ...] = ()
    """Their full names of what else the file holds, and nobody knows what it computes."""
    known: Mapping[str, str] = field(default_factory=dict)
    """Their full names of what is no part of the network, with what it is."""
    normalisers: Mapping[str, str] = field(default_factory=dict)
    """Their full names of means of the images to those of the standard deviations."""
    assumed: Mapping[str, str] = field(default_factory=dict)
    """As in `Match`."""
    remarks: tuple[str, ...] = ()
    """What else to say of how the file was read."""

    @property
    def name(self) -> str:
        """The naming's name."""
        return self.dialect.name


def expected_shapes(spec: ModelSpec) -> dict[str, Shape]:
    """Return the names and shapes of the network's state dict, without building it."""
    shapes: dict[str, Shape] = {}
    for path, _, layer in spec.plan().placed():
        match layer:
            case Conv():
                kernel = layer.kernel
                shapes[f"{path}.weight"] = (layer.out_channels, layer.in_channels, kernel, kernel)
                if layer.bias:
                    shapes[f"{path}.bias"] = (layer.out_channels,)
            case Norm():
                for leaf in ("weight", "bias", "running_mean", "running_var"):
                    if leaf != "weight" or layer.gamma:
                        shapes[f"{path}.{leaf}"] = (layer.channels,)
                shapes[f"{path}.num_batches_tracked"] = ()
            case Gate():
                shapes[f"{path}.weight"] = (layer.out_channels, layer.in_channels, 1, 1)
                shapes[f"{path}.bias"] = (layer.out_channels,)
            case Linear():
                shapes[f"{path}.weight"] = (layer.out_features, layer.in_features)
                shapes[f"{path}.bias"] = (layer.out_features,)
            case _:
                pass
    return shapes


def is_head(key: str) -> bool:
    """Return whether our name is one of the classifier's."""
    return key.startswith(("fc.", "head.fc."))


def torch_shape(key: str, shape: Shape, layout: Layout) -> Shape:
    """Return the shape that a tensor has in torch's layout; `key` is our name."""
    if layout == "tensorflow" and len(shape) == 4:
        shape = (shape[3], shape[2], shape[0], shape[1])
    elif layout == "tensorflow" and len(shape) == 2:
        shape = (shape[1], shape[0])
    if is_head(key) and shape[2:] == (1, 1):  # a classifier that is a 1x1 convolution
        shape = shape[:2]
    return shape


_LEAVES = {
    "kernel": "weight",
    "_kernel": "weight",  # in Keras 3's checkpoints of objects
    "weights": "weight",
    "DW": "weight",
    "gamma": "weight",
    "bias": "bias",
    "biases": "bias",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}


def rename_leaf(name: str, translate: Callable[[str], str | None]) -> str | None:
    """Return our name of LAYER/LEAF, where `translate` gives that of the layer; None if either has none."""
    layer, _, leaf = name.rpartition("/")
    ours = translate(layer)
    return f"{ours}.{_LEAVES[leaf]}" if ours is not None and leaf in _LEAVES else None


def split_leaf(name: str) -> tuple[str, str]:
    """Return the layer of LAYER/LEAF or LAYER.LEAF as it is called, and the leaf in our words."""
    layer, _, leaf = name.rpartition("/" if "/" in name else ".")
    return layer, _LEAVES.get(leaf, leaf)
