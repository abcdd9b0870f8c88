"""The whole of it: what is planned and what it takes, the runs, a record of each, table and figure.

out/  study.json lock           the runs that were ever asked for in this folder
      plain20-seed0/            an ordinary run directory for each row and seed
      records/plain20-seed0.json  its record, written when it ends
      responses/plain20-seed0.json  its layer responses, where the figure is of these
      result/NAME-BUDGET.md .html .svg  table and figure, made of the records
"""

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from resnetlab.base import files
from resnetlab.base.units import first_of, format_count, format_seconds
from resnetlab.errors import DataError, Interrupted, ResnetlabError, UsageError
from resnetlab.recipe.settings import override
from resnetlab.reporting.reading import read_run
from resnetlab.reporting.records.collecting import RECORDS, Found, read_records_at
from resnetlab.reporting.records.making import record_of, write_record_to
from resnetlab.reporting.records.record import Record, read_record
from resnetlab.reproducing.adopting import adopted, nothing_missing
from resnetlab.reproducing.cost import RunCost, costs_here
from resnetlab.reproducing.folder import (
    is_the_folders,
    records_in,
    records_of_siblings,
    refuse_another_table,
    refuse_other_runs,
    refuse_replacing,
)
from resnetlab.reproducing.measuring import responses_of, what_is_missing
from resnetlab.reproducing.planning import PlannedRun, Request
from resnetlab.reproducing.results.figure import draw_figure, has_figure
from resnetlab.reproducing.results.outcomes import adopted_as, outcomes_of
from resnetlab.reproducing.results.page import render
from resnetlab.reproducing.results.responses import RESPONSES, read_responses
from resnetlab.reproducing.results.tables import ResultTable
from resnetlab.runs.directory import RunDirectory, is_run
from resnetlab.training.choosing.choosing import Tell, silent
from resnetlab.training.observer import Observer
from resnetlab.training.run import Result
from resnetlab.training.studies import (
    StudyObserver,
    is_study,
    is_study_begun_at,
    train_or_resume_study,
)
from resnetlab.training.studies.rows import RowRecord, read_rows_of
from resnetlab.training.studies.sharing import begin_study, study_lock

RESULT = "result"


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A reproduction before anything begins: its runs, what there is of them, what the rest takes."""

    request: Request
    out: Path
    runs: Mapping[str, PlannedRun]
    """By the names of their directories."""
    taken: Mapping[str, Found] = field(default_factory=dict)
    """Records of those that were made elsewhere, or whose directories are gone; they are not made again."""
    at_once: int = 0
    """Runs at once; 0 takes one on a CPU, and on a GPU several of small networks."""
    refused: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """By the files of records that are named like a run and are another, what differs."""
    costs: Mapping[str, RunCost] = field(default_factory=dict)
    """Of those that are not finished."""

    @property
    def seconds(self) -> float:
        """What is left of all takes so long here, one run after another."""
        return sum(cost.seconds for cost in self.costs.values())

    @property
    def elsewhere(self) -> dict[str, Found]:
        """Those of `taken` whose records do not lie in the folder as the rows' own."""
        return {name: found for name, found in self.taken.items() if not self._is_own(name, found)}

    def _is_own(self, name: str, found: Found) -> bool:
        return is_the_folders(found.path, self.out) and found.record == self.as_row(name, found.record)

    def as_row(self, name: str, record: Record) -> Record:
        """Return a run's record, for whatever table it was made, as one of this."""
        request = self.request
        return adopted_as(record, request.reproduction.name, self.runs[name].row.name, request.budget.name)

    def cells(self) -> tuple[list[str], list[list[str]]]:
        """Return header and rows of what is to be made."""
        header = ["run", "network", "parameters", "steps", "epochs", "images", "time here", "state"]
        return header, [self._row(name, run) for name, run in self.runs.items()]

    def _row(self, name: str, run: PlannedRun) -> list[str]:
        timeline, cost = run.plan.timeline, self.costs.get(name)
        images = timeline.samples_seen(timeline.num_steps)
        return [
            name,
            run.plan.spec.name,
            f"{run.plan.spec.num_parameters:,}",
            f"{timeline.num_steps:,}",
            f"{images / timeline.num_samples:.2f}",
            format_count(images),
            "" if cost is None else ("" if cost.is_measured else "~") + format_seconds(cost.seconds),
            self._state(name, cost),
        ]

    def _state(self, name: str, cost: RunCost | None) -> str:
        if name in self.elsewhere:
            return f"made elsewhere: {self.taken[name].path}"
        if name in self.taken:
            return "finished, its record alone is left"
        if cost is None:
            return "finished"
        return f"step {cost.step:,}" if cost.step else ""


def prepare(
    request: Request,
    out: Path | None = None,
    *,
    records: Iterable[str | Path] = (),
    at_once: int = 0,
    tell: Tell = silent,
) -> Prepared:
    """Return the runs of what is asked for, those of them that were made, and what the others take here.

    Args:
        request: What is asked for.
        out: The folder; None is runs/NAME-BUDGET.
        records: Files and folders of records of runs that were made elsewhere.
        at_once: Runs at once; see `Prepared`.
        tell: Is told what takes some seconds.

    Raises:
        UsageError: If what is asked for cannot be, or the folder is of another reproduction or budget, or has
            runs or records in the rows' places that are none of theirs.
        DataError: If data or records are missing or damaged, or the data is not what was published.
    """
    out = out or Path("runs") / request.name
    own, damaged = records_in(out)
    refuse_another_table(request, out, own)
    alone = [each for each in own if not is_run(out / each.record.name)]
    found = [*read_records_at(records), *alone, *records_of_siblings(request, out)]
    known: dict[str, RowRecord] = {}

    def look(runs: Mapping[str, PlannedRun]) -> bool:
        plans = {name: run.plan for name, run in runs.items()}
        if not is_study_begun_at(out, plans, at_once=at_once, resume_if_begun=True, grows=True):
            return False
        known.update({record.name: record for record in read_rows_of(out)})
        return runs.keys() <= known.keys()

    runs = {name: _as_known(run, known.get(name)) for name, run in request.plans(tell, look).items()}
    _refuse_another_format(out, runs, known)
    refuse_other_runs(runs, out)
    finished = [name for name in runs if RunDirectory(out / name).is_finished]
    left = {name: run for name, run in runs.items() if name not in finished}
    taken, refused = adopted(left, found, what_is_missing if request.measures_responses else nothing_missing)
    refuse_replacing([name for name in runs if name not in taken], out, own, damaged, refused)
    costs = costs_here({name: run for name, run in left.items() if name not in taken}, out, tell)
    return Prepared(
        request=request, out=out, runs=runs, taken=taken, at_once=at_once, refused=refused, costs=costs
    )


def _as_known(run: PlannedRun, record: RowRecord | None) -> PlannedRun:
    """Return a run with the kernels and the number format that are written down of it, if it is."""
    if record is None:
        return run
    theirs = record.recipe["execution"]
    kept = {name: theirs[name] for name in ("compile", "capture", "precision")}
    return replace(run, plan=replace(run.plan, recipe=override(run.plan.recipe, kept)))


def _refuse_another_format(out: Path, runs: Mapping[str, PlannedRun], known: Mapping[str, RowRecord]) -> None:
    """Refuse new runs for which this machine chose another number format than the folder's runs have."""
    theirs = {str(record.recipe["execution"]["precision"]) for record in known.values()}
    chosen = {
        run.plan.recipe.execution.precision
        for name, run in runs.items()
        if name not in known and "precision" in run.plan.left_open
    }
    if theirs and chosen - theirs:
        raise UsageError(
            f"this machine takes {first_of(sorted(chosen))}, and the runs in {out} have"
            f" {first_of(sorted(theirs))}: what is compared must differ in nothing else",
            hint=f"--set precision={sorted(theirs)[0]} makes these runs as those.",
        )


def make(prepared: Prepared, observer: StudyObserver | None = None) -> tuple[ResultTable, list[Path]]:
    """Make what is left of the runs, and write table and figure of all that have ended.

    Several processes, on one machine or on several that share the folder, may do so at the same time: each
    run is made once, by whoever takes it first. Where runs fail or a signal comes, table and figure are
    written of those that have ended.

    Args:
        prepared: What `prepare` returns.
        observer: Who watches.

    Returns:
        The table, and the files that were written.

    Raises:
        Interrupted: If a signal came: all is saved, and the same call goes on.
        ResnetlabError: If runs failed, when the others have ended.
    """
    plans = {name: run.plan for name, run in prepared.runs.items() if name not in prepared.taken}
    recorder = _Recorder(observer or StudyObserver(), prepared)
    try:
        if plans:
            train_or_resume_study(plans, prepared.out, recorder, at_once=prepared.at_once, grows=True)
        else:
            begin_study(prepared.out, {})  # of no run yet: seeds and rows may come to it
        for name, found in prepared.taken.items():
            write_responses(prepared, name, found)
    except ResnetlabError as error:
        if isinstance(error, Interrupted):
            error.hint = "The same command goes on."
        if is_study(prepared.out):
            with contextlib.suppress(ResnetlabError):  # the first error counts
                write_result(prepared)
        raise
    return write_result(prepared)


class _Recorder(StudyObserver):
    """Writes the record of each run that ends, and passes on what it is told."""

    def __init__(self, observer: StudyObserver, prepared: Prepared) -> None:
        self._observer, self._prepared = observer, prepared

    def begin(self, lengths: Mapping[str, int], *, at_once: int) -> None:
        self._observer.begin(lengths, at_once=at_once)

    def of(self, name: str) -> Observer:
        return self._observer.of(name)

    def ended(self, name: str, result: Result) -> None:
        path = write_record(self._prepared, name)
        write_responses(self._prepared, name, Found(record=read_record(path), path=path))
        self._observer.ended(name, result)

    def failed(self, name: str, error: ResnetlabError) -> None:
        self._observer.failed(name, error)

    def made_elsewhere(self, names: Mapping[str, str]) -> None:
        self._observer.made_elsewhere(names)


def write_record(prepared: Prepared, name: str) -> Path:
    """Write the record of a finished run, whole or not at all; the same one stays, a damaged one does not.

    Raises:
        UsageError: If the record of another run lies there.
        DataError: If the run's directory is damaged.
        WriteError: If the file could not be written.
    """
    run, request = prepared.runs[name], prepared.request
    source, made = run.plan.source, read_run(prepared.out / name)
    record = record_of(
        made,
        reproduction=request.reproduction.name,
        row=run.row.name,
        budget=request.budget.name,
        train_images=len(source.train.labels),
        content=run.content if source.has_fingerprint(made.data["fingerprint"]) else "",
    )
    path = prepared.out / RECORDS / f"{name}.json"
    files.make_directory(path.parent)
    with contextlib.suppress(DataError):  # there is none, or it is damaged
        if read_record(path).key != record.key:
            raise UsageError(
                f"{path} is the record of another run than {prepared.out / name}",
                hint="Move one of them away.",
            )
    write_record_to(path, record)
    return path


def write_responses(prepared: Prepared, name: str, found: Found) -> None:
    """Write the layer responses of a run into the folder, if they are what is reproduced and are not there.

    Args:
        prepared: Which runs.
        name: Of one of them.
        found: Its record, here or elsewhere.

    Raises:
        CheckpointError: If they were not measured, and the run's checkpoint cannot be used.
        DataError: If its directory is not whole.
        WriteError: If the file could not be written.
    """
    path, request = _responses_path(prepared, name), prepared.request
    if not request.measures_responses or read_responses(path, found.record):
        return
    responses = responses_of(found, prepared.runs[name].plan.source, device=request.device)
    files.make_directory(path.parent)
    files.write_file(path, responses.content())


def _responses_path(prepared: Prepared, name: str) -> Path:
    return prepared.out / RESPONSES / f"{name}.json"


def result_of(prepared: Prepared) -> ResultTable:
    """Return the table of all records in the folder, and of those that were made elsewhere.

    Raises:
        UsageError: If one is of another reproduction or budget.
        DataError: If a record is damaged.
    """
    request, place = prepared.request, prepared.out / RECORDS
    here = read_records_at([place]) if place.is_dir() else []
    refuse_another_table(request, prepared.out, here)
    others = {
        name: replace(found, record=prepared.as_row(name, found.record))
        for name, found in prepared.elsewhere.items()
    }
    adopted_files = {found.path.resolve() for found in others.values()}
    own = [each for each in here if each.path.resolve() not in adopted_files]
    records = [each.record for each in (*own, *others.values())]
    responses = [read_responses(_responses_path(prepared, each.name), each) for each in records]
    return ResultTable(
        reproduction=request.reproduction,
        budget=request.budget,
        outcomes=outcomes_of(request.reproduction, request.budget, [*own, *others.values()]),
        origins={run: str(prepared.taken[run].path) for run in others},
        responses={each.run: each for each in responses if each} if request.measures_responses else {},
    )


def write_result(prepared: Prepared) -> tuple[ResultTable, list[Path]]:
    """Write the table and, if any run has ended, the figure; return the table and the files.

    They are of all runs that have ended when they are written: of processes that end at the same time none
    writes what it made before the other's record came over what the other wrote. Drawing takes longer than
    the study's lock may be held; so the table is compared under the lock, and drawn anew if need be.

    Raises:
        UsageError, DataError: As `result_of`.
        WriteError: If a file could not be written.
        LockedError: If another process holds the study's lock for longer than that takes.
    """
    while True:
        table = result_of(prepared)
        contents = _contents(table)
        with study_lock(prepared.out):
            if result_of(prepared) == table:
                return table, [_write(prepared.out / RESULT, *each) for each in contents.items()]


def _write(folder: Path, name: str, content: str | bytes) -> Path:
    files.make_directory(folder)
    files.write_file(folder / name, content)
    return folder / name


def _contents(table: ResultTable) -> dict[str, str | bytes]:
    """Return the contents of the result's files by their names."""
    name = f"{table.reproduction.name}-{table.budget.name}"
    figure = draw_figure(table, "svg") if has_figure(table) else b""
    return {
        **({f"{name}.svg": figure} if figure else {}),
        f"{name}.md": table.markdown(f"{name}.svg" if figure else ""),
        f"{name}.html": render(table, partial(draw_figure, table, "svg") if figure else None),
    }
