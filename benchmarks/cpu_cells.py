"""What cpu.py measures: networks, batches and precisions, and the programs that are compared at each.

What each program contains stands in the scripts that it runs: train_steps.py and eval_steps.py are ours,
peer_training.py and peer_inference.py the peers'.
"""

import fnmatch
import functools
import importlib.util
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from resnetlab.runs.environment import how_to_install

HERE = Path(__file__).parent
IMAGES = 2048
"""Random images in memory that training draws its batches from, ours and the peers' alike."""
_TRAINING_BATCH = 128
_INFERENCE_BATCHES = (1, 16, 128)
PRECISIONS: tuple[Literal["fp32", "bf16"], ...] = ("fp32", "bf16")


@dataclass(frozen=True)
class Network:
    """A network of the tables."""

    title: str
    model: str
    """Our name of it."""
    plain: str
    """Its name in plain_network.py."""
    side: int = 32
    classes: int = 10
    knobs: tuple[str, ...] = ()
    """What makes ours the same, beside the name."""


RESNET_20 = Network("ResNet-20", "resnet20", "resnet20")
TRAINED = (
    RESNET_20,
    Network("ResNet-56", "resnet56", "resnet56"),
    Network("ResNet-110", "resnet110", "resnet110"),
    Network(
        "ResNet-18, 32 px", "resnet18", "resnet18-small", knobs=("stem=small", "input_size=32", "classes=10")
    ),
    Network("ResNet-50, 64 px", "resnet50", "resnet50", 64, 1000, ("input_size=64",)),
)
ASKED = (RESNET_20, Network("ResNet-50, 224 px", "resnet50", "resnet50", 224, 1000))


@dataclass(frozen=True)
class Cell:
    """A cell of the tables: what all its programs do alike."""

    kind: Literal["training", "inference"]
    network: Network
    batch: int
    precision: Literal["fp32", "bf16"]

    @property
    def key(self) -> str:
        """Its name in JSON and for --only, e.g. inference/resnet20/batch16/bf16."""
        batch = (f"batch{self.batch}",) if self.kind == "inference" else ()
        return "/".join((self.kind, self.network.model, *batch, self.precision))

    @property
    def title(self) -> str:
        """Its name in the tables."""
        batch = f", batch {self.batch}" if self.kind == "inference" else ""
        return f"{self.network.title}{batch}, {self.precision}"


CELLS = (
    *(Cell("training", network, _TRAINING_BATCH, p) for network in TRAINED for p in PRECISIONS),
    *(Cell("inference", n, batch, p) for n in ASKED for batch in _INFERENCE_BATCHES for p in PRECISIONS),
)


def chosen_cells(kinds: Sequence[str], patterns: Sequence[str]) -> list[Cell]:
    """Return the cells of these kinds whose names contain as parts, or as a pattern are, one of the texts.

    Raises:
        SystemExit: If a text names none.
    """
    cells = [cell for cell in CELLS if cell.kind in kinds]
    for pattern in patterns:
        if not any(_names(pattern, cell.key) for cell in cells):
            raise SystemExit(f"no cell is {pattern!r}; there are {', '.join(cell.key for cell in cells)}")
    return [c for c in cells if not patterns or any(_names(pattern, c.key) for pattern in patterns)]


def _names(pattern: str, key: str) -> bool:
    return fnmatch.fnmatchcase(key, pattern) or f"/{pattern.strip('/')}/" in f"/{key}/"


@dataclass(frozen=True)
class Contestant:
    """A program that does what a cell says."""

    name: str
    is_ours: bool
    command: tuple[str, ...]
    needs: tuple[str, ...] = ()
    """The modules that its interpreter must have."""


WAYS = {"ours, native": "native", "ours, compiled": "on", "ours, eager": "off"}
"""Ours, by what `compile` says."""
ENGINES = {
    "native": (), "onnxruntime": ("onnxruntime", "onnx", "resnetlab"),
    "openvino": ("openvino", "onnx", "resnetlab"), "torch": (), "inductor": (), "reference": (),
}  # fmt: skip
"""Our engines, the fastest first, and what each needs."""


def ours(cell: Cell) -> Iterator[Contestant]:
    """Give our ways, those that are commonly the fastest first."""
    network = cell.network
    knobs = [f"precision={cell.precision}", *network.knobs]
    common = ["--batch", str(cell.batch), *(part for knob in knobs for part in ("--set", knob))]
    if cell.kind == "training":
        for name, way in WAYS.items():
            script = ("train_steps.py", network.model, "--images", str(IMAGES))
            yield Contestant(name, True, (*script, *common, "--set", f"compile={way}"))
        return
    evaluating = ("eval_steps.py", network.model, *common)
    if cell.precision == "bf16":  # engines compute in fp32
        for name, way in WAYS.items():
            yield Contestant(name, True, (*evaluating, "--set", f"compile={way}"))
        return
    for engine, needs in ENGINES.items():
        yield Contestant(f"ours, {engine}", True, (*evaluating, "--engine", engine), needs)


_TORCH_WAYS = {
    "torch NCHW": ("--memory", "contiguous"),
    "torch channels_last": ("--memory", "channels_last"),
    "torch.compile channels_last": ("--memory", "channels_last", "--compile"),
}


def peers(cell: Cell, onnx: Path, threads: int) -> Iterator[Contestant]:
    """Give the peers' programs."""
    network, bf16 = cell.network, ("--bf16",) * (cell.precision == "bf16")
    common = (
        "--side",
        str(network.side),
        "--classes",
        str(network.classes),
        "--batch",
        str(cell.batch),
        *bf16,
    )
    for name, way in _TORCH_WAYS.items():
        script = ("peer_training.py", network.plain, "--images", str(IMAGES))
        if cell.kind == "inference":
            script = ("peer_inference.py", "torch", "--network", network.plain)
        yield Contestant(name, False, (*script, *common, *way), ("torch",))
    if cell.kind == "training":
        return
    if cell.precision == "bf16":
        way = ("--network", network.plain, *common, *_TORCH_WAYS["torch channels_last"], "--autocast")
        yield Contestant(
            "torch channels_last, autocast", False, ("peer_inference.py", "torch", *way), ("torch",)
        )
    of_file = ("--onnx", str(onnx), "--threads", str(threads), *common)
    if cell.precision == "fp32":  # on CPUs it has no convolutions in bf16
        yield Contestant(
            "onnxruntime", False, ("peer_inference.py", "onnxruntime", *of_file), ("onnxruntime",)
        )
    hints = ("openvino",) if cell.batch == 1 else ("openvino", "openvino-throughput")
    for hint in hints:
        yield Contestant(hint, False, ("peer_inference.py", hint, *of_file), ("openvino",))
    if network.model == "resnet50":
        for package in ("torchvision", "timm"):
            way = ("--network", network.model, *_TORCH_WAYS["torch.compile channels_last"])
            yield Contestant(package, False, ("peer_inference.py", package, *common, *way), (package,))


@dataclass(frozen=True)
class Stranger:
    """A peer by any command: --peer NAME[@CELLS]=COMMAND."""

    name: str
    cells: str
    command: str

    @classmethod
    def parse(cls, text: str) -> "Stranger":
        """Read what stands behind --peer.

        Raises:
            SystemExit: If it does not say which cells it is for.
        """
        head, equals, command = text.partition("=")
        name, _, cells = head.partition("@")
        if not (equals and name and command.strip()):
            raise SystemExit(f"--peer {text!r}: wanted is NAME=COMMAND, or NAME@CELLS=COMMAND")
        if not cells and not {"{network}", "{precision}", "{batch}"} <= {f"{{{w}}}" for w in _words(command)}:
            raise SystemExit(
                f"--peer {text!r}: the command does the same in each cell. Name those that it is for, e.g."
                f" {name}@training/resnet20/fp32=COMMAND, or write {{network}}, {{precision}} and"
                " {batch} (and {side}) where it takes them."
            )
        return cls(name, cells or "*", command)

    def contestant(self, cell: Cell, threads: int) -> Contestant | None:
        """Return its program at this cell, None if it is for others."""
        if not _names(self.cells, cell.key):
            return None
        values = {
            "network": cell.network.model,
            "precision": cell.precision,
            "batch": cell.batch,
            "side": cell.network.side,
            "threads": threads,
        }
        command = self.command
        for word, value in values.items():
            command = command.replace(f"{{{word}}}", str(value))
        return Contestant(self.name, False, tuple(shlex.split(command)))


def _words(command: str) -> list[str]:
    return [part.partition("}")[0] for part in command.split("{")[1:]]


@functools.cache
def missing(python: str, needs: tuple[str, ...]) -> tuple[str, ...]:
    """Return those of the modules that an interpreter does not have."""
    if python == sys.executable:
        return tuple(name for name in needs if importlib.util.find_spec(name) is None)
    look = "import importlib.util, sys; print(*(m for m in sys.argv[1:] if not importlib.util.find_spec(m)))"
    done = subprocess.run([python, "-c", look, *needs], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"--peer-python {python}: {done.stderr.strip().splitlines()[-1:]}")
    return tuple(done.stdout.split())


def interpreter_for(contestant: Contestant, pythons: Sequence[str]) -> str:
    """Return the first interpreter that has what the program needs, "" if none has."""
    return next((python for python in pythons if not missing(python, contestant.needs)), "")


@functools.cache
def versions(python: str, modules: tuple[str, ...]) -> dict[str, str]:
    """Return the versions of those of the modules' packages that an interpreter has."""
    look = (
        "import importlib.metadata as m, sys\n"
        "for name in sys.argv[1:]:\n"
        "    try: print(name, m.version(name))\n"
        "    except m.PackageNotFoundError: pass"
    )
    done = subprocess.run([python, "-c", look, *modules], capture_output=True, text=True, check=False)
    return dict(line.split(" ", 1) for line in done.stdout.splitlines())


def how_to_get(module: str) -> str:
    """Return what to say of a module that is missing."""
    return (
        how_to_install(module)
        or f"python -m pip install {module} (or in an environment of its own: --peer-python)"
    )
