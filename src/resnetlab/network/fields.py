"""The fields of ModelSpec: what there is to say of a residual network."""

from dataclasses import dataclass
from typing import Literal

Order = Literal["post", "pre", "bn-after-add", "relu-before-add", "relu-only-pre"]
Shortcut = Literal["A", "A-avgpool", "A-avgpool-same", "B", "C", "stage", "none"]
ConvInit = Literal["he_fan_out", "he_fan_in", "he_truncated", "glorot_uniform", "lecun_truncated"]
GateKind = Literal["none", "exclusive", "shortcut-only"]
FcInit = Literal["torch_default", "unit_scaling", "glorot_uniform", "he_truncated"]


@dataclass(frozen=True, kw_only=True, slots=True)
class SpecFields:
    """A residual network in plain data; its subclass `spec.ModelSpec` checks it and gives its plan."""

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
    """Stride of each stage, on its first unit unless stride_on says otherwise."""

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
    shortcut_scale: float = 1.0
    """Factor of every shortcut (He et al., 2016, section 3.1, as the next four)."""
    branch_scale: float = 1.0
    """Factor of every branch."""
    shortcut_gate: GateKind = "none"
    """Every shortcut is multiplied by 1 - g, g = sigmoid(1x1 convolution of what it reads) number by number;
    exclusive: and every branch by g."""
    gate_bias: float = 0.0
    """Where the gates' biases start; far below 0 the shortcuts start as they are without gates."""
    shortcut_dropout: float = 0.0
    """Probability that training drops a number of a shortcut; evaluation has 1 minus it as a factor."""
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
