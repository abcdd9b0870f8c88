"""Which rule reads the best learning rate off a range test: the table of docs/learning-rate.md.

    python benchmarks/rate_rules.py

Tests each network with every seed and number of points, reads a rate off each by every rule, and trains the
networks at some rates. What a rule's rate costs is read off between those runs, in a straight line over the
logarithm of the rate: points of test accuracy below the best of them. A run that diverges counts as chance.
It takes some hours of a core; `--networks`, `--rates` and `--epochs` shorten it.
"""

import argparse
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

import resnetlab
from resnetlab.errors import DivergedError
from resnetlab.network.spec import ModelSpec, parse_knob
from resnetlab.show.tables.align import markdown_table
from resnetlab.training.range_test.found import RangeTest

NETWORKS = ("resnet8 epochs=2", "resnet20 epochs=3 stem_stride=2", "plain20 epochs=3 stem_stride=2")
RATES = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
TESTS = ((0, 100), (1, 100), (2, 100), (0, 200))
"""Seeds and points."""


def _steepest(found: RangeTest) -> float | None:
    """Return the rate at which the smoothed loss falls most from one point to the next."""
    falls = np.diff(found.judgement.smoothed)
    return found.rates[int(falls.argmin())] if len(falls) and falls.min() < 0 else None


def _share(share: float, rate: float | None) -> float | None:
    return None if rate is None else share * rate


RULES: dict[str, Callable[[RangeTest], float | None]] = {
    "midway between half of the fall and divergence": lambda found: found.suggested,
    "where the loss falls most steeply": _steepest,
    "a tenth of where it diverges": lambda found: _share(0.1, found.judgement.diverges),
    "a quarter of where it is lowest": lambda found: _share(0.25, found.judgement.lowest),
    "a tenth of where it is lowest": lambda found: _share(0.1, found.judgement.lowest),
}


def cost(rate: float, rates: Sequence[float], accuracies: Sequence[float]) -> float:
    """Return how many points of accuracy below the best of the runs a rate is, read off between them."""
    return 100 * (max(accuracies) - float(np.interp(np.log(rate), np.log(rates), accuracies)))


def accuracy(spec: ModelSpec, rate: float, epochs: int, options: argparse.Namespace) -> float:
    """Train at a rate, and return the test accuracy."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            result = resnetlab.train(
                spec, data=options.data, recipe=options.recipe, epochs=epochs, lr=rate, seed=0, report=False,
                out=Path(folder) / "run", device="cpu", observer=resnetlab.Silence(), **options.values,
            )  # fmt: skip
        except DivergedError:
            return 1 / spec.classes
    return result.accuracy


def tests_of(spec: ModelSpec, epochs: int, options: argparse.Namespace) -> Iterator[RangeTest]:
    """Yield the range tests of a network."""
    for seed, points in options.tests:
        yield resnetlab.lr_find(
            spec, data=options.data, recipe=options.recipe, epochs=epochs, points=points, seed=seed,
            device="cpu", observer=resnetlab.Silence(), **options.values,
        )  # fmt: skip


def network(text: str) -> tuple[ModelSpec, int]:
    """Return the network and the epochs of "resnet20 epochs=3 stem_stride=2"."""
    name, *settings = text.split()
    values = dict(setting.split("=", 1) for setting in settings)
    epochs = int(values.pop("epochs", 3))
    return resnetlab.model_spec(name).with_(**{n: parse_knob(n, v) for n, v in values.items()}), epochs


def main() -> None:
    """Test, train, and print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=NETWORKS, metavar='"NAME epochs=N KNOB=VALUE"')
    parser.add_argument("--rates", nargs="+", type=float, default=RATES, metavar="X")
    parser.add_argument("--tests", nargs="+", default=TESTS, metavar="SEED,POINTS",
                        type=lambda text: tuple(map(int, text.split(","))))  # fmt: skip
    parser.add_argument("--data", default="digits")
    parser.add_argument("--recipe", default="digits")
    parser.add_argument("--batch", type=int, metavar="N", help="images of a step (default: the recipe's)")
    options = parser.parse_args()
    options.values = {} if options.batch is None else {"batch": options.batch}
    costs: dict[str, list[float]] = {rule: [] for rule in RULES}
    trained = []
    for text in options.networks:
        spec, epochs = network(text)
        found = [*tests_of(spec, epochs, options)]
        reached = [accuracy(spec, rate, epochs, options) for rate in options.rates]
        trained.append((text, *(f"{100 * each:.2f} %" for each in reached)))
        for rule, read in RULES.items():
            rates = [rate for rate in map(read, found) if rate is not None]
            costs[rule] += [cost(rate, options.rates, reached) for rate in rates]
    print(markdown_table(("test accuracy at", *(f"{rate:g}" for rate in options.rates)), trained))
    num_tests = len(options.networks) * len(options.tests)
    rows = [
        (rule, f"{np.mean(own):.1f}", f"{max(own):.1f}", f"{len(own)} of {num_tests}")
        if own
        else (rule, "", "", f"0 of {num_tests}")
        for rule, own in costs.items()
    ]
    print("\n" + markdown_table(("rule", "mean", "worst", "says a rate"), rows))


if __name__ == "__main__":
    main()
