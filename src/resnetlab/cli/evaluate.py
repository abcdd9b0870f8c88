"""`resnetlab eval`."""

import argparse
import sys

from resnetlab import api
from resnetlab.cli.text import print_json
from resnetlab.data.choices import Choices
from resnetlab.tables.align import table


def evaluate(options: argparse.Namespace) -> None:
    """Evaluate a run, a checkpoint, a model folder or an exported file."""
    evaluation = api.evaluate(
        options.run,
        data=options.data,
        data_set=Choices.parse(options.data_set).to_json(),
        split=options.split,
        weights=options.weights,
        device=options.device,
        workers=options.workers,
    )
    for note in evaluation.notes:
        print(note, file=sys.stderr)
    if options.json:
        print_json(evaluation.to_json())
        return
    scores, (low, high) = evaluation.scores, evaluation.interval
    print(f"{evaluation.checkpoint}, {evaluation.weights}, {evaluation.split} set of {evaluation.data}")
    print(
        f"top-1 {100 * scores.accuracy:.2f} % ({scores.correct:,} of {scores.seen:,}; 95 % interval "
        f"{100 * low:.2f} to {100 * high:.2f} %), top-5 {100 * scores.accuracy_top5:.2f} %, "
        f"loss {scores.loss:.4f}\n"
    )
    rows = [
        (
            row["class"],
            f"{row['samples']:,}",
            f"{100 * row['recall']:.2f} %",
            f"{100 * row['precision']:.2f} %",
            f"{100 * row['f1']:.2f} %",
            f"{row['taken_for']} ({row['taken_for_count']})" if row["taken_for"] else "",
        )
        for row in evaluation.per_class()
    ]
    print(table(("class", "samples", "recall", "precision", "F1", "most taken for"), rows))
    print(f"\nwritten to {evaluation.out}: scores.json, per_class.csv, confusion.csv, confusion.png")
