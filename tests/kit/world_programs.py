"""What the processes of a test's world do: `python -m tests.kit.world_programs PROGRAM ARGUMENTS`.

Each program is a function; what it returns is printed, as JSON, on the last line.
"""

import ctypes
import faulthandler
import hashlib
import itertools
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

import resnetlab
from resnetlab.base.machine.remembered import remembered
from resnetlab.base.machine.signals import Terminated
from resnetlab.cli.stopping import heard_signals
from resnetlab.data import feeding
from resnetlab.data.batches.preprocessing import Preprocessing
from resnetlab.data.images.geometry import Pixels
from resnetlab.data.images.image import EncodedImage
from resnetlab.errors import DataError, Interrupted, ResnetlabError
from resnetlab.evaluation.metrics import Scoring
from resnetlab.native.building import compiler_here
from resnetlab.parallel.links import Links
from resnetlab.parallel.meeting import Meeting, Member
from resnetlab.parallel.streams import mark_others
from resnetlab.parallel.tree import SMALL_BYTES, Tree
from resnetlab.parallel.world import World, join, joined
from resnetlab.training.choosing.choosing import choose, try_here
from resnetlab.training.choosing.trying import question
from resnetlab.training.choosing.ways import Prospect, Way
from resnetlab.training.observer import Interrupt, Observer
from resnetlab.training.planning import refuse_differing
from resnetlab.training.run import train_or_resume
from tests.kit.chosen_steps import long_plan, remember
from tests.kit.small_runs import small_plan


def talk(world: World) -> dict[str, Any]:
    """Use every method by which processes speak to each other."""
    rank = world.rank
    return {
        "name": world.name,
        "is_first": world.is_first,
        "share": [world.share_of(12).first, world.share_of(12).count, world.share_of(12).of],
        "undivided": _raised(lambda: world.share_of(5)),
        "gathered": world.gather({"rank": rank, "square": rank * rank}),
        "first": world.from_first(lambda: ["made by", rank]),
        "first fails": _raised(lambda: world.from_first(lambda: _fail(0, rank))),
        "first is foreign": _raised(lambda: world.from_first(lambda: 1 // rank)),
        "all do": world.together(lambda: rank + 1),
        "second fails": _raised(lambda: world.together(lambda: _fail(1, rank))),
        "second is foreign": _raised(lambda: world.together(lambda: 1 // (rank - 1))),
        "all fail alike": _raised(lambda: world.together(lambda: _fail(rank, rank))),
        "all fail": _raised(lambda: world.together(lambda: _refuse(f"file {rank}"))),
        "agree": _raised(lambda: world.agree({"torch": "2", "data": "abc"})),
        "differ": _raised(lambda: world.agree({"torch": "2", "data": f"abc{rank % 2}"})),
        "pulses": [world.pulse(rank == 1 and number == 2) for number in range(5)],
    }


def evaluate(world: World, batch: str, *given: str) -> Any:
    """Score a network in batches of so many images; tell also which images this process has decoded.

    `given` are the arguments of each process as JSON, or one for all.
    """
    feeding.EVALUATION_BATCH = int(batch)
    decode, decoded = Preprocessing.pixels, list[str]()

    def noting(self: Preprocessing, image: EncodedImage) -> Pixels:
        decoded.append(image.place)
        return decode(self, image)

    Preprocessing.pixels = noting  # type: ignore[method-assign]
    arguments = json.loads(given[world.rank % len(given)])
    torch.set_num_threads(arguments.pop("threads", 1))
    _terminate_at_batch(arguments.pop("terminate_at", 0))
    arguments.setdefault("insights", 0)  # which decodes some images again
    error, *told = _raised(lambda: resnetlab.evaluate(**arguments, workers=0))
    if error != "nothing":
        return error, *told
    found = told[0]
    row = found.scores.row() | {"loss": found.scores.loss.hex(), "top 5": found.scores.correct_top5}
    said = {"notes": found.notes, "bad": found.bad_samples, "out": found.out, "files": found.files}
    return {"row": row, "confusion": found.scores.confusion_KK.tolist(), **said, "decoded": decoded}


def train(world: World, out: str, where: str = "-1", at: str = "3") -> int:
    """Make or go on with the small run, of two shards, evaluated in batches of 5.

    Process `where` gets a signal while it scores its batch number `at`, counted over all evaluations.
    """
    feeding.EVALUATION_BATCH = 5
    if world.rank == int(where):
        _terminate_at_batch(int(at))
    return train_or_resume(small_plan(shards=2), Path(out), Observer(), world=world).correct


def _terminate_at_batch(at: int) -> None:
    """Let this process get a signal while it scores so manyth a batch."""
    add, scored = Scoring.add, itertools.count(1)

    def stopping(self: Scoring, logits: torch.Tensor, labels: torch.Tensor, number: int) -> None:
        add(self, logits, labels, number)
        if next(scored) == at:
            os.kill(os.getpid(), signal.SIGTERM)

    Scoring.add = stopping  # type: ignore[method-assign,assignment]


def numbers_of(rank: int, numel: int) -> npt.NDArray[np.float32]:
    """Return numbers of very different sizes, so that the order in which they are added shows."""
    draw = np.random.default_rng([rank, numel])
    return (draw.standard_normal(numel) * 10.0 ** draw.integers(-4, 5, numel)).astype(np.float32)


def sums(world: World) -> dict[str, str]:
    """Add tensors of several sizes in every way; return the bits."""
    tree, found = Tree(world.rank, world.size), {}
    ways = {"double": tree.double, "halve": tree.halve, "world": world.add_tree}
    for numel in (1, 2, 3, 1000, 1001):
        for name, add in ways.items():
            flat = torch.from_numpy(numbers_of(world.rank, numel))
            result = add(flat)
            assert result is flat, "in place"
            found[f"{name} {numel}"] = result.numpy().tobytes().hex()
    flat = torch.from_numpy(numbers_of(world.rank, SMALL_BYTES // 4 + 5))
    found["large"] = hashlib.sha256(world.add_tree(flat).numpy().tobytes()).hexdigest()
    return found


def work(world: World, where: str = "-1", fault: str = "", at: str = "3") -> str:
    """Make sums until all are asked to stop; in process `where`, at round `at`, comes the fault."""
    numbers, stop = torch.ones(1000), Interrupt()
    with stop:
        for round_ in itertools.count():
            if world.rank == int(where) and round_ == int(at):
                _FAULTS[fault](world)
            world.add_tree(numbers).div_(world.size)
            if world.pulse(stop.is_requested):
                names = world.gather(stop.signal_name)
                raise Interrupted(f"stopped by {max(names)} after round {round_}; all is saved")
            if round_ == int(at) + 1:
                print("works", flush=True)
            time.sleep(0.01)
    return "never"


def speak(world: World, *arguments: str) -> str:
    """Say what was given, and die in the second process in the midst of a line."""
    faulthandler.enable()
    threads = os.environ["OMP_NUM_THREADS"]
    sys.stdout.write(
        f"output of {world.rank}: {arguments} {threads} threads\n"
    )  # a line at once: others write too
    sys.stdout.flush()
    world.gather(None)
    sys.stderr.write(f"a warning of {world.rank}\n")
    world.gather(None)
    if world.rank == 1:
        print("the beginning of a", end="", file=sys.stderr, flush=True)
        os.abort()
    world.gather(None)
    return "never"


def script(world: World, fault: str = "") -> str:
    """Do as a script of a user's own: nobody says how it ends."""
    world.gather(None)
    if fault and world.is_first:
        raise LookupError("a mistake of theirs")
    if fault:
        world.gather(None)
    return "fine"


def stay(world: World) -> str:
    """Stop for no signal."""
    with Interrupt():
        print("works", flush=True)
        time.sleep(1000)
    return "never"


def fail(world: World, where: str = "-1") -> str:
    """Raise an error of ours in process `where`, or in all for -1, which no other knows of."""
    if int(where) in (-1, world.rank):
        raise DataError("it is torn", hint="Fetch it again.")
    world.gather(1)
    return "never"


def fail_late(world: World, where: str, seconds: str) -> str:
    """Raise an error of ours in all, of which process `where` hears nothing for so long."""
    if world.rank == int(where):
        ctypes.PyDLL(None).sleep(int(seconds))  # with Python's lock: all its threads wait
    return fail(world)


def end(world: World, where: str, how: str) -> str:
    """End well, but for what happens to process `where` then."""
    world.gather(None)
    if world.rank == int(where):
        _ENDS[how]()
    return "fine"


def train_and_end(world: World, out: str, where: str, how: str) -> str:
    """Make the small run; when it is finished something happens to process `where`."""
    train(world, out)
    return end(world, where, how)


def _stop_when_left() -> None:
    """Let this process stand stopped when it has taken its leave of the others."""
    Links._leave_groups = lambda self: os.kill(os.getpid(), signal.SIGSTOP)  # type: ignore[method-assign]


def _terminate_when_left() -> None:
    """Let a signal come when this process has taken its leave of the others."""
    leave = Links._leave_groups

    def terminated(self: Links) -> None:
        Links._leave_groups = leave  # type: ignore[method-assign]
        os.kill(os.getpid(), signal.SIGTERM)
        leave(self)

    Links._leave_groups = terminated  # type: ignore[method-assign]


_ENDS: dict[str, Callable[[], object]] = {
    "stopped": lambda: os.kill(os.getpid(), signal.SIGSTOP),
    "killed": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "stopped when left": _stop_when_left,
    "terminated": _terminate_when_left,
    "busy": lambda: time.sleep(12),  # longer than who has left stays, and then is silent
}


def _hinder(how: str) -> None:
    """Let something happen when a process has found the meeting place, and all have yet to come.

    In process 1; to be told of, in all.
    """
    meet = Meeting._meet

    def hindered(self: Meeting) -> list[Member]:
        if os.environ["RANK"] == "1" or how == "told":
            _HINDRANCES[how]()
        return meet(self)

    Meeting._meet = hindered  # type: ignore[method-assign]


def _tarry() -> None:
    print("it tarries", file=sys.stderr, flush=True)
    time.sleep(1)


_HINDRANCES: dict[str, Callable[[], object]] = {
    "process 1 stopped": lambda: os.kill(os.getpid(), signal.SIGSTOP),
    "torchrun stopped": lambda: os.kill(os.getppid(), signal.SIGSTOP),
    "slow": _tarry,
    "told": lambda: print("it comes", file=sys.stderr, flush=True),
}


def _crash(world: World) -> None:
    raise LookupError("a mistake of ours")


def _refuse_here(world: World) -> None:
    raise DataError("it is torn", hint="Fetch it again.")


def _leave_early(world: World) -> None:
    os._exit(0)


_FAULTS: dict[str, Callable[[World], object]] = {
    "killed": lambda world: os.kill(os.getpid(), signal.SIGKILL),
    "stopped": lambda world: os.kill(os.getpid(), signal.SIGSTOP),
    "refused": _refuse_here,
    "crashed": _crash,
    "left": _leave_early,
    "nothing": lambda world: None,
}


def train_from_python(world: World, out: str) -> dict[str, Any]:
    """Train as a script does that torchrun started."""
    short: dict[str, Any] = {"data": "digits", "steps": 4, "batch": 16, "compile": "off", "device": "cpu"}
    refused = _raised(lambda: resnetlab.train("resnet8", devices=4, out=out, **short))
    result = resnetlab.train("resnet8", out=out, **short)
    recipe = json.loads((Path(out) / "recipe.json").read_text())
    return {"accuracy": result.accuracy, "recipe": recipe, "refused": refused[1]}


def choose_steps(world: World, caches: str) -> str:
    """Choose how the steps of a long run are made, each process with a cache that says something else."""
    os.environ["RESNETLAB_CACHE"] = f"{caches}/{world.rank}"
    plan = long_plan(shards=2, precision="fp32")
    remember(plan, (100.0, 140.0) if world.is_first else (140.0, 100.0), processes=world.local_size)
    return choose([plan], world)[0].steps_text


def differ_in_kernels(world: World, caches: str) -> list[Any]:
    """Plan native kernels, where one process has a compiler of another name; then leave them open."""
    os.environ["RESNETLAB_CACHE"] = f"{caches}/{world.rank}"
    if not world.is_first:
        (Path(caches) / "c++").symlink_to(os.path.realpath(compiler_here()))
        os.environ["PATH"] = caches
    refused = _raised(lambda: refuse_differing(long_plan(shards=2, compile="native"), world))
    ways = try_here(Prospect.of(long_plan(shards=2, precision="fp32")), world)
    return [*refused, [*ways]]


def choose_without_a_compiler(world: World, caches: str) -> str:
    """Choose how the steps of a very long run are made, of which all but the first process cannot compile."""
    os.environ["RESNETLAB_CACHE"] = f"{caches}/{world.rank}"
    if not world.is_first:
        os.environ["PATH"] = caches
        os.environ.pop("CXX", None)
    plan = replace(long_plan(shards=2, compile="off"), left_open=frozenset({"compile", "precision"}))
    ways = (Way("off", "fp32"), Way("off", "bf16"))
    answer = [{"way": way, "rate": rate, "refused": ""} for way, rate in zip(ways, (1e-3, 1e-3), strict=True)]
    asked = question(Prospect.of(plan), ways, world.local_size)
    remembered("steps", asked, lambda: answer)
    return choose([plan], world)[0].steps_text


def _fail(where: int, rank: int) -> str:
    return _refuse("it is torn") if where == rank else "fine"


def _refuse(text: str) -> str:
    raise DataError(text, hint="Fetch it again.")


def _raised(work: Any) -> list[Any]:
    try:
        return ["nothing", work()]
    except Exception as error:
        return [type(error).__name__, str(error), getattr(error, "exit_code", None)]


def main() -> int:
    """Join the world and perform the program, as the command line does."""
    program, *arguments = sys.argv[1:]
    own_output = os.dup(1)
    mark_others()
    if program == "script":
        os.write(own_output, json.dumps(script(join(), *arguments)).encode())
        return 0
    if program == "hindered":
        _hinder(*arguments)
        program, *arguments = "work", "-1", "nothing"
    try:
        with heard_signals():
            world = join()
            found = globals()[program](world, *arguments)
            world.close()
    except ResnetlabError as error:
        if joined().end_with(error):
            print(f"program: {error}", file=sys.stderr, flush=True)
        return error.exit_code
    except Terminated as error:
        if joined().end_with(error):
            print("program: stopped", file=sys.stderr)
        return error.exit_code
    except Exception as error:
        if joined().end_with(error):
            raise
        return 1
    os.write(own_output, json.dumps(found).encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
