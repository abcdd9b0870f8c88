"""`resnetlab train`, `resnetlab finetune` and `resnetlab resume`."""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

from resnetlab.base.paths import user_path
from resnetlab.base.units import Duration, length_of
from resnetlab.cli.resolve import read_asked, resolve_model
from resnetlab.cli.text import block, print_json
from resnetlab.cli.training import print_end
from resnetlab.cli.watch import make_watcher
from resnetlab.data.sources.choices import Choices
from resnetlab.data.sources.leftovers import refuse_within
from resnetlab.errors import UsageError
from resnetlab.network.spec import ModelSpec
from resnetlab.recipe.settings import Resolution, leaves
from resnetlab.training.asking import plan_training
from resnetlab.training.facts import describe_plan
from resnetlab.training.observer import Observer
from resnetlab.training.planning import Opened, RunPlan
from resnetlab.training.run import Result, default_out, resume_run, train_longer, train_plan


def train(options: argparse.Namespace) -> None:
    """Train a network, or with --dry-run say how it would be trained; several of them as a study."""
    asked, knobs = read_asked(options)
    if len(options.models) > 1 or options.seeds is not None:
        from resnetlab.cli.study import train_several

        opened: Opened = {}
        train_several(options, lambda model: plan_training(resolve_model(model, knobs), asked, opened))
        return
    _perform(options, *plan_training(resolve_model(options.models[0], knobs), asked))


def finetune(options: argparse.Namespace) -> None:
    """Train a network on from trained weights, or with --dry-run say how."""
    from resnetlab.show.tables.align import table
    from resnetlab.trained.transfer import plan_tuning
    from resnetlab.trained.transfer.table import HEADER, part_rows, remarks

    asked, knobs = read_asked(options)

    def network(own: ModelSpec) -> ModelSpec:
        return resolve_model(options.model, knobs) if options.model else own.with_(**knobs)

    tuning = plan_tuning(options.weights, asked, network, prefix=options.prefix, ignore=options.ignore)
    plan, report, notes = tuning.plan, tuning.report, tuning.notes
    if not options.json:
        print(table(HEADER, part_rows(plan.spec, plan.recipe.transfer, report), left=len(HEADER)))
        print("".join(f"note: {text}\n" for text in (*remarks(report), *notes)))
    _perform(options, plan, tuning.resolution, {"weights": report.to_json(), "notes": notes})


def resume(options: argparse.Namespace) -> None:
    """Go on with an interrupted run or study, or from a run for longer."""
    from resnetlab.training.studies.rows import is_study

    path, length = user_path(options.run), length_of(options.epochs, options.steps, prefix="--")
    if length is None and options.out:
        raise UsageError("--out is of a run that trains for longer", hint="Give its --epochs or --steps too.")
    if is_study(path):
        from resnetlab.cli.study import resume_several

        if length is not None:
            raise UsageError(f"{path} holds several runs", hint="Name the one that is to train for longer.")
        resume_several(options)
        return
    with make_watcher(sys.stderr if options.json else sys.stdout) as watcher:
        result = _resumed(options, path, length, watcher)
    print_end(options, result)


def _resumed(options: argparse.Namespace, path: Path, length: Duration | None, observer: Observer) -> Result:
    choices, data = Choices.parse(options.data_set), options.data
    device, workers = options.device, options.workers
    if length is None:
        return resume_run(path, observer, data=data, device=device, workers=workers, choices=choices)
    out = user_path(options.out) if options.out else None
    return train_longer(
        path, length, observer, out=out, data=data, device=device, workers=workers, choices=choices
    )


def _perform(
    options: argparse.Namespace,
    plan: RunPlan,
    resolution: Resolution,
    more: Mapping[str, object] | None = None,
) -> None:
    """Train what is planned and print the end, or with --dry-run print the plan."""
    out = user_path(options.out) if options.out else default_out(plan)
    if options.dry_run:
        refuse_within(plan.source.folders, out)
        _print_plan(options, plan, resolution, out, more or {})
        return
    watcher = make_watcher(sys.stderr if options.json else sys.stdout)
    with watcher:
        result = train_plan(plan, out, watcher)
    print_end(options, result)


def _print_plan(
    options: argparse.Namespace,
    plan: RunPlan,
    resolution: Resolution,
    out: Path,
    more: Mapping[str, object],
) -> None:
    from resnetlab.training.speed import estimate

    facts = describe_plan(plan) | {"run": f"{out} (not made)"}
    if not options.json:  # before the trial steps of the estimate, which take a while
        print(block(facts, indent=""), flush=True)
    estimated = estimate(plan)
    values = {
        name: {"value": leaf.text, "origin": resolution.origins[name]}
        for name, leaf in leaves(plan.recipe).items()
    }
    if options.json:
        print_json({"facts": facts | estimated, "recipe": values, "model": plan.spec.to_json(), **more})
        return
    print(block(estimated, indent="", width=max(map(len, facts))))
    print("\nevery value of the recipe, and where it comes from:")
    print(block({n: f"{v['value'] or '-':<28} {v['origin']}" for n, v in values.items()}))
