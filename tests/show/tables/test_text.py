"""The layer table as a reader meets it: columns, sums, widths, Markdown."""

import re
from collections.abc import Callable
from itertools import pairwise

import pytest

from resnetlab.base.units import format_bytes, format_count, format_rounded
from resnetlab.errors import UsageError
from resnetlab.network.catalog import list_models, model_spec
from resnetlab.show.tables.align import NO_BREAK, markdown_table, table, titled


def number(cell: str) -> int:
    return int(cell.replace(",", "") or 0)


def markdown_rows(text: str) -> list[list[str]]:
    return [line[2:-2].split(" | ") for line in text.splitlines() if line.startswith("| ")]


@pytest.mark.parametrize("name", list_models())
def test_every_named_network_fits_100_columns(name: str) -> None:
    text = model_spec(name).summary()

    assert max(map(len, text.splitlines())) <= 100
    assert not any(line != line.rstrip() for line in text.splitlines())


@pytest.mark.parametrize("name", ["resnet56", "resnet50_v2", "keras_resnet110v2"])
def test_the_full_table_fits_too_and_has_every_layer(name: str) -> None:
    spec = model_spec(name)
    text = spec.summary(full=True)

    assert max(map(len, text.splitlines())) <= 100
    assert sum(line.startswith("  ") and " px" not in line for line in text.splitlines()) >= len(
        spec.shapes()
    )
    assert not re.search(r"  x \d", text)


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize(
    "name", ["resnet20", "resnet50", "preresnet164", "chaoji_plain20", "tfofficial_resnet34v2"]
)
def test_lines_add_up_from_layers_to_units_to_stages_to_the_total(name: str, full: bool) -> None:
    """Read from the printed table alone, as a reader would add it up."""
    spec = model_spec(name)
    stages, units, layers, times = [], [], [], 1
    lines = [line for line in markdown_rows(spec.summary(full=full, markdown=True)) if len(line) == 7][2:]
    for label, _, _, parameters, products, _, _ in lines:
        counts = [number(parameters), number(products)] if label != "**published**" else []
        if label.startswith("**") and label not in ("**total**", "**published**"):
            stages.append(counts)
            times = 1
        elif label.startswith("*") and label.endswith("*") and counts and label != "**total**":
            found = re.search(r"  x (\d+)\*$", label)
            times = int(found[1]) if found else 1
            units.append(counts)
        elif label.startswith("`"):
            layers.append([times * count for count in counts])
    total = [spec.num_parameters, spec.num_multiply_adds()]
    ends = [sum(column) for column in zip(stages[0], stages[-1], strict=True)]

    assert [sum(column) for column in zip(*layers, strict=True)] == total
    assert [sum(column) for column in zip(*stages, strict=True)] == total
    assert [sum(c) + end for c, end in zip(zip(*units, strict=True), ends, strict=True)] == total
    assert [number(cell) for cell in next(line for line in lines if line[0] == "**total**")[3:5]] == total


def test_markdown_has_equal_columns_and_a_rule() -> None:
    rows = markdown_rows(model_spec("resnet164").summary(markdown=True))

    text = model_spec("resnet164").summary(markdown=True)
    bars = {line.count("|") for line in text.splitlines() if line.startswith("|")}
    assert bars == {8}
    assert rows[1] == [":--", ":--", "--:", "--:", "--:", "--:", "--:"]
    assert rows[0][:3] == ["layer", "operation", "CxHxW"]
    assert "`layer2.0.downsample.0`" in text
    assert "| **published** |  |  | 1.7 M |" in text


def test_a_line_of_the_table_says_what_the_issue_asks_for() -> None:
    """ResNet-20's first strided convolution: 3*3*16*32 weights on 16*16 places, 15 + 2*1 pixels."""
    text = model_spec("resnet20").summary(batch=64)
    line = next(line for line in text.splitlines() if "conv 3x3/2" in line)

    memory = format_bytes(64 * 32 * 16 * 16 * 4)
    assert re.split(r"\s{2,}", line.strip()) == [
        "conv1", "conv 3x3/2 pad 1", "32x16x16", "4,608", "1,179,648", "17", memory,
    ]  # fmt: skip
    assert re.search(r"^total +269,722 +40,551,040 ", text, re.MULTILINE)
    assert re.search(r"^published +270 k$", text, re.MULTILINE)
    assert "times 2 for floating-point operations" in " ".join(text.split())
    assert "at batch 64, about" in " ".join(text.split())
    assert "layer2.1-2  x 2" in text


def test_layout_and_size_change_shapes_and_counts() -> None:
    from resnetlab.show.tables.text import summary

    text = summary(model_spec("resnet18"), height=64, width=96, layout="NHWC")

    assert "HxWxC" in text
    assert "32x48x64" in text
    assert "images    64x96x3" in text
    assert f"{model_spec('resnet18').num_multiply_adds(64, 96):,}" in text


def test_the_published_multiply_adds_stand_beside_their_own_size_only() -> None:
    spec = model_spec("resnet50_v1")

    assert re.search(r"^published +3.8 G$", spec.summary(), re.MULTILINE)
    assert "3.8 G" not in spec.summary(height=192).partition("layer ")[2]
    assert "published" not in spec.with_(classes=7).summary()


def test_bad_sizes_and_batches_are_refused() -> None:
    with pytest.raises(UsageError, match="batch must be at least 1, got 0"):
        model_spec("resnet20").summary(batch=0)
    with pytest.raises(UsageError, match="at least 1x1 px"):
        model_spec("resnet20").summary(width=-3)
    with pytest.raises(UsageError, match="33x33 px the branch"):
        model_spec("chaoji_resnet20").summary(height=33, width=33)


def test_tables_align_and_long_titles_reach_over_empty_cells() -> None:
    lines = table(("a", "b", "n"), [("x", "yy", "1"), ("a long title", "", "1,000")], left=2).splitlines()

    assert lines == ["a  b              n", "x  yy             1", "a long title  1,000"]
    assert markdown_table(("a", "n"), [("x", "1")]).splitlines() == [
        "| a | n |",
        "| :-- | --: |",
        "| x | 1 |",
    ]


def test_titled_text_keeps_its_column_its_width_and_what_belongs_together() -> None:
    text = titled("title  ", " ".join([f"3{NO_BREAK}x{NO_BREAK}16-64/1"] * 40))

    lines = text.splitlines()
    assert max(map(len, lines)) <= 100
    assert all(line.startswith("       3 x 16") for line in lines[1:])
    assert all(a.endswith("/1") for a, _ in pairwise(lines))
    assert titled("title  ", "") == "title  "


def test_what_is_no_whole_number_is_refused_in_words() -> None:
    spec = model_spec("resnet20")
    calls: tuple[Callable[[], object], ...] = (
        lambda: spec.summary(height=True),
        lambda: spec.summary(batch=1.5),  # type: ignore[arg-type]
        lambda: spec.summary(height="32"),  # type: ignore[arg-type]
        lambda: spec.summary(layout="CHW"),  # type: ignore[arg-type]
        lambda: spec.shapes(0, 0),
        lambda: spec.num_multiply_adds(0),
        lambda: spec.draw(height=True),
    )
    for call in calls:
        with pytest.raises(UsageError):
            call()
    assert "HxWxC" in spec.summary(layout="NHWC")


def test_counts_step_up_their_unit_and_rounded_ones_gain_no_digit() -> None:
    assert [format_count(n) for n in (999, 1000, 999_949, 999_999)] == ["999", "1.0 k", "999.9 k", "1.0 M"]
    assert [format_rounded(n) for n in (270_000, 1_700_000, 25_557_032)] == ["270 k", "1.7 M", "25.6 M"]


def test_the_published_counts_come_from_the_source_that_is_named() -> None:
    """The paper counts no parameters of its ImageNet networks; torchvision does."""
    for name in list_models():
        spec = model_spec(name)
        if spec.input_size == 224 and spec.published_parameters:
            assert "torchvision" in spec.source, name


def test_a_long_text_pushes_no_column_that_has_something_out_of_line() -> None:
    rows = [("photos/very/long.jpg", "", "dog"), ("a.jpg", "cat", "dog")]

    lines = table(("image", "truth", "class"), rows, left=3).splitlines()

    assert {line.index("dog") for line in lines[1:]} == {lines[0].index("class")}


def test_a_foreign_name_is_no_link_and_ends_no_cell() -> None:
    names = ["[c](http://x)", "![p](http://y)", "a\\|b", "<b>"]
    row = markdown_table(("one", "two", "three", "four"), [names]).splitlines()[-1]
    assert row == r"| [c]\(http://x) | ![p]\(http://y) | a\\\|b | &lt;b> |"
