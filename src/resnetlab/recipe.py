"""The recipe: everything but the network and the data that determines a run, as frozen plain data.

The tree has one level of groups, and every leaf has a name of its own in the whole tree, so that
`--set lr=0.2` and `--set optimizer.lr=0.2` say the same. The string under a leaf is its help text.
"""

import math
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from resnetlab.errors import UsageError
from resnetlab.units import Duration

Floats = tuple[float, ...]


def refuse(owner: str, *checks: tuple[bool, str]) -> None:
    """Raise one UsageError with the text of every check that holds.

    Raises:
        UsageError: If any check holds.
    """
    problems = [text for is_wrong, text in checks if is_wrong]
    if problems:
        raise UsageError(f"{owner}: " + "; ".join(problems))


@dataclass(frozen=True, kw_only=True)
class Optimizer:
    """How a gradient becomes an update."""

    optimizer: Literal["sgd", "adam", "adamw"] = "sgd"
    """Update rule: sgd (with momentum), adam (weight decay in the gradient) or adamw (beside it)."""

    momentum: float = 0.9
    """Share of the last update that sgd keeps; 0 turns momentum off."""

    nesterov: bool = False
    """Use Nesterov's form of momentum."""

    momentum_form: Literal["torch", "keras"] = "torch"
    """Where the rate stands: torch w -= lr*v (TensorFlow 1 too); keras v = m*v - lr*g."""

    betas: Floats = (0.9, 0.999)
    """Decay of adam's first and second moment."""

    adam_eps: float = 1e-8
    """Number that keeps adam's denominator from zero."""

    weight_decay: float = 1e-4
    """L2 penalty, as the factor of w in the gradient (for adamw: beside it)."""

    decay_scope: Literal["all", "all-but-norm", "kernels", "conv-kernels"] = "all"
    """What decays: all; all but BN; conv and linear kernels; conv kernels only."""

    clip_norm: float = 0.0
    """Largest norm of the whole gradient; 0 does not clip."""

    ema_decay: float = 0.0
    """Share of itself that the average of the weights keeps per step; 0 keeps no average."""

    def __post_init__(self) -> None:
        refuse(
            "optimizer",
            (not 0 <= self.momentum < 1, f"momentum must lie in [0, 1), got {self.momentum}"),
            (self.nesterov and not self.momentum, "nesterov needs momentum above 0"),
            (len(self.betas) != 2, f"betas are two numbers, got {self.betas}"),
            (not all(0 <= b < 1 for b in self.betas), f"betas lie in [0, 1), got {self.betas}"),
            (not 0 <= self.weight_decay < math.inf, f"weight_decay is not negative: {self.weight_decay}"),
            (self.clip_norm < 0, f"clip_norm must not be negative, got {self.clip_norm}"),
            (not 0 <= self.ema_decay < 1, f"ema_decay must lie in [0, 1), got {self.ema_decay}"),
        )


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """The learning rate as a function of the step."""

    lr: float = 0.1
    """Peak learning rate, for the whole batch."""

    lr_batch: int = 0
    """Batch that `lr` is meant for; another batch scales it linearly. 0 never scales."""

    schedule: Literal["constant", "pieces", "linear", "cosine"] = "pieces"
    """After the warm-up: constant; pieces (milestones and factors); linear or cosine to lr_end."""

    milestones: tuple[Duration, ...] = ()
    """pieces: when the rate changes, e.g. 32000st,48000st or 91ep,136ep."""

    factors: Floats = ()
    """pieces: the share of the peak after each milestone, e.g. 0.1,0.01."""

    whole_epochs: bool = False
    """Milestones in epochs fall on the end of that epoch's last, short batch; else they round down."""

    lr_end: float = 0.0
    """linear, cosine: the share of the peak at the end of the run."""

    warmup: Duration = Duration(0, "st")
    """Length of the warm-up."""

    warmup_form: Literal["constant", "linear"] = "linear"
    """constant: the rate warmup_from throughout; linear: from warmup_from up to the peak."""

    warmup_from: float = 0.0
    """The share of the peak that the warm-up starts with."""

    def __post_init__(self) -> None:
        pieces, factors = len(self.milestones), len(self.factors)
        counts = [[m.count for m in self.milestones if m.unit == unit] for unit in ("ep", "st")]
        refuse(
            "schedule",
            (not 0 < self.lr < math.inf, f"lr must be above 0 and finite, got {self.lr}"),
            (self.lr_end < 0, f"lr_end must not be negative, got {self.lr_end}"),
            (self.warmup_from < 0, f"warmup_from must not be negative, got {self.warmup_from}"),
            (self.lr_batch < 0, f"lr_batch must not be negative, got {self.lr_batch}"),
            (pieces != factors, f"one factor per milestone is due, got {factors} for {pieces}"),
            (counts != [sorted(set(c)) for c in counts], f"milestones must rise: {counts[0] or counts[1]}"),
        )


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """What happens to the images of a training batch."""

    crop_padding: int = 4
    """Pixels on each side around a random crop of the original size; 0 does not crop."""

    crop_fill: Literal["zeros", "reflect", "edge"] = "zeros"
    """What the padding is made of."""

    pad_when: Literal["before", "after"] = "after"
    """Zeros put before the normalisation are black, after it the mean."""

    shift: float = 0.0
    """Largest shift as a share of the side, to the nearest pixel, edges repeated; 0 does not shift."""

    flip: Literal["none", "random", "alternating"] = "random"
    """Mirror images: at random, or at random in epoch 0 and in turn from then on."""

    cutout: int = 0
    """Side in pixels of the square that is set to the mean; 0 cuts nothing out."""

    mixup: float = 0.0
    """Alpha of mixup's Beta(alpha, alpha); 0 does not mix."""

    cutmix: float = 0.0
    """Alpha of cutmix's Beta(alpha, alpha); 0 does not mix. With mixup: one of the two per batch."""

    def __post_init__(self) -> None:
        refuse(
            "augmentation",
            (self.crop_padding < 0, f"crop_padding must not be negative, got {self.crop_padding}"),
            (not 0 <= self.shift < 1, f"shift must lie in [0, 1), got {self.shift}"),
            (self.crop_padding > 0 and self.shift > 0, "crop_padding and shift exclude each other"),
            (self.cutout < 0, f"cutout must not be negative, got {self.cutout}"),
            (self.mixup < 0, f"mixup must not be negative, got {self.mixup}"),
            (self.cutmix < 0, f"cutmix must not be negative, got {self.cutmix}"),
        )


@dataclass(frozen=True, kw_only=True)
class Normalisation:
    """How uint8 pixels become the network's input."""

    normalise: Literal["none", "per-pixel-mean", "per-image", "channel"] = "channel"
    """Subtract the training images' mean image; standardise each image; or channel mean and std."""

    pixel_range: int = 1
    """Largest input before normalisation: 1 (pixels / 255) or 255 (as they are)."""

    channel_mean: Floats = ()
    """channel: the means, in pixel_range; empty measures them on the training images."""

    channel_std: Floats = ()
    """channel: the standard deviations, in pixel_range; empty measures them."""

    def __post_init__(self) -> None:
        refuse(
            "normalisation",
            (self.pixel_range not in (1, 255), f"pixel_range is 1 or 255, got {self.pixel_range}"),
            (any(not s > 0 for s in self.channel_std), f"channel_std must be above 0: {self.channel_std}"),
        )


@dataclass(frozen=True, kw_only=True)
class Execution:
    """How the arithmetic is carried out."""

    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    """Number format of the convolutions; weights, BN and loss stay fp32. CUDA: fp32 is TF32 there."""

    loss_scale: float = 0.0
    """fp16: fixed factor of the loss; 0 adapts it."""

    accumulate: int = 1
    """Microbatches per step, whose gradients are added up; BN sees one microbatch at a time."""

    compile: Literal["auto", "on", "off"] = "auto"
    """torch.compile; auto: if the run is long enough to pay for it."""

    channels_last: bool = True
    """Keep tensors in NHWC order in memory."""

    checkpoint_activations: bool = False
    """Recompute each unit in the backward pass instead of keeping its activations."""

    deterministic: bool = False
    """CUDA: only algorithms that repeat exactly. (The CPU always repeats exactly.)"""

    def __post_init__(self) -> None:
        refuse(
            "execution",
            (self.accumulate < 1, f"accumulate must be at least 1, got {self.accumulate}"),
            (self.loss_scale < 0, f"loss_scale must not be negative, got {self.loss_scale}"),
        )


@dataclass(frozen=True, kw_only=True)
class Run:
    """Length, batch, seed, and what is written down when."""

    length: Duration = Duration(15, "ep")
    """Length of training, e.g. 182ep or 64000st (flags: --epochs, --steps)."""

    batch: int = 128
    """Samples per step, over all devices."""

    cycle_epochs: int = 0
    """Epochs after which a short batch closes a cycle; 0 lets full batches run across epochs."""

    seed: int = 0
    """Source of every random number of the run."""

    val: int = 0
    """Training samples held out for validation; 0 holds none out."""

    label_smoothing: float = 0.0
    """Probability mass moved from the label to all classes alike."""

    eval_every: Duration = Duration(1, "ep")
    """How often the network is evaluated; 0ep only at the end."""

    checkpoint_every: int = 1000
    """Steps between checkpoints; 0 saves only at the end and on interruption."""

    keep_checkpoints: int = 5
    """Newest checkpoints kept (the best on validation is kept besides)."""

    log_every: int = 50
    """Steps between the rows of training loss in metrics.jsonl and TensorBoard."""

    histogram_every: Duration = Duration(0, "ep")
    """How often TensorBoard gets histograms of weights and BN statistics; 0ep never."""

    stop_at: float = 0.0
    """Accuracy in [0, 1] at which an evaluation ends the run; 0 never does."""

    def __post_init__(self) -> None:
        refuse(
            "run",
            (self.length.count < 1, f"length must be above 0, got {self.length}"),
            (self.batch < 1, f"batch must be at least 1, got {self.batch}"),
            (self.cycle_epochs < 0, f"cycle_epochs must not be negative, got {self.cycle_epochs}"),
            (not 0 <= self.seed < 2**63, f"seed must lie in [0, 2**63), got {self.seed}"),
            (self.val < 0, f"val must not be negative, got {self.val}"),
            (not 0 <= self.label_smoothing < 1, f"label_smoothing lies in [0, 1): {self.label_smoothing}"),
            (self.checkpoint_every < 0, f"checkpoint_every must not be negative: {self.checkpoint_every}"),
            (self.keep_checkpoints < 1, f"keep_checkpoints is at least 1, got {self.keep_checkpoints}"),
            (self.log_every < 1, f"log_every is at least 1, got {self.log_every}"),
            (not 0 <= self.stop_at <= 1, f"stop_at lies in [0, 1], got {self.stop_at}"),
        )


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything but the network and the data that determines a run."""

    name: str = "quick"
    """The named recipe this one comes from."""

    run: Run = field(default_factory=Run)
    optimizer: Optimizer = field(default_factory=Optimizer)
    schedule: Schedule = field(default_factory=Schedule)
    augmentation: Augmentation = field(default_factory=Augmentation)
    normalisation: Normalisation = field(default_factory=Normalisation)
    execution: Execution = field(default_factory=Execution)

    def __post_init__(self) -> None:
        if self.run.batch < self.execution.accumulate:
            raise UsageError(
                f"a batch of {self.run.batch} cannot be cut into {self.execution.accumulate} microbatches"
            )

    def renamed(self, name: str, **groups: Any) -> "Recipe":
        """Return this recipe under another name, with other groups."""
        return replace(self, name=name, **groups)
