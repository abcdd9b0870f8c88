"""What some steps took, by kind of work and by convolution."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import torch

from resnetlab.base.machine.rates import seconds_of
from resnetlab.native.measured.watch import RANGE, Pass
from resnetlab.training.timing.kinds import KINDS, PASSES, STEP, kind_of

_ALONE_SECONDS, _ALONE_TIMES = 0.3, 5
"""For which, and how often at least, both gradients of a convolution are made alone, to divide their time."""


@dataclass(frozen=True)
class Convolution:
    """A kind of convolution, as many images included as it is made for at once."""

    images: int
    into: int
    out: int
    kernel: int
    stride: int
    height: int
    width: int
    out_height: int
    out_width: int
    padding: int = 0

    @property
    def operations(self) -> float:
        """Floating-point operations of one pass, 2 per multiply-add."""
        return 2.0 * self.images * self.out_height * self.out_width * self.out * self.into * self.kernel**2

    @property
    def title(self) -> str:
        """As in "3x3 16→32 at 32x32 /2": kernel, channels, the input's size, and as in papers its stride."""
        by = f" /{self.stride}" if self.stride > 1 else ""
        return f"{self.kernel}x{self.kernel} {self.into}→{self.out} at {self.height}x{self.width}{by}"


def rate_of(operations: float, seconds: float) -> float:
    """Return operations per second; 0 if no time was seen to pass, of which no rate follows."""
    return operations / seconds if seconds > 0 else 0.0


@dataclass
class Taken:
    """What passes of a kind took together."""

    seconds: float = 0.0
    count: int = 0
    operations: float = 0.0

    @property
    def rate(self) -> float:
        """Operations per second; 0 if no time was seen to pass."""
        return rate_of(self.operations, self.seconds)

    def add(self, seconds: float, operations: float, count: int = 1) -> None:
        """Count another one."""
        self.seconds, self.count = self.seconds + seconds, self.count + count
        self.operations += operations


@dataclass
class Account:
    """The seconds of so many steps, by kind; they add up to those of the steps.

    Attributes:
        steps: How many.
        seconds: By kind of work.
        convolutions: By kind of convolution and pass.
    """

    steps: int = 0
    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(KINDS, 0.0))
    convolutions: dict[Convolution, dict[str, Taken]] = field(default_factory=dict)

    def add_pass(self, kind: Convolution, what: str, seconds: float) -> None:
        """Count a pass of a convolution whose time is among `seconds` already."""
        self.convolutions.setdefault(kind, {}).setdefault(what, Taken()).add(seconds, kind.operations)

    def fastest(self) -> tuple[float, str]:
        """Return the best rate of a convolution forward, or of both its gradients, and which one that is."""
        found = [(0.0, "")]
        for kind, passes in self.convolutions.items():
            forward = [passes[what] for what in ("forward",) if what in passes]
            gradients = [passes[what] for what in ("by_input", "by_weights") if what in passes]
            for of, title in ((forward, "forward"), (gradients, "backward")):
                if of:
                    rate = rate_of(sum(each.operations for each in of), sum(each.seconds for each in of))
                    found.append((rate, f"{kind.title}, {title}"))
        return max(found)

    def keep_within(self, rate: float) -> None:
        """Have no gradient be faster than that, where the time of two was divided: both together are not."""
        for passes in self.convolutions.values():
            if "by_input" not in passes or "by_weights" not in passes:
                continue
            for what, other in (("by_input", "by_weights"), ("by_weights", "by_input")):
                lacking = passes[what].operations / rate - passes[what].seconds
                if lacking > 0:
                    for of, seconds in ((what, lacking), (other, -lacking)):
                        passes[of].seconds += seconds
                        self.seconds[of] += seconds


def account_of(
    events: Iterable[Any], passes: list[Pass], *, dtype: torch.dtype, channels_last: bool
) -> Account:
    """Return what the steps among a profile's events took.

    Args:
        events: Of torch.profiler, with shapes.
        passes: Of programs of our own kernels, in the order of the events that name them.
        dtype: What torch's convolutions multiply.
        channels_last: How their maps lie in memory.
    """
    reading = _Reading(Account(), dtype, channels_last)
    roots = [event for event in events if event.name == STEP]
    if roots:
        thread = roots[0].thread
        for root in roots:
            if root.thread == thread:
                reading.step(root)
    for made in passes[: reading.natives]:
        reading.native(made)
    return reading.account


class _Reading:
    def __init__(self, account: Account, dtype: torch.dtype, channels_last: bool) -> None:
        self.account, self._dtype, self._channels_last = account, dtype, channels_last
        self.natives = 0
        self._of_loss = set[int]()  # numbers that autograd gives the loss's operations
        self._shares = dict[tuple[Any, ...], float]()

    def step(self, root: Any) -> None:
        self.account.steps += 1
        self._of_loss.clear()
        self._visit(root, None)

    def _visit(self, event: Any, inherited: str | None) -> None:
        kind = inherited or self._kind(event)
        if event.name == RANGE:
            self.natives += 1
        elif inherited is None and self._is_convolution(event):
            self._convolution(event, "backward" if kind == "backward" else "forward")
            return
        if kind == "loss" and event.sequence_nr >= 0:
            self._of_loss.add(event.sequence_nr)
        is_around = kind in ("forward", "backward")  # a convolution, beside casts for it
        self.account.seconds["rest" if is_around else kind or "rest"] += _seconds(event.self_cpu_time_total)
        for child in event.cpu_children:
            self._visit(child, None if is_around else kind)

    def _kind(self, event: Any) -> str | None:
        is_backward = event.name.startswith("autograd::engine")
        if is_backward and event.sequence_nr >= 0 and event.sequence_nr in self._of_loss:
            return "loss"
        return kind_of(event.name)

    @staticmethod
    def _is_convolution(event: Any) -> bool:
        """Whether it is the operator that makes one, whose shapes are told."""
        is_one = event.name.startswith("aten::") and event.name != "aten::conv2d"
        return is_one and kind_of(event.name) in ("forward", "backward") and event.input_shapes[0] != []

    def _convolution(self, event: Any, what: str) -> None:
        seconds, kind = _seconds(event.cpu_time_total), _kind_from(event, what)
        if what == "forward":
            self.account.seconds["forward"] += seconds
            self.account.add_pass(kind, "forward", seconds)
            return
        share = self._share_by_input(event, kind)
        for each, part in (("by_input", share), ("by_weights", 1 - share)):
            if part > 0:  # it was made
                self.account.seconds[each] += seconds * part
                self.account.add_pass(kind, each, seconds * part)

    def _share_by_input(self, event: Any, kind: Convolution) -> float:
        """Return which part of a backward pass makes the input's gradient, by timing both alone."""
        wanted = [text == "True" for text in str(event.concrete_inputs[-1]).strip("[]").split(", ")]
        if len(wanted) == 3 and not (wanted[0] and wanted[1]):
            return float(wanted[0])
        key = (kind, self._dtype)
        if key not in self._shares:
            self._shares[key] = _share_by_input(kind, self._dtype, self._channels_last)
        return self._shares[key]

    def native(self, made: Pass) -> None:
        """Count what a program of our own kernels did, whose time is among the rest."""
        for timed in made.operations:
            self.account.seconds[timed.what] += timed.seconds
            self.account.seconds["rest"] -= timed.seconds
            if (kind := timed.convolution) and timed.what in PASSES:
                shape = Convolution(
                    made.images, kind.IC, kind.OC, kind.KERNEL, kind.STRIDE, kind.HEIGHT, kind.WIDTH,
                    kind.OUT_HEIGHT, kind.OUT_WIDTH, kind.PAD_LOW,
                )  # fmt: skip
                self.account.add_pass(shape, timed.what, timed.seconds)


def _seconds(microseconds: float) -> float:
    return microseconds / 1e6


def _kind_from(event: Any, what: str) -> Convolution:
    """Return the convolution of an operator of (input, weights, bias, stride, padding, ...), or (dy, ...)."""
    first = 0 if what == "forward" else 1
    images, into, height, width = event.input_shapes[first]
    out, _, kernel, _ = event.input_shapes[first + 1]
    stride, padding = (_first_number(event.concrete_inputs, first + place) for place in (3, 4))
    size = [(side + 2 * padding - kernel) // stride + 1 for side in (height, width)]
    if what != "forward":
        size = list(event.input_shapes[0][2:])
    return Convolution(images, into, out, kernel, stride, height, width, size[0], size[1], padding)


def _first_number(concrete: Any, place: int) -> int:
    """Return the first of the numbers in a text such as "[2, 2]"."""
    return int(str(concrete[place]).strip("[]").split(",")[0])


def _share_by_input(kind: Convolution, dtype: torch.dtype, channels_last: bool) -> float:
    images = torch.zeros(kind.images, kind.into, kind.height, kind.width, dtype=dtype)
    filters = torch.zeros(kind.out, kind.into, kind.kernel, kind.kernel, dtype=dtype)
    dy = torch.zeros(kind.images, kind.out, kind.out_height, kind.out_width, dtype=dtype)
    if channels_last:
        images, filters, dy = (each.to(memory_format=torch.channels_last) for each in (images, filters, dy))

    def backward(*wanted: bool) -> object:
        return torch.ops.aten.convolution_backward(
            dy, images, filters, None, [kind.stride] * 2, [kind.padding] * 2, [1, 1], False, [0, 0], 1, wanted
        )

    cpu, spent, found = torch.device("cpu"), 0.0, list[tuple[float, float]]()
    while (
        len(found) < 1 + _ALONE_TIMES or spent < _ALONE_SECONDS
    ):  # in turn, for others may use the processor
        by_input = seconds_of(lambda: backward(True, False, False), cpu)
        by_weights = seconds_of(lambda: backward(False, True, False), cpu)
        found.append((by_input, by_weights))
        spent += by_input + by_weights
    inputs, weights = zip(*found[1:], strict=True)  # the first one loads
    return float(min(inputs) / (min(inputs) + min(weights)))
