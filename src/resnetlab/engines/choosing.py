"""Which engine makes a network's answers: as asked, or the one that is done first with the work at hand.

The speeds of the engines are measured once for a kind of network on a machine, when there is so much work
that this is earned back, and kept.
"""

import contextlib
import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from resnetlab.base.machine.remembered import machine_facts, remembered
from resnetlab.engines.answering import Engine, difference
from resnetlab.engines.folding import TOLERANCE
from resnetlab.engines.kinds import Answers, make, obstacle
from resnetlab.engines.names import AUTO, ENGINES, REFERENCE, versions
from resnetlab.errors import UsageError, one_of
from resnetlab.models import ResNet
from resnetlab.native.building import kernels_digest
from resnetlab.parallel.world import ALONE, World

_OPERATIONS_PER_CORE = 8e10
"""Assumed of the network in torch, per second: what tells little work from much need not be exact."""

LITTLE = 1.0
"""Seconds of work below which the network itself answers: nothing is made, nothing is tried."""

_MEASURED = (
    (6.0, (REFERENCE, "torch", "onnxruntime", "openvino")),
    (12.0, ("native",)),  # its kernels are compiled once on a machine, for some 5 seconds
    (300.0, ("inductor",)),  # it compiles for up to a minute in every process
)
"""Seconds of work from which on engines are measured, so that what that takes is earned back: about two for
the first ones. Below the first figure what was measured before counts."""

AMOUNTS = (LITTLE, *(least for least, _ in _MEASURED))

_UNMEASURED = ("onnxruntime", "torch")
"""Who answers, the first that is here, where nothing was measured and the work is too little for it."""

_FOR_MANY_SIZES = (REFERENCE, "torch")
"""The others plan their memory or their kernels for each size anew."""

BUCKETS = (1, 16, 128)
"""Images at once for which speeds are kept."""
_TRIAL_SECONDS = 0.2  # that a batch may take which is measured
_TRIED = 8  # images on which an engine is held against the network


@dataclass(frozen=True)
class Work:
    """What is to be answered."""

    images: int
    batch: int
    """Images at once."""
    size: tuple[int, int]
    """Their height and width."""
    is_of_one_size: bool = True
    """Else they have many sizes, and come to so many `images` of that one."""


def choose(
    asked: str, model: nn.Module, work: Work, images: Callable[[], Tensor], world: World = ALONE
) -> Engine:
    """Return who makes the answers, held against the network on some of the images.

    Of several processes all call this; the first one chooses, and each holds its own.

    Args:
        asked: A name of `ENGINES`, or "auto".
        model: The network, in evaluation mode on its device; what is no ResNet answers by itself.
        work: What is to be answered, by all processes.
        images: Returns some of the images as the network is given them; called only if an engine is made.
        world: The processes.

    Raises:
        UsageError: If there is no such engine, or it cannot be used here.
    """
    one_of("engine", asked, (AUTO, *ENGINES))
    if not isinstance(model, ResNet):
        return _of_file(asked, model)
    chooser = _Chooser(model, work, images)
    while True:
        name, why = world.from_first(lambda: chooser.decide(asked))
        if name == REFERENCE:
            return Engine(name, f"{name} ({chooser.and_left(why)})", model)
        problem = next(filter(None, world.gather(chooser.problem(name))), "")
        if not problem:
            return Engine(name, f"{name} ({chooser.and_left(why)})", model, chooser.made(name))
        chooser.left[name] = problem
        if asked != AUTO:
            return Engine(REFERENCE, f"{REFERENCE} ({problem})", model)


def _of_file(asked: str, model: nn.Module) -> Engine:
    if asked not in (AUTO, "onnxruntime"):
        raise UsageError(
            f"the network is an ONNX file, which onnxruntime runs: no engine {asked} for it",
            hint="Take the run or the model folder that it was exported from.",
        )
    return Engine("onnxruntime", "onnxruntime (the file's own graph)", model)


def seconds_of(model: ResNet, work: Work) -> float:
    """Return how long the network in torch would take, roughly; it depends on nothing but the processors."""
    operations = 2.0 * model.spec.plan().num_multiply_adds(*work.size) * work.images
    return operations / (_OPERATIONS_PER_CORE * (machine_facts()["processors"] or 1))


@dataclass
class _Chooser:
    """One choice, and what is made on the way to it."""

    model: ResNet
    work: Work
    images: Callable[[], Tensor]
    left: dict[str, str] = field(default_factory=dict)
    """Engines that are not to be used after all, and why."""
    _made: dict[str, Answers] = field(default_factory=dict)
    _images: Tensor | None = None
    _known: "_Speeds | None" = None

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    def some(self, count: int) -> Tensor:
        """Return so many images, the same ones over and over if there are fewer."""
        if self._images is None:
            self._images = self.images()
        order = torch.arange(count, device=self._images.device) % len(self._images)
        return self._images[order].contiguous(memory_format=torch.channels_last)

    def made(self, name: str) -> Answers:
        """Return an engine's answers, made once."""
        if name not in self._made:
            self._made[name] = make(name, self.model, self.work.batch)
        return self._made[name]

    def problem(self, name: str) -> str:
        """Return why an engine is not to be used after all, or ""; told, it is held against the network."""
        try:
            off = difference(self.made(name), self.model, self.some(_TRIED))
        except Exception as error:  # of another program
            return f"{name} failed: {type(error).__name__}: {error}".splitlines()[0]
        return "" if off <= TOLERANCE else f"{name} was left: a logit differs by {off:.1e} of the largest"

    def and_left(self, why: str) -> str:
        """Return why an engine was taken, and which were not for what was found of them."""
        return "; ".join([why, *self.left.values()])

    def decide(self, asked: str) -> tuple[str, str]:
        """Return the engine's name, and why it is that one."""
        if asked != AUTO:
            if why := self._obstacle(asked):
                raise UsageError(f"the engine {asked} cannot be used here: {why}", hint=self._others())
            return asked, "as asked"
        if self.device.type != "cpu":
            return REFERENCE, f"on {self.device.type} it is the fastest that gives the run's own scores"
        seconds = seconds_of(self.model, self.work)
        if seconds < LITTLE:
            return REFERENCE, "too little work for another"
        if not self.work.is_of_one_size and "torch" not in self.left:
            return "torch", "the images have many sizes, for which it need not be made anew"
        return self._by_speed(seconds)

    def _obstacle(self, name: str) -> str:
        """Return why an engine cannot do this work, or ""."""
        if name in self.left:
            return self.left[name]
        if not self.work.is_of_one_size and name not in _FOR_MANY_SIZES:
            return "it is made for one size, and these images have many"
        return obstacle(name, self.model, self.device)

    def _is_here(self, name: str) -> bool:
        return not self._obstacle(name)

    def _others(self) -> str:
        usable = [name for name in ENGINES if self._is_here(name)]
        return f"There are {', '.join(usable)}, and auto; `resnetlab list engines` tells what each is."

    def _by_speed(self, seconds: float) -> tuple[str, str]:
        """Return the engine that would be done first; if none was measured, and need not be, a usual one."""
        speeds = self._known = self._known or self._speeds(seconds)
        if speeds is None:
            usual = next((name for name in _UNMEASURED if self._is_here(name)), REFERENCE)
            return usual, "the usual one: none was measured here for work of seconds"
        times = {
            name: each["make"] + each["image"] * self.work.images
            for name, each in speeds.items()
            if name not in self.left
        }
        best = min(times, key=lambda name: times[name])
        among = f"done first of {len(times)} that were measured here"
        ratio = speeds[REFERENCE]["image"] / speeds[best]["image"]
        among += "" if best == REFERENCE else f": {ratio:.1f} times the network itself"
        return best, among + self._without_own_kernels(seconds)

    def _without_own_kernels(self, seconds: float) -> str:
        """Return why they are not among the engines, for work that would earn them back; else ""."""
        pay = any(seconds >= least and "native" in names for least, names in _MEASURED)
        why = self._obstacle("native") if pay and "native" not in self.left else ""
        return f"; not native: {why}" if why else ""

    def _speeds(self, seconds: float) -> "_Speeds | None":
        """Return what was measured of the most engines, or measure those for which there is enough work."""
        groups = [names for _, names in _MEASURED]
        for count in range(len(groups), 0, -1):
            here = [name for names in groups[:count] for name in names if self._is_here(name)]
            measures = seconds >= _MEASURED[count - 1][0]
            with contextlib.suppress(_NotMeasured):
                return self._remembered(here, measures=measures)
        return None

    def _remembered(self, here: list[str], *, measures: bool) -> "_Speeds":
        """Return what each engine takes to make, and for an image, in seconds.

        Raises:
            _NotMeasured: If that was not measured before, and is not to be.
        """
        bucket = max(size for size in BUCKETS if size <= max(1, self.work.batch))
        question = {
            "network": hashlib.sha256(json.dumps(self.model.spec.to_json()).encode()).hexdigest(),
            "size": [*self.work.size],
            "batch": bucket,
            "threads": torch.get_num_threads(),
            "engines": versions(here),
            "native": kernels_digest() if "native" in here else "",
        }

        def measure() -> dict[str, dict[str, float]]:
            if not measures:
                raise _NotMeasured
            return self._measured(here, bucket)

        found: _Speeds = remembered("engines", question, measure, is_kept=lambda speeds: {*speeds} == {*here})
        return found

    def _measured(self, here: list[str], bucket: int) -> dict[str, dict[str, float]]:
        one = seconds_of(self.model, Work(1, 1, self.work.size))
        count = max(1, min(bucket, int(_TRIAL_SECONDS / one)))
        found = dict[str, dict[str, float]]()
        for name in here:
            images = self.some(self.work.batch if name == "inductor" else count)  # it is made for one number
            try:
                found[name] = self._timed(name, images)
            except Exception:  # of another program: it is none of those that can be chosen
                if name == REFERENCE:
                    raise
        return found

    def _timed(self, name: str, images: Tensor) -> dict[str, float]:
        with torch.inference_mode():
            made, answers = self._seconds_to_make(name, images)
            if name == "native" and made > _TRIAL_SECONDS:  # the next process finds the kernels
                made, answers = self._seconds_to_make(name, images)
            started, times = time.perf_counter(), [_seconds(answers, images)]
            while time.perf_counter() - started < _TRIAL_SECONDS:
                times.append(_seconds(answers, images))
        return {"make": max(0.0, made - min(times)), "image": min(times) / len(images)}

    def _seconds_to_make(self, name: str, images: Tensor) -> tuple[float, Answers]:
        """Return how long it takes until an engine has answered once, and the engine."""
        started = time.perf_counter()
        self._made[name] = make(name, self.model, self.work.batch)
        self._made[name](images)
        return time.perf_counter() - started, self._made[name]


_Speeds = Mapping[str, Mapping[str, float]]


class _NotMeasured(Exception):
    """The engines' speeds are not known."""


def _seconds(answers: Answers, images: Tensor) -> float:
    started = time.perf_counter()
    answers(images)
    return time.perf_counter() - started
