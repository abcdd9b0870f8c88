"""Our training speed beside that of other programs, on one machine, a few seconds at a time in turn.

    python benchmarks/side_by_side.py --rounds 20 \
        --program "eager=python benchmarks/train_steps.py resnet20 --set compile=off" \
        --program "peer=COMMAND"

Each program trains for ever and prints a line per step: the number of its images. How they take turns:
benchmarks/turns.py. Printed are images per second of each, and the ratio of the first to each, of all rounds
together and of halves, quarters of them. The peers' code is not part of this project; docs/results.md says
which were measured and how. The peers that are, and all cells of the tables: benchmarks/cpu.py.
"""

import argparse
import shlex
import statistics

from turns import Ended, Program, ending


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each turn")
    parser.add_argument("--warmup", type=int, default=10, help="steps of each before the first turn")
    parser.add_argument("--program", action="append", required=True, metavar="NAME=COMMAND")
    options = parser.parse_args()
    programs = list[Program]()
    with ending(programs):
        for text in options.program:
            name, _, command = text.partition("=")
            programs.append(Program(name, shlex.split(command)))
            try:
                programs[-1].warm_up(options.warmup)
            except Ended as error:
                raise SystemExit(f"{name} {error}; try its command alone") from error
            print(f"{name} is warm", flush=True)
        for _ in range(options.rounds):
            for program in programs:
                program.take_turn(options.seconds)
        report(programs)


def report(programs: list[Program]) -> None:
    """Print a line for each program."""
    first, rounds = programs[0], len(programs[0].rates)
    quarter = max(rounds // 4, 1)
    for program in programs:
        total = sum(first.rates) / sum(program.rates)
        parts = [
            sum(first.rates[at : at + quarter]) / sum(program.rates[at : at + quarter])
            for at in range(0, rounds - quarter + 1, quarter)
        ]
        print(
            f"{program.name:<12} {statistics.mean(program.rates):7.1f} images/s; {first.name} is"
            f" {total:.2f} times that ({min(parts):.2f} to {max(parts):.2f} in parts of {quarter} rounds)"
        )


if __name__ == "__main__":
    main()
