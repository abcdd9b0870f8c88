"""`resnetlab compare` and `report --latex` as they are typed."""

import json
from pathlib import Path

import pytest

from resnetlab.reporting.latex import latex_text
from tests.kit.commands import run
from tests.kit.compared_runs import evaluation, marks


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    evaluation(tmp_path / "a", marks(90, 100))
    evaluation(tmp_path / "b", marks(70, 100, seed=1))
    return tmp_path


def test_it_says_who_is_better_and_whether_that_is_chance(folder: Path) -> None:
    done = run("compare", "a", "b", "--csv", "flips.csv", cwd=folder)

    said = " ".join(done.stdout.split())
    assert "A (a) is better than B (b) by 20.00 points: on the same 100 images A alone is right on" in said
    assert done.stdout.endswith("\nwritten: flips.csv\n")
    assert (folder / "flips.csv").read_text().startswith("first,second,first_seed,")
    assert done.stderr == ""


def test_json_markdown_and_latex_say_the_same(folder: Path) -> None:
    found = json.loads(
        run("compare", "a", "b", "--json", "--csv", "x.csv", "--flips", "1", cwd=folder).stdout
    )
    (row,) = found["comparisons"]
    markdown, latex = (
        run("compare", "a", "b", flag, cwd=folder).stdout for flag in ("--markdown", "--latex")
    )

    assert found["files"] == ["x.csv"]
    assert [len(row["flips"][side]) for side in ("first", "second")] == [1, 1]
    for sentence in row["words"]:
        assert f"- {sentence}" in markdown
        assert f"\\item {latex_text(sentence)}" in latex
    assert f"| A - B | {row['difference']:+.2f} |" in markdown
    assert f"A - B & $-${-row['difference']:.2f} &" in latex


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    (
        (["a"], 2, "a has nothing to be compared with"),
        (["a", "nowhere"], 2, "no run at nowhere"),
        (["a", "a"], 2, "the same thing twice"),
        (["a", "b", "--json", "--latex"], 2, "--json and --latex exclude each other"),
        (["a", "b", "--flips", "-1"], 2, "a number from 0 on"),
        (["a", "b", "--csv", "no/x.csv"], 74, "could not write no/x.csv"),
        (["a", "damaged"], 3, "scores.json"),
    ),
)
def test_bad_input_is_told(arguments: list[str], code: int, words: str, folder: Path) -> None:
    (evaluation(folder / "damaged", marks(1, 2)) / "scores.json").write_text("{")

    assert words in run("compare", *arguments, code=code, cwd=folder).stderr


def test_forms_of_a_report_exclude_each_other(folder: Path) -> None:
    done = run("report", "a", "--markdown", "--latex", code=2, cwd=folder)

    assert "--markdown and --latex exclude each other" in done.stderr
