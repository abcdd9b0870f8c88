"""`resnetlab train` of several networks or seeds, and `resnetlab resume` of such a study."""

import argparse
import contextlib
import dataclasses
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from resnetlab.base.paths import as_word, user_path
from resnetlab.cli.output import block, command_name, print_json, progress_stream
from resnetlab.data.sources.choices import Choices
from resnetlab.errors import Interrupted, ResnetlabError
from resnetlab.parallel.world import World
from resnetlab.reporting import report
from resnetlab.tracking.following import FollowedStudy, read_asked
from resnetlab.training.asking import Look
from resnetlab.training.budget.estimating import estimate
from resnetlab.training.facts import describe_plan
from resnetlab.training.planning import RunPlan
from resnetlab.training.run import Result
from resnetlab.training.studies import (
    choose_at_once,
    default_study_out,
    is_study,
    is_study_begun_at,
    plan_rows,
    resume_study,
    train_or_resume_study,
    train_study,
)
from resnetlab.watching.a_study import PlainStudyWatcher, watching_study
from resnetlab.watching.sight import sight_of


def train_several(
    options: argparse.Namespace,
    planned: Callable[[Look], list[RunPlan]],
    seeds: int | Sequence[int],
    labels: Sequence[str],
) -> None:
    """Train every network with every seed, or with --dry-run say how.

    Args:
        options: The flags.
        planned: Gives each network's plan, shown before anything is measured to whom it is given.
        seeds: How many, or which.
        labels: Of each plan what tells it from others of the same network, or "".
    """
    world: World = options.world
    asked = world.together(lambda: read_asked(options.track))
    places: list[Path] = []

    def rows_of(plans: Sequence[RunPlan]) -> dict[str, RunPlan]:
        first = plans[0].recipe.run.seed
        chosen = range(first, first + seeds) if isinstance(seeds, int) else seeds
        return plan_rows(plans, chosen, labels)

    def look(plans: Sequence[RunPlan]) -> bool:
        rows = rows_of(plans)
        places.append(
            user_path(options.out) if options.out else world.from_first(lambda: default_study_out(plans))
        )
        return is_study_begun_at(
            places[0],
            rows,
            world,
            at_once=options.at_once,
            resume_if_begun=options.resume_if_begun,
            by_minutes=options.minutes is not None,
        )

    plans = planned(look)
    rows, (out,) = rows_of(plans), places
    if options.dry_run:
        _print_plans(options, plans, rows, out)
        return
    with watching_study(progress_stream(options)) as watcher:
        for facts in _facts(plans, world.size):
            watcher.note(block(facts, indent="", columns=watcher.columns) + "\n")
        with _telling_the_finished(options, out, watcher):
            make = train_or_resume_study if options.resume_if_begun else train_study
            followed = FollowedStudy(watcher, asked)
            results = make(rows, out, followed, at_once=options.at_once, world=world)
        _tell_nothing_left(out, watcher)
    _print_end(options, out, results, watcher.elsewhere)


def resume_several(options: argparse.Namespace) -> None:
    """Make what is left of a study."""
    out = user_path(options.run)
    stream = progress_stream(options)
    asked = options.world.together(lambda: read_asked(options.track))
    with watching_study(stream) as watcher, _telling_the_finished(options, out, watcher):
        results = resume_study(
            out,
            FollowedStudy(watcher, asked),
            data=options.data,
            device=options.device,
            workers=options.workers,
            at_once=options.at_once,
            choices=Choices.parse(options.data_set),
            world=options.world,
        )
        _tell_nothing_left(out, watcher)
    _print_end(options, out, results, watcher.elsewhere)


def _tell_nothing_left(out: Path, watcher: PlainStudyWatcher) -> None:
    if not watcher.has_begun:
        watcher.note(f"All runs of {out} are finished; there is nothing to resume.")


@contextlib.contextmanager
def _telling_the_finished(
    options: argparse.Namespace, out: Path, watcher: PlainStudyWatcher
) -> Iterator[None]:
    """Print the table of the runs that did end, if others failed."""
    try:
        yield
    except Interrupted:
        raise
    except ResnetlabError:
        is_shown = options.world.is_first and watcher.has_begun and not options.json
        if is_shown and any(out.glob("*/RESULT.json")):
            with contextlib.suppress(ResnetlabError):  # the first error counts
                print(f"\n{report(out).text(sight_of(sys.stdout).columns)}\n")
        raise


def _facts(plans: Sequence[RunPlan], devices: int) -> list[dict[str, str]]:
    """Return the start block of all networks, and of each what is other than with the others."""
    each = [describe_plan(plan, devices) for plan in plans]
    same = {title: text for title, text in each[0].items() if all(f.get(title) == text for f in each)}
    own = [{title: text for title, text in facts.items() if title not in same} for facts in each]
    return [same, *filter(None, own)]


def _print_plans(
    options: argparse.Namespace, plans: list[RunPlan], rows: Mapping[str, RunPlan], out: Path
) -> None:
    made = "begun" if options.resume_if_begun and is_study(out) else "not made"
    devices = options.num_devices
    at_once = min(len(rows), choose_at_once(rows.values(), options.at_once, devices))
    each = [describe_plan(plan, devices) | estimate(plan, devices) for plan in plans]
    if options.json:
        print_json({"study": f"{out} ({made})", "runs": list(rows), "at_once": at_once, "models": each})
        return
    for facts in each:
        print(block(facts, indent=""), end="\n\n")
    print(
        f"{len(rows)} runs in {out} ({made}), {at_once} at a time: {', '.join(rows)}. "
        "Time and memory above are of one run each."
    )


def _print_end(
    options: argparse.Namespace, out: Path, results: Mapping[str, Result], elsewhere: Mapping[str, str]
) -> None:
    """Print the table of the study, and what to type next."""
    if not options.world.is_first:
        return
    if options.json:
        runs = {name: dataclasses.asdict(result) for name, result in results.items()}
        print_json({"study": str(out), "runs": runs, "made_elsewhere": dict(elsewhere)})
        return
    if not results:
        return
    print(f"\n{report(out).text(sight_of(sys.stdout).columns)}")
    command, place = command_name(), as_word(out)
    print("\nWhat to type next:")
    print(
        block(
            {
                f"{command} report {place} -o report.html": "curves, seeds, what is more than chance",
                f"{command} eval {place}/{next(iter(results))}": "per class, confusion matrix of one run",
            },
            columns=sight_of(sys.stdout).columns,
        )
    )
