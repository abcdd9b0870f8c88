"""What a folder holds before anything is made: each run and record there is a row's, or is refused."""

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from resnetlab.base.paths import as_word
from resnetlab.errors import ResnetlabError, UsageError
from resnetlab.reporting.reading import read_run, refuse
from resnetlab.reporting.records.collecting import RECORDS, Found, copy_key, sound_records_at
from resnetlab.reproducing.adopting import differences_from_run
from resnetlab.reproducing.planning import PlannedRun, Request
from resnetlab.runs.directory import is_run


def records_in(out: Path) -> tuple[list[Found], dict[Path, ResnetlabError]]:
    """Return the records in a folder, and by their files what is wrong with others."""
    return sound_records_at([out / RECORDS]) if (out / RECORDS).is_dir() else ([], {})


def records_of_siblings(request: Request, out: Path) -> list[Found]:
    """Return the sound records beside the folder of reproductions that share rows with this one."""
    names = [f"{name}-{request.budget.name}" for name in request.reproduction.siblings]
    return [found for name in names for found in records_in(out.parent / name)[0]]


def is_the_folders(path: Path, out: Path) -> bool:
    """Return whether a record lies where the folder's own are written."""
    return path.resolve().parent == (out / RECORDS).resolve()


def refuse_another_table(request: Request, out: Path, found: Iterable[Found]) -> None:
    """Refuse a folder of another reproduction or budget: records of one name would replace each other.

    Raises:
        UsageError: If it is one.
    """
    asked = (request.reproduction.name, request.budget.name)
    for record in (each.record for each in found):
        if record.reproduction and (record.reproduction, record.budget) != asked:
            raise UsageError(
                f"{out} holds runs of {record.reproduction}, budget {record.budget}, and"
                f" {asked[0]}, budget {asked[1]}, is asked for",
                hint=f"--out takes another folder; --records {as_word(out / RECORDS)} takes of its"
                " runs those that are the same.",
            )


def refuse_other_runs(runs: Mapping[str, PlannedRun], out: Path) -> None:
    """Refuse runs that lie where a row's run belongs, and are none of it: nobody would see it in the table.

    Raises:
        UsageError: With what differs.
        DataError: If one is damaged.
    """
    problems: list[ResnetlabError] = []
    for name, run in runs.items():
        if is_run(out / name) and (told := differences_from_run(run, read_run(out / name))):
            problems.append(
                UsageError(f"{out / name} is not the run of its name: {' '.join(told)}", hint=_AWAY)
            )
    refuse(problems)


def refuse_replacing(
    written: Collection[str],
    out: Path,
    found: Iterable[Found],
    damaged: Mapping[Path, ResnetlabError],
    refused: Mapping[str, Iterable[str]],
) -> None:
    """Refuse records that no run here would write anew, or that would be replaced by another run's.

    Args:
        written: Names of the runs whose records are written here.
        out: The folder.
        found: Its records.
        damaged: By their files what is wrong with others.
        refused: By their files what records have otherwise than the run of their name.

    Raises:
        UsageError: If a record of another run lies where a run's is written.
        DataError: If a damaged one stays: the table would be refused when all is made.
    """

    def is_written(path: Path) -> bool:
        return path.stem in written and is_the_folders(path, out)

    problems = [error for path, error in damaged.items() if not is_written(path)]
    for each in (each for each in found if is_written(each.path)):
        run = out / each.path.stem
        if is_run(run) and copy_key(read_run(run)) == each.record.key:
            continue
        told = " ".join(refused.get(str(each.path), ["The run there was begun at another time."]))
        problems.append(
            UsageError(f"{each.path} would be replaced: it is the record of another run. {told}", hint=_AWAY)
        )
    refuse(problems)


_AWAY = "Move it away to have the row's own made here, or take another folder by --out."
