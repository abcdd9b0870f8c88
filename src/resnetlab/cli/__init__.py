"""The command line: `resnetlab VERB ...`. The only room that prints."""

import atexit
import gc
import re
import signal
import sys
from collections.abc import Sequence

from resnetlab.base.machine.memory import LESS, telling_of_memory
from resnetlab.cli.output import command_name, standard_streams, why_unwritten
from resnetlab.cli.parser import build_parser
from resnetlab.cli.stopping import TERMINATED, Terminated, heard_sigterm
from resnetlab.errors import ResnetlabError, WriteError


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code (errors.py lists them)."""
    if arguments is None:  # the process is for this command alone
        atexit.register(gc.freeze)  # else Python's end looks through all of torch for cycles: 0.4 s
    with standard_streams() as output:
        try:
            try:
                with heard_sigterm():
                    return _perform(arguments)
            except KeyboardInterrupt as stop:
                print("resnetlab: stopped", file=sys.stderr)
                return TERMINATED if isinstance(stop, Terminated) else 128 + signal.SIGINT
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


def _perform(arguments: list[str] | None) -> int:
    parser = build_parser()
    options = parser.parse_args(arguments)
    try:
        with telling_of_memory(LESS):
            options.perform(options)
    except ResnetlabError as error:
        if options.debug:
            raise
        print(f"resnetlab: {_typeable(str(error), parser.known_verbs())}", file=sys.stderr)
        return error.exit_code
    return 0


def _typeable(text: str, verbs: Sequence[str]) -> str:
    """Write the commands in a hint as this user types ours."""
    return re.sub(rf"\bresnetlab (?=(?:{'|'.join(verbs)})\b)", f"{command_name()} ", text)
