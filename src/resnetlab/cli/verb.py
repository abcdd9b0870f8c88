"""What every verb of the command line has: its flags, its code that runs, and the processes that run it."""

import argparse
import contextlib
import gc
import importlib
import os
import re
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from resnetlab.cli.output import COMMAND, command_name
from resnetlab.errors import UsageError

if TYPE_CHECKING:
    from resnetlab.parallel.world import World

Code = Callable[[argparse.Namespace], None]


class Help(argparse.RawDescriptionHelpFormatter):
    """Keeps the lines of examples as they are, as far as the terminal has room for them."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        columns = width + 2  # it leaves 2 free
        return "\n\n".join(_fitted(part, columns, indent) for part in text.rstrip().split("\n\n"))


def _fitted(part: str, columns: int, indent: str) -> str:
    """Return a paragraph, or examples, with remarks beneath them where there is no room behind.

    A command stays in one line, to be copied.
    """
    lines = [indent + line for line in part.split("\n")]
    if max(map(len, lines)) <= columns:
        return "\n".join(lines)
    if not any(line.startswith(f"{indent} ") for line in lines):
        lines = [" ".join(part.split())]
    return "\n".join(
        re.sub(r"(?<=\S) {2,}(?=\S)", f"\n{indent}      ", line, count=1)
        if len(line) > columns and line.startswith(f"{indent} ")
        else textwrap.fill(line, columns, initial_indent=indent, subsequent_indent=indent)
        for line in lines
    )


def new_verb(verbs: Any, name: str, help_text: str) -> Any:
    """Add a verb to those of the command, or of another verb, and return its parser, which has no flags yet.

    Args:
        verbs: The verbs that there are.
        name: As it is typed.
        help_text: What it does, for the list of verbs and for its own help.
    """
    return verbs.add_parser(
        name,
        help=help_text,
        description=help_text[0].upper() + help_text[1:] + ".",
        formatter_class=Help,
        allow_abbrev=False,
    )


def set_up(parser: argparse.ArgumentParser, perform: Code, examples: str = "", *, needs: str = "") -> None:
    """Give a verb's parser its code and the flags that all have.

    Args:
        parser: The verb's.
        perform: Its code. It imports what is heavy when it is called: the verb's help does without.
        examples: What its help ends with.
        needs: A module without which the verb does nothing, and which takes long to import.
    """
    parser.epilog = examples
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    parser.add_argument("--json", action="store_true", help="print one JSON object on standard output")
    parser.set_defaults(perform=_telling_what_lacks(perform, needs), parser=parser)


def _telling_what_lacks(perform: Code, needs: str) -> Code:
    def told(options: argparse.Namespace) -> None:
        try:
            if needs:
                with _collecting_nothing():
                    importlib.import_module(needs)
            with _threads(options):
                perform(options)
        except ModuleNotFoundError as error:
            from resnetlab.runs.environment import how_to_install

            if not (how := how_to_install(error.name or "")):
                raise
            raise UsageError(
                f"this needs {error.name}, which is not installed: {how}",
                hint="`resnetlab doctor` says what else is missing.",
            ) from error

    return told


def _threads(options: argparse.Namespace) -> contextlib.AbstractContextManager[None]:
    """Return inside what a command computes with as many threads as it was given."""
    if getattr(options, "threads", None) is None:
        return contextlib.nullcontext()
    from resnetlab.training.step.device import using_threads

    return using_threads(options.threads)


@contextlib.contextmanager
def _collecting_nothing() -> Iterator[None]:
    """Look for no cycles in what torch defines as it is imported: 0.2 s."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def is_one_of_several() -> bool:
    """Return whether this process was started as one of several, by torchrun for instance."""
    return "RANK" in os.environ or "WORLD_SIZE" in os.environ


def launched(options: argparse.Namespace, arguments: Sequence[str]) -> int | None:
    """Start the command once for each of the devices asked for, and return how they ended; None for one.

    With --dry-run none is started; `options.num_devices` says how many would be.

    Raises:
        UsageError: If they are no number, or more than there are.
    """
    asked = getattr(options, "devices", None)
    if asked is None or is_one_of_several():
        return None
    from resnetlab.parallel.launch import launch, note_on, resolve_devices

    count = options.num_devices = resolve_devices(asked, options.device)
    if count == 1:
        return None
    if note := note_on(count, options.device):
        print(f"resnetlab: {note}", file=sys.stderr)
    if getattr(options, "dry_run", False):
        return None
    os.environ[COMMAND] = command_name()
    return launch(count, arguments)


def joined(options: argparse.Namespace) -> "World":
    """Return the processes that carry out this command together, of which this is one.

    Who started them does not matter, `launched` or the user by torchrun.

    Raises:
        UsageError: If the command is for one process alone, or others are asked for than there are; or if
            the processes were started with different commands.
    """
    from resnetlab.parallel.launch import refuse_one_device
    from resnetlab.parallel.place import Place
    from resnetlab.parallel.world import ALONE, join

    place = Place.from_environment() if is_one_of_several() else None
    if place is None or place.size == 1:
        return ALONE
    if not hasattr(options, "devices"):
        raise UsageError(
            f"{options.parser.prog} is carried out by one process, and {place.size} were started",
            hint="Several carry out train, finetune, resume and eval. Start it without torchrun, and unset "
            "RANK and WORLD_SIZE.",
        )
    if options.devices not in (None, "auto", str(place.size)):
        raise UsageError(
            f"--devices {options.devices}, and {place.size} processes were started",
            hint="Leave it out: torchrun's --nnodes and --nproc-per-node say how many there are.",
        )
    refuse_one_device(place.size, options.device)
    if options.device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""  # a process needs no GPU of its own then
    options.num_devices = place.size
    world = join()
    world.agree(_way(options))
    return world


def _way(options: argparse.Namespace) -> dict[str, str]:
    """Return what decides in which order processes speak to each other, so that none waits for ever.

    What they are to make is compared when it is planned; where it lies is for the first one alone to know.
    """

    def is_given(*names: str) -> str:
        return "given" if any(getattr(options, name, None) is not None for name in names) else "not given"

    return {
        "the verb": options.parser.prog.split()[-1],
        "MODEL": " ".join(getattr(options, "models", [])),
        "--seeds": str(getattr(options, "seeds", None) or "not given"),
        "--out": is_given("out"),
        "--epochs or --steps": is_given("epochs", "steps"),
        "--resume-if-begun": str(getattr(options, "resume_if_begun", False)),
        "--dry-run": str(getattr(options, "dry_run", False)),
    }
