"""Tables and figures of the two papers."""

from resnetlab.network.catalog.cifar import BASIC_DEPTHS
from resnetlab.reporting.groups import PUBLISHED
from resnetlab.reproducing.reproduction import Reproduction, Row

_HE_2015 = (
    "The paper divides its batch of 128 over two GPUs, each with BN statistics of its own 64 images; here BN"
    " sees all 128.",
    "The paper warms ResNet-110 up until its training error is below 80 % (about 400 steps); here it is 400"
    " steps.",
)


def _cifar(network: str, recipe: str = "he2015", data: str = "cifar10") -> Row:
    return Row(
        name=network, network=network, data=data, recipe=recipe, published=PUBLISHED.get((data, network))
    )


_RESIDUAL = tuple(_cifar(f"resnet{depth}") for depth in BASIC_DEPTHS)

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
        name="he2015-table6",
        title="Test error of residual networks of 20 to 1,202 layers on CIFAR-10",
        source="He et al., 2015, arXiv:1512.03385, Table 6",
        rows=(*_RESIDUAL, _cifar("resnet1202")),
        deviations=_HE_2015,
    ),
)
