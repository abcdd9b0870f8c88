"""A run keeps some training images for its page, and nothing of them can harm it."""

import json
from pathlib import Path

import pytest

from resnetlab.base.pages.frame import text
from resnetlab.reporting import report
from resnetlab.training.ending.sampling import leave_samples
from resnetlab.training.observer import Observer
from resnetlab.training.run import train_plan
from tests.kit.boards import finished
from tests.kit.report_pages import Page
from tests.kit.small_runs import small_plan, small_source

HOSTILE = "</script><img src=x onerror=hacked=1>"


def test_the_page_of_a_run_shows_them(tmp_path: Path) -> None:
    train_plan(small_plan(report=True, length="2st"), tmp_path / "run", Observer())

    page = Page((tmp_path / "run" / "report.html").read_text())
    labels = [each.get("aria-label") for each in page.of("svg") if each.get("role") == "img"]

    assert (tmp_path / "run" / "samples.png").stat().st_size < 100_000
    assert [labels.count(name) for name in "abc"] == [6, 6, 6]
    assert page.wrong == []


def test_without_a_page_there_are_none(tmp_path: Path) -> None:
    train_plan(small_plan(report=False, length="1st"), tmp_path / "run", Observer())

    assert not [*(tmp_path / "run").glob("samples*")]


def test_those_that_are_there_stay_and_what_goes_wrong_is_noted(tmp_path: Path) -> None:
    notes: list[str] = []
    leave_samples(tmp_path / "nowhere" / "run", small_source(), notes.append)
    (tmp_path / "samples.json").write_text("mine")
    leave_samples(tmp_path, small_source(), notes.append)

    assert len(notes) == 1
    assert notes[0].startswith("no pictures of the data for the page: could not write")
    assert (tmp_path / "samples.json").read_text() == "mine"


@pytest.mark.parametrize(
    "change",
    [
        {"picture": "../../other.png"}, {"picture": "/etc/passwd"}, {"side": 0}, {"columns": "2"},
        {"samples": []}, {"samples": [{"class": "a"}]}, {"samples": "text"}, {"picture": ["samples.png"]},
    ],
)  # fmt: skip
def test_what_is_damaged_is_said_on_the_page(tmp_path: Path, change: dict[str, object]) -> None:
    run = finished(tmp_path / "run")
    leave_samples(run, small_source(), print)
    record = json.loads((run / "samples.json").read_text())
    (run / "samples.json").write_text(json.dumps(record | change))

    contents = report(run).contents()

    assert contents["detail"]["samples"] is None
    assert any("samples.json is damaged" in each["what"] for each in contents["detail"]["missing"])


def test_names_of_classes_are_text(tmp_path: Path) -> None:
    run = finished(tmp_path / "run")
    leave_samples(run, small_source(), print)
    record = json.loads((run / "samples.json").read_text())
    record["samples"][0] = {"class": HOSTILE, "place": HOSTILE}
    (run / "samples.json").write_text(json.dumps(record))
    report(run).page(tmp_path / "page.html")

    content = (tmp_path / "page.html").read_text()

    assert HOSTILE not in content
    assert text(HOSTILE) in content
