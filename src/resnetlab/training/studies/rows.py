"""What a study is made of, planned and written down before its first run begins.

study/  study.json         every run: its name, spec, recipe and data, resolved
        lock               who is working on it
        resnet20-seed0/    an ordinary run directory, and so on
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from resnetlab.base import files
from resnetlab.base.paths import as_word, is_plain_name
from resnetlab.base.plaindata import to_plain
from resnetlab.base.units import first_of
from resnetlab.data.sources.encoded import AnySource
from resnetlab.errors import DataError, UsageError
from resnetlab.recipe.settings import override
from resnetlab.runs.directory import RunDirectory, claim_new, elsewhere, refuse_file, refuse_taken
from resnetlab.training.planning import RunPlan, differences_from_records, source_record
from resnetlab.training.run import default_out

_RECORD = "study"


@dataclass(frozen=True)
class RowRecord:
    """A run of a study, as study.json has it."""

    name: str
    spec: Mapping[str, Any]
    recipe: Mapping[str, Any]
    data: Mapping[str, Any]


def plan_rows(
    plans: Sequence[RunPlan], seeds: Iterable[int], labels: Sequence[str] = ()
) -> dict[str, RunPlan]:
    """Return each plan once for each seed, by the name of its run's directory, e.g. "resnet20-lr0.1-seed0".

    Args:
        plans: One for each network, or for each of its variants.
        seeds: Which.
        labels: Of each plan what tells it from others of the same network, e.g. "lr0.1", or "".

    Raises:
        UsageError: If two of them have the same name, or one's can be no folder's.
    """
    rows: dict[str, RunPlan] = {}
    seeds = list(seeds)
    for plan, label in zip(plans, labels or [""] * len(plans), strict=True):
        for seed in seeds:
            name = "-".join(filter(None, (plan.spec.name, label, f"seed{seed}")))
            if not is_plain_name(name):
                raise UsageError(f"{name!r} can be no folder's name", hint="Give the network another name.")
            if name in rows:
                raise UsageError(f"{plan.spec.name} with seed {seed} is in the study twice")
            rows[name] = replace(plan, recipe=override(plan.recipe, {"seed": seed}))
    return rows


def default_study_out(plans: Sequence[RunPlan]) -> Path:
    """Return a name that is not taken: as a single run's, of the first and the last network."""
    names = dict.fromkeys((plans[0].spec.name, plans[-1].spec.name))
    spec = replace(plans[0].spec, name="-to-".join(names))
    return default_out(replace(plans[0], spec=spec))


def is_study(path: Path) -> bool:
    """Whether there is a study at `path`."""
    return (path / f"{_RECORD}.json").exists()


def claim_study(path: Path, rows: Mapping[str, RunPlan]) -> files.DirectoryLock:
    """Write down a new study at `path` and return its lock.

    Raises:
        UsageError: If `path` holds anything already.
        LockedError: If another process is using it.
    """
    lock = claim_new(path, _refuse_used)
    try:
        write_rows(RunDirectory(path, lock), _records_of(rows))
    except BaseException:
        lock.release()
        raise
    return lock


def refuse_no_study(path: Path) -> None:
    """Refuse a directory in which no new study can be made; changes nothing.

    Raises:
        UsageError, LockedError: As `claim_study`.
        WriteError: If it cannot be made.
    """
    refuse_taken(path, _refuse_used)


def write_rows(study: RunDirectory, records: Iterable[RowRecord]) -> None:
    """Write down of which runs a study consists, whose lock the caller holds."""
    study.write(_RECORD, {"runs": [vars(record) for record in records]})


def _records_of(rows: Mapping[str, RunPlan]) -> list[RowRecord]:
    return [
        RowRecord(name, plan.spec.to_json(), to_plain(plan.recipe), source_record(plan))
        for name, plan in rows.items()
    ]


def grown(records: Sequence[RowRecord], rows: Mapping[str, RunPlan]) -> list[RowRecord]:
    """Return the runs of a study with those that it has not yet."""
    known = {record.name for record in records}
    return [*records, *_records_of({name: plan for name, plan in rows.items() if name not in known})]


def _refuse_used(path: Path) -> None:
    refuse_file(path)
    if is_study(path):
        command = f"resnetlab resume {as_word(path)}"
        raise UsageError(
            f"{path} already holds a study",
            hint=f"`{command}` goes on with it; {elsewhere(path)}",
        )
    if path.is_dir() and any(each.name != "lock" and each.name[0] != "." for each in path.iterdir()):
        raise UsageError(f"{path} is not empty", hint="Choose another directory with --out.")


def read_rows_of(path: Path) -> list[RowRecord]:
    """Return the runs of the study at `path`.

    Raises:
        DataError: If its record is missing or damaged.
    """
    content = RunDirectory(path).read(_RECORD)
    try:
        rows = [RowRecord(**row) for row in content["runs"]]
    except (KeyError, TypeError) as error:
        raise DataError(f"{path / _RECORD}.json is damaged: {error}") from error
    names = [row.name for row in rows]
    if strange := [name for name in names if not is_plain_name(name)]:
        told = first_of([*map(repr, strange)])
        raise DataError(
            f"{path / _RECORD}.json names runs that would not lie in the study: {told}",
            hint="A run's name is that of a folder in the study, as train wrote it.",
        )
    if len(set(names)) < len(names):
        raise DataError(f"{path / _RECORD}.json has a run twice")
    return rows


def refuse_other_rows(
    path: Path, records: Iterable[RowRecord], rows: Mapping[str, RunPlan], *, grows: bool = False
) -> None:
    """Refuse a study that is not of the planned runs.

    Args:
        path: Its directory.
        records: The runs that it has.
        rows: The planned ones.
        grows: Whether it may have others beside them, and lack some.

    Raises:
        UsageError: If it is another one, with every difference.
    """
    recorded = {record.name: record for record in records}
    told: dict[str, list[str]] = {}  # rows mostly differ alike
    for name in rows.keys() & recorded.keys():
        record = recorded[name]
        for text in differences_from_records(
            rows[name], record.spec, record.recipe, record.data, "the study"
        ):
            told.setdefault(text, []).append(name)
    lines = [f"{first_of(sorted(names))}: {text}" for text, names in told.items()]
    for title, names in (
        ("asked for, and not in it", rows.keys() - recorded.keys()),
        ("in it, and not asked for", recorded.keys() - rows.keys()),
    ):
        lines += [f"{title}: {first_of(sorted(names))}"] if names and not grows else []
    if lines:
        raise UsageError(
            f"{path} holds another study than is asked for.\n" + "\n".join(lines),
            hint=f"`resnetlab resume {as_word(path)}` goes on with that one; --out takes another directory.",
        )


class Sources:
    """Opens each of the sources that a study's runs name once."""

    def __init__(self, reopen: Callable[[Mapping[str, Any]], AnySource]) -> None:
        self._reopen = reopen
        self._open: dict[str, AnySource] = {}

    def of(self, data: Mapping[str, Any]) -> AnySource:
        """Return the source of this record of a run's data."""
        key = f"{data['source']}, {data['fingerprint']}"
        if key not in self._open:
            self._open[key] = self._reopen(data)
        return self._open[key]
