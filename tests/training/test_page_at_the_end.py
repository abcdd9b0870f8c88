"""Every run leaves a page, whole or not; that there is none costs it nothing."""

from dataclasses import replace
from pathlib import Path

import pytest

from resnetlab.errors import DivergedError, Interrupted
from resnetlab.recipe.settings import override
from resnetlab.reporting import at_the_end, report
from resnetlab.reporting.at_the_end import refresh_page
from resnetlab.runs.directory import RunDirectory
from resnetlab.training.observer import Observer
from resnetlab.training.run import train_or_resume, train_plan
from tests.kit.kept_evaluations import write_evaluation
from tests.kit.report_pages import Page
from tests.kit.small_runs import small_plan


class Notes(Observer):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


class Stops(Notes):
    """Raises an error at a step."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error

    def progress(self, step: int, *, samples: int, seconds: float) -> None:
        if step == 12:
            raise self.error


def test_a_finished_run_has_the_page_that_a_report_of_it_is(tmp_path: Path) -> None:
    train_plan(small_plan(report=True), tmp_path / "run", Notes())

    page = (tmp_path / "run" / "report.html").read_text()
    report(tmp_path / "run").page(tmp_path / "again.html")
    assert page == (tmp_path / "again.html").read_text()
    assert "finished" in Page(page).texts
    assert any("at its peak" in words for words in Page(page).texts)


@pytest.mark.parametrize("error", [DivergedError("diverged at step 12"), ValueError("odd")])
def test_a_run_that_fails_has_one_that_says_why(tmp_path: Path, error: Exception) -> None:
    with pytest.raises(type(error)):
        train_plan(small_plan(report=True), tmp_path / "run", Stops(error))

    texts = Page((tmp_path / "run" / "report.html").read_text()).texts
    assert "stopped by an error" in texts
    assert any(str(error) in words for words in texts)


def test_who_leaves_at_once_waits_for_no_page(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        train_plan(small_plan(report=True), tmp_path / "run", Stops(KeyboardInterrupt()))

    assert not (tmp_path / "run" / "report.html").exists()


def test_a_resumed_run_s_page_is_that_of_its_end(tmp_path: Path) -> None:
    plan, run = small_plan(report=True), RunDirectory(tmp_path / "run")
    with pytest.raises(Interrupted):
        train_plan(plan, run.path, Stops(Interrupted("stopped by hand")))
    before = Page((run.path / "report.html").read_text()).texts

    train_or_resume(plan, run.path, Notes())

    after = Page((run.path / "report.html").read_text())
    assert "stopped by an error" in before
    assert "finished" in after.texts
    assert ">resumed</text>" in after.content


def test_a_recipe_can_do_without(tmp_path: Path) -> None:
    train_plan(small_plan(report=False), tmp_path / "run", Notes())

    assert not (tmp_path / "run" / "report.html").exists()


def test_a_page_that_cannot_be_written_costs_the_run_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = Notes()
    for name, limit in (("long", 10), ("taken", 2**26)):
        monkeypatch.setattr(at_the_end, "_MOST_BYTES", limit)
        if name == "taken":
            (tmp_path / name).mkdir()
        plan = small_plan(report=True)
        if name == "taken":
            monkeypatch.setattr(at_the_end, "PAGE", "metrics.jsonl/report.html")
        train_plan(plan, tmp_path / name, notes)

    assert all(RunDirectory(tmp_path / name).is_finished for name in ("long", "taken"))
    assert len(notes.notes) == 2
    assert "no page of the run yet, as metrics.jsonl has" in notes.notes[0]
    assert notes.notes[1].startswith("no page of the run: ")
    assert all(f"`resnetlab report {tmp_path}" in note for note in notes.notes)


def test_whether_there_is_a_page_makes_no_other_run(tmp_path: Path) -> None:
    for name, wanted in (("without", True), ("with", False)):
        train_plan(small_plan(report=wanted, seed=len(name)), tmp_path / name, Notes())

    groups = report(tmp_path).groups

    assert [group.deviations for group in groups] == [groups[0].deviations]
    assert len(groups[0].runs) == 2
    assert not any("report" in text for text in groups[0].deviations)


def test_an_evaluation_is_on_the_page_at_once(tmp_path: Path) -> None:
    plan = small_plan(report=True)
    for name in ("shown", "without"):
        recipe = override(plan.recipe, {"report": name == "shown"})
        train_plan(replace(plan, recipe=recipe), tmp_path / name, Notes())

        refresh_page(write_evaluation(tmp_path / name, ["a", "b", "c"], step=40), pytest.fail)

    assert "confusion" in Page((tmp_path / "shown" / "report.html").read_text()).sections
    assert not (tmp_path / "without" / "report.html").exists()
