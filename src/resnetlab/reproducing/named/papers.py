"""CIFAR tables and figures of the two papers."""

from dataclasses import replace
from typing import Any

from resnetlab.network.catalog.cifar import ABLATIONS, BASIC_DEPTHS
from resnetlab.reporting.groups import PUBLISHED, SHORTCUTS_2016, Published, failed
from resnetlab.reproducing.reproduction import Reproduction, Row

_TWO_GPUS = (
    "The paper divides its batch of 128 over two GPUs, each with BN statistics of its own 64 images; here BN"
    " sees all 128."
)
_HE_2015 = (
    _TWO_GPUS,
    "The paper warms ResNet-110 up until its training error is below 80 % (about 400 steps); here it is 400"
    " steps.",
)
_HE_2016 = (_TWO_GPUS, "The published errors are medians of 5 runs, ours means.")

_UNITS = "He et al., 2016, arXiv:1603.05027, Table 2"
_DEPTHS = "He et al., 2016, arXiv:1603.05027, Table 3"
_BEST = "He et al., 2016, arXiv:1603.05027, Table 4"


def _cifar(network: str, recipe: str = "he2015", data: str = "cifar10") -> Row:
    return Row(
        name=network, network=network, data=data, recipe=recipe, published=PUBLISHED.get((data, network))
    )


_RESIDUAL = tuple(_cifar(f"resnet{depth}") for depth in BASIC_DEPTHS)


def _unit(network: str, error: float | None = None) -> Row:
    """Return a cell of Table 2; where the network has another number elsewhere, this one is the table's."""
    row = _cifar(network, "he2016")
    if error is None:
        return row
    return replace(row, published=Published(error=error, source=_UNITS, what="median", runs=5))


def _shortcut(name: str, network: str, error: float | None, **knobs: Any) -> Row:
    """Return a row of Table 1; an error of None is "fail" there, which its caption says is above 20 %."""
    published = failed(SHORTCUTS_2016)
    if error is not None:
        published = Published(error=error, source=SHORTCUTS_2016, what="median", runs=5)
    return replace(_cifar(network, "he2016"), name=name, knobs=knobs, published=published)


_SHORTCUTS = (
    _shortcut("original", "resnet110", 6.61),
    _shortcut("scaling-0-1", "plain110", None),
    _shortcut("scaling-0.5-1", "resnet110_constant_scaling", None, branch_scale=1.0),
    _shortcut("scaling-0.5-0.5", "resnet110_constant_scaling", 12.35),
    _shortcut("exclusive-gating-bias-0", "resnet110_exclusive_gating", None, gate_bias=0.0),
    _shortcut("exclusive-gating-bias-minus-5", "resnet110_exclusive_gating", None, gate_bias=-5.0),
    _shortcut("exclusive-gating-bias-minus-6", "resnet110_exclusive_gating", 8.70),
    _shortcut("exclusive-gating-bias-minus-7", "resnet110_exclusive_gating", 9.81, gate_bias=-7.0),
    _shortcut("shortcut-gating-bias-0", "resnet110_shortcut_gating", 12.86, gate_bias=0.0),
    _shortcut("shortcut-gating-bias-minus-6", "resnet110_shortcut_gating", 6.91),
    _shortcut("conv-shortcut", "resnet110_conv_shortcut", 12.22),
    _shortcut("dropout-shortcut", "resnet110_dropout_shortcut", None),
)

_ORDERS = tuple(
    row
    for depth, original, full in ((110, 6.61, 6.37), (164, 5.93, 5.46))
    for row in (
        _unit(f"resnet{depth}", original),
        *(_unit(f"resnet{depth}_{ablation}") for ablation in ABLATIONS),
        _unit(f"preresnet{depth}", full),
    )
)


def _best(data: str, network: str) -> Row:
    return replace(_cifar(network, "he2016", data), name=f"{data}-{network}")


_ORIGINAL_110 = replace(
    _best("cifar10", "resnet110"),
    published=Published(error=6.61, source=_DEPTHS, what="median", runs=5),
)
"""Table 4 repeats the first paper's best of 5; Table 3 has the second paper's own runs."""

_SMALLER_BATCH = replace(
    _best("cifar10", "preresnet1001"),
    name="cifar10-preresnet1001-batch64",
    values={"batch": 64},
    published=Published(error=4.62, source=_BEST, what="median", runs=5, mean=4.69, std=0.20),
)

REPRODUCTIONS = (
    Reproduction(
        name="he2015-figure6",
        title="Training and test error of plain and residual networks on CIFAR-10",
        source="He et al., 2015, arXiv:1512.03385, Fig. 6, left and middle",
        rows=(*(_cifar(f"plain{depth}") for depth in (20, 32, 44, 56)), *_RESIDUAL),
        deviations=(
            *_HE_2015,
            "The figure has no numbers of the plain networks; those of the residual ones are Table 6's.",
        ),
    ),
    Reproduction(
        name="he2015-figure7",
        title="Standard deviations of layer responses of plain and residual networks on CIFAR-10",
        source="He et al., 2015, arXiv:1512.03385, Fig. 7 and section 4.2, Analysis of Layer Responses",
        rows=tuple(
            replace(_cifar(network), published=None)
            for network in ("plain20", "plain56", "resnet20", "resnet56", "resnet110")
        ),
        figure="responses",
        claims=(
            "ResNets have generally smaller responses than their plain counterparts",
            "the deeper ResNet has smaller magnitudes of responses (ResNet-20, 56 and 110)",
        ),
        siblings=("he2015-figure6", "he2015-table6"),
        deviations=(
            *_HE_2015,
            "The paper does not say on which images it measures; here it is 1,000 test images.",
            "The paper prints no numbers of this figure: its claims stand beside ours in words.",
        ),
    ),
    Reproduction(
        name="he2015-table6",
        title="Test error of residual networks of 20 to 1,202 layers on CIFAR-10",
        source="He et al., 2015, arXiv:1512.03385, Table 6",
        rows=(*_RESIDUAL, _cifar("resnet1202")),
        deviations=_HE_2015,
    ),
    Reproduction(
        name="he2016-table1",
        title="What a shortcut may be: factors, gates, a convolution, dropout; ResNet-110 on CIFAR-10",
        source="He et al., 2016, arXiv:1603.05027, section 3.1, Fig. 2 and Table 1",
        rows=_SHORTCUTS,
        deviations=(
            *_HE_2016,
            "The paper has one row of exclusive gates whose biases start at 0 to -5, all of which fail; here"
            " it is its two ends.",
            "The paper does not say what a shortcut is where the shape changes: here factors, gates and"
            " dropout are of option A's, and a gate reads the unit's input with its stride.",
            "The paper does not say whether BN follows a shortcut's 1x1 convolution: here it does, as in the"
            " first paper's projections.",
            "The paper says of its dropout that on average it is a factor of 0.5: here training puts 0 in"
            " place of half of all numbers and leaves the others as they are, and evaluation halves all.",
        ),
    ),
    Reproduction(
        name="he2016-table2",
        title="Where BN and ReLU stand in a unit: five orders, 110 and 164 layers, on CIFAR-10",
        source="He et al., 2016, arXiv:1603.05027, Fig. 4 and Table 2",
        rows=_ORDERS,
        deviations=_HE_2016,
    ),
    Reproduction(
        name="he2016-table4",
        title="Original and pre-activated networks of 110, 164 and 1,001 layers on CIFAR-10 and -100",
        source="He et al., 2016, arXiv:1603.05027, Tables 3 and 4",
        rows=(
            _ORIGINAL_110,
            *(_best("cifar10", f"resnet{depth}") for depth in (164, 1001)),
            *(_best("cifar10", f"preresnet{depth}") for depth in (110, 164, 1001)),
            _SMALLER_BATCH,
            *(
                _best("cifar100", f"{kind}{depth}")
                for kind in ("resnet", "preresnet")
                for depth in (164, 1001)
            ),
        ),
        deviations=(
            *_HE_2016,
            "The paper does not say how long its runs with batches of 64 are; here they have as many steps.",
        ),
    ),
)
