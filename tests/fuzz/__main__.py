"""`python -m tests.fuzz`: every parser of bytes from outside, fuzzed for so many minutes in all."""

import argparse
import importlib
import importlib.util
import os
import random
import re
import sys
import tempfile
from pathlib import Path

import torch

if IS_GUIDED := importlib.util.find_spec("atheris") is not None:
    import atheris

    with atheris.instrument_imports(include=["resnetlab"]):  # what is imported before is not
        importlib.import_module("tests.fuzz.targets")

from tests.fuzz.fuzzing import Found, Report, again, fuzz, shortened
from tests.fuzz.target import Target
from tests.fuzz.targets import TARGETS

_FOUND = Path("build/fuzz")


def main() -> int:
    """Fuzz, print a table, and return 1 if anything was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="in all, shared by the parsers")
    parser.add_argument("--targets", default="", help="a pattern of the names of parsers")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument(
        "--executions", type=int, help="of each parser at most; with a seed the same ones again"
    )
    parser.add_argument("--input", type=Path, help="give this file alone to the parsers")
    asked = parser.parse_args()
    chosen = {name: target for name, target in TARGETS.items() if re.search(asked.targets, name)}
    if not chosen:
        print(f"no parser is called {asked.targets}; there are: {', '.join(TARGETS)}", file=sys.stderr)
        return 2
    torch.set_num_threads(1)  # each further one has a stack, which counts towards the limit
    if asked.input is None:
        print(f"again with SEED={asked.seed}; {'led by atheris' if IS_GUIDED else 'by plain changes'}")
    print(f"{'parser':36} {'executions':>12} {'per s':>8} {'places':>7} {'slowest':>9} {'memory':>8}  found")
    reports = []
    for name, target in chosen.items():
        report = _fuzzed(name, target, asked, 60 * asked.minutes / len(chosen))
        reports.append(report)
        _print(report)
    kinds = sum(len(report.found) for report in reports)
    print(
        f"{sum(report.executions for report in reports):,} executions of {len(reports)} parsers,"
        f" {kinds} kinds of faults"
    )
    return 1 if kinds else 0


def _fuzzed(name: str, target: Target, asked: argparse.Namespace, seconds: float) -> Report:
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as place:
        cache, folder = Path(place, "cache"), Path(place, "here")
        folder.mkdir()
        os.environ["RESNETLAB_CACHE"] = str(cache)
        if asked.input is not None:
            return again(name, target, folder, asked.input.read_bytes())
        cache.mkdir()
        way = {"seed": asked.seed, "seconds": seconds, "executions": asked.executions}
        report = fuzz(name, target, folder, **way, is_guided=IS_GUIDED)
        for kind, found in report.found.items():
            report.found[kind] = shortened(found, target, folder)
        return report


def _print(report: Report) -> None:
    rate = report.executions / report.seconds if report.seconds else 0.0
    found = f"{len(report.found)}" + (f" ({report.deaths} ended by limits)" if report.deaths else "")
    print(
        f"{report.target:36} {report.executions:12,} {rate:8,.0f} {report.places:7,}"
        f" {1000 * report.slowest:6.0f} ms"
        f" {report.growth >> 20:4} MiB  {found}",
        flush=True,
    )
    for found in report.found.values():
        print(f"    {found.kind} {found.told}: {_kept(found)}", flush=True)


def _kept(found: Found) -> str:
    """Write an input down, and return how it is given to its parser again."""
    _FOUND.mkdir(parents=True, exist_ok=True)
    path = _FOUND / found.name
    path.write_bytes(found.content)
    return f"python -m tests.fuzz --targets '^{re.escape(found.target)}$' --input {path}"


if __name__ == "__main__":
    sys.exit(main())
