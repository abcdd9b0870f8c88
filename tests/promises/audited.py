"""A program for `test_strangers_code.py`: commands in one process, and what of them an audit hook sees.

It prints a JSON list of [event, detail] for what would run what a file holds, or leave this machine.
"""

import contextlib
import io
import json
import sys
from typing import Any

MARK = "HOSTILE"
_TOLD = ("os.system", "os.exec", "os.posix_spawn", "socket.connect", "pickle.find_class")
_seen = list[list[str]]()


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "subprocess.Popen":
        _seen.append([event, " ".join(map(str, arguments[1]))])
    elif event in _TOLD:
        _seen.append([event, repr(arguments)])
    elif event in ("compile", "exec") and MARK in _text(arguments[0]):
        _seen.append([event, _text(arguments[0])[:200]])


def _text(code: Any) -> str:
    return f"{code.co_filename} {code.co_consts}" if hasattr(code, "co_consts") else str(code)


def main() -> None:
    """Type each command that is given, separated by "--then"."""
    from resnetlab.cli import main as typed

    commands: list[list[str]] = [[]]
    for word in sys.argv[1:]:
        if word == "--then":
            commands.append([])
        else:
            commands[-1].append(word)
    sys.addaudithook(_watch)
    codes = []
    for command in commands:
        errors = io.StringIO()
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(errors):
            try:
                codes.append(typed(command))
            except SystemExit as end:
                codes.append(int(end.code or 0))
        assert "Traceback" not in errors.getvalue(), errors.getvalue()
    print(json.dumps({"codes": codes, "seen": _seen}))


if __name__ == "__main__":
    main()
