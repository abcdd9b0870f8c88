"""The final evaluation: made once; made again by a run that was stopped before it was written."""

from pathlib import Path

import numpy as np
import pytest

from resnetlab.evaluation.answers import read_answers
from resnetlab.runs.directory import RunDirectory, lock_run
from resnetlab.training.observer import Observer
from resnetlab.training.run import resume_plan, train_plan
from resnetlab.training.trainer import Trainer
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
