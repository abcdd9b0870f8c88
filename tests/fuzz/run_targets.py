"""Parsers of what runs, studies, evaluations and records leave in files."""

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import safetensors.torch

from resnetlab.auditing import audit_run
from resnetlab.base.machine.remembered import remember, remembered
from resnetlab.base.reading.plain import parse_json
from resnetlab.board.journal_ends import LastEvents, LastRows
from resnetlab.errors import DataError
from resnetlab.evaluation.answers import read_answers
from resnetlab.reporting.contents.answers_told import told_answers
from resnetlab.reporting.contents.insights_told import read_insights
from resnetlab.reporting.contents.samples_told import read_samples
from resnetlab.reporting.contents.scored import read_evaluation
from resnetlab.reporting.growing import GrowingRows
from resnetlab.reporting.reading import read_run
from resnetlab.reporting.records.record import digest, read_record
from resnetlab.reproducing.results.responses import LayerResponses, read_responses
from resnetlab.runs.checkpoint import load_checkpoint
from resnetlab.runs.directory import RunDirectory
from resnetlab.runs.edited import differences_since_the_start
from resnetlab.runs.environment import binding_differences, recorded_threads
from resnetlab.runs.journal import read_rows
from resnetlab.runs.manifest import read_manifest
from resnetlab.trained.artefact.loading import artefact_of, find_checkpoint
from resnetlab.trained.checkpoint_curve import _read_about
from resnetlab.training.first_weights import Beginning, read_beginning, write_beginning
from resnetlab.training.studies.rows import read_rows_of
from resnetlab.verifying.seal import look_at_seal, seal_run
from resnetlab.verifying.study import audit_study
from tests.fuzz.data_targets import zip_bytes
from tests.fuzz.fitting import safetensors_length
from tests.fuzz.network_targets import _SAFETENSORS_TOKENS
from tests.fuzz.target import Packed, Target, in_a_file, in_a_folder, of_reader
from tests.kit.outside import OLD, READERS, RUN

_STEP = "checkpoints/step-00000008"
_EVALUATION = "eval/step-00000008-test"


def _run(file: str) -> Callable[[Path], Sequence[bytes]]:
    """Return what makes a run that was evaluated and begins trained; the inputs are one file of it."""

    def make(folder: Path) -> Sequence[bytes]:
        READERS["page: RESULT.json"].make(folder)
        path = folder / "run" / file
        return [path.read_bytes()]

    return make


def _of_run(file: str, read: Callable[[Path], object], **more: Any) -> Target:
    """Return the target of a file of a run, that is read with the run."""
    kind = "lines" if file.endswith(".jsonl") else "json" if file.endswith(".json") else "bytes"
    call = in_a_folder(f"run/{file}", lambda folder: read(folder / "run"))
    return Target(**{"make": _run(file), "call": call, "kind": kind} | more)


def _reported(run: Path) -> None:
    found = read_run(run)
    for name in ("progress", "num_steps", "step", "evaluations", "watched", "is_finished"):
        getattr(found, name)


def _network(run: Path) -> None:
    directory, checkpoint, problems = find_checkpoint(run / _STEP)
    artefact_of(directory, checkpoint, "model", problems)


class _Fitted:
    """A run's network with a manifest that says what lies there, as of this run."""

    def __init__(self, file: str) -> None:
        self._file = file

    def __call__(self, content: bytes, folder: Path) -> None:
        run = folder / "run"
        (run / self._file).write_bytes(content)
        manifest = run / _STEP / "MANIFEST.json"
        told = json.loads(manifest.read_bytes())
        with contextlib.suppress(DataError):
            told["identity"] = RunDirectory(run).identity()
        if self._file.startswith(_STEP):
            told["files"][Path(self._file).name] = {
                "bytes": len(content),
                "sha256": hashlib.sha256(content).hexdigest(),
            }
        manifest.write_text(json.dumps(told))
        if self._file.startswith(_STEP):
            load_checkpoint(run / _STEP)
        else:
            _network(run)


def _journal(read: Callable[[Path], object]) -> Callable[[Path], object]:
    return lambda run: read(run / "metrics.jsonl")


def _events(run: Path) -> None:
    read_rows(run / "events.jsonl", passes_over_damage=True)
    LastEvents(run / "events.jsonl").read()
    differences_since_the_start(RunDirectory(run))


def _metrics(run: Path) -> None:
    LastRows(run / "metrics.jsonl").read()
    GrowingRows(run / "metrics.jsonl").read()


def _environment(content: bytes, folder: Path) -> None:
    found = parse_json(content)
    if isinstance(found, dict):
        recorded_threads(found)
        binding_differences(found, found)


def _scored(run: Path) -> None:
    read_evaluation(run / _EVALUATION)


def _insights(run: Path) -> None:
    read_insights(run / _EVALUATION, 10)


def _samples(run: Path) -> None:
    read_samples(run, [])


def _answers(run: Path) -> None:
    path = run / _EVALUATION / "answers.npz"
    told_answers(path, [str(number) for number in range(10)], [])
    read_answers(path)


def _packed_answers(seeds: Sequence[bytes]) -> Any:
    import io
    import zipfile

    with zipfile.ZipFile(io.BytesIO(seeds[0])) as archive:
        return Packed(zip_bytes, {name: archive.read(name) for name in archive.namelist()})(seeds)


# Records and responses.


def _record(folder: Path) -> Sequence[bytes]:
    return [(OLD / "record-1/resnet8-seed0.json").read_bytes()]


def record_sums(content: bytes) -> bytes:
    """Return a record with the hashes of what it says."""
    try:
        plain = json.loads(content)
        for name in ("recipe", "network"):
            if name in plain:
                plain[f"{name}_sha256"] = digest(plain[name])
        plain.pop("sha256", None)
        return json.dumps(plain | {"sha256": digest(plain)}).encode()
    except (ValueError, RecursionError, TypeError, AttributeError):
        return content


def _responses(folder: Path) -> Sequence[bytes]:
    record = read_record(OLD / "record-1/resnet8-seed0.json")
    return [LayerResponses(run=record.key, images=10, layers=("a", "b"), deviations=(0.5, 0.25)).content()]


def _read_responses(path: Path) -> None:
    if not _KNOWN:
        _KNOWN.append(read_record(OLD / "record-1/resnet8-seed0.json"))
    read_responses(path, _KNOWN[0])


_KNOWN: list[Any] = []


def _curve(folder: Path) -> Sequence[bytes]:
    about = {
        "run": "r",
        "identity": "i",
        "began": 1.5,
        "weights": "plain",
        "data": "d",
        "fingerprint": "f",
        "split": "test",
        "by_order": False,
    }
    return [json.dumps(about).encode()]


def _sealed(folder: Path) -> Sequence[bytes]:
    shutil.copytree(RUN, folder / "run")
    seal_run(RunDirectory(folder / "run"))
    return [(folder / "run/SEAL.json").read_bytes()]


def _remembered(folder: Path) -> Sequence[bytes]:
    os.environ["RESNETLAB_CACHE"] = str(folder / "cache")
    remember("x", {"a": 1}, {"b": 2})
    return [next((folder / "cache").rglob("*.json")).read_bytes()]


def _recall(content: bytes, folder: Path) -> None:
    os.environ["RESNETLAB_CACHE"] = str(folder / "cache")
    next((folder / "cache").rglob("*.json")).write_bytes(content)
    remembered("x", {"a": 1}, lambda: None, is_kept=lambda answer: False)


def _study(folder: Path) -> Sequence[bytes]:
    READERS["study.json"].make(folder)
    return [(folder / "study.json").read_bytes()]


def _begun_trained(folder: Path) -> Sequence[bytes]:
    shutil.copytree(RUN, folder / "run")
    run, tensors = (
        RunDirectory(folder / "run"),
        safetensors.torch.load_file(RUN / _STEP / "model.safetensors"),
    )
    write_beginning(run, Beginning(tensors, "net.pth", {"kept": ["a"], "reset": []}))
    return [(folder / "run/weights.json").read_bytes()]


TARGETS: Mapping[str, Target] = {
    "JSON": Target(
        make=lambda folder: [(RUN / "recipe.json").read_bytes()],
        call=lambda content, _: parse_json(content),
        kind="json",
        allowed=(ValueError,),
    ),
    **{
        f"report: {file}": _of_run(file, _reported)
        for file in ("recipe.json", "spec.json", "data.json", "RESULT.json")
    },
    **{
        f"network: {file}": _of_run(file, _network, call=_Fitted(file))
        for file in ("recipe.json", "spec.json", "data.json", "RESULT.json")
    },
    "verify: RESULT.json": _of_run(
        "RESULT.json", lambda run: [*audit_run(RunDirectory(run), reads_all=False)]
    ),
    "verify: metrics.jsonl": _of_run(
        "metrics.jsonl", lambda run: [*audit_run(RunDirectory(run), reads_all=False)]
    ),
    "verify: events.jsonl": _of_run(
        "events.jsonl", lambda run: [*audit_run(RunDirectory(run), reads_all=False)]
    ),
    "verify: environment.json": _of_run(
        "environment.json", lambda run: [*audit_run(RunDirectory(run), reads_all=False)]
    ),
    "verify: scores.json": _of_run(
        f"{_EVALUATION}/scores.json", lambda run: [*audit_run(RunDirectory(run), reads_all=False)]
    ),
    "metrics.jsonl": _of_run("metrics.jsonl", _metrics),
    "events.jsonl": _of_run("events.jsonl", _events),
    "environment.json": Target(
        make=lambda folder: [(RUN / "environment.json").read_bytes()],
        call=_environment,
        kind="json",
        allowed=(ValueError, DataError),
    ),
    "weights.json": Target(
        make=_begun_trained,
        kind="json",
        call=in_a_folder("run/weights.json", lambda folder: read_beginning(RunDirectory(folder / "run"))),
    ),
    "checkpoint: MANIFEST.json": _of_run(f"{_STEP}/MANIFEST.json", lambda run: read_manifest(run / _STEP)),
    "checkpoint: state.json": _of_run(f"{_STEP}/state.json", _network, call=_Fitted(f"{_STEP}/state.json")),
    "checkpoint: model.safetensors": _of_run(
        f"{_STEP}/model.safetensors",
        _network,
        call=_Fitted(f"{_STEP}/model.safetensors"),
        tokens=_SAFETENSORS_TOKENS,
        fit=safetensors_length,
    ),
    "scores.json": _of_run(f"{_EVALUATION}/scores.json", _scored),
    "calibration.json": _of_run(f"{_EVALUATION}/calibration.json", _scored),
    "confusion.csv": _of_run(f"{_EVALUATION}/confusion.csv", _scored, kind="text"),
    "insights.json": _of_run(f"{_EVALUATION}/insights/insights.json", _insights),
    "samples.json": _of_run("samples.json", _samples),
    "answers.npz": _of_run(f"{_EVALUATION}/answers.npz", _answers, change=_packed_answers),
    "compare: scores.json": of_reader("compare: scores.json"),
    "a record": Target(
        make=_record, call=in_a_file("record.json", read_record), kind="json", fit=record_sums
    ),
    "responses": Target(
        make=_responses, call=in_a_file("responses.json", _read_responses), kind="json", fit=record_sums
    ),
    "curve.json": Target(make=_curve, call=in_a_file("curve.json", _read_about), kind="json"),
    "a seal": Target(
        make=_sealed,
        kind="json",
        call=in_a_folder("run/SEAL.json", lambda folder: look_at_seal(RunDirectory(folder / "run"), "")),
    ),
    "what was measured": Target(make=_remembered, call=_recall, kind="json"),
    "study.json": Target(make=_study, call=in_a_folder("study.json", read_rows_of), kind="json"),
    "verify: study.json": Target(make=_study, call=in_a_folder("study.json", audit_study), kind="json"),
    "resume: recipe.json": of_reader("resume: recipe.json", writes=True),
    "resume: state.json": of_reader("resume: state.json", writes=True),
    "resume: optimizer.safetensors": of_reader("resume: optimizer.safetensors", writes=True),
}
