"""The final evaluation: made once; made again by a run that was stopped before it was written."""

import json
from pathlib import Path

import numpy as np
import pytest

from resnetlab.evaluation.answers import read_answers
from resnetlab.runs.directory import RunDirectory, lock_run
from resnetlab.training.observer import Observer
from resnetlab.training.run import resume_plan, train_plan
from resnetlab.training.trainer import Trainer
from tests.kit.report_pages import Page
from tests.kit.small_runs import small_plan, train_whole


def left(run: Path) -> dict[str, bytes]:
    (folder,) = run.glob("eval/*")
    assert folder.name == "step-00000040-test"
    return {
        path.name: path.read_bytes().replace(str(run).encode(), b"RUN")
        for path in folder.iterdir()
        if path.is_file()
    }


@pytest.mark.parametrize("changes", [{}, {"val": 12}], ids=["on the test set", "on validation samples"])
def test_the_test_set_is_answered_once(
    changes: dict[str, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The plain weights, too, are scored at the end; no other evaluation is made for the answers."""
    evaluate, scored = Trainer.evaluate, []

    def noting(self: Trainer, on, model=None):  # type: ignore[no-untyped-def]
        scored.append((on.name, self.state.step, model is None))
        return evaluate(self, on, model)

    monkeypatch.setattr(Trainer, "evaluate", noting)
    result = train_plan(small_plan(**changes), tmp_path / "run", Observer())

    last = [name for name, step, is_default in scored if (step, is_default) == (40, True)]
    assert last == (["val", "test"] if changes else ["test"])
    (path,) = tmp_path.glob("run/eval/*/answers.npz")
    answers = read_answers(path)
    assert answers.sample.tolist() == [*range(30)]
    assert (int(answers.correct.sum()), answers.class_names) == (result.correct, ("a", "b", "c"))
    assert answers.truth.tolist() == small_plan().source.test.labels.tolist()
    assert float(np.float64(answers.loss).mean()) == pytest.approx(result.loss, rel=1e-6)


def test_a_run_that_was_stopped_before_its_answers_were_written_writes_the_same(tmp_path: Path) -> None:
    train_plan(small_plan(), tmp_path / "whole", Observer())
    train_whole(tmp_path / "run", small_plan())  # which ends where they would be written
    assert not (tmp_path / "run" / "eval").exists()

    with lock_run(tmp_path / "run") as lock:
        resume_plan(small_plan(), RunDirectory(tmp_path / "run", lock), Observer())

    assert left(tmp_path / "run") == left(tmp_path / "whole")


@pytest.mark.parametrize("wanted", [True, False])
def test_pictures_are_made_where_there_is_a_page_within_a_share_of_the_time(
    wanted: bool, tmp_path: Path
) -> None:
    train_plan(small_plan(report=wanted), tmp_path / "run", Observer())

    found = [*tmp_path.glob("run/eval/*/insights/insights.json")]
    assert len(found) == wanted
    if wanted:
        content = json.loads(found[0].read_text())
        assert content["left_out"] == []
        assert content["worst"][0]["cam"] and content["depth"] and content["filters"]
        page = Page((tmp_path / "run" / "report.html").read_text())
        assert {"mistakes", "inside"} <= {*page.sections}
        assert {each["alt"] for each in page.of("img")} > {"The filters of the first layer"}


def test_the_network_is_scored_and_left_the_same_with_pictures_and_without(tmp_path: Path) -> None:
    for name, wanted in (("with", True), ("without", False)):
        train_plan(small_plan(report=wanted), tmp_path / name, Observer())

    kept = [left(tmp_path / name) for name in ("with", "without")]
    results = [json.loads((tmp_path / name / "RESULT.json").read_text()) for name in ("with", "without")]
    assert kept[0] == kept[1]
    assert [each["plain_accuracy"] for each in results] == [results[0]["plain_accuracy"]] * 2
