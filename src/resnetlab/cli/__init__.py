"""The command line: `resnetlab VERB ...`. The only room that prints."""

import io
import os
import re
import sys
from collections.abc import Sequence

from resnetlab.cli.parser import build_parser
from resnetlab.cli.text import command_name
from resnetlab.errors import ResnetlabError


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code (errors.py lists them)."""
    parser = build_parser()
    options = parser.parse_args(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="surrogateescape")  # names of files that are no UTF-8, as they are
    try:
        options.perform(options)
    except ResnetlabError as error:
        if options.debug:
            raise
        verbs = parser.known_verbs()  # type: ignore[attr-defined]
        print(f"resnetlab: {_typeable(str(error), verbs)}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("resnetlab: stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output has left; nothing to say
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    return 0


def _typeable(text: str, verbs: Sequence[str]) -> str:
    """Write the commands in a hint as this user types ours."""
    return re.sub(rf"\bresnetlab (?=(?:{'|'.join(verbs)})\b)", f"{command_name()} ", text)
