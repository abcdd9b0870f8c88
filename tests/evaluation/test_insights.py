"""Insights as files: whole or not at all, in place of those before, and of nobody else's."""

import json
from pathlib import Path

import pytest

from resnetlab.errors import WriteError
from resnetlab.evaluation.insights import Insights, write_insights


def insights(*names: str) -> Insights:
    return Insights({"filters": names[0]}, dict.fromkeys(names, b"content"))


def names(out: Path) -> list[str]:
    return sorted(path.name for path in (out / "insights").iterdir())


def test_new_ones_take_the_place_of_those_before(tmp_path: Path) -> None:
    write_insights(tmp_path, insights("image-00000001.png", "cam-00000001.jpg", "filters.png"))
    write_insights(tmp_path, insights("image-00000002.png"))

    assert names(tmp_path) == ["image-00000002.png", "insights.json"]
    assert json.loads((tmp_path / "insights" / "insights.json").read_text()) == {
        "filters": "image-00000002.png"
    }
    assert [path.name for path in tmp_path.iterdir()] == ["insights"]


def test_an_evaluation_without_takes_away_what_is_of_another(tmp_path: Path) -> None:
    write_insights(tmp_path, None)
    write_insights(tmp_path, insights("filters.png"))
    write_insights(tmp_path, None)

    assert [*tmp_path.iterdir()] == []


def test_nobody_elses_files_are_touched(tmp_path: Path) -> None:
    """But what names the pictures of another evaluation goes: a page would show them as this one's."""
    write_insights(tmp_path, insights("filters.png"))
    (tmp_path / "insights" / "thesis.tex").write_text("mine")

    with pytest.raises(WriteError, match="insights"):
        write_insights(tmp_path, insights("image-00000002.png"))

    assert names(tmp_path) == ["filters.png", "thesis.tex"]
    write_insights(tmp_path, None)
    assert names(tmp_path) == ["filters.png", "thesis.tex"]


def test_nothing_is_removed_or_written_through_a_link(tmp_path: Path) -> None:
    write_insights(tmp_path / "other", insights("filters.png"))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "insights").symlink_to(tmp_path / "other" / "insights")

    with pytest.raises(WriteError):
        write_insights(tmp_path / "out", insights("image-00000002.png"))

    assert names(tmp_path / "other") == ["filters.png", "insights.json"]
    assert (tmp_path / "out" / "insights").is_symlink()
