"""`resnetlab train`, `resnetlab finetune` and `resnetlab resume`."""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

from resnetlab.cli.ending import print_end
from resnetlab.cli.resolve import resolve_model, resolve_recipe, split_settings
from resnetlab.cli.text import block, print_json
from resnetlab.cli.watch import make_watcher
from resnetlab.data.choices import Choices
from resnetlab.plaindata import parse_text
from resnetlab.recipe import Recipe
from resnetlab.recipes import default_recipe
from resnetlab.settings import Layer, Resolution, leaves
from resnetlab.training.device import pick_device
from resnetlab.training.facts import describe_plan
from resnetlab.training.planning import Opened, RunPlan, fit_to_source, open_for, plan_run
from resnetlab.training.run import default_out, resume_run, train_plan
from resnetlab.units import count_of


def train(options: argparse.Namespace) -> None:
    """Train a network, or with --dry-run say how it would be trained; several of them as a study."""
    if len(options.models) > 1 or options.seeds is not None:
        from resnetlab.cli.study import train_several

        opened: Opened = {}
        train_several(options, lambda model: _planned(options, model, opened))
        return
    _perform(options, *_planned(options, options.models[0]))


def _planned(
    options: argparse.Namespace, model: str, opened: Opened | None = None
) -> tuple[RunPlan, Resolution]:
    """Return what the flags of `train` ask for, for one of its networks."""
    _, knobs = split_settings(options.set)
    spec = resolve_model(model, knobs)
    device = pick_device(options.device)
    source = open_for(spec, options.data, knobs, opened, choices=Choices.parse(options.data_set))
    val = options.val and count_of(options.val, len(source.train))
    own = argparse.Namespace(**vars(options) | {"val": val})
    default = default_recipe(options.data, reads_files=source.reads_files)
    resolution = resolve_recipe(own, spec.depth, default)
    plan = plan_run(
        spec, options.data, resolution.recipe, device, knobs, workers=options.workers, source=source
    )
    return plan, resolution


def finetune(options: argparse.Namespace) -> None:
    """Train a network on from trained weights, or with --dry-run say how."""
    from resnetlab.tables.align import table
    from resnetlab.transfer import open_trained, plan_finetuning, suggest
    from resnetlab.transfer.table import HEADER, part_rows, remarks

    texts, knobs = split_settings(options.set)
    device, side = pick_device(options.device), parse_text(int, texts.get("image_size", "0"), "image_size")
    trained = open_trained(options.weights)
    spec = resolve_model(options.model, knobs) if options.model else trained.spec.with_(**knobs)
    source = trained.open_data(options.data, spec, side, choices=Choices.parse(options.data_set))
    options.val = options.val and count_of(options.val, len(source.train))
    number = len(source.train) - parse_text(int, options.val or "0", "--val")
    channels = fit_to_source(spec, source, knobs).in_channels

    def layers(recipe: Recipe) -> list[Layer]:
        return suggest(recipe, trained, source, channels=channels, number=number, side=side)

    resolution = resolve_recipe(options, spec.depth, "finetune", layers)
    plan, report, notes = plan_finetuning(
        trained, spec, source, options.data, resolution.recipe, device, knobs, workers=options.workers
    )
    if not options.json:
        print(table(HEADER, part_rows(plan.spec, plan.recipe.transfer, report), left=len(HEADER)))
        print("".join(f"note: {text}\n" for text in (*remarks(report), *notes)))
    _perform(options, plan, resolution, {"weights": report.to_json(), "notes": notes})


def resume(options: argparse.Namespace) -> None:
    """Go on with an interrupted run or study."""
    from resnetlab.studies.rows import is_study

    if is_study(Path(options.run)):
        from resnetlab.cli.study import resume_several

        resume_several(options)
        return
    with make_watcher(sys.stderr if options.json else sys.stdout) as watcher:
        result = resume_run(
            Path(options.run),
            watcher,
            data=options.data,
            device=options.device,
            workers=options.workers,
            choices=Choices.parse(options.data_set),
        )
    print_end(options, result)


def _perform(
    options: argparse.Namespace,
    plan: RunPlan,
    resolution: Resolution,
    more: Mapping[str, object] | None = None,
) -> None:
    """Train what is planned and print the end, or with --dry-run print the plan."""
    out = Path(options.out) if options.out else default_out(plan)
    if options.dry_run:
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
    from resnetlab.bench import estimate

    facts = describe_plan(plan) | {"run": f"{out} (not made)"} | estimate(plan)
    values = {
        name: {"value": leaf.text, "origin": resolution.origins[name]}
        for name, leaf in leaves(plan.recipe).items()
    }
    if options.json:
        print_json({"facts": facts, "recipe": values, "model": plan.spec.to_json(), **more})
        return
    print(block(facts, indent=""))
    print("\nevery value of the recipe, and where it comes from:")
    print(block({n: f"{v['value'] or '-':<28} {v['origin']}" for n, v in values.items()}))
