"""`resnetlab finetune`."""

import argparse
import sys

from resnetlab.cli.flags import add_place, add_training
from resnetlab.cli.resolve import read_asked, resolve_model, told_apart
from resnetlab.cli.verb import set_up
from resnetlab.errors import UsageError
from resnetlab.network.spec import ModelSpec
from resnetlab.show.tables.align import table

_EXAMPLES = """examples:
  resnetlab finetune photos/                 from ResNet-18 as torchvision trained it
  resnetlab finetune resnet50 --weights resnet50.pth --data photos/
  resnetlab finetune --weights hf:timm/resnet50.a1_in1k --data photos/ --val 10% --patience 5
  resnetlab finetune --weights runs/RUN --data photos/ --freeze body        the classifier alone
  resnetlab finetune --weights runs/RUN --data more/ --head keep-shared --set stage_rate=0.5
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Give the parser of `finetune` its flags."""
    set_up(parser, finetune, _EXAMPLES, needs="torch")
    parser.add_argument(
        "models",
        nargs="*",
        metavar="MODEL",
        help="the weights' network (default: the one that the weights are of)",
    )
    parser.add_argument(
        "--weights",
        metavar="WEIGHTS",
        help="a run, a checkpoint, a model folder; a file of torchvision, timm, Keras, TensorFlow, ...; "
        "hf:OWNER/NAME, torchvision:NAME (default: torchvision's of MODEL, or of resnet18)",
    )
    add_place(parser)
    parser.add_argument("--data", help="a folder with a folder of images for each class, ...")
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
    from resnetlab.weights.facts.published import default_weights

    models, options.data = options.world.together(
        lambda: told_apart(options.models, options.data, options.world)
    )
    if options.data is None:
        raise UsageError(
            "finetune needs images", hint="E.g. resnetlab finetune photos/, a folder for each class."
        )
    if len(models) > 1:
        raise UsageError(f"one network is trained on, and {len(models)} are given: {', '.join(models)}")
    asked, knobs = read_asked(options)
    weights = options.weights
    if weights is None:
        weights, told = default_weights(*models)
        if options.world.is_first:
            print(f"resnetlab: {told}", file=sys.stderr)

    def network(own: ModelSpec) -> ModelSpec:
        return resolve_model(models[0], knobs) if models else own.with_(**knobs)

    run = OneRun(options)
    tuning = plan_tuning(
        weights,
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
