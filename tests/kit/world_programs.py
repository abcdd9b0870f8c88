"""What the processes of a test's world do: `python -m tests.kit.world_programs PROGRAM ARGUMENTS`.

Each program is a function; what it returns is printed, as JSON, on the last line.
"""

import json
import sys
from typing import Any

from resnetlab.errors import DataError
from resnetlab.parallel.world import World, join


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


def _fail(where: int, rank: int) -> str:
    return _refuse("it is torn") if where == rank else "fine"


def _refuse(text: str) -> str:
    raise DataError(text, hint="Fetch it again.")


def _raised(work: Any) -> list[Any]:
    try:
        return ["nothing", work()]
    except Exception as error:
        return [type(error).__name__, str(error), getattr(error, "exit_code", None)]


def main() -> None:
    """Join the world and perform the program."""
    program, *arguments = sys.argv[1:]
    world = join()
    found = globals()[program](world, *arguments)
    world.close()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
