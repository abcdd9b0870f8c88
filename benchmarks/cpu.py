"""All cells of the CPU's tables: our training and inference beside each peer that is installed, in turn.

    python benchmarks/cpu.py --json cpu.json                              # all cells
    python benchmarks/cpu.py --json cpu.json --continue                   # those that are missing in the file
    python benchmarks/cpu.py --only resnet20 --programs ours "torch *"    # a part
    python benchmarks/cpu.py --cells convolutions                         # single convolutions, GFLOP/s
    python benchmarks/cpu.py --list                                       # cells and commands, nothing run
    python benchmarks/cpu.py --peer "tf2@training/resnet20/fp32=COMMAND"  # what prints its images per step

In a cell each program is started and warmed up with the machine to itself, then gets it for --seconds in
turn, --rounds times (turns.py). After the first round those below --keep of the fastest of their side, ours
or the peers, leave. Nothing is downloaded: what a missing peer needs is said. What the programs contain:
train_steps.py, eval_steps.py, peer_training.py, peer_inference.py. The JSON file is written after each cell;
the end is Markdown for docs/results.md, which `--continue` prints again; it measures only beside cells of the
same machine, sources and peers. Compiled programs find what earlier
runs have compiled, so that their first steps are shorter the second time.
"""

import argparse
import datetime
import hashlib
import json
import os
import platform
import shlex
import sys
import tempfile
import time
from collections.abc import Collection, Sequence
from dataclasses import asdict
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import torch

import linux
from cpu_cells import (
    HERE,
    Cell,
    Contestant,
    Stranger,
    chosen_cells,
    how_to_get,
    interpreter_for,
    missing,
    ours,
    peers,
    versions,
)
from cpu_convolutions import measure_convolutions
from cpu_report import Measurement, fastest, report
from resnetlab import create_model
from resnetlab.base import files
from resnetlab.base.plaindata import to_json_bytes
from resnetlab.cli.resolve import resolve_model, split_settings
from resnetlab.data.batches.normalise import Normaliser
from resnetlab.data.batches.preprocessing import Geometry, Preprocessing
from resnetlab.native.building import made_of
from resnetlab.runs.environment import describe_environment, source_digest
from resnetlab.trained.artefact.model import Artefact
from resnetlab.trained.export import export_model
from turns import Ended, Program, ending

_SAME = ("processor", "cores", "threads", "torch")
"""What must be equal for cells to stand in one table."""

_PROGRAMS = ("sources", "kernels", "peers")
"""What must be so for others to be measured beside them."""

_PEERS = ("torch", "onnxruntime", "onnx", "openvino", "torchvision", "timm")
"""Modules whose versions are recorded, in each interpreter."""


_EXPORTS = ("onnx", "onnxruntime")
"""What writes ONNX files here, and compares them."""


class Setup:
    """What the cells have in common: options, interpreters, a folder for our networks as ONNX files."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self.options, self._folder = options, folder
        self._strangers = [Stranger.parse(text) for text in options.peer]
        self._pythons = [sys.executable, *options.peer_python]

    def contestants(self, cell: Cell) -> list[Contestant]:
        """Return the programs of a cell that --programs leaves."""
        onnx = self._folder / f"{cell.network.model}-{cell.network.side}.onnx"
        strangers = [
            found for each in self._strangers if (found := each.contestant(cell, self.options.threads))
        ]
        every = [*ours(cell), *peers(cell, onnx, self.options.threads), *strangers]
        patterns = self.options.programs or ["*"]
        return [
            one
            for one in every
            if any(fnmatchcase(one.name, p) or (p == "ours" and one.is_ours) for p in patterns)
        ]

    def command(self, contestant: Contestant) -> list[str]:
        """Return the command of a program, its interpreter's included.

        Raises:
            Ended: If it needs what is not installed.
        """
        first, *others = contestant.command
        if "--onnx" in others and (lacking := missing(sys.executable, _EXPORTS)):
            raise Ended("our network as a file: " + "; ".join(how_to_get(module) for module in lacking))
        if not (HERE / first).is_file():  # a stranger's
            return [first, *others]
        python = interpreter_for(contestant, self._pythons)
        if not python:
            lacking = missing(self._pythons[-1], contestant.needs)
            raise Ended("not installed: " + "; ".join(how_to_get(module) for module in lacking))
        return [python, str(HERE / first), *others]

    def write_onnx(self, cell: Cell) -> None:
        """Write our network as an ONNX file for the peers that read one, if it is not there."""
        path = self._folder / f"{cell.network.model}-{cell.network.side}.onnx"
        if cell.kind == "training" or path.exists() or missing(sys.executable, _EXPORTS):
            return
        network = cell.network
        model = create_model(resolve_model(network.model, split_settings([*network.knobs])[1]), seed=0)
        artefact = Artefact(
            spec=model.spec, class_names=tuple(map(str, range(model.spec.classes))),
            preprocessing=Preprocessing(Normaliser("none", 255), Geometry(network.side, network.side)),
            image_shape=(network.side, network.side, 3), origin="random weights", facts={},
            tensors=model.state_dict(),
        )  # fmt: skip
        export_model(artefact, "onnx", path)


def measure(cell: Cell, setup: Setup) -> list[Measurement]:
    """Return what became of all programs of a cell."""
    options, measured, running = setup.options, list[Measurement](), list[tuple[Measurement, Program]]()
    environment = {"OMP_NUM_THREADS": str(options.threads)}
    programs = list[Program]()
    setup.write_onnx(cell)
    with ending(programs):
        for contestant in setup.contestants(cell):
            one = Measurement(contestant.name, contestant.is_ours, shlex.join(contestant.command))
            measured.append(one)
            try:
                program = Program(contestant.name, setup.command(contestant), environment)
                programs.append(program)
                program.warm_up(options.warmup, options.settle)
            except (Ended, OSError) as error:
                one.problem = str(error)
            else:
                running.append((one, program))
                one.first_seconds = program.first_seconds
            _say(
                f"{cell.title}: {one.program}: {one.problem or f'first step after {one.first_seconds:.1f} s'}"
            )
        for index in range(options.rounds):
            for one, program in running:
                _take_turn(one, program, options.seconds)
            running = [(one, program) for one, program in running if not one.problem]
            if index == 0:
                running = _those_that_may_win(running, options.keep)
        for one, program in running:
            _note(one, program)
    _say(f"{cell.title}: " + ", ".join(f"{one.program} {one.median:,.1f}" for one in measured if one.rates))
    return measured


def _take_turn(one: Measurement, program: Program, seconds: float) -> None:
    try:
        program.take_turn(seconds)
    except Ended as error:
        one.problem, one.rates = str(error), []
        return
    one.rates = program.rates


def _those_that_may_win(
    running: list[tuple[Measurement, Program]], keep: float
) -> list[tuple[Measurement, Program]]:
    """Return those that may be the fastest of their side; the others are ended."""
    best = {side: fastest((one for one, _ in running), is_ours=side) for side in (True, False)}
    left = []
    for one, program in running:
        winner = best[one.is_ours]
        if winner is None or one.median >= keep * winner.median:
            left.append((one, program))
        else:
            _note(one, program)
            program.end()
    return left


def _note(one: Measurement, program: Program) -> None:
    one.beside, one.peak_bytes = program.beside, program.peak_bytes()
    one.step_bytes = max(one.peak_bytes - program.before_bytes, 0) if program.before_bytes else 0


def machine(threads: int, pythons: Sequence[str]) -> dict[str, Any]:
    """Return what the tables say of this machine, and of the programs: ours, these scripts, the peers."""
    told = describe_environment(device="cpu", threads=threads)
    scripts = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(HERE.glob("*.py"))))
    return {
        "date": datetime.datetime.now().isoformat(timespec="seconds"), "processor": told["cpu"],
        "cores": told["cores"], "abilities": linux.abilities(), "memory": linux.memory_bytes(),
        "threads": threads, "platform": told["platform"], "python": platform.python_version(),
        "torch": told["torch"], "revision": told["revision"], "load": os.getloadavg()[0],
        "sources": f"{source_digest()[:12]} {scripts.hexdigest()[:12]}",
        "kernels": [made_of(is_half=False), made_of(is_half=True)],
        "peers": [f"{name} {number}" for each in pythons for name, number in versions(each, _PEERS).items()],
    }  # fmt: skip


def begin(options: argparse.Namespace, command: str, wanted: Collection[str]) -> dict[str, Any]:
    """Return the content of the JSON file, which is new unless --continue goes on with one.

    Args:
        options: As the user gave them.
        command: What that was.
        wanted: Names of the cells that are to be in it.

    Raises:
        SystemExit: If there is one that is not to be continued, that was measured elsewhere, or to which
            others would come that were measured with other programs.
    """
    here, path = machine(options.threads, [sys.executable, *options.peer_python]), options.json
    if not (path and path.exists()):
        if path:
            files.try_writing(path)  # before an hour is spent
        return {"commands": [command], "machine": here, "cells": {}}
    if not options.go_on:
        raise SystemExit(f"{path} is there; --continue adds what is missing in it")
    content: dict[str, Any] = json.loads(path.read_bytes())
    if differing := _differing(content["machine"], here, _SAME):
        raise SystemExit(f"{path} was measured elsewhere: {differing}. Another --json begins anew.")
    is_whole = all(name in content["cells"] or name in content for name in wanted)
    if not is_whole and (differing := _differing(content["machine"], here, _PROGRAMS)):
        raise SystemExit(f"{path} is of other programs: {differing}. Another --json begins anew.")
    content["commands"].append(command)
    return content


def _differing(then: dict[str, Any], now: dict[str, Any], names: Sequence[str]) -> str:
    differing = [name for name in names if then.get(name) != now[name]]
    return ", ".join(f"{name} {then.get(name, 'not recorded')} and {now[name]}" for name in differing)


def parse() -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    kinds = ("training", "inference", "convolutions")
    what = parser.add_argument_group("what is measured")
    what.add_argument("--cells", nargs="+", choices=kinds, default=kinds[:2], help="default: the first two")
    what.add_argument(
        "--only", nargs="+", default=[], metavar="TEXT",
        help="cells with this part in their names, or a pattern of these: bf16 'training/*'",
    )  # fmt: skip
    what.add_argument(
        "--programs", nargs="+", default=[], metavar="NAME",
        help="ours, or a program's name or a pattern of it (default: all)",
    )  # fmt: skip
    what.add_argument(
        "--peer", action="append", default=[], metavar="NAME[@CELLS]=COMMAND",
        help="a peer that prints the number of its images after every step; {network}, {batch}, {precision},"
        " {side} and {threads} are filled in",
    )  # fmt: skip
    what.add_argument(
        "--peer-python", action="append", default=[], metavar="PATH",
        help="an interpreter for peers that this one has not installed",
    )  # fmt: skip
    what.add_argument("--list", action="store_true", help="print cells and commands, and do nothing")
    how = parser.add_argument_group("how")
    for name, default, help_ in (
        ("rounds", 5, "turns of each program"), ("seconds", 5.0, "of a turn, which ends with a step"),
        ("warmup", 3, "lines, about steps, of each before its first turn"),
        ("settle", 0.5, "and seconds after those"),
        ("keep", 0.85, "share of the fastest of its side that a program needs after the first round"),
        ("threads", _threads(), "of every program"),
    ):  # fmt: skip
        how.add_argument(
            f"--{name}", type=type(default), default=default, help=f"{help_} (default: {default})"
        )
    to = parser.add_argument_group("where to")
    to.add_argument("--json", type=Path, metavar="FILE", help="where the results are written")
    to.add_argument("--continue", dest="go_on", action="store_true", help="go on with that file")
    options = parser.parse_args()
    if options.rounds < 1 or options.seconds <= 0 or options.threads < 1 or options.warmup < 1:
        parser.error("--rounds, --seconds, --warmup and --threads must be above 0")
    if options.go_on and not options.json:
        parser.error("--continue goes on with a file: --json FILE")
    return options


def _threads() -> int:
    """Return how many threads torch takes here."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return int(asked) if asked.isdigit() else torch.get_num_threads()


def main() -> None:
    """Measure, write, print."""
    options = parse()
    cells = chosen_cells(options.cells, options.only) if set(options.cells) != {"convolutions"} else []
    with tempfile.TemporaryDirectory() as folder:
        setup = Setup(options, Path(folder))
        if options.list:
            _list(cells, setup)
            return
        wanted = [*(cell.key for cell in cells), *({"convolutions"} & {*options.cells})]
        content = begin(options, shlex.join(["python", "benchmarks/cpu.py", *sys.argv[1:]]), wanted)

        def write() -> None:
            if options.json:
                files.write_file(options.json, to_json_bytes(content))

        for cell in cells:
            if cell.key not in content["cells"]:
                found = measure(cell, setup)
                how = {"rounds": options.rounds, "seconds": options.seconds, "keep": options.keep}
                content["cells"][cell.key] = how | {"programs": [asdict(one) for one in found]}
                write()
        if "convolutions" in options.cells and "convolutions" not in content:
            content["convolutions"] = _convolutions(options)
            write()
    print(report(content))


def _convolutions(options: argparse.Namespace) -> dict[str, Any]:
    of_all, own, began = linux.busy_seconds(), time.process_time(), time.perf_counter()
    rows = measure_convolutions(options.rounds, options.seconds / 50)
    of_others = linux.busy_seconds() - of_all - (time.process_time() - own)
    share = of_others / (time.perf_counter() - began) / (os.cpu_count() or 1)
    return {"rows": rows, "beside": max(share, 0.0)}


def _list(cells: Sequence[Cell], setup: Setup) -> None:
    for cell in cells:
        print(cell.key)
        for contestant in setup.contestants(cell):
            try:
                told = shlex.join(setup.command(contestant))
            except Ended as error:
                told = str(error)
            print(f"    {contestant.name}: {told}")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
