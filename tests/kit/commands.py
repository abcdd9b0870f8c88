"""The command line in this process: the same `main`, without the seconds in which a new one imports torch."""

import contextlib
import io
import os
from pathlib import Path
from typing import NamedTuple
from unittest import mock

from resnetlab.cli import main
from resnetlab.cli.parser import build_parser
from resnetlab.cli.resolve import read_asked, resolve_model


class Done(NamedTuple):
    """How a command ended, and what it printed."""

    returncode: int
    stdout: str
    stderr: str


def run(*arguments: str, code: int | None = 0, cwd: Path | None = None, **environment: str) -> Done:
    """Run a command as a user would type it; see that it ends with this exit code, or any for None."""
    out, err = io.StringIO(), io.StringIO()
    with (
        mock.patch.dict(os.environ, {"RESNETLAB_OFFLINE": "1"} | environment),
        contextlib.chdir(cwd or Path.cwd()),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            found = main([*arguments])
        except SystemExit as end:  # argparse ends so
            found = int(end.code or 0)
    done = Done(found, out.getvalue(), err.getvalue())
    assert code is None or done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


def accept(*arguments: str) -> None:
    """Parse and resolve a command as the command line does, short of opening data and weights."""
    options = build_parser().parse_args([*arguments])
    if arguments[0] in ("train", "finetune"):
        asked, knobs = read_asked(options)
        if arguments[0] == "train":
            for model in options.models:
                _ = asked.resolve(resolve_model(model, knobs).depth, "quick").recipe
