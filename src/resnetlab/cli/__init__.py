"""The command line: `resnetlab VERB ...`. Beside `watching` the only room that prints."""

import atexit
import gc
import re
import signal
import sys
from collections.abc import Sequence

from resnetlab.base.machine.memory import LESS, telling_of_memory
from resnetlab.cli.guesses import understood
from resnetlab.cli.output import command_name, standard_streams, why_unwritten
from resnetlab.cli.parser import build_parser
from resnetlab.cli.stopping import heard_signals
from resnetlab.cli.verb import is_one_of_several, joined, launched
from resnetlab.errors import ResnetlabError, UsageError, WriteError


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code (errors.py lists them)."""
    if arguments is None:  # the process is for this command alone
        atexit.register(gc.freeze)  # else Python's end looks through all of torch for cycles: 0.4 s
    if is_one_of_several():
        from resnetlab.parallel.streams import mark_others

        mark_others()
    with standard_streams() as output:
        try:
            try:
                with heard_signals():
                    return _perform(arguments)
            except KeyboardInterrupt as stop:
                if _is_shown_here(stop):
                    print("resnetlab: stopped", file=sys.stderr)
                return getattr(stop, "exit_code", 128 + signal.SIGINT)
            finally:
                sys.stdout.flush()
                if output and output.problem:  # met on the way, where it did not matter yet
                    raise output.problem
        except OSError as error:
            if output is None or error is not output.problem:
                raise
            if isinstance(error, BrokenPipeError):  # the reader of our output has left; nothing to say
                return 141
            print(f"resnetlab: {why_unwritten(error)}", file=sys.stderr)
            return WriteError.exit_code


def _perform(arguments: Sequence[str] | None) -> int:
    parser = build_parser()
    typed = sys.argv[1:] if arguments is None else arguments
    if not typed:
        parser.print_help(sys.stderr)
        return UsageError.exit_code
    arguments, note = understood(typed, parser.known_verbs())
    if note and not is_one_of_several():
        print(f"resnetlab: {note}", file=sys.stderr)
    options = parser.parse_args(arguments)
    try:
        with telling_of_memory(LESS):
            if (code := launched(options, arguments)) is not None:
                return code
            options.world = joined(options)
            options.perform(options)
            options.world.close()
    except ResnetlabError as error:
        is_shown = _is_shown_here(error)
        if options.debug:
            raise
        if is_shown:
            print(f"resnetlab: {_typeable(str(error), parser.known_verbs())}", file=sys.stderr)
        return error.exit_code
    return 0


def _is_shown_here(error: BaseException) -> bool:
    """Return whether it is this process, of several that carry out the command, that tells of its end."""
    if not is_one_of_several():
        return True
    from resnetlab.parallel.world import joined as joined_world

    return joined_world().end_with(error)


def _typeable(text: str, verbs: Sequence[str]) -> str:
    """Write the commands in a hint as this user types ours."""
    return re.sub(rf"\bresnetlab (?=(?:{'|'.join(verbs)})\b)", f"{command_name()} ", text)
