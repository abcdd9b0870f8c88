"""Verdicts on what lies at some paths: runs, studies, models."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from resnetlab.auditing import audit_run
from resnetlab.auditing.finding import Finding, Promise, unknown
from resnetlab.base.files import refuse_locked
from resnetlab.base.locks import holder_of
from resnetlab.base.paths import user_path
from resnetlab.errors import ResnetlabError, UsageError
from resnetlab.reporting.reading import RecordedRun, find_runs, read_run, refuse
from resnetlab.runs.directory import RunDirectory, is_run
from resnetlab.verifying.seal import look_at_seal, refuse_short, seal_run, sealed
from resnetlab.verifying.study import audit_study, is_study
from resnetlab.verifying.verdict import Verdict, Verdicts

_FILES = (".safetensors", ".onnx")


@dataclass(frozen=True, kw_only=True)
class _Asked:
    deep: bool
    references: Sequence[RecordedRun]
    data: str | None
    seal: bool
    seal_hash: str
    device: str
    workers: int


def verify(
    paths: str | Path | Sequence[str | Path],
    *,
    deep: bool = False,
    reference: Sequence[str | Path] = (),
    seal: bool = False,
    seal_hash: str = "",
    data: str | None = None,
    device: str = "auto",
    workers: int = -1,
) -> Verdicts:
    """Check again all that runs, studies and models promise; nothing in them is changed but for a seal.

    Args:
        paths: Runs, studies, folders that hold runs, model folders, or .safetensors and .onnx files of ours.
        deep: Score the weights of finished runs again, where their data can be opened.
        reference: Records, runs, or folders of them: a run that is better or faster than those of its recipe
            allow, by four standard deviations, is told.
        seal: Write SEAL.json into each finished run that breaks no promise.
        seal_hash: The hash of hashes that was published of one run, or its first 12 digits or more.
        data: Where the runs' data lies now, if not where it was.
        device: deep: auto, cpu, cuda, cuda:1 or mps.
        workers: deep: processes that read image files, -1 for as many as suit the machine.

    Raises:
        UsageError: If there is nothing at a path, or what is there is nothing of ours.
        DataError: If a reference is damaged.
        LockedError: If a run that is to be sealed, or compared with a hash, is still being written.
        WriteError: If a seal cannot be written.
    """
    given = [paths] if isinstance(paths, str | Path) else [*paths]
    if not given:
        raise UsageError("nothing to verify", hint="Name runs, studies or models.")
    refuse_short(seal_hash)
    asked = _Asked(
        deep=deep, references=_references(reference), data=data, seal=seal, seal_hash=seal_hash,
        device=device, workers=workers,
    )  # fmt: skip
    found = [each for path in map(user_path, given) for each in _at(path, asked)]
    if seal_hash and sum(verdict.kind == "run" for verdict in found) != 1:
        raise UsageError("a seal's hash is of one run", hint="Name that run alone.")
    return Verdicts(tuple(found))


def _references(paths: Sequence[str | Path]) -> Sequence[RecordedRun]:
    if not paths:
        return ()
    from resnetlab.reporting.records.collecting import read_runs_and_records

    return read_runs_and_records(paths)


def _at(path: Path, asked: _Asked) -> Iterator[Verdict]:
    if (path.is_file() and path.suffix.lower() in _FILES) or _is_model_folder(path):
        from resnetlab.verifying.model import audit_model

        yield Verdict(kind="model", path=str(path), findings=tuple(audit_model(path)))
        return
    if path.is_dir() and not is_run(path) and is_study(path):
        yield Verdict(kind="study", path=str(path), findings=tuple(audit_study(path)))
    runs, problems = find_runs([path])
    if not (path.is_dir() and is_study(path)):
        refuse(problems)
    for run in runs:
        yield _run(RunDirectory(run), asked)


def _is_model_folder(path: Path) -> bool:
    return path.is_dir() and (path / "model.safetensors").is_file() and (path / "spec.json").is_file()


_AT_REST = Promise(
    "at rest", "files that nobody writes into", "what changes while it is read contradicts itself"
)


def _run(run: RunDirectory, asked: _Asked) -> Verdict:
    if asked.seal_hash or asked.seal:
        refuse_locked(run.path)
    if holder := holder_of(run.path):
        return _not_judged(run, holder)
    findings = [*audit_run(run), *_beyond(run, asked)]
    verdict = Verdict(kind="run", path=str(run.path), findings=tuple(findings), seal=sealed(run))
    if not asked.seal:
        holder = holder_of(run.path)  # who began while it was read
        return _not_judged(run, holder) if holder else verdict
    refuse_locked(run.path)
    if not verdict.is_sound or not run.is_finished:
        return verdict
    return Verdict(kind="run", path=verdict.path, findings=verdict.findings, seal=seal_run(run))


def _not_judged(run: RunDirectory, holder: str) -> Verdict:
    at_work = _AT_REST.finding(unknown(f"{holder} writes into it: verify it when that has ended"))
    return Verdict(kind="run", path=str(run.path), findings=(at_work,), is_judged=False)


def _beyond(run: RunDirectory, asked: _Asked) -> Iterable[Finding]:
    """Yield what is found by other means than the run's own files."""
    if seal := look_at_seal(run, asked.seal_hash):
        yield seal[0].finding(seal[1])
    if not (asked.deep or asked.references):
        return
    try:
        recorded = read_run(run.path)
    except ResnetlabError:  # whose finding is there already
        return
    if asked.references:
        from resnetlab.verifying.reference import look_at_references

        own = run.path.resolve()
        others = [each for each in asked.references if each.path.resolve() != own]
        for promise, found in look_at_references(recorded, others):
            yield promise.finding(found)
    if asked.deep:
        from resnetlab.verifying.deep import look_deep

        for promise, found in look_deep(recorded, asked.data, asked.device, asked.workers):
            yield promise.finding(found)
