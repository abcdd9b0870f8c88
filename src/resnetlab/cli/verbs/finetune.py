"""`resnetlab finetune`."""

import argparse

from resnetlab.cli.flags import add_place, add_training
from resnetlab.cli.resolve import read_asked, resolve_model
from resnetlab.cli.verb import set_up
from resnetlab.network.spec import ModelSpec
from resnetlab.show.tables.align import table

_EXAMPLES = """examples:
  resnetlab finetune resnet50 --weights resnet50.pth --data photos/
  resnetlab finetune --weights hf:timm/resnet50.a1_in1k --data photos/ --val 10% --patience 5
  resnetlab finetune --weights runs/RUN --data photos/ --freeze body        the classifier alone
  resnetlab finetune --weights runs/RUN --data more/ --head keep-shared --set stage_rate=0.5
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Give the parser of `finetune` its flags."""
    set_up(parser, finetune, _EXAMPLES, needs="torch")
    parser.add_argument(
        "model", nargs="?", help="the weights' network (default: the one that the weights are of)"
    )
    parser.add_argument(
        "--weights",
        required=True,
        metavar="WEIGHTS",
        help="a run, a checkpoint, a model folder; a file of torchvision, timm, Keras, TensorFlow, ...; "
        "hf:OWNER/NAME, torchvision:NAME",
    )
    add_place(parser)
    parser.add_argument("--data", required=True, help="a folder with a folder of images for each class, ...")
    parser.add_argument(
        "--head",
        choices=("reset", "keep-shared", "strict"),
        help="the classifier: anew (default); keep the classes that both have, by name; keep it whole",
    )
    parser.add_argument(
        "--freeze", metavar="PART", help="what is not to learn: stem, stage1, ... up to there; body; none"
    )
    parser.add_argument(
        "--bn",
        choices=("train", "frozen-statistics", "frozen"),
        help="BN where it learns (default: train; frozen-statistics for batches below 16)",
    )
    parser.add_argument("--balance", choices=("none", "loss"), help="loss: each class counts alike")
    add_training(parser, "finetune")


def finetune(options: argparse.Namespace) -> None:
    """Train a network on from trained weights, or with --dry-run say how."""
    from resnetlab.cli.one_run import OneRun
    from resnetlab.cli.output import tell_beside
    from resnetlab.trained.transfer import plan_tuning
    from resnetlab.trained.transfer.table import HEADER, part_rows, remarks

    asked, knobs = read_asked(options)

    def network(own: ModelSpec) -> ModelSpec:
        return resolve_model(options.model, knobs) if options.model else own.with_(**knobs)

    run = OneRun(options)
    tuning = plan_tuning(
        options.weights,
        asked,
        network,
        prefix=options.prefix,
        ignore=options.ignore,
        world=options.world,
        tell=tell_beside,
        look=run.look,
    )
    plan, report, notes = tuning.plan, tuning.report, tuning.notes
    if not options.json:
        print(table(HEADER, part_rows(plan.spec, plan.recipe.transfer, report), left=len(HEADER)))
        print("".join(f"note: {text}\n" for text in (*remarks(report), *notes)))
    run.train(plan, tuning.resolution, {"weights": report.to_json(), "notes": notes})
