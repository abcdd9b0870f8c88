"""A run shows itself in a cell: what it says when, and that no name is markup in it."""

import base64
import re
from pathlib import Path
from typing import Any

import pytest

import resnetlab
from resnetlab.errors import Interrupted
from resnetlab.watching.notebook.chart import error_chart
from resnetlab.watching.notebook.run_cell import RunCell
from resnetlab.watching.notebook.study_cell import StudyCell
from tests.kit.interrupted_runs import StopAt

SHORT: dict[str, Any] = {
    "data": "digits", "steps": 6, "batch": 16, "compile": "off", "device": "cpu", "eval_every": "3st",
    "log_every": 2, "report": False,
}  # fmt: skip
TINY = resnetlab.model_spec("resnet8").with_(width=0.25)


class Sheet:
    """The cell of a notebook, with all that was shown in its parts."""

    def __init__(self) -> None:
        self.parts: list[list[tuple[str, str]]] = []

    def new(self) -> "Part":
        self.parts.append([])
        return Part(self.parts[-1])

    def now(self, part: int) -> str:
        return self.parts[part][-1][0]


class Part:
    def __init__(self, shown: list[tuple[str, str]]) -> None:
        self._shown = shown

    def show(self, html: str, plain: str) -> None:
        self._shown.append((html, plain))


def test_a_run_ends_with_its_score_its_curves_and_a_row_for_each_evaluation(tmp_path: Path) -> None:
    sheet = Sheet()

    result = resnetlab.train(TINY, out=tmp_path / "run", observer=RunCell(sheet.new), **SHORT)

    above, below = sheet.now(0), sheet.now(1)
    assert f"finished: {100 * result.accuracy:.2f} % of 359 test images right" in above
    assert "resnet8 on digits" in above and str(tmp_path / "run") in above
    assert [html.count("<tr") for html, _ in sheet.parts[1]] == [1 + 1, 1 + 2, 1 + 2]
    assert f"{100 * result.accuracy:.2f} %" in below
    assert 'class="line s0"' in drawn(below)
    assert "step 3 of 6" in "".join(html for html, _ in sheet.parts[0])


def test_a_run_that_stops_says_why_and_goes_on_with_the_curve_so_far(tmp_path: Path) -> None:
    stopped = Sheet()

    class Both(RunCell):
        stop = StopAt(4)

        def progress(self, step: int, *, samples: int, seconds: float) -> None:
            super().progress(step, samples=samples, seconds=seconds)
            self.stop.progress(step, samples=samples, seconds=seconds)

    with pytest.raises(Interrupted):
        resnetlab.train(TINY, out=tmp_path / "run", observer=Both(stopped.new), **SHORT)
    resumed = Sheet()
    resnetlab.resume(tmp_path / "run", observer=RunCell(resumed.new), device="cpu")

    assert "stopped by SIGTERM after step 4 of 6" in stopped.now(0)
    assert "resumed after step 4" in resumed.parts[0][0][0]
    assert 'class="line s0"' in drawn(resumed.parts[1][0][0])
    assert [html.count("<tr") for html, _ in resumed.parts[1]] == [1 + 1, 1 + 2, 1 + 2]
    assert "finished" in resumed.now(0)


def test_what_is_shown_is_text_whoever_wrote_it(tmp_path: Path) -> None:
    sheet = Sheet()
    cell = RunCell(sheet.new)
    hostile = "<img src=x onerror=alert(1)>"

    cell.begin({"model": hostile, "data": hostile, "run": hostile, hostile: hostile}, step=0, num_steps=9)
    cell.note(hostile)
    cell.stopped(ValueError(hostile))

    assert "<img" not in "".join(html for html, _ in sheet.parts[0])


def test_what_cannot_be_drawn_has_no_picture_and_ends_no_run(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "recipe.json").write_text("[1, 2")

    assert error_chart([run]) == error_chart([tmp_path / "nowhere"]) == ""


def test_a_study_shows_each_run_and_the_curves_of_all(tmp_path: Path) -> None:
    sheet = Sheet()
    shown = StudyCell(sheet.new)

    results = resnetlab.study([TINY], seeds=2, out=tmp_path / "study", observer=shown, **SHORT)
    shown.close()

    above = sheet.now(0)
    assert "2 of 2 runs are made" in above
    for name, result in results.items():
        assert name in above and f"{100 * result.accuracy:.2f} % of 359 test images right" in above
    assert 'class="band s0"' in drawn(sheet.now(1))


def drawn(html: str) -> str:
    """The SVG document in a cell."""
    found = re.search('src="data:image/svg\\+xml;base64,([^"]+)"', html)
    assert found
    return base64.b64decode(found[1]).decode()
