"""What of a trained network is kept, what of it learns, and how fast."""

from dataclasses import dataclass
from typing import Literal

from resnetlab.recipe.checks import refuse


@dataclass(frozen=True, kw_only=True)
class Transfer:
    """What of a trained network is kept, what of it learns, and how fast."""

    head: Literal["reset", "keep-shared", "strict"] = "reset"
    """The classifier: begins anew; keeps the rows of class names that both have; or is kept whole."""

    freeze: Literal["none", "stem", "stage1", "stage2", "stage3", "stage4", "body"] = "none"
    """From the image up to this part nothing learns; body: all but the classifier."""

    bn: Literal["train", "frozen-statistics", "frozen"] = "train"
    """BN where it learns: batch statistics; the running ones, unmoved; or gamma and beta unmoved too."""

    body_rate: float = 1.0
    """Share of the rate at which everything below the classifier learns."""

    stage_rate: float = 1.0
    """Share of the rate that a stage keeps of that of the stage above it (discriminative rates)."""

    def __post_init__(self) -> None:
        refuse(
            "transfer",
            (not 0 < self.body_rate <= 1, f"body_rate lies in (0, 1], got {self.body_rate}"),
            (not 0 < self.stage_rate <= 1, f"stage_rate lies in (0, 1], got {self.stage_rate}"),
        )
