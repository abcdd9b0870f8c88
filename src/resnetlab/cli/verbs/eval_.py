"""`resnetlab eval`."""

import argparse
import sys
from typing import TYPE_CHECKING

from resnetlab.base.lettering import in_a_line
from resnetlab.cli.flags import (
    add_bad_samples,
    add_data_set,
    add_device,
    add_devices,
    add_weights,
    add_workers,
)
from resnetlab.cli.output import print_json
from resnetlab.cli.verb import set_up
from resnetlab.data.sources.choices import Choices
from resnetlab.errors import UsageError
from resnetlab.show.tables.align import table

if TYPE_CHECKING:
    from resnetlab.evaluation.results import Evaluation

_EXAMPLES = """examples:
  resnetlab eval runs/resnet20-digits-digits-20260101-120000
  resnetlab eval RUN/checkpoints/step-00001000 --data cifar-10-batches-py --json
  resnetlab eval resnet50.safetensors --data imagenet/ --devices 4      four GPUs, or --devices auto
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
    add_weights(parser)
    add_device(parser)
    add_devices(parser)
    add_workers(parser)


def evaluate(options: argparse.Namespace) -> None:
    """Evaluate a trained network; the scores are shown whether or not they can be written.

    Of several processes the first shows them.
    """
    from resnetlab.evaluation.results import NotKept
    from resnetlab.trained.evaluate import evaluate as score
    from resnetlab.trained.evaluate import keep

    if options.out == "":
        raise UsageError("--out names no directory")
    evaluation = score(
        options.run,
        data=options.data,
        data_set=Choices.parse(options.data_set).to_json(),
        split=options.split,
        weights=options.weights,
        device=options.device,
        workers=options.workers,
        out=options.out,
        by_order=options.by_order,
        bad_samples=options.bad_samples,
        insights=options.insights,
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
        print(f"\nwritten to {in_a_line(evaluation.out)}: {', '.join(evaluation.files)}")


def _tell(notes: tuple[str, ...]) -> int:
    for note in notes:
        print(in_a_line(note), file=sys.stderr)
    return len(notes)


def _show(evaluation: "Evaluation") -> None:
    data, split = in_a_line(evaluation.data), evaluation.split
    what = f"all of {data}" if split == "all" else f"{split} set of {data}"
    print(f"{in_a_line(evaluation.checkpoint)}, {evaluation.weights}, {what}")
    print(f"{evaluation.summary()}\n")
    rows = [
        (
            in_a_line(row["class"]),
            f"{row['samples']:,}",
            f"{100 * row['recall']:.2f} %",
            f"{100 * row['precision']:.2f} %",
            f"{100 * row['f1']:.2f} %",
            f"{in_a_line(row['taken_for'])} ({row['taken_for_count']})" if row["taken_for"] else "",
        )
        for row in evaluation.per_class()
    ]
    print(table(("class", "samples", "recall", "precision", "F1", "most taken for"), rows))
