"""`resnetlab train`."""

import argparse

from resnetlab.cli.flags import add_at_once, add_training
from resnetlab.cli.resolve import read_asked, resolve_model
from resnetlab.cli.verb import set_up
from resnetlab.errors import UsageError

_EXAMPLES = """examples:
  resnetlab train resnet20 --data digits            a minute on a laptop
  resnetlab train resnet56 --data cifar10 --recipe he2015 --device cuda
  resnetlab train preresnet110 --data cifar-10-batches-bin --epochs 8 --batch 256 --lr 0.4
  resnetlab train resnet20 --set shortcut=B --set cutout=8 --dry-run
  resnetlab train resnet50 --data photos/ --workers 8
  resnetlab train resnet50 --data imagenet/ --devices 4       four GPUs, or --devices auto
  resnetlab train resnet20 --minutes 10                       the most of ten minutes on this machine
  resnetlab train plain20 resnet20 --seeds 3 --out runs/both   six runs, told as mean and spread
  resnetlab train resnet20 --out runs/job --resume-if-begun   a job that may be killed and started again
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Give the parser of `train` its flags."""
    set_up(parser, train, _EXAMPLES, needs="torch")
    parser.add_argument(
        "models", nargs="+", metavar="MODEL", help="names from `resnetlab list models`, e.g. resnet20"
    )
    parser.add_argument("--data", default="cifar10", help="a dataset's name or path (default: cifar10)")
    parser.add_argument(
        "--seeds", type=int, metavar="N", help="train each network N times, with --seed, --seed + 1, ..."
    )
    parser.add_argument(
        "--minutes",
        metavar="N",
        help="how long it may take, instead of a length: steps are timed, and the recipe gets the length "
        "that fits, warm-up and milestones in proportion; where none is named it is timed, in place of quick "
        "(docs/minutes.md)",
    )
    add_at_once(parser)
    add_training(parser, "quick, digits or photos")


def train(options: argparse.Namespace) -> None:
    """Train a network, or with --dry-run say how it would be trained; several of them as a study."""
    from resnetlab.cli.one_run import OneRun
    from resnetlab.cli.output import tell_beside
    from resnetlab.cli.several_runs import train_several
    from resnetlab.training.asking import plan_networks, plan_training

    asked, knobs = read_asked(options)
    is_study = len(options.models) > 1 or options.seeds is not None
    if is_study and options.profile is not None:
        raise UsageError("--profile is of one run, and several are asked for", hint="Train one of them.")
    specs = options.world.together(lambda: [resolve_model(model, knobs) for model in options.models])
    if is_study:
        networks = [(spec, asked) for spec in specs]
        train_several(options, lambda look: plan_networks(networks, options.world, tell_beside, look))
        return
    run = OneRun(options)
    run.train(*plan_training(specs[0], asked, options.world, tell_beside, run.look))
