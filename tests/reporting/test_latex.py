"""Tables in LaTeX: nothing of a name is a command, and every row has its columns."""

import re
from pathlib import Path

import pytest

from resnetlab.reporting import report
from resnetlab.reporting.latex import latex_list, latex_table, latex_text
from resnetlab.show.tables.align import markdown_text
from tests.kit.reported_runs import as_cifar, edit

COMMANDS = re.compile(
    r"\\(textbackslash\{\}|textasciicircum\{\}|textasciitilde\{\}|textbar\{\}|textquotedbl\{\}|[{}$&#%_])"
    r"|\$(<|>|-|\\pm|\\times)\$"
)


@pytest.mark.parametrize(
    "name", (r"\input{/etc/passwd}", "a_b^c~d", "50 % & #1 $x$", "{<|>}", '"x"', "\x1b[2J\n")
)
def test_a_name_is_shown_and_obeys_nothing(name: str) -> None:
    rest = COMMANDS.sub("", latex_text(name))

    assert not set(rest) & set("\\{}$&#%_^~|<>\x1b\n")


def test_numbers_read_as_numbers() -> None:
    assert latex_text("8.75 ± 0.20") == r"8.75 $\pm$ 0.20"
    assert latex_text("-0.28 to 0.52 (-1)") == "$-$0.28 to 0.52 ($-$1)"
    assert latex_text("seed-0 to-2") == "seed-0 to-2"


def test_a_table_has_the_rules_of_booktabs_and_as_many_cells_as_columns() -> None:
    text = latex_table(["name", "n", "%"], [["a & b", "1", "2"], ["[x]", "", "3"], ["*", "4", "5"]], left=1)

    assert text.splitlines() == [
        r"% \usepackage{booktabs}", r"\begin{tabular}{lrr}", r"\toprule", r"name & n & \% \\", r"\midrule",
        r"a \& b & 1 & 2 \\", r"{}[x] &  & 3 \\", r"{}* & 4 & 5 \\", r"\bottomrule", r"\end{tabular}",
    ]  # fmt: skip


def test_a_list_may_be_empty_and_an_item_may_begin_with_a_bracket() -> None:
    assert latex_list([]) == ""
    assert latex_list(["[1] a_b"]) == "\\begin{itemize}\n\\item {}[1] a\\_b\n\\end{itemize}"


def test_a_report_is_a_table_in_latex_with_its_notes(real_runs: Path, tmp_path: Path) -> None:
    for seed, correct in enumerate((9125, 9140)):
        run = as_cifar(real_runs / "seed0", tmp_path / f"{seed}", "resnet20", seed=seed, correct=correct)
        edit(run / "data.json", name="my_data & more")

    text = report(tmp_path).latex()
    assert r"resnet20 & he2015 & my\_data \& more & 2 & 8.68 $\pm$ 0.11 &" in text
    assert r"\item Test error: last step, single view, no selection on the test set; mean $\pm$" in text


def test_markdown_has_no_tags_but_all_else() -> None:
    assert (
        markdown_text("<b>&lt;x</b> p < .001 & a&b <!--") == "&lt;b>&amp;lt;x&lt;/b> p < .001 & a&b &lt;!--"
    )
