"""`resnetlab eval`."""

import argparse
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from resnetlab.base.lettering import in_a_line, shorter
from resnetlab.cli.flags import (
    add_bad_samples,
    add_data_set,
    add_device,
    add_devices,
    add_engine,
    add_threads,
    add_views,
    add_weights,
    add_workers,
)
from resnetlab.cli.output import print_json
from resnetlab.cli.verb import set_up
from resnetlab.data.sources.choices import Choices
from resnetlab.errors import UsageError
from resnetlab.evaluation.views import SINGLE
from resnetlab.show.tables.align import table, text_width, titled

if TYPE_CHECKING:
    from resnetlab.evaluation.results import Evaluation

_EXAMPLES = """examples:
  resnetlab eval runs/resnet20-digits-digits-20260101-120000
  resnetlab eval RUN/checkpoints/step-00001000 --data cifar-10-batches-py --json
  resnetlab eval RUN --watch        each checkpoint as it comes, while another process trains
  resnetlab eval RUN --all          the curve of all checkpoints
  resnetlab eval resnet50.safetensors --data imagenet/ --devices 4      four GPUs, or --devices auto
  resnetlab eval resnet50.safetensors --data imagenet/ --views 10crop   as the papers' tables
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Give the parser of `eval` its flags."""
    set_up(parser, evaluate, _EXAMPLES, needs="torch")
    parser.add_argument(
        "run",
        metavar="RUN|FOLDER|FILE",
        help="a run or one of its checkpoints; a model folder or an exported .onnx or .safetensors;"
        " weights of another program, read as by `resnetlab import`",
    )
    parser.add_argument("--data", help="a dataset's name or path (default: the run's own)")
    add_data_set(parser)
    add_bad_samples(parser, "the run's own")
    parser.add_argument(
        "--split",
        choices=("auto", "test", "val", "train", "all"),
        default="auto",
        help="auto: the test split of the run's own data; of other data its test split, its val split if"
        " it has no test split, or all of it if it is one (default: auto)",
    )
    parser.add_argument(
        "--by-order",
        action="store_true",
        help="take the data's classes for the network's by their order, not by their names",
    )
    parser.add_argument(
        "-o",
        "--out",
        metavar="DIR",
        help="where the result goes (default: in the run, or beside the file)",
    )
    parser.add_argument(
        "--insights",
        type=float,
        default=10.0,
        metavar="SECONDS",
        help="what pictures of the worst answers with Grad-CAM, of doubtful labels and confusions, and a look"
        " at filters and layers may take; 0: none of them (default: 10)",
    )
    several = parser.add_mutually_exclusive_group()
    several.add_argument(
        "--all",
        action="store_true",
        help="score all checkpoints of a run that are not scored yet, and show the curve",
    )
    several.add_argument(
        "--watch",
        action="store_true",
        help="the same while the run is made, here or on another machine that shares its folder, until it is"
        " finished",
    )
    add_weights(parser)
    add_device(parser)
    add_devices(parser)
    add_threads(parser)
    add_engine(parser)
    add_views(parser)
    add_workers(parser)


def evaluate(options: argparse.Namespace) -> None:
    """Evaluate a trained network; the scores are shown whether or not they can be written.

    Of several processes the first shows them.
    """
    from resnetlab.evaluation.results import NotKept
    from resnetlab.trained.evaluate import evaluate as score
    from resnetlab.trained.evaluate import keep
    from resnetlab.watching.sight import sight_of

    if options.out == "":
        raise UsageError("--out names no directory")
    if options.all or options.watch:
        _over_time(options)
        return
    evaluation = score(
        options.run,
        **_asked(options),
        data_set=Choices.parse(options.data_set).to_json(),
        out=options.out,
        insights=options.insights,
        views=options.views,
        writes=False,
        world=options.world,
    )
    if not options.world.is_first:
        keep(evaluation, options.world)
        return
    said = _tell(evaluation.notes)
    if not options.json:
        _show(evaluation)
    try:
        evaluation = keep(evaluation, options.world)
    except NotKept as error:
        evaluation = error.evaluation
        raise
    finally:
        _tell(evaluation.notes[said:])
        if options.json:
            print_json(evaluation.to_json())
    if not options.json:
        told = f"{in_a_line(evaluation.out)}: {', '.join(evaluation.files)}"
        print("\n" + titled("written to ", told, width=text_width(sight_of(sys.stdout).columns)))


def _asked(options: argparse.Namespace) -> dict[str, Any]:
    """Return what is asked of one evaluation and of many alike."""
    names = ("data", "split", "weights", "device", "workers", "by_order", "bad_samples", "engine")
    return {name: getattr(options, name) for name in names}


def _over_time(options: argparse.Namespace) -> None:
    """Score a run's checkpoints, one after the other."""
    from resnetlab.reporting.text_chart import curve_text
    from resnetlab.trained.checkpoint_curve import Asked, score_checkpoints
    from resnetlab.watching.sight import sight_of

    if options.num_devices > 1:
        raise UsageError("--all and --watch score on one device", hint="Leave --devices out.")
    if options.views != SINGLE:
        raise UsageError("--all and --watch score the single view", hint="Leave --views out.")

    def tell(row: Mapping[str, Any]) -> None:
        if not options.json:
            print(_row_text(row), flush=True)

    curve = score_checkpoints(
        options.run,
        Asked(
            **_asked(options),
            choices=Choices.parse(options.data_set),
            out=options.out or "",
        ),
        watches=options.watch,
        told=tell,
        noted=lambda note: print(in_a_line(note), file=sys.stderr),
    )
    if options.json:
        print_json(curve.to_json())
        return
    sight = sight_of(sys.stdout)
    if chart := curve_text(curve.rows, width=sight.width - 1, letters=sight.letters):
        print(f"\n{chart}")
    if curve.best is not None:
        best = f"best {100 * curve.best['accuracy']:.2f} % after step {curve.best['step']:,}"
        print(f"\n{best}, chosen on the {curve.split} images that it is scored on")
    print(f"written to {in_a_line(curve.out)}")


def _row_text(row: Mapping[str, Any]) -> str:
    """Return a checkpoint's scores in a line."""
    top1, top5, best = (100 * row[name] for name in ("accuracy", "accuracy_top_5", "best_accuracy"))
    return (
        f"step {row['step']:>9,}  {top1:6.2f} % ({row['correct']:,} of {row['seen']:,}), top-5 {top5:.2f} %,"
        f" loss {row['loss']:.4f}, best {best:.2f} %"
    )


def _tell(notes: tuple[str, ...]) -> int:
    for note in notes:
        print(in_a_line(note), file=sys.stderr)
    return len(notes)


_LONGEST = 28
"""Letters of a class's name in the table, which has two of them in a line; the files have them whole."""


def _show(evaluation: "Evaluation") -> None:
    data, split = in_a_line(evaluation.data), evaluation.split
    what = f"all of {data}" if split == "all" else f"{split} set of {data}"
    print(f"{in_a_line(evaluation.checkpoint)}, {evaluation.weights}, {what}")
    print(f"{evaluation.summary()}\nengine {evaluation.engine_said}\n")
    rows = [
        (
            shorter(in_a_line(row["class"]), _LONGEST),
            f"{row['samples']:,}",
            f"{100 * row['recall']:.2f} %",
            f"{100 * row['precision']:.2f} %",
            f"{100 * row['f1']:.2f} %",
            f"{shorter(in_a_line(row['taken_for']), _LONGEST)} ({row['taken_for_count']})"
            if row["taken_for"]
            else "",
        )
        for row in evaluation.per_class()
    ]
    print(table(("class", "samples", "recall", "precision", "F1", "most taken for"), rows))
