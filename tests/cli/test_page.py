"""The page of a run as the command line makes it and speaks of it."""

from pathlib import Path

import pytest

from resnetlab.cli import main
from tests.kit.report_pages import Page

TRAIN = ("train", "resnet8", "--data", "digits", "--steps", "2", "--set", "width=0.25")


def test_training_names_its_page_and_eval_adds_to_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    page = run / "report.html"

    assert main([*TRAIN, "--out", str(run)]) == 0

    said = capsys.readouterr().out
    assert f"page     {page}" in said
    assert f"open {page}  " in said
    assert "confusion" in Page(page.read_text()).sections
    page.write_text("an older page")
    assert main(["eval", str(run)]) == 0
    assert "confusion" in Page(page.read_text()).sections


def test_no_report_leaves_none_and_speaks_of_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"

    assert main([*TRAIN, "--out", str(run), "--no-report"]) == 0

    said = capsys.readouterr().out
    assert not (run / "report.html").exists()
    assert "report.html" not in said
    assert "but length=2st (10ep), warmup=0st (1ep)\n" in said
