"""Records from files and folders, and runs and records together as one set of runs."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from resnetlab.base.paths import user_path
from resnetlab.errors import DataError, ResnetlabError, UsageError
from resnetlab.reporting.reading import STUDY, US, RecordedRun, find_runs, read_runs, refuse
from resnetlab.reporting.records.as_run import maker_of, run_of
from resnetlab.reporting.records.making import date_of
from resnetlab.reporting.records.record import Record, read_record, run_key
from resnetlab.reporting.values import is_number

SUFFIX = ".json"
RECORDS = "records"
"""In the folder of a study: where the records of its runs lie."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """A record, and where it lies."""

    record: Record
    path: Path

    @property
    def made_by(self) -> str:
        """Who made its run: us, or a reader."""
        return maker_of(self.path)


def read_records_at(paths: Iterable[str | Path]) -> list[Found]:
    """Return the records in these files, and in folders and below them, by path.

    Raises:
        UsageError: If there is no such file or folder.
        DataError: If one is damaged, or no record; all problems are named at once.
    """
    found, problems = sound_records_at(paths)
    refuse([*problems.values()])
    return found


def sound_records_at(paths: Iterable[str | Path]) -> tuple[list[Found], dict[Path, ResnetlabError]]:
    """Return the same, and by file or place what is wrong with all others there."""
    found: dict[Path, Found] = {}
    problems: dict[Path, ResnetlabError] = {}
    for place in map(user_path, paths):
        if not place.exists():
            problems[place] = UsageError(f"no records at {place}: there is no such file or folder")
        found_here = _records_below(place) if place.is_dir() else [place] * place.exists()
        if not found_here and (place / STUDY).is_file():
            problems[place] = UsageError(
                f"no records at {place}: a study without a folder {RECORDS}",
                hint="`resnetlab report STUDY --record-to DIR` writes those of its finished runs.",
            )
        for path in found_here:
            try:
                found[path.resolve()] = Found(record=read_record(path), path=path)
            except ResnetlabError as error:
                problems[path] = error
    return [*found.values()], problems


def _records_below(folder: Path) -> list[Path]:
    """Return what may be a record in a folder and below it, by path: where nothing is hidden by a dot.

    Of a study that is what lies in its `records` alone.
    """
    return [
        path
        for path in sorted(folder.rglob(f"*{SUFFIX}"))
        if not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and not _is_of_a_study(path, folder)
    ]


def _is_of_a_study(path: Path, below: Path) -> bool:
    """Return whether a file below a folder is of a study there, and none of its records."""
    folders = [below / parent for parent in path.relative_to(below).parents]
    study = next((each for each in folders if (each / STUDY).is_file()), None)
    return study is not None and path.relative_to(study).parts[0] != RECORDS


def read_runs_and_records(paths: Sequence[str | Path]) -> list[RecordedRun]:
    """Return the runs at these paths and below them, be they directories or records; each run once.

    A folder that holds runs is searched for runs alone: what records lie there are of these.

    Raises:
        UsageError: If there is neither at one of them.
        DataError: If one is damaged, or what lies in a folder of records is none; all problems are named at
            once.
    """
    of_records = [path for path in map(user_path, paths) if _holds_records(path)]
    of_runs = [path for path in map(user_path, paths) if path not in of_records]
    runs: list[RecordedRun] = []
    found: list[Found] = []
    problems: list[ResnetlabError] = []
    try:
        runs = read_runs(of_runs) if of_runs or not of_records else []
    except ResnetlabError as error:
        problems.append(error)
    try:
        found = read_records_at(of_records)
    except ResnetlabError as error:
        problems.append(error)
    refuse(problems)
    return _each_once(runs, found) if found else runs


def _holds_records(path: Path) -> bool:
    if not path.is_dir():
        return path.is_file() and path.suffix == SUFFIX
    return not find_runs([path])[0] and bool(_records_below(path))


def _each_once(runs: Sequence[RecordedRun], found: Sequence[Found]) -> list[RecordedRun]:
    """Return the runs, and those records that are of none of them; of copies one, with the others' places.

    Raises:
        DataError: If two copies tell of another end.
    """
    shown = [*runs]
    known = {copy_key(run): index for index, run in enumerate(runs) if run.is_finished and _begun(run)}
    problems: list[ResnetlabError] = []
    for each in sorted((run_of(one.record, one.path) for one in found), key=lambda run: run.made_by != US):
        index = known.setdefault(copy_key(each), len(shown))
        if index == len(shown):
            shown.append(each)
            continue
        first = shown[index]
        ends = [(run.step, run.result["correct"], run.result["seen"]) for run in (first, each)]
        if ends[0] != ends[1]:
            problems.append(
                DataError(
                    f"{first.path} and {each.path} are the same run, and tell of "
                    + " and ".join(f"{right:,} of {seen:,} right" for _, right, seen in ends),
                    hint="One of them was changed; move it away.",
                )
            )
        shown[index] = replace(first, also_at=(*first.also_at, each.path))
    refuse(problems)
    return shown


def copy_key(run: RecordedRun) -> str:
    """Return what two copies of one run share, as `Record.key`."""
    return run_key(run.spec, run.recipe, str(run.data["fingerprint"]), _begun(run))


def _begun(run: RecordedRun) -> str:
    """Return when a run was begun; "" if it does not tell."""
    time = run.events[0].get("time") if run.events else None
    return date_of(time) if is_number(time) else ""
