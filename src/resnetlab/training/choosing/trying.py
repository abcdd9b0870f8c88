"""Tries the ways to make steps: whether they compute the same, then some of each in turn by the clock."""

from collections.abc import Sequence
from typing import Any

import torch

from resnetlab.base.units import Duration
from resnetlab.errors import ResnetlabError
from resnetlab.native.building import kernels_digest
from resnetlab.native.graph import Unsuitable
from resnetlab.training.choosing.parity import Failure, failure, refusals
from resnetlab.training.choosing.picking import Tried
from resnetlab.training.choosing.ways import Prospect, Way
from resnetlab.training.speed import Step, timed, training, trial_batch
from resnetlab.training.step.device import leaving_as_found

SECONDS = 3.0
"""About what the steps take together, at the run's own batch if that can be."""

_ROUNDS = 5
_VERSION = 2

Answer = list[dict[str, Any]]
"""What came of each way, as plain JSON data."""


def question(prospect: Prospect, ways: Sequence[Way], processes: int) -> dict[str, Any]:
    """Return all on which the answer depends beside the machine.

    Args:
        prospect: The run.
        ways: That are tried.
        processes: That try them at once on this machine.
    """
    recipe = prospect.recipe
    return {
        "version": _VERSION,
        "network": prospect.spec.to_json(),
        "size": list(prospect.size),
        "at_once": prospect.at_once,
        "threads": torch.get_num_threads(),
        "processes": processes,
        "ways": [list(way) for way in ways],
        "step": [
            recipe.optimizer.optimizer,
            recipe.optimizer.sam,
            recipe.transfer.freeze,
            recipe.transfer.bn,
        ],
        "memory": [recipe.execution.channels_last, recipe.execution.checkpoint_activations],
        "native": kernels_digest(),
    }


def is_lasting(answer: Answer) -> bool:
    """Whether nothing in it failed that may succeed another time: a compiler, a full disk."""
    return not any(each["failed"] for each in answer)


def answered(answer: Answer) -> dict[Way, Tried]:
    """Return what an answer says."""
    return {Way(*each["way"]): Tried(float(each["rate"]), str(each["refused"])) for each in answer}


@leaving_as_found()
def try_ways(prospect: Prospect, ways: Sequence[Way]) -> Answer:
    """Return what came of each way; what computes something else, or cannot be made, is not timed."""
    refused = refusals(prospect, ways)
    try:
        images = _images(prospect, ways[0], len(ways))
    except ResnetlabError as error:  # on random images and with new weights, which says nothing of the run
        return [_told(way, 0.0, failure(error)) for way in ways]
    steps = dict[Way, Step]()
    for way in ways:
        if way not in refused:
            try:
                steps[way] = _step(prospect, way, images)
                steps[way](0)  # loads and prepares what later ones find
            except (ResnetlabError, Unsuitable) as error:
                steps.pop(way, None)
                refused[way] = failure(error)
    best = dict.fromkeys(steps, float("inf"))
    for index in range(_ROUNDS):  # in turn: what else the machine does falls on all
        for way, step in steps.items():
            best[way] = min(best[way], timed(step, index + 1, prospect.device))
    rates = {way: images / seconds for way, seconds in best.items()}
    return [_told(way, rates.get(way, 0.0), refused.get(way, "")) for way in ways]


def _told(way: Way, rate: float, refused: str) -> dict[str, Any]:
    return {"way": list(way), "rate": rate, "refused": refused, "failed": isinstance(refused, Failure)}


def _step(prospect: Prospect, way: Way, images: int) -> Step:
    """Return what makes the next step of the run's own network, optimizer and augmentation."""
    alone = {"batch": images, "shards": 1, "accumulate": 1, "val": 0, "capture": "off"}
    recipe = prospect.recipe_for(way, **alone, length=Duration(4 + _ROUNDS, "st"))
    return training(prospect.squared, recipe, prospect.device, size=prospect.size).step


def _images(prospect: Prospect, usual: Way, num_ways: int) -> int:
    """Return how many images a step is tried with, by the time that a smaller one takes."""
    few = max(2, min(prospect.at_once, trial_batch(prospect.squared, prospect.device)))
    step = _step(prospect, usual, few)
    step(0)
    seconds = min(timed(step, index, prospect.device) for index in (1, 2)) * num_ways * (1 + _ROUNDS)
    return images_within(prospect.at_once, few * SECONDS / seconds, least=max(2, torch.get_num_threads()))


def images_within(wanted: int, affordable: float, *, least: int) -> int:
    """Return the wanted number if it is affordable, else a power of two that is, but so many at least."""
    if wanted <= affordable:
        return wanted
    fitting = 1 << max(0, int(affordable).bit_length() - 1)
    return min(wanted, max(least, fitting))
