"""Runs and studies asked for in Python show themselves, on standard error; `Silence` does not."""

import io
import sys
from pathlib import Path
from typing import Any

import pytest

import resnetlab

SHORT: dict[str, Any] = {
    "data": "digits", "steps": 2, "batch": 16, "compile": "off", "device": "cpu", "eval_every": "0ep",
    "report": False,
}  # fmt: skip
TINY = resnetlab.model_spec("resnet8").with_(width=0.25)


def test_a_run_shows_itself_where_a_scripts_own_output_is_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    resnetlab.train(TINY, out=tmp_path / "run", **SHORT)

    shown = capsys.readouterr()
    assert shown.out == ""
    assert "resnet8" in shown.err and "accuracy" in shown.err and str(tmp_path / "run") in shown.err


def test_a_study_shows_itself_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    resnetlab.study([TINY], seeds=2, out=tmp_path / "study", **SHORT)

    shown = capsys.readouterr()
    assert shown.out == ""
    assert "2 runs to make" in shown.err and "resnet8-seed1" in shown.err


@pytest.mark.parametrize("wrong", [resnetlab.Silence, print, False])
def test_what_is_no_observer_is_refused_before_there_is_a_run(tmp_path: Path, wrong: Any) -> None:
    for train, network in ((resnetlab.train, TINY), (resnetlab.study, [TINY])):
        with pytest.raises(resnetlab.errors.UsageError, match=r"is no .*Observer"):
            train(network, out=tmp_path / "run", observer=wrong, **SHORT)  # type: ignore[operator]
    assert not (tmp_path / "run").exists()


class WritesOnly:
    """What a script may have put where errors were written."""

    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None:
        pass


def closed() -> io.StringIO:
    stream = io.StringIO()
    stream.close()
    return stream


@pytest.mark.parametrize("stream", [None, closed(), WritesOnly()], ids=["none", "closed", "plain"])
def test_a_program_without_a_console_trains_all_the_same(
    stream: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", stream)
    resnetlab.train(TINY, out=tmp_path / "run", **SHORT)
    assert (tmp_path / "run" / "metrics.jsonl").exists()


def test_silence_shows_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    quiet = resnetlab.Silence()
    result = resnetlab.train(TINY, out=tmp_path / "run", observer=quiet, **SHORT)
    resnetlab.study([TINY], out=tmp_path / "study", observer=quiet, **SHORT)
    resnetlab.finetune(result.run, out=tmp_path / "tuned", observer=quiet, **SHORT)
    resnetlab.resume(result.run, observer=quiet)

    assert capfd.readouterr() == ("", "")
