"""The papers' own test errors on CIFAR, by the catalog's names. Plain data, each with its source.

The plain networks of He et al., 2015, have curves alone (Fig. 6), and no number here.
"""

from dataclasses import dataclass

_TABLE_6 = "He et al., 2015, arXiv:1512.03385, Table 6"
_UNITS = "He et al., 2016, arXiv:1603.05027, Table 2"
_DEPTHS = "He et al., 2016, arXiv:1603.05027, Table 3"
_BEST = "He et al., 2016, arXiv:1603.05027, Table 4"


@dataclass(frozen=True, kw_only=True)
class Published:
    """A published test error in %."""

    error: float
    source: str
    """Paper and table."""
    what: str = ""
    """What of several runs it is; nothing for a single run."""
    mean: float | None = None
    """The mean over those runs, where it is published too."""
    std: float | None = None
    """The standard deviation over those runs."""

    @property
    def cell(self) -> str:
        """The number to stand beside a mean over seeds: the published mean if there is one."""
        return f"{self.error:.2f}" if self.mean is None else f"{self.mean:.2f} ± {self.std:.2f}"

    @property
    def text(self) -> str:
        """All its numbers, and what they are: "6.43 (best of 5, mean 6.61 ± 0.16)"."""
        mean = f", mean {self.mean:.2f} ± {self.std:.2f}" if self.mean is not None else ""
        return f"{self.error:.2f}{f' ({self.what}{mean})' if self.what else ''}"


def _single(error: float) -> Published:
    return Published(error=error, source=_TABLE_6)


def _median(error: float, source: str, mean: float | None = None, std: float | None = None) -> Published:
    return Published(error=error, source=source, what="median of 5", mean=mean, std=std)


PUBLISHED: dict[tuple[str, str], Published] = {
    ("cifar10", "resnet20"): _single(8.75),
    ("cifar10", "resnet32"): _single(7.51),
    ("cifar10", "resnet44"): _single(7.17),
    ("cifar10", "resnet56"): _single(6.97),
    ("cifar10", "resnet110"): Published(error=6.43, source=_TABLE_6, what="best of 5", mean=6.61, std=0.16),
    ("cifar10", "resnet1202"): _single(7.93),
    ("cifar10", "resnet164"): _median(5.93, _DEPTHS),
    ("cifar10", "resnet1001"): _median(7.61, _DEPTHS),
    ("cifar10", "preresnet110"): _median(6.37, _DEPTHS),
    ("cifar10", "preresnet164"): _median(5.46, _DEPTHS),
    ("cifar10", "preresnet1001"): _median(4.92, _BEST, 4.89, 0.14),
    ("cifar10", "resnet110_bn_after_add"): _median(8.17, _UNITS),
    ("cifar10", "resnet164_bn_after_add"): _median(6.50, _UNITS),
    ("cifar10", "resnet110_relu_before_add"): _median(7.84, _UNITS),
    ("cifar10", "resnet164_relu_before_add"): _median(6.14, _UNITS),
    ("cifar10", "resnet110_relu_only_preact"): _median(6.71, _UNITS),
    ("cifar10", "resnet164_relu_only_preact"): _median(5.91, _UNITS),
    ("cifar100", "resnet164"): _median(25.16, _DEPTHS),
    ("cifar100", "resnet1001"): _median(27.82, _DEPTHS),
    ("cifar100", "preresnet164"): _median(24.33, _DEPTHS),
    ("cifar100", "preresnet1001"): _median(22.71, _BEST, 22.68, 0.22),
}
"""By data and network. Batches of 128; those of 64 did better with 1,001 layers (4.62 %)."""

TEST_IMAGES = 10_000
"""Of CIFAR-10 and of CIFAR-100: what the published errors are of."""
