"""Which of the runs that are planned were made already, elsewhere, by the records of these."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from resnetlab.base.plaindata import to_plain
from resnetlab.reporting.reading import RecordedRun
from resnetlab.reporting.records.collecting import Found
from resnetlab.reporting.records.record import Record
from resnetlab.reproducing.planning import PlannedRun
from resnetlab.training.planning import differences_from_records


def nothing_missing(found: Found) -> str:
    """Take a record of the same run as it is."""
    return ""


def adopted(
    runs: Mapping[str, PlannedRun],
    records: Sequence[Found],
    missing: Callable[[Found], str],
) -> tuple[dict[str, Found], dict[str, list[str]]]:
    """Return which of the planned runs were made already, and why records that are named like one are not it.

    A record is a run's if network, recipe, data and seed are the same, and it began with the seed's weights,
    whatever table it was made for. On which machine, and by which kernels, does not matter.

    Args:
        runs: By their names.
        records: Of runs that were made.
        missing: Returns what a record of the same run lacks, "" for nothing.

    Returns:
        The records by the runs' names, and by the files of others what differs, or is missing.
    """
    taken: dict[str, Found] = {}
    refused: dict[str, list[str]] = {}
    for name, run in runs.items():
        for found in records:
            record = found.record
            if record.seed != run.seed or record.network.get("name") != run.plan.spec.name:
                continue
            told = _differences(run, record) or [each for each in [missing(found)] if each]
            if not told:
                taken.setdefault(name, found)
            elif record.name == name:
                refused[str(found.path)] = told
    return taken, refused


def _differences(run: PlannedRun, record: Record) -> list[str]:
    source = run.plan.source
    is_same = bool(record.data.content) and record.data.content == run.content
    data = {
        "fingerprint": source.fingerprint if is_same else record.data.fingerprint,
        "name": record.data.name,
        "class_names": list(source.class_names),
    }
    told = differences_from_records(run.plan, record.network, record.recipe, data, "the record")
    return [*told, *_beginning(record.first_weights, [before.length for before in record.continued])]


def differences_from_run(run: PlannedRun, there: RecordedRun) -> list[str]:
    """Return in words what the run in a directory has otherwise than a planned one."""
    recipe = to_plain(there.recipe)
    told = differences_from_records(run.plan, there.spec.to_json(), recipe, there.data, "the run there")
    return [*told, *_beginning(there.first_weights, [str(length) for _, length in there.before])]


def _beginning(first_weights: str, lengths: Sequence[str]) -> Iterator[str]:
    """Yield what a run began with that no row's does."""
    if first_weights:
        yield f"It began with trained weights, {first_weights[:12]}."
    if lengths:
        yield f"It went on from a finished run of {', '.join(lengths)}."
