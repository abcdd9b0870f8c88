"""What is seen in the pictures, in sentences made of these very runs' numbers, whatever they show."""

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from resnetlab.evaluation.significance import difference_interval

Network = Mapping[str, Any]

_MUCH = 3.0
"""The factor from which a gradient is called grown or shrunken, or one growth much larger than another."""

_STEEPER = 1.5
"""The factor from which a rise of the loss is called steeper."""

_DOWN = 0.5
"""Share of the loss of guessing, below which a network is said to have come down."""


def words_of(contents: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the sentences beside each picture.

    Args:
        contents: What `contents.contents_of` returns, but for these.
    """
    nets = Nets(contents["networks"])
    return {
        "verdict": [*_verdict(nets)],
        "networks": [*_networks(nets)],
        "errors": [*_errors(nets)],
        "start": [*_start(nets)],
        "around": [*_around(nets, contents["data"]["classes"])],
        "between": [*_between(nets)],
    }


class Nets:
    """The four networks by what they are."""

    def __init__(self, networks: Sequence[Network]) -> None:
        self.all = networks
        self._by = {(each["kind"], each["depth"]): each for each in networks}
        self.depths = sorted({each["depth"] for each in networks})

    def of(self, kind: str) -> tuple[Network, Network]:
        """Return the shallower and the deeper network of a kind."""
        shallow, deep = self.depths
        return self._by[kind, shallow], self._by[kind, deep]

    @property
    def deep(self) -> tuple[Network, Network]:
        """The deeper networks, without shortcuts and with them."""
        return self.of("plain")[1], self.of("residual")[1]


def change(first: Mapping[str, Any], second: Mapping[str, Any]) -> int:
    """Return 1 if the second share of errors is higher, -1 if it is lower, 0 if chance can make that."""
    low, high = difference_interval(*((each["wrong"], each["seen"]) for each in (first, second)))
    return 1 if low > 0 else -1 if high < 0 else 0


def _percent(share: Mapping[str, Any]) -> str:
    return f"{100 * share['wrong'] / share['seen']:.1f} %"


def _compared(networks: Sequence[Network]) -> str:
    """Return by which images networks are compared: those of training, if all have counts of these."""
    return "train" if all(each["train"] for each in networks) else "test"


def _both(networks: tuple[Network, Network], of: str) -> str:
    shallow, deep = networks
    return f"{shallow['name']} errs on {_percent(shallow[of])}, {deep['name']} on {_percent(deep[of])}"


def _verdict(nets: Nets) -> Iterator[str]:
    of = _compared(nets.all)
    plain, residual = nets.of("plain"), nets.of("residual")
    images = {"train": "of the training images in the last epoch", "test": "of the test images"}[of]
    harm = change(*(each[of] for each in plain))
    yield {
        1: "Without shortcuts more layers make it worse",
        0: "Without shortcuts more layers make no difference beyond chance",
        -1: "Without shortcuts more layers make it better here",
    }[harm] + f": {_both(plain, of)} {images}."
    if harm <= 0:
        yield "The degradation that the first paper found does not show in these runs."
    yield {
        1: "With shortcuts more layers make it worse too",
        0: "With shortcuts more layers make no difference beyond chance",
        -1: "With shortcuts more layers make it better",
    }[change(*(each[of] for each in residual))] + f": {_both(residual, of)}."
    yield {
        1: f"Of the two with {nets.depths[1]} layers, the one with shortcuts is better by more than chance.",
        0: f"The two with {nets.depths[1]} layers are no further apart than chance can put them.",
        -1: f"Of the two with {nets.depths[1]} layers, the one without shortcuts is better in these runs.",
    }[change(*(each[of] for each in reversed(nets.deep)))]


def _networks(nets: Nets) -> Iterator[str]:
    plain, residual = nets.deep
    counts = [f"{each['parameters']:,}" for each in (plain, residual)]
    if plain["parameters"] == residual["parameters"]:
        yield (
            f"{plain['name']} and {residual['name']} have the same layers and the same {counts[0]}"
            " parameters: a shortcut has none. It adds what came into a unit to what its layers make of that."
        )
    else:
        yield (
            f"The shortcuts have weights of their own here: {plain['name']} has {counts[0]} parameters,"
            f" {residual['name']} {counts[1]}."
        )
    pairs = [*zip(nets.of("plain"), nets.of("residual"), strict=True)]
    if all(one["first_weights"] == other["first_weights"] for one, other in pairs):
        yield "With and without shortcuts, networks of a depth began with the very same weights here."


def _errors(nets: Nets) -> Iterator[str]:
    kinds = [(of, what) for of, what in _IMAGES if all(each[of] for each in nets.all)]
    for of, what in kinds:
        told = ", ".join(f"{each['name']} {_percent(each[of])}" for each in nets.all)
        yield f"Errors at the end, {what}: {told}."
    shallow, deep = nets.of("plain")
    if _compared((shallow, deep)) == "test" or change(shallow["train"], deep["train"]) <= 0:
        return
    tested = change(shallow["test"], deep["test"])
    beside = "on the test images too" if tested > 0 else "on the test images not by more than chance"
    yield (
        f"{deep['name']} is worse on the very images that it learns from, and {beside}. So it is no"
        " overfitting: the deeper network is harder to train."
    )


_IMAGES = (("train", "of the training images in the last epoch"), ("test", "of the test images"))


def growth(network: Network) -> float:
    """Return how many times the gradient after the stem is that after the last unit, before training."""
    rows = network["start"]
    return float(rows[0]["gradient"] / rows[-1]["gradient"]) if rows[-1]["gradient"] else math.inf


def _times(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}" if value >= 1 else f"{value:.2g}"


def _start(nets: Nets) -> Iterator[str]:
    told = ", ".join(f"{_times(growth(each))} in {each['name']}" for each in nets.all)
    yield f"Going back from the last unit to the stem, the gradient becomes so many times as large: {told}."
    plain, residual = map(growth, nets.deep)
    steps, depth = len(nets.deep[0]["start"]) - 1, nets.depths[1]
    each = [f"{100 * (value ** (1 / steps) - 1):+.0f} %" for value in (plain, residual)]
    if plain > _MUCH * residual:
        yield (
            f"With {depth} layers that is {each[0]} from unit to unit without shortcuts, and {each[1]} with"
            " them. The greater the span, the fewer layers does one learning rate suit."
        )
    elif residual > _MUCH * plain:
        yield f"With {depth} layers it grows more with shortcuts than without in these runs."
    else:
        yield f"With {depth} layers shortcuts make no great difference to that in these runs."
    if shrunken := [each["name"] for each in nets.all if growth(each) < 1 / _MUCH]:
        yield f"It becomes much smaller on its way in {' and '.join(shrunken)}."
    else:
        yield "It vanishes in none of the four."
    spans = [(each["name"], [row["signal"] for row in each["start"]]) for each in nets.deep]
    told = ", ".join(f"between {min(values):.2f} and {max(values):.2f} in {name}" for name, values in spans)
    yield f"Forward, the root mean square of the values is {told}."


def loss_at(line: Mapping[str, Any], distance: float) -> float:
    """Return the mean loss at a distance, over all directions and both sides."""
    places = [i for i, place in enumerate(line["places"]) if math.isclose(abs(place), distance, abs_tol=1e-9)]
    found = [losses[i] for losses in line["losses"] for i in places]
    return math.fsum(found) / len(found)


def valleys(losses: Sequence[float]) -> int:
    """Return at how many places a line stops falling and rises again; where it ends does not count."""
    ways = [(after > before) - (after < before) for before, after in pairwise(losses) if after != before]
    return sum(before < 0 < after for before, after in pairwise(ways))


def _around(nets: Nets, classes: int) -> Iterator[str]:
    distances = {abs(place) for place in nets.all[0]["around"]["places"]}
    half = min(distances, key=lambda each: (abs(each - max(distances) / 2), each))
    ends = {each["name"]: loss_at(each["around"], 0.0) for each in nets.all}
    there = {each["name"]: loss_at(each["around"], half) for each in nets.all}
    told = ", ".join(f"{name} {ends[name]:.2f} and {there[name]:.2f}" for name in ends)
    yield (
        f"Loss at the end of training, and {half:g} of a filter's length away from it (mean of all lines and"
        f" both sides): {told}."
    )
    yield _steepness(nets, ends, there, math.log(classes))
    counts = [valleys(losses) for each in nets.all for losses in each["around"]["losses"]]
    if max(counts) <= 1:
        yield f"Each of the {len(counts)} lines has one valley: so few lines show no ruggedness."
    else:
        rugged = [each["name"] for each in nets.all if max(map(valleys, each["around"]["losses"])) > 1]
        yield f"Lines with more than one valley: {', '.join(rugged)}."


def _steepness(nets: Nets, ends: Mapping[str, float], there: Mapping[str, float], guessing: float) -> str:
    """Return which of the deeper two is steeper around its end, if both came down far enough to tell."""
    names = [each["name"] for each in nets.deep]
    if up := [name for name in names if ends[name] > _DOWN * guessing]:
        return (
            f"{' and '.join(up)} did not come down far: guessing has a loss of {guessing:.2f}. How steep it"
            " is around there says little."
        )
    plain, residual = (there[name] - ends[name] for name in names)
    rises = f"{names[0]} rises by {plain:.2f}, {names[1]} by {residual:.2f}"
    if plain > _STEEPER * residual:
        return f"Without shortcuts it is steeper around the end: {rises}."
    if residual > _STEEPER * plain:
        return f"With shortcuts it is steeper around the end in these runs: {rises}."
    return f"Of the deeper two, neither is much steeper around the end in these runs: {rises}."


def _between(nets: Nets) -> Iterator[str]:
    ways = [(each["name"], each["between"]["places"], each["between"]["losses"]) for each in nets.all]
    told = ", ".join(f"from {losses[0]:.2f} to {losses[-1]:.2f} in {name}" for name, _, losses in ways)
    yield f"The loss goes {told}."
    tops = [(name, max(zip(losses, places, strict=True))) for name, places, losses in ways]
    over = [f"in {name} to {top:.2f} at {place:g} of the way" for name, (top, place) in tops if place > 0]
    yield f"It rises above its start {', '.join(over)}." if over else "In none does it rise above its start."
