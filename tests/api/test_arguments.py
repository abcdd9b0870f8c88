"""What a call cannot be asked is said in words, whatever kind of thing it is."""

from pathlib import Path
from typing import Any

import pytest

import resnetlab
from resnetlab.errors import UsageError
from resnetlab.training.observer import Silence

GIVEN: dict[str, Any] = {"data": "digits", "device": "cpu", "observer": Silence()}
QUICK: dict[str, Any] = {"compile": "off", "precision": "fp32", "report": False}


def test_what_a_training_returned_stands_for_its_run(tmp_path: Path) -> None:
    result = resnetlab.train("resnet8", steps=1, out=tmp_path / "run", **GIVEN, **QUICK)

    again = resnetlab.resume(result, device="cpu", observer=Silence())
    scored = resnetlab.evaluate(result, device="cpu", insights=0, writes=False)
    tuned = resnetlab.finetune(result, steps=1, out=tmp_path / "tuned", **GIVEN, **QUICK)

    assert again == result
    assert scored.scores.correct == result.correct
    assert Path(tuned.run) == tmp_path / "tuned"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"recipe": {"lr": 0.2}}, r"a recipe is its name, a file or a Recipe, got {'lr': 0.2}"),
        ({"minutes": "5"}, "minutes are a number, got '5'"),
        ({"workers": "2"}, "workers is a whole number, got '2'"),
        ({"out": 3}, "out is the path of a directory, got 3"),
        ({"track": 3}, "trackers are named by texts, got 3"),
        ({"track": ["wandb", 3]}, r"trackers are named by texts, got \['wandb', 3\]"),
    ],
)
def test_what_is_no_argument_of_a_training_is_refused_with_what_it_may_be(
    changes: dict[str, Any], said: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=said):
        resnetlab.train("resnet8", **GIVEN | {"out": tmp_path / "run"} | changes)
    assert not (tmp_path / "run").exists()


def test_nor_of_a_study_nor_of_a_resumption(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="at_once is a whole number, got '2'"):
        resnetlab.study(["resnet8"], at_once="2", **GIVEN)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="at_once is a whole number, got '2'"):
        resnetlab.resume_study(tmp_path, at_once="2")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="a run is its directory or how it ended, got 3"):
        resnetlab.resume(3)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="a run is its directory or how it ended, got None"):
        resnetlab.evaluate(None)  # type: ignore[arg-type]
