"""The fenced blocks of a page, and running them as a reader does: in order, in one folder."""

import contextlib
import io
import itertools
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resnetlab.cli import main

NOT_RUN, CTRL_C = "not-run", "ctrl-c"
KINDS = {"sh": {NOT_RUN, CTRL_C}, "python": {NOT_RUN}, "text": set[str](), "toml": set[str]()}
_INTERRUPTED = 75
_NUMBER = re.compile(r"\d[\d,.]*( [KMGT]iB)?")
_SHELL_SIGNS = set("|<>;&$`")


@dataclass(frozen=True)
class Block:
    """A fenced block: its kind, its marker if it has one, its text, and where it begins."""

    kind: str
    marker: str
    text: str
    place: str


def blocks_of(page: Path) -> list[Block]:
    """Return the blocks of a page; one of an unknown kind or without an end is an error."""
    found: list[Block] = []
    lines = page.read_text(encoding="utf-8").splitlines()
    number = 0
    while number < len(lines):
        if lines[number].startswith("```"):
            place = f"{page.name}:{number + 1}"
            kind, _, marker = lines[number][3:].partition(" ")
            assert kind in KINDS and marker in {"", *KINDS[kind]}, f"{place}: ```{kind} {marker}"
            end = lines.index("```", number + 1)
            found.append(Block(kind, marker, "\n".join(lines[number + 1 : end]), place))
            number = end
        number += 1
    return found


def run_page(page: Path) -> list[str]:
    """Run the page's blocks in the current folder, and return the outputs; what goes wrong is asserted."""
    namespace: dict[str, Any] = {"__name__": "page"}
    outputs: list[str] = []
    for block in blocks_of(page):
        if block.kind == "text":
            missing = first_missing(block.text, outputs[-1])
            assert missing is None, f"{block.place}: not printed: {missing}\n--- printed:\n{outputs[-1]}"
        elif block.marker != NOT_RUN and block.kind != "toml":
            outputs.append(_run_python(block, namespace) if block.kind == "python" else _run_shell(block))
    return outputs


def first_missing(shown: str, printed: str) -> str | None:
    """Return the first line that a page shows and that is not printed, in this order.

    Numbers depend on the machine: any other will do. "..." stands for whatever else is printed.
    """
    rest = iter([_unnumbered(line) for line in printed.splitlines()])
    for line in shown.splitlines():
        if line.strip() not in ("", "...") and _unnumbered(line) not in rest:
            return line
    return None


def _unnumbered(line: str) -> str:
    return " ".join(_NUMBER.sub("0", line).split())


def _run_python(block: Block, namespace: dict[str, Any]) -> str:
    with contextlib.redirect_stdout(io.StringIO()) as stream:
        exec(compile(block.text, block.place, "exec"), namespace)
    return stream.getvalue()


def _run_shell(block: Block) -> str:
    expected = _INTERRUPTED if block.marker == CTRL_C else 0
    output = ""
    for line in block.text.replace("\\\n", " ").splitlines():
        if words := shlex.split(line, comments=True):
            is_ours = words[0] == "resnetlab" and not set(line) & _SHELL_SIGNS
            with pressing_ctrl_c(words) if block.marker == CTRL_C else contextlib.nullcontext():
                code, printed = _run_ours(words[1:]) if is_ours else _run_process(line)
            output += printed
            assert code == expected, f"{block.place}: {line}\nexit code {code}, expected {expected}\n{output}"
    return output


def _run_ours(arguments: list[str]) -> tuple[int, str]:
    """Run our command in this process, which saves the seconds that importing torch takes."""
    with contextlib.redirect_stdout(io.StringIO()) as stream, contextlib.redirect_stderr(stream):
        try:
            code = main(arguments)
        except SystemExit as end:  # of argparse
            code = int(end.code or 0)
    return code, stream.getvalue()


def _run_process(line: str) -> tuple[int, str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        line, shell=True, text=True, check=False, env=os.environ | {"PATH": path},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    return done.returncode, done.stdout


@contextlib.contextmanager
def pressing_ctrl_c(words: list[str]) -> Any:
    """Interrupt this process once the run in --out has its first row."""
    rows, is_over = Path(words[words.index("--out") + 1]) / "metrics.jsonl", threading.Event()

    def press() -> None:
        while not is_over.wait(0.01):
            if rows.exists() and rows.stat().st_size:
                os.kill(os.getpid(), signal.SIGINT)
                return

    presser = threading.Thread(target=press)
    presser.start()
    try:
        yield
    finally:
        is_over.set()
        presser.join()


PLACEHOLDERS = {
    "MODEL": "resnet20", "RECIPE": "quick", "LR": "0.1", "BN": "train", "FORMAT": "onnx", "CHANGES": "",
    "body_rate=RATE": "body_rate=0.1", "precision=P": "precision=bf16", "compile=C": "compile=off",
    "NAME|PATH": "digits", "SOURCE": "digits", "NAME": "he2015-figure6", "PATHS": "RUN", "PART": "stem",
}  # fmt: skip
"""What stands in a command for any of several words, and one of these."""


def commands_of(page: Path) -> list[list[str]]:
    """Return the arguments of each command of ours on a page: in blocks, indented lines and sentences.

    In a sentence a verb alone is a name, and what has "..." in it is a part of a command.
    """
    text = page.read_text(encoding="utf-8")
    lines = [line for block in blocks_of(page) if block.kind == "sh" for line in _joined(block.text)]
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    lines += [line for line in _joined(prose) if line.startswith("    ")]
    found = [_words(line.strip()) for line in lines if line.strip().startswith("resnetlab ")]
    told = (_words(" ".join(each.split())) for each in re.findall(r"`(resnetlab [^`]+)`", prose))
    return found + [
        words for words in told if len(words) > 1 + (words[0] == "data") and not {"...", "VERB"} & {*words}
    ]


def _joined(text: str) -> list[str]:
    return text.replace("\\\n", " ").splitlines()


def _words(line: str) -> list[str]:
    """Return the words behind our name, up to what a shell does with it.

    Two blanks after a command, or a #, begin what is said of it.
    """
    command = re.split(r"(?<=[^ ]) {2,}(?![-A-Z])| #", re.sub(r" {2,}(?=--)", " ", line))[0]
    words = itertools.takewhile(lambda word: word not in _SHELL_SIGNS, shlex.split(command)[1:])
    return [found for word in words if (found := PLACEHOLDERS.get(word, word))]
