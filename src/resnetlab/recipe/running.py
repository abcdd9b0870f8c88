"""Length, batch and seed, what of a trained network is kept, what is written when, how arithmetic is done."""

from dataclasses import dataclass
from typing import Literal

from resnetlab.base.units import Duration
from resnetlab.recipe.checks import refuse


@dataclass(frozen=True, kw_only=True)
class Execution:
    """How the arithmetic is carried out."""

    precision: Literal["auto", "fp32", "bf16", "fp16"] = "fp32"
    """Number format of training's convolutions, all else is fp32 (CUDA: TF32); auto: bf16 where it pays."""

    loss_scale: float = 0.0
    """fp16: fixed factor of the loss; 0 adapts it."""

    shards: int = 1
    """Equal parts of a batch, each with BN statistics and a gradient of its own; devices share them out."""

    shard_bn: Literal["mean", "first", "sync"] = "mean"
    """BN's running statistics: the mean over the shards, or the first's; sync: all are the whole batch's."""

    accumulate: int = 1
    """Microbatches of each shard, whose gradients are added up; BN sees one microbatch at a time."""

    compile: Literal["auto", "on", "off", "native"] = "auto"
    """on: torch.compile; native: kernels of our own, on CPUs; auto: what makes a run shortest here."""

    capture: Literal["auto", "on", "off"] = "auto"
    """CUDA: record whole steps and repeat them without the host; auto: if steps are small."""

    channels_last: bool = True
    """Keep tensors in NHWC order in memory."""

    checkpoint_activations: bool = False
    """Recompute each unit in the backward pass instead of keeping its activations."""

    deterministic: bool = False
    """CUDA: only algorithms that repeat exactly. (The CPU always repeats exactly.)"""

    @property
    def is_synchronised(self) -> bool:
        """Whether the shards of a batch have BN statistics in common."""
        return self.shards > 1 and self.shard_bn == "sync"

    @property
    def bn_parts(self) -> int:
        """Into how many parts a batch is cut, each with BN statistics of its own."""
        return self.accumulate if self.is_synchronised else self.shards * self.accumulate

    def __post_init__(self) -> None:
        refuse(
            "execution",
            (self.shards < 1, f"shards must be at least 1, got {self.shards}"),
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

    loss: Literal["softmax", "binary"] = "softmax"
    """softmax: cross-entropy over the classes; binary: of each class alone, mixed images having both."""

    balance: Literal["none", "loss"] = "none"
    """loss: each class counts alike in it, however few its images; none: each image does."""

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

    report: bool = True
    """Leave report.html when training ends, whole or not: all of it on a page, its pictures made in 5 s."""

    stop_at: float = 0.0
    """Accuracy in [0, 1] at which an evaluation ends the run; 0 never does."""

    patience: int = 0
    """Evaluations in a row without a better validation accuracy that end the run; 0 never ends it."""

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
            (self.patience > 0 and not self.eval_every.count, "patience needs evaluations: eval_every=1ep"),
            (self.patience < 0, f"patience must not be negative, got {self.patience}"),
            (not 0 <= self.stop_at <= 1, f"stop_at lies in [0, 1], got {self.stop_at}"),
        )


@dataclass(frozen=True, kw_only=True)
class Transfer:
    """What of a trained network is kept, what of it learns, and how fast."""

    head: Literal["reset", "keep-shared", "strict"] = "reset"
    """The classifier: begins anew; keeps the rows of class names that both have; or is kept whole."""

    freeze: Literal["none", "stem", "stage1", "stage2", "stage3", "stage4", "body"] = "none"
    """From the image up to this part nothing learns; body: all but the classifier."""

    bn: Literal["train", "frozen-statistics", "frozen"] = "train"
    """BN where it learns: batch statistics; the running ones, unmoved; or gamma and beta unmoved too."""

    frozen_bn: Literal["still", "moving"] = "still"
    """BN where nothing learns: still; or moving: batch statistics there too, followed by the running ones."""

    body_rate: float = 1.0
    """Share of the rate at which everything below the classifier learns."""

    stage_rate: float = 1.0
    """Share of the rate that a stage keeps of that of the stage above it (discriminative rates)."""

    def __post_init__(self) -> None:
        refuse(
            "transfer",
            (self.frozen_bn != "still" and self.freeze == "none", "frozen_bn=moving needs freeze"),
            (not 0 < self.body_rate <= 1, f"body_rate lies in (0, 1], got {self.body_rate}"),
            (not 0 < self.stage_rate <= 1, f"stage_rate lies in (0, 1], got {self.stage_rate}"),
        )
