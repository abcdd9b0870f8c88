"""`resnetlab train`."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from resnetlab.base.paths import as_word
from resnetlab.cli.flags import add_at_once, add_training
from resnetlab.cli.resolve import read_asked, resolve_model, told_apart
from resnetlab.cli.sweeps import seeds_of, variants
from resnetlab.cli.verb import set_up
from resnetlab.errors import UsageError

if TYPE_CHECKING:
    from resnetlab.network.spec import ModelSpec
    from resnetlab.training.asking import Asked

_EXAMPLES = """examples:
  resnetlab train resnet20 --data digits            a minute on a laptop
  resnetlab train resnet56 --data cifar10 --recipe he2015 --device cuda
  resnetlab train preresnet110 --data cifar-10-batches-bin --epochs 8 --batch 256 --lr 0.4
  resnetlab train resnet20 --set shortcut=B --set cutout=8 --dry-run
  resnetlab train resnet50 --data photos/ --workers 8
  resnetlab train resnet50 --data imagenet/ --devices 4       four GPUs, or --devices auto
  resnetlab train resnet20 --minutes 10                       the most of ten minutes on this machine
  resnetlab train plain20 resnet20 --seeds 3 --out runs/both   six runs, told as mean and spread
  resnetlab train resnet20 --set lr=0.05,0.1,0.2 --seeds 0,1  a run for each rate and seed
  resnetlab train resnet20 --out runs/job --resume-if-begun   a job that may be killed and started again
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Give the parser of `train` its flags."""
    set_up(parser, train, _EXAMPLES, needs="torch")
    parser.add_argument(
        "models", nargs="+", metavar="MODEL", help="names from `resnetlab list models`, e.g. resnet20"
    )
    parser.add_argument("--data", help="a dataset's name or path (default: cifar10)")
    parser.add_argument(
        "--seeds",
        metavar="N|A,B,...",
        help="train each network N times, with --seed, --seed + 1, ...; or with these seeds",
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

    models, data = options.world.together(lambda: told_apart(options.models, options.data, options.world))
    if not models:
        raise UsageError(
            f"train {data}: no network is named",
            hint=f"`resnetlab finetune {as_word(data)}` begins from published weights, "
            f"`resnetlab train resnet18 {as_word(data)}` from nothing.",
        )
    options.data = "cifar10" if data is None else data
    those = variants(options)
    seeds = None if options.seeds is None else seeds_of(options.seeds)
    is_study = len(models) > 1 or len(those) > 1 or seeds is not None
    if is_study and options.profile is not None:
        raise UsageError("--profile is of one run, and several are asked for", hint="Train one of them.")
    networks = options.world.together(lambda: _networks(models, those))
    if isinstance(seeds, list) and "seed" in networks[0][1].values:
        raise UsageError(
            f"seed={networks[0][1].values['seed']} beside --seeds {options.seeds}: which of them?"
        )
    if is_study:
        labels = [label for _ in models for label, _ in those]
        train_several(
            options,
            lambda look: plan_networks(networks, options.world, tell_beside, look),
            seeds or 1,
            labels,
        )
        return
    run, ((spec, asked),) = OneRun(options), networks
    run.train(*plan_training(spec, asked, options.world, tell_beside, run.look))


def _networks(
    models: Sequence[str], variants: Sequence[tuple[str, argparse.Namespace]]
) -> "list[tuple[ModelSpec, Asked]]":
    """Return each network with what each variant of the flags asks of it."""
    read = [read_asked(flags) for _, flags in variants]
    return [(resolve_model(model, knobs), asked) for model in models for asked, knobs in read]
