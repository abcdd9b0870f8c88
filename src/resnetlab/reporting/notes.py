"""What must be said of a report's numbers, beside the table."""

from collections.abc import Iterator, Mapping, Sequence

from resnetlab.reporting.groups import Group
from resnetlab.reporting.reading import RecordedRun


def notes(groups: Sequence[Group], marks: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield what stands under the table, each a title and a text.

    `marks` are the recipes for which a mark stands in the table.
    """
    finished = [run for group in groups for run in group.finished]
    if finished:
        selected = any(run.result.get("stopped_on_test") for run in finished)
        what = "last step, single view" + ", no selection on the test set" * (not selected)
        has_std = any(group.std is not None for group in groups)
        yield ("", f"Test error: {what}{'; mean ± sample standard deviation over n seeds' * has_std}.")
    for mark, text in marks.items():
        yield (f"{mark} ", text)
    for source, numbers in _published(groups).items():
        yield ("published: ", f"{source}: {'; '.join(numbers)}")
    for group in groups:
        for text in caveats(group):
            yield ("note: ", f"{_name(group, groups)}: {text}")
        for run in group.unfinished:
            yield ("unfinished: ", f"{run.path}, {run.progress}{_ending(run)}")


def _published(groups: Sequence[Group]) -> dict[str, list[str]]:
    """Return the published numbers by their source, each with the network that it is of."""
    found: dict[str, dict[str, None]] = {}
    for group in groups:
        if group.published:
            numbers = found.setdefault(group.published.source, {})
            numbers[f"{group.network} {group.published.text}"] = None
    return {source: [*numbers] for source, numbers in found.items()}


def _name(group: Group, groups: Sequence[Group]) -> str:
    """Return the shortest text that means this row of the table."""
    parts = (group.network, ", ".join((group.recipe, *group.deviations)), group.data)
    alike = [other for other in groups if other.network == group.network]
    return parts[0] if len(alike) == 1 else ", ".join(parts)


def caveats(group: Group) -> Iterator[str]:
    """Yield what a reader of the row's numbers must know."""
    runs, number = group.finished, len(group.finished)
    of = f" of {number} runs" if number > 1 else ""

    def count(those: Sequence[RecordedRun]) -> str:
        return f"{len(those)}{of}" if of else "the run"

    if those := [run for run in runs if run.result.get("stopped_on_test")]:
        share = group.runs[0].recipe.run.stop_at
        yield f"{count(those)} ended when the test accuracy reached {share:g}: a selection on the test set"
    if those := [run for run in runs if run.result.get("stopped_early")]:
        yield f"{count(those)} ended as the validation accuracy rose no more"
    if those := [run for run in runs if run.result.get("weights") == "averaged weights"]:
        plain = [
            100 * (1 - run.result["plain_accuracy"]) for run in those if run.result.get("plain_accuracy")
        ]
        yield f"the errors are those of averaged weights{_beside(plain, 'the plain ones have')}"
    best = [run.result.get("best_test_accuracy") for run in runs]
    if found := [100 * (1 - accuracy) for accuracy in best if accuracy is not None]:
        yield f"of the last step; the weights best on the validation images have {_mean(found)} % test error"
    if those := [run for run in runs if run.result.get("bad_samples")]:
        yield f"{count(those)} left broken images out"
    if len(sizes := sorted({run.result["seen"] for run in runs})) > 1:
        yield f"tested on {' and '.join(f'{size:,}' for size in sizes)} images"
    if len(group.machines) > 1:
        yield f"made on {' and '.join(group.machines)}: no time of training stands for all"
    seeds = [run.seed for run in runs]
    if doubled := sorted({seed for seed in seeds if seeds.count(seed) > 1}):
        paths = ", ".join(str(run.path) for run in runs if run.seed in doubled)
        numbers = ", ".join(map(str, doubled))
        yield f"seed {numbers} more than once, counted as one each by the mean of its runs: {paths}"


def _beside(errors: Sequence[float], words: str) -> str:
    return f"; {words} {_mean(errors)} %" if errors else ""


def _mean(errors: Sequence[float]) -> str:
    return f"{sum(errors) / len(errors):.2f}"


def _ending(run: RecordedRun) -> str:
    """Return why the run is not at its end, if its directory says so."""
    last = run.events[-1] if run.events else {}
    if last.get("event") == "stopped":
        return f": {str(last.get('error')).splitlines()[0]}"
    return f", interrupted by {last.get('signal')}" if last.get("event") == "interrupted" else ""
