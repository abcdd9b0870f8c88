"""The commands: what there is to reproduce, one of them tried, what is answered to a wrong word."""

import json
from pathlib import Path
from typing import Any

import pytest

import resnetlab
from resnetlab.errors import UsageError
from resnetlab.reporting.groups import PUBLISHED
from resnetlab.reproducing.named import REPRODUCTIONS
from tests.kit.commands import run


def test_a_smoke_of_the_first_papers_figure_6(tmp_path: Path) -> None:
    done = run(
        "reproduce", "he2015-figure6", "--budget", "smoke", "--only", "plain20", "resnet20",
        "--device", "cpu", "--out", str(tmp_path / "out"),
    )  # fmt: skip
    assert "2 of 2 runs to make: about " in done.stdout
    assert "he2015-figure6, budget smoke: two epochs of other, small images (digits)" in done.stdout
    files = {path.name for path in (tmp_path / "out" / "result").iterdir()}
    assert files == {f"he2015-figure6-smoke.{suffix}" for suffix in ("svg", "md", "html")}
    svg = (tmp_path / "out" / "result" / "he2015-figure6-smoke.svg").read_text()
    assert svg.count("stroke-dasharray") == 3  # each training curve, and what that means
    page = (tmp_path / "out" / "result" / "he2015-figure6-smoke.html").read_text()
    assert '<p class="bad">Budget smoke, two epochs of other, small images' in page
    assert 'style="' not in page  # the page's policy would not let it be
    assert page.count('src="data:image/svg+xml;base64,') == 2  # in light and in dark
    assert "plain20\N{NO-BREAK SPACE}[1]" in page
    text = (tmp_path / "out" / "result" / "he2015-figure6-smoke.md").read_text()
    assert "data=digits (cifar10)" in text and "8.75" not in text

    found = resnetlab.reproduce(
        "he2015-figure6", budget="smoke", only=["plain20", "resnet20"], device="cpu", out=tmp_path / "out",
        observer=resnetlab.Silence(),
    )  # fmt: skip
    assert {path.name for path in found.files} == files and str(found) in done.stdout
    assert repr(found) == f"<he2015-figure6, budget smoke, 2 runs: {tmp_path / 'out'}>"
    assert "plain20 [1]" in (cell := found._repr_html_()) and "data:image/svg+xml;base64," in cell

    assert f"report {tmp_path / 'out'}" in done.stdout
    elsewhere = run(
        "reproduce", "he2015-figure6", "--budget", "smoke", "--only", "plain20", "--device", "cpu",
        "--out", str(tmp_path / "taken"), "--records", str(tmp_path / "out"),
    )  # fmt: skip
    assert "0 of 1 runs to make" in elsewhere.stdout and "report" not in elsewhere.stdout
    none = run("report", str(tmp_path / "taken"), code=2).stderr
    assert "a study is written down there, and none of its runs has begun" in none

    done = run(
        "reproduce", "he2015-figure6", "--budget", "smoke", "--only", "plain20", "--set", "lr=0.2", "--json",
        "--dry-run", "--device", "cpu", "--out", str(tmp_path / "new"),
        "--records", str(tmp_path / "out" / "records"),
    )  # fmt: skip
    ((path, told),) = json.loads(done.stdout)["refused"].items()
    assert path == str(tmp_path / "out" / "records" / "plain20-seed0.json") and "lr" in " ".join(told)
    assert f"{path} is not taken for the run of its name:" in done.stderr


def test_all_reproductions_are_listed_and_each_is_shown_with_its_numbers() -> None:
    listed = run("list", "reproductions").stdout
    assert json.loads(run("list", "reproductions", "--json").stdout) == {"reproductions": [*REPRODUCTIONS]}
    for name, each in REPRODUCTIONS.items():
        assert f"  {name} " in listed
        shown = json.loads(run("show", name, "--json").stdout)
        assert [row["name"] for row in shown["rows"]] == [row.name for row in each.rows]
        assert " ".join(run("show", name).stdout.split()).startswith(f"{name}: {each.title}")


def test_a_published_error_stands_in_one_place() -> None:
    for name in ("he2015-figure6", "he2015-table6"):
        for row in REPRODUCTIONS[name].rows:
            assert row.published == PUBLISHED.get(("cifar10", row.network))
    assert REPRODUCTIONS["he2015-table6"].rows[-1].published is not None


# As keras' cifar10_resnet.py, research/resnet's README and estimator_benchmark.py have them.
KERAS = {20: 92.16, 32: 92.46, 44: 92.50, 56: 92.71, 110: 92.65}
KERAS_V2 = {56: 93.01, 110: 93.15}
RESEARCH = {"cifar10": [92.5, 93.6, 94.5, 94.9, 95.0], "cifar100": [68.1, 71.3, 75.7, 78.2, 78.3]}


def test_the_originals_accuracies_are_theirs() -> None:
    accuracies = {row.name: 100 - row.published.error for row in REPRODUCTIONS["keras-table"].rows}  # type: ignore[union-attr]
    wanted = {f"resnet{depth}v1": accuracy for depth, accuracy in KERAS.items()}
    wanted |= {f"resnet{depth}v2": accuracy for depth, accuracy in KERAS_V2.items()}
    assert accuracies == pytest.approx(wanted)
    for data, published in RESEARCH.items():
        rows = [row for row in REPRODUCTIONS["tfresearch-table"].rows if row.data == data]
        assert [100 - row.published.error for row in rows] == pytest.approx(published)  # type: ignore[union-attr]
    shown = run("show", "keras-table").stdout
    assert (
        "does not say of which epoch" in " ".join(shown.split()) and "6.85 (the best, by its author)" in shown
    )
    (official,) = REPRODUCTIONS["tfofficial-cifar"].rows
    assert official.band == pytest.approx((6.2, 7.4)) and official.published is not None
    assert official.published.mean == pytest.approx(100 - 93.12)


# He et al., 2015, Tables 2 to 4 (top-1), and 2016, Tables 1, 2 (110 and 164 layers), 3 and 4; None is "fail".
PAPERS = {
    "he2015-table2": [27.94, 28.54, 27.88, 25.03],
    "he2015-table3": [25.03, 24.52, 24.19, 22.85, 21.75, 21.43],
    "he2015-table4": [21.84, 21.53, 20.74, 19.87, 19.38],
    "he2016-table1": [6.61, None, None, 12.35, None, None, 8.70, 9.81, 12.86, 6.91, 12.22, None],
    "he2016-table2": [6.61, 8.17, 7.84, 6.71, 6.37, 5.93, 6.50, 6.14, 5.91, 5.46],
    "he2016-table4": [6.61, 5.93, 7.61, 6.37, 5.46, 4.92, 4.62, 25.16, 27.82, 24.33, 22.71],
}


def test_the_papers_errors_are_theirs() -> None:
    for name, errors in PAPERS.items():
        assert [row.published.error for row in REPRODUCTIONS[name].rows if row.published] == errors, name
    options = [row.spec().shortcut for row in REPRODUCTIONS["he2015-table3"].rows[:3]]
    assert options == ["A", "B", "C"]
    (official,) = REPRODUCTIONS["tfofficial-imagenet"].rows
    assert official.band == pytest.approx((100 - 76.6, 100 - 76.2))


def test_the_shortcuts_of_table_1_are_what_it_says_and_a_failure_is_no_number() -> None:
    """He et al., 2016, Table 1: factors on shortcut and branch; gates with their first bias."""
    rows = {row.name: row for row in REPRODUCTIONS["he2016-table1"].rows}
    specs = {name: row.spec() for name, row in rows.items()}
    factors = {(s.shortcut_scale, s.branch_scale): n for n, s in specs.items() if "scaling-0.5" in n}
    biases = {(s.shortcut_gate, s.gate_bias) for s in specs.values() if s.shortcut_gate != "none"}

    assert factors == {(0.5, 1.0): "scaling-0.5-1", (0.5, 0.5): "scaling-0.5-0.5"}
    exclusive = {("exclusive", float(bias)) for bias in (0, -5, -6, -7)}
    assert biases == exclusive | {("shortcut-only", 0.0), ("shortcut-only", -6.0)}
    assert (specs["conv-shortcut"].shortcut, specs["dropout-shortcut"].shortcut_dropout) == ("C", 0.5)
    assert {spec.depth for spec in specs.values()} == {110}
    failed = rows["dropout-shortcut"].published
    assert failed is not None and (failed.cell, failed.text) == ("fail (> 20)", "fail, above 20")
    assert "dropout-shortcut fail, above 20" in " ".join(run("show", "he2016-table1").stdout.split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["reproduce", "he2015-figure7x"], "no reproduction is called 'he2015-figure7x'"),
        (["reproduce", "he2015-figure6", "--only", "plain21"], "has no row 'plain21'"),
        (["reproduce", "he2015-figure6", "--budget", "tent"], "no budget is called 'tent'"),
        (["reproduce", "he2015-figure6", "--set", "width=2"], "say what their networks are"),
        (
            ["reproduce", "he2015-figure6", "--budget", "smoke", "--records", "nowhere", "there"],
            "no records at there",
        ),
        (["reproduce", "tfresearch-table", "--data", "x"], "say which it is"),
        (["reproduce", "he2015-table2"], "say where its 1,281,167 training and 50,000 test images lie"),
        (["show", "he2015-figure6", "resnet20"], "a reproduction is compared with nothing"),
        (["show", "he2015-figure"], "no model, recipe, reproduction or run is called"),
    ],
)
def test_a_wrong_word_is_answered(arguments: list[str], message: str) -> None:
    assert message in run(*arguments, code=2).stderr


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"only": "plain21"}, "has no row 'plain21'"),
        ({"budget": "tent"}, "no budget is called 'tent'"),
        ({"data": {"cifar100": "x"}}, "no row that is asked for is of cifar100"),
        ({"data": 3}, "data is where it lies, or that by dataset, got 3"),
        ({"seeds": 1.5}, "seeds"),
        ({"epochs": 3}, "length cannot be set"),
        ({"width": 2}, "width"),
    ],
)
def test_what_python_cannot_ask_for_is_answered(given: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        resnetlab.reproduce("he2015-figure6", **given)
