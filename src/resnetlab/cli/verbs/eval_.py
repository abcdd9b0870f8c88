"""`resnetlab eval`."""

import argparse
import sys

from resnetlab.base.lettering import in_a_line
from resnetlab.cli.text import print_json
from resnetlab.data.sources.choices import Choices
from resnetlab.errors import UsageError
from resnetlab.evaluation.results import Evaluation, NotKept
from resnetlab.show.tables.align import table
from resnetlab.trained.evaluate import keep, score_network


def evaluate(options: argparse.Namespace) -> None:
    """Evaluate a trained network; the scores are shown whether or not they can be written."""
    if options.out == "":
        raise UsageError("--out names no directory")
    evaluation = score_network(
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
    )
    said = _tell(evaluation.notes)
    if not options.json:
        _show(evaluation)
    try:
        evaluation = keep(evaluation)
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


def _show(evaluation: Evaluation) -> None:
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
