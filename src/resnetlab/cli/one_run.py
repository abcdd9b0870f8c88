"""What `train`, `finetune` and `resume` share: a plan shown or carried out, and the end printed."""

import argparse
import dataclasses
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from resnetlab.base.lettering import in_a_line
from resnetlab.base.paths import as_word, user_path
from resnetlab.base.units import format_seconds
from resnetlab.cli.output import block, command_name, opening, print_json, progress_stream
from resnetlab.data.batches.loaded import BROKEN_SHOWN
from resnetlab.data.names import SOURCES
from resnetlab.errors import DataError, UsageError
from resnetlab.evaluation.answers import NAME as ANSWERS
from resnetlab.evaluation.answers import read_answers
from resnetlab.parallel.world import World
from resnetlab.recipe.settings import Resolution, leaves
from resnetlab.reporting.at_the_end import PAGE
from resnetlab.runs.checkpoint import checkpoint_name
from resnetlab.runs.directory import RunDirectory, is_run
from resnetlab.runs.records import read_records
from resnetlab.tracking.following import Asked, Followed, read_asked
from resnetlab.training.budget.estimating import estimate
from resnetlab.training.facts import describe_plan
from resnetlab.training.planning import RunPlan, plan_of
from resnetlab.training.run import Result, default_out, is_begun_at, train_or_resume, train_plan
from resnetlab.training.timing.in_a_run import TEXT
from resnetlab.training.timing.profile import refuse_unprofitable
from resnetlab.watching.fitting import wrapped
from resnetlab.watching.one_run import watching
from resnetlab.watching.sight import sight_of

_SLOW = 0.1
"""Share of the time from which waiting for data is worth a hint."""


class OneRun:
    """One run that is asked for by flags: looked at before anything is measured for it, then trained."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._out = Path()
        self._followers: Sequence[Asked] | None = None

    def look(self, plans: Sequence[RunPlan]) -> bool:
        """Refuse what cannot be, and return whether the run was begun; see `training.asking.Look`."""
        (plan,), options = plans, self._options
        world: World = options.world
        if options.profile is not None:
            _refuse_profile(options.profile, plan)
        self._followers = world.together(lambda: read_asked(options.track))
        self._out = user_path(options.out) if options.out else world.from_first(lambda: default_out(plan))
        return is_begun_at(self._out, plan, world, resume_if_begun=options.resume_if_begun)

    def train(self, plan: RunPlan, resolution: Resolution, more: Mapping[str, object] | None = None) -> None:
        """Train what was looked at and print the end, or with --dry-run print the plan."""
        options = self._options
        plan = dataclasses.replace(plan, profile_steps=options.profile or 0, threads=options.threads or 0)
        if options.dry_run:
            made = "not made"
            if options.resume_if_begun and is_run(self._out):
                records = read_records(RunDirectory(self._out))
                plan = plan_of(records, plan.source, plan.device, plan.workers)
                made = "finished" if records.is_finished else "begun"
            _print_plan(options, plan, resolution, f"{self._out} ({made})", more or {})
            return
        with watching(progress_stream(options)) as watcher:
            make = train_or_resume if options.resume_if_begun else train_plan
            result = make(plan, self._out, Followed(watcher, self._followers), world=options.world)
        print_end(options, result)


def _refuse_profile(steps: int, plan: RunPlan) -> None:
    """Refuse to profile no steps, or steps that cannot be.

    Raises:
        UsageError: If it is so.
    """
    if steps < 1:
        raise UsageError(f"--profile {steps}: at least one step is profiled")
    refuse_unprofitable(plan.device, is_captured=plan.recipe.execution.capture == "on")


def _print_plan(
    options: argparse.Namespace,
    plan: RunPlan,
    resolution: Resolution,
    place: str,
    more: Mapping[str, object],
) -> None:
    facts = describe_plan(plan, options.num_devices) | {"run": place}
    columns = sight_of(sys.stdout).columns
    if not options.json:  # before the trial steps of the estimate, which take a while
        print(block(facts, indent="", columns=columns), flush=True)
    estimated = estimate(plan, options.num_devices)
    values = {
        name: {"value": leaf.text, "origin": resolution.origins[name]}
        for name, leaf in leaves(plan.recipe).items()
    }
    if options.json:
        print_json({"facts": facts | estimated, "recipe": values, "model": plan.spec.to_json(), **more})
        return
    print(block(estimated, indent="", width=max(map(len, facts)), columns=columns))
    print("\nevery value of the recipe, and where it comes from:")
    print(block({n: f"{v['value'] or '-':<28} {v['origin']}" for n, v in values.items()}))


def print_end(options: argparse.Namespace, result: Result) -> None:
    """Print how a run ended: how good, how fast, where everything lies, what to type next."""
    if not options.world.is_first:
        return
    if options.json:
        print_json(dataclasses.asdict(result))
        return
    low, high = result.interval
    columns = sight_of(sys.stdout).columns
    data = RunDirectory(Path(result.run)).read("data")
    is_own = data.get("source") not in SOURCES
    told = (
        f"{100 * result.accuracy:.2f} % of {result.seen:,} test images right ({result.correct:,}; "
        f"95 % interval {100 * low:.2f} to {100 * high:.2f} %): last step, single view, {result.weights}."
    )
    print(f"\n{wrapped(told, columns)}")
    if is_own and result.majority_class:
        print(wrapped(_beside_majority(result), columns))
    if result.stopped_on_test:
        print("The run ended because of that accuracy (stop_at): it is selected on the test set.")
    print(block(_facts(result), columns=columns))
    print("\nWhat to type next:")
    print(block(_next_commands(result, data, is_own=is_own), columns=columns))


def _beside_majority(result: Result) -> str:
    """Return what an answer that is always the same would reach, and whether the network is above it."""
    low, _ = result.interval
    told = f"Always answering {in_a_line(result.majority_class)}: {100 * result.majority_accuracy:.2f} %"
    if result.accuracy <= result.majority_accuracy:
        return f"{told}, so that the network is of no use yet."
    if low <= result.majority_accuracy:
        return f"{told}, which lies within that interval: too few test images to tell the network from it."
    return f"{told}."


def _facts(result: Result) -> dict[str, str]:
    """Return what else is to be known of a run's end, by title."""
    page, profile = Path(result.run) / PAGE, Path(result.run) / TEXT
    lines = {}
    if result.plain_accuracy is not None:
        lines["plain weights"] = f"{100 * result.plain_accuracy:.2f} %"
    if result.best_val_accuracy is not None:
        lines |= _best(result)
    if result.wait_share is not None:
        lines["waiting for data"] = _waiting(result.wait_share)
    for number, problem in enumerate(result.bad_samples[:BROKEN_SHOWN], start=1):
        lines[f"left out {number}"] = problem
    if len(result.bad_samples) > BROKEN_SHOWN:
        more = len(result.bad_samples) - BROKEN_SHOWN
        lines["left out"] = f"{more} more broken images: {result.run}/events.jsonl"
    checkpoint = f"{result.run}/checkpoints/{checkpoint_name(result.step)}"
    group = "ema" if result.weights == "averaged weights" else "model"
    return lines | {
        "run": result.run,
        "weights": f"{checkpoint}/{group}.safetensors",
        **({"page": str(page)} if page.is_file() else {}),
        **({"profile": str(profile)} if profile.is_file() else {}),
        "numbers": f"{result.run}/metrics.jsonl",
        "time": f"{format_seconds(result.train_seconds)} of updates, "
        f"{result.images_per_second:,.0f} images/s",
    }


def _next_commands(result: Result, data: Mapping[str, Any], *, is_own: bool) -> dict[str, str]:
    """Return what can be typed next, by what it does: of own images with the path of one of them."""
    command, run = command_name(), as_word(_best_path(result))
    page = Path(result.run) / PAGE
    seen = f"{command} report {as_word(result.run)} -o report.html"
    looking = {opening(page) if page.is_file() else seen: "all of it on a page"}
    if is_own:
        image = _an_image(result, str(data.get("source", "")))
        return {
            f"{command} predict {run} {as_word(image)}": "what is in a picture of yours",
            **looking,
            f"{command} export {run} --to onnx": "for other programs",
        }
    return {
        **(looking if page.is_file() else {}),
        f"{command} show {as_word(result.run)}": "result, curve, differences",
        f"{command} eval {run}": "by class, confusions",
        f"{command} predict {run} IMAGE": "what is in a picture",
        f"{command} export {run} --to onnx": "for other programs",
        **(
            {f"{command} train resnet20 --data cifar10": "CIFAR-10 (163 MB)"}
            if data.get("name") == "digits"
            else {}
        ),
        f"{command} finetune --weights {run} --data FOLDER": "your own images",
    }


def _an_image(result: Result, source: str) -> str:
    """Return the path of a test image, preferably one that is taken for another class, else IMAGE."""
    answers = Path(result.run) / "eval" / f"{checkpoint_name(result.step)}-test" / ANSWERS
    try:
        found = read_answers(answers)
    except DataError:
        return "IMAGE"
    first = int(found.correct.argmin())
    path = Path(source) / str(found.place[first])
    try:
        shown = path.relative_to(Path.cwd())
    except ValueError:
        shown = path
    return str(shown) if path.is_file() or Path(source).suffix.lower() == ".zip" else "IMAGE"


def _best_path(result: Result) -> str:
    """Return the run, or the checkpoint that was better on the validation samples than the last one."""
    step = result.best_val_step or result.step
    return result.run if step == result.step else f"{result.run}/checkpoints/{checkpoint_name(step)}"


def _best(result: Result) -> dict[str, str]:
    """Return how good the weights are that were best on the validation samples, and where they lie."""
    step, accuracy = result.best_val_step or 0, result.best_val_accuracy or 0.0
    early = ", where training ended early" if result.stopped_early else ""
    texts = {"best on validation": f"{100 * accuracy:.2f} % after step {step:,} of {result.step:,}{early}"}
    if result.best_test_accuracy is not None and step != result.step:
        where = f"{result.run}/checkpoints/{checkpoint_name(step)}"
        texts["these on the test set"] = f"{100 * result.best_test_accuracy:.2f} %: {where}"
    return texts


def _waiting(share: float) -> str:
    hint = " (more --workers, or a smaller copy by `resnetlab data pack`)" if share > _SLOW else ""
    return f"{100 * share:.1f} % of the training time{hint}"
