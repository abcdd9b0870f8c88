"""`resnetlab train` and `resnetlab resume`."""

import argparse
import dataclasses
import shlex
import sys
from pathlib import Path

from resnetlab.cli.resolve import resolve_model, resolve_recipe, split_settings
from resnetlab.cli.text import block, command_name, print_json
from resnetlab.cli.watch import make_watcher
from resnetlab.data.encoded import EncodedSource
from resnetlab.recipes import default_recipe
from resnetlab.settings import Resolution, leaves
from resnetlab.training.device import pick_device
from resnetlab.training.facts import describe_plan
from resnetlab.training.planning import RunPlan, open_for, plan_run
from resnetlab.training.run import Result, default_out, resume_run, train_plan
from resnetlab.units import format_seconds


def train(options: argparse.Namespace) -> None:
    """Train a network, or with --dry-run say how it would be trained."""
    plan, resolution = _plan(options)
    out = Path(options.out) if options.out else default_out(plan)
    if options.dry_run:
        _print_plan(options, plan, resolution, out)
        return
    stream = sys.stderr if options.json else sys.stdout
    watcher = make_watcher(stream)
    with watcher:
        result = train_plan(plan, out, watcher)
    _print_end(options, result)


def resume(options: argparse.Namespace) -> None:
    """Go on with an interrupted run."""
    with make_watcher(sys.stderr if options.json else sys.stdout) as watcher:
        result = resume_run(
            Path(options.run), watcher, data=options.data, device=options.device, workers=options.workers
        )
    _print_end(options, result)


def _plan(options: argparse.Namespace) -> tuple[RunPlan, Resolution]:
    _, knobs = split_settings(options.set)
    spec = resolve_model(options.model, knobs)
    device = pick_device(options.device)
    source = open_for(spec, options.data, knobs)
    default = default_recipe(options.data, reads_files=isinstance(source, EncodedSource))
    resolution = resolve_recipe(options, spec.depth, default)
    plan = plan_run(
        spec, options.data, resolution.recipe, device, knobs, workers=options.workers, source=source
    )
    return plan, resolution


def _print_plan(options: argparse.Namespace, plan: RunPlan, resolution: Resolution, out: Path) -> None:
    from resnetlab.bench import estimate

    facts = describe_plan(plan) | {"run": f"{out} (not made)"} | estimate(plan)
    values = {
        name: {"value": leaf.text, "origin": resolution.origins[name]}
        for name, leaf in leaves(plan.recipe).items()
    }
    if options.json:
        print_json({"facts": facts, "recipe": values, "model": plan.spec.to_json()})
        return
    print(block(facts, indent=""))
    print("\nevery value of the recipe, and where it comes from:")
    print(block({n: f"{v['value'] or '-':<28} {v['origin']}" for n, v in values.items()}))


_BAD_SHOWN = 10
_SLOW = 0.1
"""Share of the time from which waiting for data is worth a hint."""


def _waiting(share: float) -> str:
    hint = " (more --workers, or a smaller copy by `resnetlab data pack`)" if share > _SLOW else ""
    return f"{100 * share:.1f} % of the training time{hint}"


def _print_end(options: argparse.Namespace, result: Result) -> None:
    if options.json:
        print_json(dataclasses.asdict(result))
        return
    low, high = result.interval
    command = command_name()
    print(
        f"\n{100 * result.accuracy:.2f} % of {result.seen:,} test images right ({result.correct:,}; "
        f"95 % interval {100 * low:.2f} to {100 * high:.2f} %): last step, single view, {result.weights}."
    )
    if result.stopped_on_test:
        print("The run ended because of that accuracy (stop_at): it is selected on the test set.")
    lines = {}
    if result.plain_accuracy is not None:
        lines["plain weights"] = f"{100 * result.plain_accuracy:.2f} %"
    if result.best_val_accuracy is not None:
        lines["best on validation"] = (
            f"{100 * result.best_val_accuracy:.2f} % after step {result.best_val_step:,}"
        )
    if result.wait_share is not None:
        lines["waiting for data"] = _waiting(result.wait_share)
    for number, problem in enumerate(result.bad_samples[:_BAD_SHOWN], start=1):
        lines[f"left out {number}"] = problem
    if len(result.bad_samples) > _BAD_SHOWN:
        more = len(result.bad_samples) - _BAD_SHOWN
        lines["left out"] = f"{more} more broken images: {result.run}/events.jsonl"
    checkpoint = f"{result.run}/checkpoints/step-{result.step:08d}"
    lines |= {
        "run": result.run,
        "weights": f"{checkpoint}/model.safetensors",
        "curve": f"{result.run}/metrics.jsonl",
        "time": f"{format_seconds(result.train_seconds)} of updates, "
        f"{result.images_per_second:,.0f} images/s",
    }
    print(block(lines))
    print("\nWhat to type next:")
    print(
        block(
            {
                f"{command} eval {shlex.quote(result.run)}": "per class, confusion matrix",
                f"{command} train resnet20 --data cifar10": "CIFAR-10 (fetches 163 MB once)",
                f"{command} train resnet56 --recipe he2015 --device cuda": "the paper, on a GPU",
                f"{command} train resnet20 --data FOLDER": "your own images (docs/data.md)",
            }
        )
    )
