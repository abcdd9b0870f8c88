"""The verbs and their flags. Each verb's code is imported only when it runs."""

import argparse
from typing import Any, NoReturn

from resnetlab.cli.verb import (
    add_at_once,
    add_bad_samples,
    add_data_set,
    add_device,
    add_set,
    add_verb,
    add_workers,
    later,
)
from resnetlab.cli.verbs import examples
from resnetlab.cli.verbs.data_verbs import add_data
from resnetlab.cli.verbs.train_verbs import add_finetune, add_train
from resnetlab.cli.verbs.use_verbs import add_export, add_import, add_predict, add_report
from resnetlab.errors import nearest


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


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    top = _Parser(
        prog="resnetlab",
        description="Build, train, resume and evaluate residual networks.",
        epilog=examples.EXAMPLES + "\n`resnetlab VERB --help` shows a verb's flags and examples.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=_LazyVersion("%(prog)s"))
    verbs = top.add_subparsers(title="verbs", metavar="VERB", required=True)
    _add_list_and_show(verbs)
    _add_draw(verbs)
    add_train(verbs)
    add_finetune(verbs)
    _add_resume_and_eval(verbs)
    add_report(verbs)
    add_predict(verbs)
    add_export(verbs)
    add_import(verbs)
    _add_bench(verbs)
    add_data(verbs)
    _add_doctor(verbs)
    return top


class _LazyVersion(str):
    """The version, looked up only when it is asked for."""

    def __mod__(self, values: object) -> str:
        from resnetlab.runs.environment import version

        return f"resnetlab {version('resnetlab')}, torch {version('torch') or 'missing'}"


def _add_list_and_show(verbs: Any) -> None:
    listing = add_verb(
        verbs,
        "list",
        "list models, recipes and datasets",
        later("list_", "list_names"),
        examples.LIST_EXAMPLES,
    )
    listing.add_argument(
        "what", nargs="?", choices=("models", "recipes", "data"), help="list only these (default: all)"
    )
    show = add_verb(
        verbs,
        "show",
        "show a model, a recipe or a run in full, or what differs between two",
        later("show", "show"),
        examples.SHOW_EXAMPLES,
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
    add_set(show)


def _add_draw(verbs: Any) -> None:
    draw = add_verb(verbs, "draw", "draw networks", later("draw", "draw_models"), examples.DRAW_EXAMPLES)
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
    add_set(draw, "the model")


def _add_resume_and_eval(verbs: Any) -> None:
    resume = add_verb(
        verbs,
        "resume",
        "go on with an interrupted run or study, or train a run for longer",
        later("train", "resume"),
        examples.RESUME_EXAMPLES,
    )
    resume.add_argument("run", help="the directory of a run, or of the several that one command trains")
    resume.add_argument(
        "--epochs", metavar="N", help="train on, for N epochs in all, in a new run: also from a finished one"
    )
    resume.add_argument("--steps", metavar="N", help="the same in steps")
    resume.add_argument("--out", metavar="DIR", help="that run's directory (default: RUN-Nep)")
    resume.add_argument("--data", help="where the run's data lies now, if not where it was")
    add_data_set(resume)
    add_device(resume)
    add_workers(resume)
    add_at_once(resume)
    evaluate = add_verb(
        verbs, "eval", "evaluate a trained network", later("eval_", "evaluate"), examples.EVAL_EXAMPLES
    )
    evaluate.add_argument(
        "run",
        metavar="RUN|FOLDER|FILE",
        help="a run or one of its checkpoints; a model folder or an exported .onnx or .safetensors;"
        " weights of another program, read as by `resnetlab import`",
    )
    evaluate.add_argument("--data", help="a dataset's name or path (default: the run's own)")
    add_data_set(evaluate)
    add_bad_samples(evaluate, "the run's own")
    evaluate.add_argument(
        "--split",
        choices=("auto", "test", "val", "train", "all"),
        default="auto",
        help="auto: the test split of the run's own data; of other data its test split, its val split if"
        " it has no test split, or all of it if it is one (default: auto)",
    )
    evaluate.add_argument(
        "--by-order",
        action="store_true",
        help="take the data's classes for the network's by their order, not by their names",
    )
    evaluate.add_argument(
        "-o",
        "--out",
        metavar="DIR",
        help="where the result goes (default: in the run, or beside the file)",
    )
    evaluate.add_argument(
        "--weights",
        choices=("auto", "plain", "averaged"),
        default="auto",
        help="averaged weights if the run has them (auto), or one of the two",
    )
    add_device(evaluate)
    add_workers(evaluate)


def _add_bench(verbs: Any) -> None:
    bench = add_verb(
        verbs,
        "bench",
        "measure training or evaluation speed",
        later("bench", "bench"),
        examples.BENCH_EXAMPLES,
    )
    bench.add_argument("what", choices=("train", "eval"))
    bench.add_argument("model", help="e.g. resnet20")
    bench.add_argument("--batch", metavar="N", help="images per step (default: 128)")
    bench.add_argument("--steps", type=int, default=30, help="steps that are timed (default: 30)")
    bench.add_argument("--warmup", type=int, default=5, help="steps before those (default: 5)")
    bench.add_argument("--threads", type=int, default=0, help="CPU threads (default: torch's own)")
    add_set(bench)
    add_device(bench)


def _add_doctor(verbs: Any) -> None:
    add_verb(
        verbs,
        "doctor",
        "say what this machine has, and what is wrong with it",
        later("doctor", "doctor"),
        examples.DOCTOR_EXAMPLES,
    )
