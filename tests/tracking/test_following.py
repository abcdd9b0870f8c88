"""Trackers are told of a run what its metrics.jsonl has; whatever they do, the run is as without them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest

import resnetlab
from resnetlab.errors import Interrupted, UsageError
from resnetlab.runs.journal import read_rows
from resnetlab.tracking import following
from resnetlab.tracking.following import read_asked
from resnetlab.tracking.tracker import Subject
from tests.kit.interrupted_runs import StopAt

SHORT: dict[str, Any] = {
    "data": "digits", "steps": 6, "batch": 16, "compile": "off", "device": "cpu", "eval_every": "3st",
    "log_every": 2, "report": False,
}  # fmt: skip
TINY = resnetlab.model_spec("resnet8").with_(width=0.25)


class Notebook:
    """A tracker that keeps what it is told, for all runs of a test, and fails where it is to."""

    told: ClassVar[list[tuple[Any, ...]]] = []
    fails_at = ""

    def __init__(self) -> None:
        self._last = -1

    def begin(self, subject: Subject, known: Mapping[str, Any]) -> dict[str, Any]:
        print("a tracker's own words")
        self._keep("begin", subject, dict(known))
        self._last = known.get("last", -1)
        return {"id": known.get("id", "new")}

    @property
    def place(self) -> str:
        return "here"

    @property
    def last_step(self) -> int:
        return self._last

    def log(self, step: int, values: Mapping[str, float]) -> None:
        self._keep("log", step, dict(values))

    def picture(self, name: str, png: bytes, step: int) -> None:
        self._keep("picture", name, png[:4], step)

    def end(self, summary: Mapping[str, float], *, is_whole: bool) -> None:
        self._keep("end", dict(summary), is_whole)

    def _keep(self, *what: Any) -> None:
        if what[0] == self.fails_at:
            raise ConnectionError("no line\nto anywhere")
        self.told.append(what)

    @classmethod
    def of(cls, kind: str) -> list[tuple[Any, ...]]:
        return [each[1:] for each in cls.told if each[0] == kind]


@pytest.fixture(autouse=True)
def notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(following.TRACKERS, "json", Notebook)  # a module that is there, as its package
    monkeypatch.setattr(Notebook, "told", [])
    monkeypatch.setattr(Notebook, "fails_at", "")


def numbers(run: Path) -> list[tuple[int, float]]:
    """Steps with a loss, as metrics.jsonl has them."""
    rows = read_rows(run / "metrics.jsonl")
    return [(row["step"], row.get("train_loss") if row["kind"] == "train" else row["loss"]) for row in rows]


def told() -> list[tuple[int, float]]:
    return [(step, values.get("train_loss") or values["test/loss"]) for step, values in Notebook.of("log")]


def test_a_tracker_is_told_every_row_once_and_how_it_ended(tmp_path: Path) -> None:
    run = tmp_path / "run"
    result = resnetlab.train(TINY, out=run, track="json:mine", **SHORT)

    ((subject, known),) = Notebook.of("begin")
    assert (subject.name, subject.group, subject.project, known) == ("run", "", "mine", {})
    values = subject.hyper_parameters
    assert [values[name] for name in ("model", "model.classes", "batch", "data")] == [
        "resnet8",
        10,
        16,
        "digits",
    ]
    assert told() == numbers(run)
    assert [name for name, *_ in Notebook.of("picture")] == ["curves", "confusion"]
    ((summary, is_whole),) = Notebook.of("end")
    assert is_whole and summary["final/accuracy"] == result.accuracy
    assert json.loads((run / "trackers.json").read_text()) == {"json": {"id": "new"}}


def test_a_resumed_run_goes_on_in_the_same_place_without_being_asked(tmp_path: Path) -> None:
    run = tmp_path / "run"
    with pytest.raises(Interrupted):
        resnetlab.train(TINY, out=run, track="json", observer=StopAt(4), **SHORT)
    record = json.loads((run / "trackers.json").read_text())
    (run / "trackers.json").write_text(json.dumps({"json": record["json"] | {"last": 4}}))

    resnetlab.resume(run, device="cpu", observer=resnetlab.Silence())

    assert [known for _, known in Notebook.of("begin")] == [{}, {"id": "new", "last": 4}]
    assert [is_whole for _, is_whole in Notebook.of("end")] == [False, True]
    assert told() == numbers(run)


def test_a_tracker_that_knows_nothing_of_before_is_told_it(tmp_path: Path) -> None:
    run = tmp_path / "run"
    with pytest.raises(Interrupted):
        resnetlab.train(TINY, out=run, observer=StopAt(4), **SHORT)

    resnetlab.resume(run, device="cpu", track=["json"], observer=resnetlab.Silence())

    assert told() == numbers(run)


def test_nobody_follows_a_run_that_goes_on_if_that_is_said(tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        resnetlab.train(TINY, out=tmp_path / "run", track="json", observer=StopAt(4), **SHORT)

    resnetlab.resume(tmp_path / "run", device="cpu", track="none", observer=resnetlab.Silence())

    assert len(Notebook.of("begin")) == 1


@pytest.mark.parametrize("where", ("begin", "log", "picture", "end"))
def test_a_tracker_that_fails_is_told_of_once_and_costs_nothing(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Notebook, "fails_at", where)

    resnetlab.train(TINY, out=tmp_path / "run", track="json", **SHORT)

    out, shown = capsys.readouterr()
    assert out == "" and "own words" not in shown
    assert shown.count("json does not follow the run any more: no line; the run goes on without it") == 1
    assert shown.count("json follows the run: here") == (where != "begin")
    assert (tmp_path / "run" / "RESULT.json").exists()


def test_following_leaves_the_run_as_it_is(tmp_path: Path) -> None:
    for name, track in (("with", "json"), ("without", None)):
        quiet = resnetlab.Silence()
        resnetlab.train(TINY, out=tmp_path / name, track=track, observer=quiet, **SHORT)

    for name in ("metrics.jsonl", "recipe.json", "checkpoints/step-00000006/model.safetensors"):
        assert (tmp_path / "with" / name).read_bytes() == (tmp_path / "without" / name).read_bytes()


def test_runs_of_a_study_are_listed_behind_its_name(tmp_path: Path) -> None:
    quiet = resnetlab.Silence()
    resnetlab.study([TINY], out=tmp_path / "both", track="json", observer=quiet, **SHORT)

    ((subject, _),) = Notebook.of("begin")
    assert (subject.name, subject.group) == ("both/resnet8-seed0", "both")


@pytest.mark.parametrize(
    ("track", "told"),
    [
        ("wandbb", "no tracker is called 'wandbb'"),
        (["json", ""], "no tracker is called ''"),
        ("absent", "absent is not installed, which was to follow the run"),
    ],
)
def test_what_cannot_follow_is_refused_before_anything_is_made(
    track: Any, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(following.TRACKERS, "absent", Notebook)

    with pytest.raises(UsageError, match=told):
        read_asked(track)
