"""`resnetlab explain` and the verbs under it."""

import argparse

from resnetlab.base.paths import as_word, user_path
from resnetlab.cli.flags import add_data_set, add_device, add_set, add_workers
from resnetlab.cli.output import block, command_name, opening, print_json
from resnetlab.cli.resolve import split_settings
from resnetlab.cli.verb import new_verb, set_up
from resnetlab.data.sources.choices import Choices

_EXAMPLES = """examples:
  resnetlab explain residual                        what shortcuts do: a page, in about a minute
"""

_EXAMPLES_RESIDUAL = """examples:
  resnetlab explain residual                        20 and 56 layers on the digits, in about a minute
  resnetlab explain residual -o page.html           the page there too; .json is all that is on it
  resnetlab explain residual --depths 8 44 --epochs 20
  resnetlab explain residual --data cifar10 --device cuda

The runs are ordinary ones, in a folder that the last line names. The same command again uses them; one that
was interrupted goes on.
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Give the parser of `explain` its own verbs."""
    parser.epilog = _EXAMPLES
    topics = parser.add_subparsers(title="topics", metavar="TOPIC", required=True)
    _add_residual(
        new_verb(topics, "residual", "train plain and residual networks of two depths and show what differs")
    )


def _add_residual(parser: argparse.ArgumentParser) -> None:
    set_up(parser, explain_residual, _EXAMPLES_RESIDUAL, needs="torch")
    parser.add_argument(
        "--depths", nargs=2, type=int, metavar="N", help="two depths of 6n+2 (default: 20 56)", default=None
    )
    parser.add_argument("--data", default="digits", help="a dataset's name or path (default: digits)")
    parser.add_argument(
        "-o", "--out", metavar="FILE", help="the page there too: .html, or .json for all that is on it"
    )
    parser.add_argument(
        "--runs", metavar="DIR", help="the folder of the runs and the page (default: runs/residual-...)"
    )
    parser.add_argument(
        "--recipe",
        metavar="NAME|FILE",
        help="a recipe's name, a .json, .toml or .yaml file of values, or a run",
    )
    parser.add_argument("--epochs", metavar="N", help="length of training in epochs")
    parser.add_argument("--steps", metavar="N", help="length of training in steps (optimizer updates)")
    parser.add_argument("--seed", metavar="N", help="source of every random number (default: 0)")
    parser.add_argument(
        "--images",
        type=int,
        default=128,
        metavar="N",
        help="training images that gradients and losses are measured on (default: 128)",
    )
    add_set(parser)
    add_data_set(parser)
    add_workers(parser)
    add_device(parser)


def explain_residual(options: argparse.Namespace) -> None:
    """Train what is missing, measure it, and say where the page is."""
    from resnetlab.cli.output import progress_stream
    from resnetlab.explaining.measuring import Measures
    from resnetlab.explaining.question import DEPTHS, Question
    from resnetlab.explaining.study import PAGE, PAGES, explain
    from resnetlab.recipe.settings import read_texts
    from resnetlab.show.drawing.saving import refuse_target
    from resnetlab.training.asking import Asked
    from resnetlab.watching.a_study import watching_study

    if options.out:  # before minutes are spent
        refuse_target(user_path(options.out), PAGES, "page")
    flags = [
        (f"--{name} {value}", name, str(value))
        for name in ("epochs", "steps", "seed")
        if (value := getattr(options, name)) is not None
    ]
    texts, knobs = split_settings(options.set, flags)
    asked = Asked(
        data=options.data,
        choices=Choices.parse(options.data_set),
        recipe=options.recipe,
        values=read_texts(texts),
        device=options.device,
        workers=options.workers,
    )
    question = Question(depths=options.depths or DEPTHS, asked=asked, knobs=knobs)
    place = user_path(options.runs) if options.runs else None
    with watching_study(progress_stream(options)) as watcher:
        measures = Measures(images=options.images)
        found = explain(question, place, observer=watcher, tell=watcher.note, measures=measures)
    pages = [found.place / PAGE]
    if options.out:
        found.page(options.out)
        pages.append(user_path(options.out))
    if options.json:
        print_json({"runs": str(found.place), "files": [*map(str, pages)], **found.contents})
        return
    print(f"\n{found}\n\nWhat to type next:")
    report = f"{command_name()} report {as_word(found.place)}"
    print(block({opening(pages[-1]): "the page, with all pictures", report: "the runs as a table"}))
