"""Tables and figures of the four original code bases."""

from resnetlab.reporting.groups import Published
from resnetlab.reproducing.reproduction import Reproduction, Row

_CHAOJI = "chao-ji/tf-resnet-cifar10, commit 4720bb2, the figure in its README, read off the curve"
_KERAS = "keras-team/keras, examples/cifar10_resnet.py, commit 08f8f0a, the table in its text"
_KERAS_RULE = (
    'Its table has a "200-epoch accuracy", and does not say of which epoch: its script keeps the weights that'
    " are best on the test images, and scores the last ones at the end. Of ResNet110v2's 93.15 % its author"
    " says that it is the best (keras-team/keras, issue 10632, 2018-07-11); the other six are taken to be"
    " that too. Differences are of the best of our evaluations; the last step stands beside it."
)
_OFFICIAL = "tensorflow/models, pull request 5243 (batch 128, V100); estimator_benchmark.py has the band"
_RESEARCH = "tensorflow/models, research/resnet, the table in its README"


def _error(accuracy: float) -> float:
    return round(100 - accuracy, 2)


def _chaoji(kind: str, depth: int, error: float | None) -> Row:
    network = f"chaoji_{kind}{depth}"
    read = None if error is None else Published(error=error, source=_CHAOJI, what="read off the curve")
    return Row(name=f"{kind}{depth}", network=network, data="cifar10", recipe="chaoji", published=read)


def _keras(depth: int, version: int, accuracy: float, seconds: float) -> Row:
    what = "the best, by its author" if (depth, version) == (110, 2) else ""
    published = Published(error=_error(accuracy), source=_KERAS, what=what)
    return Row(
        name=f"resnet{depth}v{version}",
        network=f"keras_resnet{depth}v{version}",
        data="cifar10",
        recipe="keras",
        published=published,
        rule="best",
        seconds_per_epoch=seconds,
    )


def _research(
    name: str, network: str, accuracies: tuple[float, float], batch: int | None = None
) -> tuple[Row, Row]:
    """Return a line of the table, which has two numbers: on CIFAR-10 and on CIFAR-100."""

    def on(data: str, prefix: str, accuracy: float) -> Row:
        published = Published(error=_error(accuracy), source=_RESEARCH, what="best precision")
        return Row(
            name=f"{data}-{name}",
            network=f"tfresearch_{prefix}{network}",
            data=data,
            recipe="tfresearch",
            values={} if batch is None else {"batch": batch},
            published=published,
            rule="best",
        )

    return on("cifar10", "", accuracies[0]), on("cifar100", "cifar100_", accuracies[1])


_RESEARCH_ROWS = (
    _research("resnet32", "resnet32", (92.5, 68.1)),
    _research("resnet110", "resnet110", (93.6, 71.3)),
    _research("bottleneck164", "bottleneck164", (94.5, 75.7)),
    _research("bottleneck1001", "bottleneck1001", (94.9, 78.2), batch=64),
    _research("wrn28-10", "wrn28_10", (95.0, 78.3), batch=64),
)

REPRODUCTIONS = (
    Reproduction(
        name="chaoji-figures",
        title="Training and test error of residual and plain networks on CIFAR-10",
        source="chao-ji/tf-resnet-cifar10, commit 4720bb2, the two figures of its README",
        rows=(
            _chaoji("plain", 20, 9.8),
            _chaoji("plain", 56, 13.7),
            _chaoji("plain", 110, None),
            _chaoji("resnet", 20, 8.9),
            _chaoji("resnet", 56, 7.1),
            _chaoji("resnet", 110, 6.35),
        ),
        deviations=(
            "What the recipe corrects stands in `resnetlab show chaoji`: each epoch is shuffled anew.",
            "Its errors are read off its figures, to about .1 %.",
        ),
    ),
    Reproduction(
        name="keras-table",
        title="Accuracy of Keras' example on CIFAR-10, and its seconds per epoch",
        source=_KERAS,
        rows=(
            _keras(20, 1, 92.16, 35),
            _keras(32, 1, 92.46, 50),
            _keras(44, 1, 92.50, 70),
            _keras(56, 1, 92.71, 90),
            _keras(110, 1, 92.65, 165),
            _keras(56, 2, 93.01, 100),
            _keras(110, 2, 93.15, 180),
        ),
        deviations=(
            "What the recipe corrects stands in `resnetlab show keras`: rates change one epoch earlier.",
            _KERAS_RULE,
            "Its seconds per epoch are of a GTX 1080 Ti.",
        ),
    ),
    Reproduction(
        name="tfofficial-cifar",
        title="Accuracy of TensorFlow's official ResNet-56 on CIFAR-10, and the band that its check accepts",
        source=_OFFICIAL,
        rows=(
            Row(
                name="resnet56v1",
                network="tfofficial_cifar_resnet56v1",
                data="cifar10",
                recipe="tfofficial-cifar",
                published=Published(
                    error=_error(93.44), source=_OFFICIAL, what="best", runs=5, mean=_error(93.12), std=0.2
                ),
                band=(_error(93.8), _error(92.6)),
            ),
        ),
        deviations=(
            "What the recipe corrects stands in `resnetlab show tfofficial-cifar`.",
            "The five published runs have 164 epochs, the code's default is 182, which is trained here.",
        ),
    ),
    Reproduction(
        name="tfresearch-table",
        title="Best precision of TensorFlow's older research ResNet on CIFAR-10 and CIFAR-100",
        source=_RESEARCH,
        rows=tuple(row for pair in zip(*_RESEARCH_ROWS, strict=True) for row in pair),
        deviations=(
            "What the recipe corrects stands in `resnetlab show tfresearch`: all test images are scored.",
            "Its cost is a cross-entropy of softmax(softmax(logits)), a mistake; here of softmax(logits).",
            "Its numbers are from 45,000 to 90,000 steps; all rows have 90,000 here.",
            "Its README splits the 50,000 images at random into 45,000 to train on and 5,000 to evaluate on;"
            " its commands evaluate on the test batch. Of which its best precision is, it does not say. Here"
            " all 50,000 are trained on, and the best evaluation is of the test images.",
            "Its README has a weight decay of .002, its code .0002, which is taken here.",
        ),
    ),
)
