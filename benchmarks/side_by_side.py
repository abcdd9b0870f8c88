"""Our training speed beside that of other programs, run in turn on the same machine.

    python benchmarks/side_by_side.py --rounds 5 --model resnet20 \
        --peer "akamaster=COMMAND that prints one line of JSON with images_per_second" \
        --peer "chaoji=COMMAND ..."

Each round runs ours and every peer once, in turn, so that a drift of the machine's speed meets all
of them. Printed are the median and the range of each, and the median of the ratios round by round.
The peers' code is not part of this project; docs/results.md says which were measured and how.
"""

import argparse
import json
import shlex
import statistics
import subprocess
import sys


def images_per_second(command: list[str]) -> float:
    """Run a command and return the images_per_second of the last JSON line it prints."""
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    return float(json.loads(lines[-1])["images_per_second"])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--model", default="resnet20")
    parser.add_argument("--batch", default="128")
    parser.add_argument("--steps", default="40")
    parser.add_argument("--ours", default="", help="more arguments of `resnetlab bench train`")
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=COMMAND")
    options = parser.parse_args()
    ours = [sys.executable, "-m", "resnetlab", "bench", "train", options.model, "--json"]
    ours += ["--batch", options.batch, "--steps", options.steps, *shlex.split(options.ours)]
    commands = {"resnetlab": ours}
    commands |= {name: shlex.split(text) for name, _, text in (p.partition("=") for p in options.peer)}
    rates: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(options.rounds):
        for name, command in commands.items():
            rates[name].append(images_per_second(command))
        print(f"round {number + 1}: " + ", ".join(f"{n} {r[-1]:.1f}" for n, r in rates.items()), flush=True)
    for name, found in rates.items():
        ratios = [mine / theirs for mine, theirs in zip(rates["resnetlab"], found, strict=True)]
        print(
            f"{name:<12} {statistics.median(found):7.1f} images/s ({min(found):.1f} to {max(found):.1f}); "
            f"ours is {statistics.median(ratios):.2f} times that ({min(ratios):.2f} to {max(ratios):.2f})"
        )


if __name__ == "__main__":
    main()
