"""The verbs and their flags. Each verb's code is imported only when it runs."""

import argparse
import importlib
from collections.abc import Callable
from typing import Any, NoReturn

from resnetlab.errors import nearest

_EXAMPLES = """examples:
  resnetlab list                                    models, recipes, datasets
  resnetlab train resnet20 --data digits            a minute on a laptop
  resnetlab resume runs/RUN                         go on after an interruption
  resnetlab eval runs/RUN                           per class, confusion matrix
"""
_LIST_EXAMPLES = """examples:
  resnetlab list models
  resnetlab list recipes --json
"""
_RESUME_EXAMPLES = """examples:
  resnetlab resume runs/resnet20-cifar10-quick-20260101-120000
  resnetlab resume RUN --data /elsewhere/cifar-10-batches-bin
"""
_BENCH_EXAMPLES = """examples:
  resnetlab bench train resnet20 --batch 128
  resnetlab bench eval resnet50 --batch 32 --set compile=off --json
"""
_DATA_EXAMPLES = """examples:
  resnetlab data fetch cifar10                      into the cache, resumable, checked
  resnetlab data describe cifar-10-batches-bin
"""
_DOCTOR_EXAMPLES = """examples:
  resnetlab doctor
  resnetlab doctor --json
"""
_TRAIN_EXAMPLES = """examples:
  resnetlab train resnet20 --data digits            a minute on a laptop
  resnetlab train resnet56 --data cifar10 --recipe he2015 --device cuda
  resnetlab train preresnet110 --data cifar-10-batches-bin --epochs 8 --batch 256 --lr 0.4
  resnetlab train resnet20 --set shortcut=B --set cutout=8 --dry-run
"""
_EVAL_EXAMPLES = """examples:
  resnetlab eval runs/resnet20-digits-digits-20260101-120000
  resnetlab eval RUN/checkpoints/step-00001000 --data cifar-10-batches-py --json
"""
_DRAW_EXAMPLES = """examples:
  resnetlab draw resnet20                           into resnet20.svg
  resnetlab draw resnet50 -o resnet50.pdf --theme print
  resnetlab draw plain34 resnet34 --style overview -o both.svg
  resnetlab draw resnet110 --unfold -o resnet110.pdf
"""
_SHOW_EXAMPLES = """examples:
  resnetlab show resnet110          a network and its layers, equal units folded
  resnetlab show resnet50 --full --batch 32 --input-size 192x256
  resnetlab show resnet50_v1 resnet50                    what differs, in words
  resnetlab show he2015             a recipe, every value with its meaning
  resnetlab show he2015 --model resnet110 --set lr=0.2
  resnetlab show runs/RUN           a run
"""


class _Parser(argparse.ArgumentParser):
    """Answers an unknown verb or flag with the nearest known ones."""

    def error(self, message: str) -> NoReturn:
        unknown = message.partition("invalid choice: '")[2].partition("'")[0]
        known = self.known_verbs()
        if not unknown and message.startswith("unrecognized arguments: "):
            unknown = message.partition(": ")[2].split()[0].partition("=")[0]
            known = self.known_flags()
        hint = nearest(unknown, known) if unknown else ""
        self.exit(2, f"{self.prog}: {message}\n{hint}\n" if hint else f"{self.prog}: {message}\n")

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        options, unknown = self.parse_known_args(args, namespace)
        if unknown:
            options.parser.error(f"unrecognized arguments: {' '.join(unknown)}")
        return options

    def known_verbs(self) -> list[str]:
        actions = [a for a in self._actions if isinstance(a, argparse._SubParsersAction)]
        return [str(verb) for action in actions for verb in action.choices]

    def known_flags(self) -> list[str]:
        return [flag for action in self._actions for flag in action.option_strings]


def _later(module: str, function: str) -> Callable[[argparse.Namespace], None]:
    """Return a function that imports its own code when it is called."""

    def perform(options: argparse.Namespace) -> None:
        getattr(importlib.import_module(f"resnetlab.cli.{module}"), function)(options)

    return perform


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    top = _Parser(
        prog="resnetlab",
        description="Build, train, resume and evaluate residual networks.",
        epilog=_EXAMPLES + "\n`resnetlab VERB --help` shows a verb's flags and examples.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=_LazyVersion("%(prog)s"))
    verbs = top.add_subparsers(title="verbs", metavar="VERB", required=True)
    _add_list_and_show(verbs)
    _add_draw(verbs)
    _add_train(verbs)
    _add_resume_and_eval(verbs)
    _add_bench(verbs)
    _add_data_and_doctor(verbs)
    return top


class _LazyVersion(str):
    """The version, looked up only when it is asked for."""

    def __mod__(self, values: object) -> str:
        from resnetlab.runs.environment import version

        return f"resnetlab {version('resnetlab')}, torch {version('torch') or 'missing'}"


def _add_verb(
    verbs: Any, name: str, help_text: str, perform: Callable[[argparse.Namespace], None], examples: str = ""
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = verbs.add_parser(
        name,
        help=help_text,
        description=help_text[0].upper() + help_text[1:] + ".",
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    parser.add_argument("--json", action="store_true", help="print one JSON object on standard output")
    parser.set_defaults(perform=perform, parser=parser)
    return parser


def _add_list_and_show(verbs: Any) -> None:
    listing = _add_verb(
        verbs, "list", "list models, recipes and datasets", _later("listing", "list_names"), _LIST_EXAMPLES
    )
    listing.add_argument(
        "what", nargs="?", choices=("models", "recipes", "data"), help="list only these (default: all)"
    )
    show = _add_verb(
        verbs,
        "show",
        "show a model, a recipe or a run in full, or what differs between two",
        _later("show", "show"),
        _SHOW_EXAMPLES,
    )
    show.add_argument(
        "names",
        nargs="+",
        metavar="NAME",
        help="a model, a recipe, or the directory of a run; two to tell what differs",
    )
    show.add_argument("--model", help="for a recipe: as it is for this model")
    show.add_argument("--full", action="store_true", help="every layer (default: equal units once)")
    show.add_argument("--input-size", metavar="N|HxW", help="for images of this size (default: the model's)")
    show.add_argument("--batch", type=int, metavar="N", help="memory for N images (default: 128)")
    show.add_argument("--layout", choices=("NCHW", "NHWC"), help="order of the shapes' axes (default: NCHW)")
    show.add_argument("--markdown", action="store_true", help="a table in GitHub's Markdown")
    _add_set(show)


def _add_draw(verbs: Any) -> None:
    draw = _add_verb(verbs, "draw", "draw networks", _later("draw", "draw_models"), _DRAW_EXAMPLES)
    draw.add_argument("models", nargs="+", metavar="MODEL", help="a model, or the directory of a run")
    draw.add_argument("-o", "--out", metavar="FILE", help="an .svg, .pdf or .png (default: MODEL.svg)")
    draw.add_argument(
        "--style",
        choices=("full", "overview", "unit"),
        default="full",
        help="every operation of one network; or several side by side, whole or by one unit (default: full)",
    )
    draw.add_argument("--theme", choices=("light", "dark", "print"), default="light", help="(default: light)")
    draw.add_argument(
        "--layout", choices=("NHWC", "NCHW"), default="NHWC", help="the order of sizes (default: NHWC)"
    )
    draw.add_argument("--input-size", metavar="N|HxW", help="images' size in px (default: the model's own)")
    draw.add_argument("--unfold", action="store_true", help="draw equal units one by one, on several pages")
    draw.add_argument("--columns", type=int, metavar="N", help="columns of a page; 1 suits a phone")
    _add_set(draw)


def _add_set(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="set any value of the recipe or the model; may be repeated",
    )


def _add_device(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 or mps (default: auto)")


def _add_train(verbs: Any) -> None:
    train = _add_verb(verbs, "train", "train a network", _later("train", "train"), _TRAIN_EXAMPLES)
    train.add_argument("model", help="a name from `resnetlab list models`, e.g. resnet20")
    train.add_argument("--data", default="cifar10", help="a dataset's name or path (default: cifar10)")
    train.add_argument(
        "--recipe",
        metavar="NAME|FILE",
        help="a recipe's name, or a .json or .toml file of values (default: quick; digits for digits)",
    )
    train.add_argument("--out", metavar="DIR", help="the run's directory (default: runs/MODEL-DATA-...)")
    train.add_argument("--epochs", metavar="N", help="length of training in epochs")
    train.add_argument("--steps", metavar="N", help="length of training in steps (optimizer updates)")
    train.add_argument("--batch", metavar="N", help="samples per step, over all devices")
    train.add_argument("--lr", metavar="X", help="peak learning rate for the whole batch")
    train.add_argument("--seed", metavar="N", help="source of every random number (default: 0)")
    train.add_argument("--val", metavar="N", help="training samples held out for validation")
    train.add_argument("--checkpoint-every", metavar="N", help="steps between checkpoints")
    train.add_argument("--stop-at", metavar="X", help="accuracy in [0, 1] at which training ends")
    train.add_argument(
        "--deterministic",
        action="store_const",
        const="true",
        help="CUDA: only algorithms that repeat exactly",
    )
    _add_set(train)
    _add_device(train)
    train.add_argument(
        "--dry-run", action="store_true", help="print the resolved run, its time and memory; train nothing"
    )


def _add_resume_and_eval(verbs: Any) -> None:
    resume = _add_verb(
        verbs, "resume", "go on with an interrupted run", _later("train", "resume"), _RESUME_EXAMPLES
    )
    resume.add_argument("run", help="the run's directory")
    resume.add_argument("--data", help="where the run's data lies now, if not where it was")
    _add_device(resume)
    evaluate = _add_verb(
        verbs, "eval", "evaluate a run or a checkpoint", _later("evaluate", "evaluate"), _EVAL_EXAMPLES
    )
    evaluate.add_argument("run", metavar="RUN|CHECKPOINT", help="a run's directory or one of its checkpoints")
    evaluate.add_argument("--data", help="a dataset's name or path (default: the run's own)")
    evaluate.add_argument("--split", choices=("test", "train", "val"), default="test")
    evaluate.add_argument(
        "--weights",
        choices=("auto", "plain", "averaged"),
        default="auto",
        help="averaged weights if the run has them (auto), or one of the two",
    )
    _add_device(evaluate)


def _add_bench(verbs: Any) -> None:
    bench = _add_verb(
        verbs, "bench", "measure training or evaluation speed", _later("bench", "bench"), _BENCH_EXAMPLES
    )
    bench.add_argument("what", choices=("train", "eval"))
    bench.add_argument("model", help="e.g. resnet20")
    bench.add_argument("--batch", type=int, default=128, help="images per step (default: 128)")
    bench.add_argument("--steps", type=int, default=30, help="steps that are timed (default: 30)")
    bench.add_argument("--warmup", type=int, default=5, help="steps before those (default: 5)")
    bench.add_argument("--threads", type=int, default=0, help="CPU threads (default: torch's own)")
    _add_set(bench)
    _add_device(bench)


def _add_data_and_doctor(verbs: Any) -> None:
    data = _add_verb(verbs, "data", "fetch and describe datasets", _later("data", "data"), _DATA_EXAMPLES)
    data.add_argument("action", choices=("fetch", "describe"))
    data.add_argument("source", help="a dataset's name or path")
    _add_verb(
        verbs,
        "doctor",
        "say what this machine has, and what is wrong with it",
        _later("doctor", "doctor"),
        _DOCTOR_EXAMPLES,
    )
