"""The verbs in the order of `--help`, and how a wrong one is answered. Imports nothing heavy."""

import argparse
from typing import Any, NoReturn

from resnetlab.cli.verbs import (
    bench,
    data,
    doctor,
    draw,
    eval_,
    export,
    finetune,
    import_,
    list_,
    predict,
    report,
    resume,
    show,
    train,
)
from resnetlab.errors import nearest

_VERBS = (
    list_, show, draw, train, finetune, resume, eval_, report, predict, export, import_, bench, data, doctor,
)  # fmt: skip

_EXAMPLES = """examples:
  resnetlab list                                    models, recipes, datasets
  resnetlab train resnet20 --data digits            a minute on a laptop
  resnetlab resume runs/RUN                         go on after an interruption
  resnetlab finetune --weights FILE --data photos/  your own classes, from trained weights
  resnetlab eval runs/RUN                           per class, confusion matrix
  resnetlab report runs -o curves.svg               errors over seeds, and curves

`resnetlab VERB --help` shows a verb's flags and examples."""


class Parser(argparse.ArgumentParser):
    """Answers an unknown verb or flag with the nearest known ones."""

    def error(self, message: str) -> NoReturn:
        """End the command with the message and the nearest known name, if there is one."""
        unknown = message.partition("invalid choice: '")[2].partition("'")[0]
        known = self.known_verbs()
        if not unknown and message.startswith("unrecognized arguments: "):
            unknown = message.partition(": ")[2].split()[0].partition("=")[0]
            known = self._known_flags()
        hint = nearest(unknown, known) if unknown else ""
        self.exit(2, f"{self.prog}: {message}\n{hint}\n" if hint else f"{self.prog}: {message}\n")

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Return the options; a flag that a verb does not know is answered with that verb's."""
        options, unknown = self.parse_known_args(args, namespace)
        if unknown:
            options.parser.error(f"unrecognized arguments: {' '.join(unknown)}")
        return options

    def known_verbs(self) -> list[str]:
        """Return the names of the verbs, in the order of `--help`."""
        actions = [a for a in self._actions if isinstance(a, argparse._SubParsersAction)]
        return [str(verb) for action in actions for verb in action.choices]

    def _known_flags(self) -> list[str]:
        return [flag for action in self._actions for flag in action.option_strings]


def build_parser() -> Parser:
    """Return the parser of the whole command line."""
    top = Parser(
        prog="resnetlab",
        description="Build, train, resume and evaluate residual networks.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=_LazyVersion("%(prog)s"))
    verbs = top.add_subparsers(title="verbs", metavar="VERB", required=True)
    for verb in _VERBS:
        verb.add(verbs)
    return top


class _LazyVersion(str):
    """The version, looked up only when it is asked for."""

    def __mod__(self, values: object) -> str:
        from resnetlab.runs.environment import version

        return f"resnetlab {version('resnetlab')}, torch {version('torch') or 'missing'}"
