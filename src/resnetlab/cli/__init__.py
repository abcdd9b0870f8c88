"""The command line: `resnetlab VERB ...`. The only room that prints."""

import os
import re
import sys

from resnetlab.cli.parser import build_parser
from resnetlab.cli.text import command_name
from resnetlab.errors import ResnetlabError


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code (errors.py lists them)."""
    options = build_parser().parse_args(arguments)
    try:
        options.perform(options)
    except ResnetlabError as error:
        if options.debug:
            raise
        print(f"resnetlab: {_typeable(str(error))}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("resnetlab: stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output has left; nothing to say
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    return 0


def _typeable(text: str) -> str:
    """Write the commands in a hint as this user types ours."""
    return re.sub(
        r"\bresnetlab (?=(?:train|resume|eval|predict|export|import|list|show|doctor) )",
        f"{command_name()} ",
        text,
    )
