"""The verbs in the order of `--help`, and how a wrong one is answered. Imports only the one that is typed."""

import argparse
import importlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NoReturn

from resnetlab.cli.guesses import instead_of_flag, instead_of_format, instead_of_verb
from resnetlab.cli.verb import Help, new_verb
from resnetlab.errors import nearest

_GROUPS = {
    "networks, and what there is": {
        "list_": "list models, recipes, datasets, engines and reproductions",
        "show": "show a model, a recipe or a run, or what differs between two",
        "draw": "draw networks",
        "explain": "train small networks and show on a page why they do what they do",
    },
    "training": {
        "train": "train a network, or several with several seeds",
        "finetune": "train a network on with your own classes, from trained weights",
        "resume": "go on with an interrupted run or study, or train a run for longer",
        "reproduce": "make a published table or figure here, beside its published numbers",
        "plan": "say what a training would take on other devices",
        "lr_find": "try rising learning rates for some steps, and suggest one",
    },
    "what came of it": {
        "runs": "list the runs in a folder: state, progress, accuracy, path",
        "board": "show the runs in a folder in a browser, as they go",
        "eval_": "evaluate a trained network",
        "report": "say what runs show: errors over seeds, curves, a page",
        "compare": "say whether networks differ by more than chance",
        "verify": "check again everything that runs, studies and models promise",
    },
    "in use": {
        "predict": "say what is in images",
        "serve": "say it in a browser, and to programs that ask by HTTP",
        "export": "write a trained network for other programs",
        "import_": "make a model folder of weights of another program",
    },
    "data and machine": {
        "data": "fetch, describe, check, show, unpack, pack and prepare datasets",
        "bench": "measure training or evaluation speed",
        "doctor": "say what this machine has, and what is wrong with it",
        "completion": "print what makes a shell complete these commands",
    },
}
"""The files of the verbs in groups, and what each does. A name that Python has has a _ behind it, and a _
within one is typed as -."""

_EXAMPLES = """examples:
  resnetlab train resnet20 --data digits  a minute on a laptop
  resnetlab finetune photos/              your classes, from published weights
  resnetlab resume runs/RUN               go on after an interruption
  resnetlab board                         runs as they go, in a browser

`resnetlab VERB --help` shows a verb's flags and examples."""


class Parser(argparse.ArgumentParser):
    """Answers an unknown verb or flag with the nearest known ones, and gets its flags when it is used."""

    add_flags: Callable[["Parser"], None] | None = None
    """Of a verb that was not typed yet."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Return the options, and what is none."""
        self._get_flags()
        return super().parse_known_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        """End the command with the message and the nearest known name, if there is one."""
        hint = ""
        if message.startswith("argument VERB: ") and (word := message.partition("'")[2].partition("'")[0]):
            verbs = self.known_verbs()
            message = f"no verb is called {word!r}; there are {', '.join(verbs)}"
            hint = instead_of_verb(word) or nearest(word, verbs)
        elif message.startswith("argument --to: invalid choice: "):
            hint = instead_of_format(message)
        elif message.startswith("the following arguments are required: "):
            hint = self._about(message.partition(": ")[2])
        elif message.startswith("unrecognized arguments: "):
            flag, *rest = message.partition(": ")[2].split()
            flag, _, value = flag.partition("=")
            value = value or next((word for word in rest[:1] if not word.startswith("-")), "")
            known = self._known_flags()
            hint = instead_of_flag(flag, value, known) or nearest(flag, known)
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

    def all_actions(self) -> Iterator[argparse.Action]:
        """Go through the arguments and flags of this and of all verbs below it, which are imported."""
        self._get_flags()
        for action in self._actions:
            yield action
            if isinstance(action, argparse._SubParsersAction):
                for verb in action.choices.values():
                    yield from verb.all_actions()

    def _get_flags(self) -> None:
        if self.add_flags:
            add_flags, self.add_flags = self.add_flags, None
            add_flags(self)

    def _about(self, missing: str) -> str:
        """Return what the first of the arguments that are missing is, and where examples are."""
        examples = f"`{self.prog} --help` ends with examples."
        for action in self._actions:
            name = "/".join(action.option_strings) or str(action.metavar or action.dest)
            if missing == name or missing.startswith(f"{name}, "):
                what = f"one of {', '.join(action.choices)}" if action.choices else action.help
                return f"{name}: {what}. {examples}"
        return examples

    def _known_flags(self) -> list[str]:
        return [flag for action in self._actions for flag in action.option_strings]


def build_parser() -> Parser:
    """Return the parser of the whole command line."""
    top = Parser(
        prog="resnetlab",
        usage="%(prog)s [-h] [--version] VERB ...",
        description="Residual networks: train, fine-tune, resume, judge and use them.",
        epilog=f"{_told()}\n\n{_EXAMPLES}",
        formatter_class=Help,
    )
    top.add_argument("--version", action="version", version=_LazyVersion("%(prog)s"))
    verbs = top.add_subparsers(prog="resnetlab", metavar="VERB", help=argparse.SUPPRESS, required=True)
    for group in _GROUPS.values():
        for file, what in group.items():
            new_verb(verbs, _typed(file), what).add_flags = partial(_add_flags, file)
    return top


def _typed(file: str) -> str:
    """Return a verb as it is typed."""
    return file.rstrip("_").replace("_", "-")


def _told() -> str:
    """Return the verbs in their groups, for the help."""
    groups = (
        f"{title}:\n" + "\n".join(f"  {_typed(file):<10} {what}" for file, what in group.items())
        for title, group in _GROUPS.items()
    )
    return "\n\n".join(groups)


def _add_flags(file: str, parser: Parser) -> None:
    importlib.import_module(f"resnetlab.cli.verbs.{file}").add(parser)


class _LazyVersion(str):
    """The version, looked up only when it is asked for."""

    def __mod__(self, values: object) -> str:
        from resnetlab.runs.environment import version

        return f"resnetlab {version('resnetlab')}, torch {version('torch') or 'missing'}"
