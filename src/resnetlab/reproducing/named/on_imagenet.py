"""Tables of ImageNet: of the first paper and of TensorFlow's official ResNet. They need its images."""

from resnetlab.reporting.groups import Published
from resnetlab.reproducing.reproduction import Reproduction, Row

_PAPER = "He et al., 2015, arXiv:1512.03385, Table"
_OFFICIAL = "tensorflow/models, official/r1/resnet/estimator_benchmark.py, the band of its check"


def _paper(table: int, name: str, network: str, error: float, top_5: float | None = None) -> Row:
    """Return a line of Table 2 or 3, whose errors are of ten crops, or of 4, of several scales."""
    what = "multi-scale" if table == 4 else "10 crops"
    option = name[-1] if name[-2] == "-" else ""
    return Row(
        name=name,
        network=network,
        data="imagenet",
        recipe="torchvision-v1",
        knobs={"shortcut": option} if option in ("A", "C") else {},
        published=Published(
            error=error,
            source=f"{_PAPER} {table}",
            what=what if top_5 is None else f"{what}; top-5 {top_5:.2f}",
        ),
        views="multiscale" if table == 4 else "10crop",
    )


_HE_2015 = (
    "The recipe is torchvision's first one: 90 epochs, rates a tenth after 30 and 60. The paper trains up to"
    " 600,000 steps of 256 (120 epochs) and lowers its rate when the error no longer falls.",
    "The paper crops 224 pixels of images whose shorter side is 256 to 480, changes colours, and subtracts a"
    " mean image; here crops are random-resized, colours stay, and channels are normalised.",
)


def _views(kind: str) -> str:
    return (
        "The published errors are of several views of each image; ours are of one. `resnetlab eval RUN"
        f" --views {kind}` scores a run as the paper does."
    )


_PLAIN = tuple(
    _paper(2, name, network, error)
    for name, network, error in (
        ("plain18", "plain18", 27.94),
        ("plain34", "plain34", 28.54),
        ("resnet18-A", "resnet18", 27.88),
        ("resnet34-A", "resnet34", 25.03),
    )
)
_OPTIONS = tuple(
    _paper(3, name, network, error, top_5)
    for name, network, error, top_5 in (
        ("resnet34-A", "resnet34", 25.03, 7.76),
        ("resnet34-B", "resnet34", 24.52, 7.46),
        ("resnet34-C", "resnet34", 24.19, 7.40),
        ("resnet50", "resnet50_v1", 22.85, 6.71),
        ("resnet101", "resnet101_v1", 21.75, 6.05),
        ("resnet152", "resnet152_v1", 21.43, 5.71),
    )
)
_SCALES = tuple(
    _paper(4, name, network, error, top_5)
    for name, network, error, top_5 in (
        ("resnet34-B", "resnet34", 21.84, 5.71),
        ("resnet34-C", "resnet34", 21.53, 5.60),
        ("resnet50", "resnet50_v1", 20.74, 5.25),
        ("resnet101", "resnet101_v1", 19.87, 4.60),
        ("resnet152", "resnet152_v1", 19.38, 4.49),
    )
)

REPRODUCTIONS = (
    Reproduction(
        name="he2015-table2",
        title="Top-1 error of plain and residual networks of 18 and 34 layers on ImageNet",
        source=f"{_PAPER} 2",
        rows=_PLAIN,
        deviations=(*_HE_2015, _views("10crop")),
    ),
    Reproduction(
        name="he2015-table3",
        title="Error of residual networks of 34 to 152 layers on ImageNet, ten crops",
        source=f"{_PAPER} 3",
        rows=_OPTIONS,
        deviations=(*_HE_2015, _views("10crop")),
    ),
    Reproduction(
        name="he2015-table4",
        title="Error of residual networks of 34 to 152 layers on ImageNet, several scales",
        source=f"{_PAPER} 4",
        rows=_SCALES,
        deviations=(*_HE_2015, _views("multiscale")),
    ),
    Reproduction(
        name="tfofficial-imagenet",
        title="Accuracy of TensorFlow's official ResNet-50 on ImageNet, and the band that its check accepts",
        source=_OFFICIAL,
        rows=(
            Row(
                name="resnet50v1",
                network="tfofficial_resnet50v1",
                data="imagenet",
                recipe="tfofficial-imagenet",
                band=(23.4, 23.8),
            ),
        ),
        deviations=("What the recipe corrects stands in `resnetlab show tfofficial-imagenet`.",),
    ),
)
