"""One of the processes that `together` starts: is given what to measure as JSON, writes what was found."""

import json
import math
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import torch

from resnetlab.base.machine.rates import synchronise
from resnetlab.errors import ResnetlabError
from resnetlab.network.spec import ModelSpec
from resnetlab.parallel.world import World, join
from resnetlab.recipe import Recipe
from resnetlab.recipe.settings import override, recipe_from_json
from resnetlab.training.choosing.choosing import settle
from resnetlab.training.speed import evaluation, training
from resnetlab.training.step.device import pick_device

_WARM_UP = 2
_FEWEST, _MOST = 3, 200
_SMALL_BYTES = 8


def main(request: dict[str, Any]) -> None:
    """Measure what is asked for; the first process writes what all found."""
    world = join()
    device = pick_device(request.get("device", "auto"))
    if device.type == "cuda":
        device = torch.device("cuda", world.local_rank)
    if "sums" in request:
        found: dict[str, Any] = {
            str(size): _sum_of(world, size, device, request["seconds"]) for size in request["sums"]
        }
    else:
        spec, recipe = ModelSpec.from_json(request["spec"]), recipe_from_json(request["recipe"])
        sizes = {(height, width): share for height, width, share in request["sizes"]}
        recipe, steps = settle(spec, recipe, device, world=world, samples=request["in_all"], sizes=sizes)
        execution = recipe.execution
        found = {"compile": execution.compile, "precision": execution.precision, "steps": steps}
        found |= measure(world, spec, recipe, device, request["num_bytes"], request["seconds"])
    if world.is_first:
        sys.stdout.write(json.dumps(found) + "\n")
    world.close()


def measure(
    world: World, spec: ModelSpec, recipe: Recipe, device: torch.device, num_bytes: int, seconds: float
) -> dict[str, float]:
    """Return the seconds of a training step, of one image scored, and of a large and a small sum."""
    if recipe.execution.compile == "on":  # it would take longer to make it than all else
        recipe = override(recipe, {"compile": "off"})
    step, score = training(spec, recipe, device).step, evaluation(spec, recipe, device).step
    found = {
        "step": _median(world, step, device, seconds),
        "score": _median(world, score, device, seconds / 4) / recipe.run.batch,
    }
    if world.size > 1:
        for name, size in (("reduction", num_bytes), ("small", _SMALL_BYTES)):
            found[name] = _sum_of(world, size, device, seconds / 4)
    return found


def _sum_of(world: World, num_bytes: int, device: torch.device, seconds: float) -> float:
    """Return the seconds of a sum over the processes."""
    flat = torch.zeros(num_bytes // 4, device=device)
    return _median(world, lambda _: world.add_tree(flat), device, seconds)


def _median(world: World, call: Callable[[int], Any], device: torch.device, seconds: float) -> float:
    """Return the median of the calls that these seconds allow, all processes at once: of the slowest's."""
    times = [_timed(world, call, index, device) for index in range(_WARM_UP)]
    wanted = world.from_first(lambda: math.ceil(seconds / times[-1]))
    count = max(_FEWEST, min(_MOST, wanted))
    times = [_timed(world, call, _WARM_UP + index, device) for index in range(count)]
    every: list[list[float]] = world.gather(times)
    slowest: list[float] = [max(each) for each in zip(*every, strict=True)]
    return float(statistics.median(slowest))


def _timed(world: World, call: Callable[[int], Any], index: int, device: torch.device) -> float:
    world.gather(None)  # begin together
    started = time.perf_counter()
    call(index)
    synchronise(device)
    return time.perf_counter() - started


if __name__ == "__main__":
    try:
        main(json.loads(sys.argv[1]))
    except ResnetlabError as error:
        sys.stderr.write(f"{error.args[0]}\n")
        sys.exit(error.exit_code)
