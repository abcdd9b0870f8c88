"""How a gradient becomes an update, and the learning rate over the steps."""

import math
from dataclasses import dataclass
from typing import Literal

from resnetlab.base.units import Duration
from resnetlab.recipe.checks import Floats, refuse


@dataclass(frozen=True, kw_only=True)
class Optimizer:
    """How a gradient becomes an update."""

    optimizer: str = "sgd"
    """sgd, adam, adamw, lamb, lars, muon, or one that a package adds (docs/extending.md)."""

    momentum: float = 0.9
    """Share of the last update that sgd and lars keep, and muon but for kernels; 0 turns momentum off."""

    nesterov: bool = False
    """sgd: use Nesterov's form of momentum, as muon always does."""

    momentum_form: Literal["torch", "keras"] = "torch"
    """sgd, lars: where the rate stands: torch w -= lr*v (TensorFlow 1 too); keras v = m*v - lr*g."""

    betas: Floats = (0.9, 0.999)
    """adam, adamw, lamb: decay of the first and second moment."""

    adam_eps: float = 1e-8
    """adam, adamw, lamb: number that keeps the denominator from zero."""

    muon_momentum: float = 0.6
    """muon: share of the last update that a convolution kernel keeps."""

    rest_rate: float = 1.0
    """muon: share of the rate at which all that is no convolution kernel learns, by sgd."""

    trust: float = 0.001
    """lars: trust coefficient, the share of a kernel's norm that an update of rate 1 moves it by."""

    fixed_norm: bool = False
    """muon: scale each convolution kernel to norm sqrt(output channels), instead of weight decay."""

    weight_decay: float = 1e-4
    """L2 penalty, as the factor of w in the gradient (adamw, lamb, muon's kernels: beside it)."""

    decay_scope: Literal["all", "all-but-norm", "kernels", "conv-kernels"] = "all"
    """What decays: all; all but BN; conv and linear kernels; conv kernels only."""

    bias_rate: float = 1.0
    """Multiple of the rate at which BN's beta learns, and by which its weight decay is divided."""

    clip_norm: float = 0.0
    """Largest norm of the whole gradient; 0 does not clip. lamb clips to 1 in any case."""

    sam: float = 0.0
    """Distance uphill at which the gradient is taken (sharpness-aware minimisation); 0 stays there."""

    sam_form: Literal["sam", "adaptive"] = "sam"
    """sam: the distance of all weights alike; adaptive: in the scale of each weight (ASAM)."""

    ema_decay: float = 0.0
    """Share of itself that the average of the weights keeps per step; 0 keeps no average."""

    lookahead: int = 0
    """Steps after which the weights become their slow copies, which take them in; 0 has no copies."""

    lookahead_decay: float = 0.95
    """lookahead: share per step that the slow copies keep of themselves, at the end of the run."""

    def __post_init__(self) -> None:
        refuse(
            "optimizer",
            (not 0 <= self.momentum < 1, f"momentum must lie in [0, 1), got {self.momentum}"),
            (self.nesterov and not self.momentum, "nesterov needs momentum above 0"),
            (len(self.betas) != 2, f"betas are two numbers, got {self.betas}"),
            (not all(0 <= b < 1 for b in self.betas), f"betas lie in [0, 1), got {self.betas}"),
            (not 0 <= self.muon_momentum < 1, f"muon_momentum lies in [0, 1), got {self.muon_momentum}"),
            (not 0 < self.rest_rate < math.inf, f"rest_rate is above 0 and finite, got {self.rest_rate}"),
            (not 0 < self.trust < math.inf, f"trust is above 0 and finite, got {self.trust}"),
            (self.fixed_norm and self.optimizer != "muon", "fixed_norm needs optimizer=muon"),
            (not 0 <= self.weight_decay < math.inf, f"weight_decay is not negative: {self.weight_decay}"),
            (not 0 < self.bias_rate < math.inf, f"bias_rate is above 0 and finite, got {self.bias_rate}"),
            (self.clip_norm < 0, f"clip_norm must not be negative, got {self.clip_norm}"),
            (not 0 <= self.sam < math.inf, f"sam is not negative and finite, got {self.sam}"),
            (not 0 <= self.ema_decay < 1, f"ema_decay must lie in [0, 1), got {self.ema_decay}"),
            (self.lookahead < 0, f"lookahead must not be negative, got {self.lookahead}"),
            (not 0 <= self.lookahead_decay <= 1, f"lookahead_decay lies in [0, 1]: {self.lookahead_decay}"),
            (self.lookahead > 0 and self.ema_decay > 0, "lookahead and ema_decay exclude each other"),
        )


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """The learning rate as a function of the step."""

    lr: float = 0.1
    """Peak learning rate, for the whole batch."""

    lr_batch: int = 0
    """Batch that `lr` is meant for; another batch scales it linearly. 0 never scales."""

    schedule: Literal["constant", "pieces", "linear", "cosine", "polynomial", "plateau"] = "pieces"
    """After the warm-up: constant; pieces (milestones, factors); plateau; the others go down to lr_end."""

    milestones: tuple[Duration, ...] = ()
    """pieces: when the rate changes, e.g. 32000st,48000st or 91ep,136ep."""

    factors: Floats = ()
    """pieces: the share of the peak after each milestone, e.g. 0.1,0.01."""

    whole_epochs: bool = False
    """Milestones in epochs fall on the end of that epoch's last, short batch; else they round down."""

    lr_end: float = 0.0
    """linear, cosine, polynomial: the share of the peak at the end of the run; plateau: the least share."""

    lr_power: float = 2.0
    """polynomial: the power of the share of the steps that are left; 1 is linear."""

    plateau_factor: float = 0.316227766
    """plateau: what the rate is multiplied by when the validation loss has stopped falling; root of .1."""

    plateau_patience: int = 5
    """plateau: evaluations in a row without a lower validation loss after which it has."""

    plateau_delta: float = 1e-4
    """plateau: how much lower than the lowest one a validation loss must be, in nats."""

    warmup: Duration = Duration(0, "st")
    """Length of the warm-up."""

    warmup_form: Literal["constant", "linear", "exponential"] = "linear"
    """constant: warmup_from throughout; from there up to the peak: linear, or exponential, by a factor."""

    warmup_from: float = 0.0
    """The share of the peak that the warm-up starts with."""

    def __post_init__(self) -> None:
        pieces, factors = len(self.milestones), len(self.factors)
        counts = [[m.count for m in self.milestones if m.unit == unit] for unit in ("ep", "st")]
        refuse(
            "schedule",
            (not 0 < self.lr < math.inf, f"lr must be above 0 and finite, got {self.lr}"),
            (self.lr_end < 0, f"lr_end must not be negative, got {self.lr_end}"),
            (not 0 < self.lr_power < math.inf, f"lr_power is above 0 and finite, got {self.lr_power}"),
            (not 0 < self.plateau_factor < 1, f"plateau_factor lies in (0, 1): {self.plateau_factor}"),
            (self.plateau_patience < 1, f"plateau_patience is at least 1, got {self.plateau_patience}"),
            (not 0 <= self.plateau_delta < math.inf, f"plateau_delta is not negative: {self.plateau_delta}"),
            (self.warmup_from < 0, f"warmup_from must not be negative, got {self.warmup_from}"),
            (
                self.warmup_form == "exponential" and not self.warmup_from,
                "warmup_form=exponential needs warmup_from above 0",
            ),
            (self.lr_batch < 0, f"lr_batch must not be negative, got {self.lr_batch}"),
            (pieces != factors, f"one factor per milestone is due, got {factors} for {pieces}"),
            (counts != [sorted(set(c)) for c in counts], f"milestones must rise: {counts[0] or counts[1]}"),
        )
