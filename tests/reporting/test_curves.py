"""The curves: their numbers against those of the rows, and the picture's names in their places."""

import json
import math
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from resnetlab.cli import main
from resnetlab.errors import UsageError
from resnetlab.reporting import report
from resnetlab.reporting.curves import Curve, Line, Points, curves_of, error_axis, top_error
from resnetlab.reporting.pictures.curves import _Style, draw_curves
from resnetlab.reporting.pictures.labels import Label, off_the_lines, spread
from resnetlab.runs.journal import read_rows
from resnetlab.show.drawing.theme import THEMES
from tests.kit.color_vision import SEEN, lab
from tests.kit.reported_runs import as_cifar, copied, test_row


def test_the_test_error_is_the_mean_over_seeds_with_a_band_from_lowest_to_highest(real_runs: Path) -> None:
    (curve,) = curves_of(report(real_runs).groups)

    kinds = [
        [row for row in read_rows(real_runs / f"seed{seed}" / "metrics.jsonl") if row["kind"] == "test"]
        for seed in range(3)
    ]
    errors = 100 * (1 - np.array([[row["accuracy"] for row in rows] for rows in kinds]))
    assert [step for step, _ in curve.test.mean] == [row["step"] for row in kinds[0]]
    assert [error for _, error in curve.test.mean] == pytest.approx(errors.mean(0))
    assert [low for _, low, _ in curve.test.band] == pytest.approx(errors.min(0))
    assert [high for _, _, high in curve.test.band] == pytest.approx(errors.max(0))
    assert curve.test.alone == ()
    assert curve.test.end == (40, pytest.approx(report(real_runs).groups[0].mean))


def test_the_training_error_is_that_of_the_rows_in_the_middle_of_their_steps(real_runs: Path) -> None:
    (curve,) = curves_of(report(real_runs / "seed0").groups)

    rows = [row for row in read_rows(real_runs / "seed0" / "metrics.jsonl") if row["kind"] == "train"]
    steps = np.array([0, *(row["step"] for row in rows)])
    assert [step for step, _ in curve.train.mean] == [*((steps[1:] + steps[:-1]) / 2)]
    assert [e for _, e in curve.train.mean] == pytest.approx([100 * (1 - r["train_accuracy"]) for r in rows])


def test_training_rows_of_a_long_run_are_pooled_by_their_steps(real_runs: Path, tmp_path: Path) -> None:
    chance = random.Random(7)
    accuracies = [chance.random() for _ in range(1280)]
    rows: list[dict[str, Any]] = [
        {"kind": "train", "step": 50 * (i + 1), "train_accuracy": share} for i, share in enumerate(accuracies)
    ]
    as_cifar(
        real_runs / "seed0", tmp_path / "run", "resnet20", rows=[*rows, test_row(64_000, 0.9)], log_every=50
    )
    (curve,) = curves_of(report(tmp_path).groups)

    errors = 100 * (1 - np.array(accuracies).reshape(160, 8).mean(1))
    assert [error for _, error in curve.train.mean] == pytest.approx(errors)
    assert [step for step, _ in curve.train.mean] == [400 * i + 200 for i in range(160)]


def test_unfinished_runs_are_drawn_as_far_as_they_are(real_runs: Path, tmp_path: Path) -> None:
    steps = (100, 200, 300)
    whole = [test_row(step, 0.5) for step in steps]
    as_cifar(real_runs / "seed0", tmp_path / "a", "resnet20", rows=whole)
    as_cifar(real_runs / "seed0", tmp_path / "b", "resnet20", rows=[test_row(s, 0.7) for s in steps], seed=1)
    part = as_cifar(
        real_runs / "seed0", tmp_path / "c", "resnet20", rows=[test_row(s, 0.25) for s in steps[:2]], seed=2
    )
    (part / "RESULT.json").unlink()

    (curve,) = curves_of(report(tmp_path).groups)
    assert curve.test.mean == tuple((step, pytest.approx(40)) for step in steps)
    assert curve.test.alone == (((100, 75), (200, 75)),)
    assert curve.open_ends == ((200, 75),)
    (lone,) = curves_of(report(part).groups)
    assert (lone.test.mean, lone.test.end) == (((100, 75), (200, 75)), (200, 75))


def test_runs_that_ended_at_different_steps_keep_their_ends(real_runs: Path, tmp_path: Path) -> None:
    for seed, last in ((0, 200), (1, 400)):
        rows = [test_row(step, 0.5 + seed / 4) for step in range(100, last + 1, 100)]
        as_cifar(real_runs / "seed0", tmp_path / str(seed), "resnet20", rows=rows, seed=seed)

    (curve,) = curves_of(report(tmp_path).groups)
    assert [step for step, _ in curve.test.mean] == [100, 200]
    assert curve.test.alone == (((200, 25), (300, 25), (400, 25)),)
    assert curve.test.end == (400, 25)


def paper_like(end: float, *, at_drop: float = 25.0) -> Points:
    """Errors as in Fig. 6: high until step 32,000, then falling to the end's."""
    return tuple(
        (step, at_drop if step <= 32_000 else end * (1.1 if step <= 48_000 else 1))
        for step in range(400, 64_001, 400)
    )


def curve(points: Points, *, name: str = "resnet20", color: int = 0, is_plain: bool = False) -> Curve:
    return Curve(
        name=name, is_plain=is_plain, color=color, test=Line(mean=points), train=Line(), watched="test",
        open_ends=(),
    )  # fmt: skip


def test_the_axis_ends_at_the_papers_20_percent_and_never_cuts_the_end_of_a_curve() -> None:
    networks = [curve(paper_like(end)) for end in (8.75, 7.51, 7.17, 6.97)]
    plain = [curve(paper_like(end, at_drop=33), is_plain=True) for end in (9.1, 9.6, 10.6, 13.8)]
    assert top_error(networks + plain) == 20

    chance = random.Random(3)
    for _ in range(200):
        points = tuple((step, 100 * chance.random() ** 3) for step in range(100, 4001, 100))
        assert top_error([curve(points)]) >= min(100, max(e for s, e in points if s > 2200))
    assert top_error([curve(((10, 0.4), (20, 0.3)))]) == 1


def test_colours_are_of_the_depth_in_both_panels(real_runs: Path, tmp_path: Path) -> None:
    for name in ("plain20", "plain56", "resnet20", "resnet56", "resnet110", "preresnet110"):
        as_cifar(real_runs / "seed0", tmp_path / name, name)
    colors = {each.name: each.color for each in curves_of(report(tmp_path).groups)}

    assert colors["plain20"] == colors["resnet20"]
    assert colors["plain56"] == colors["resnet56"]
    assert len({colors[name] for name in ("resnet20", "resnet56", "resnet110", "preresnet110")}) == 4


def test_a_network_that_is_there_twice_is_named_with_what_differs(real_runs: Path, tmp_path: Path) -> None:
    real = real_runs / "seed0"
    as_cifar(real, tmp_path / "a", "resnet20", momentum=0.8)
    as_cifar(real, tmp_path / "b", "resnet20", momentum=0.8, lr=0.2)
    as_cifar(real, tmp_path / "c", "resnet32")

    names = {each.name for each in curves_of(report(tmp_path).groups)}
    assert names == {"resnet20", "resnet20, lr=0.2", "resnet32"}


def test_different_data_and_runs_without_evaluations_are_refused(real_runs: Path, tmp_path: Path) -> None:
    real = real_runs / "seed0"
    as_cifar(real, tmp_path / "a", "resnet20")
    as_cifar(real, tmp_path / "b", "resnet20", data="cifar100")
    with pytest.raises(UsageError, match=r"cifar10 \(10 classes\), cifar100 \(100 classes\)"):
        report(tmp_path).draw(tmp_path / "x.svg")
    empty = copied(real, tmp_path / "c")
    (empty / "metrics.jsonl").write_text("")
    with pytest.raises(UsageError, match="none of the runs has been evaluated"):
        report(empty).draw(tmp_path / "x.svg")
    assert not (tmp_path / "x.svg").exists()


def label(y: float, *, x: float = 0, height: float = 12, width: float = 50) -> Label:
    return Label(x=x, y=y, width=width, height=height)


def overlapping(labels: Sequence[Label]) -> list[tuple[Label, Label]]:
    return [
        (a, b)
        for a, b in combinations(labels, 2)
        if abs(a.y - b.y) < (a.height + b.height) / 2 - 1e-9 and a.x < b.x + b.width and b.x < a.x + a.width
    ]


def test_names_never_overlap_and_move_no_farther_than_they_must() -> None:
    seed = 11
    chance = random.Random(seed)
    for _ in range(300):
        wished = [
            label(100 * chance.random(), x=chance.choice((0, 40, 200)), height=chance.choice((12, 24)))
            for _ in range(chance.randint(1, 7))
        ]
        placed = spread(wished, -4, math.inf)
        assert overlapping(placed) == [], seed
        assert all(each.y - each.height / 2 >= -4 - 1e-9 for each in placed), seed

    apart = [label(10), label(30)]
    assert spread(apart, 0, math.inf) == apart
    close = [each.y for each in spread([label(20), label(22)], 0, math.inf)]
    assert close == [15, 27]
    assert [each.y for each in spread([label(3), label(1)], 0, math.inf)] == [18, 6]


def test_a_picture_has_the_same_bytes_every_time_and_is_of_its_kind(real_runs: Path, tmp_path: Path) -> None:
    curves = curves_of(report(real_runs).groups)
    heads = {"svg": b"<?xml", "pdf": b"%PDF", "png": b"\x89PNG"}
    for kind, head in heads.items():
        first, second = (draw_curves(curves, kind, title="t") for _ in range(2))
        assert first == second
        assert first.startswith(head)
        assert main(["report", str(real_runs), "-o", str(tmp_path / f"x.{kind}"), "--title", "t"]) == 0
        assert (tmp_path / f"x.{kind}").read_bytes() == first


def test_themes_and_resumes_reach_the_picture(real_runs: Path, tmp_path: Path) -> None:
    run = copied(real_runs / "seed0", tmp_path / "run")
    themes = {}
    for theme in ("light", "dark", "print"):
        report(run).draw(tmp_path / "x.svg", theme=theme)  # type: ignore[arg-type]
        themes[theme] = (tmp_path / "x.svg").read_text()
    assert ["<!-- resumed -->" in text for text in themes.values()] == [False] * 3
    assert "#0072b2" in themes["light"]
    assert "#56b4e9" in themes["dark"]
    assert "#0072b2" not in themes["print"]
    style = _Style(theme=THEMES["print"], unit=1, is_lone=False)
    lines = [curve(((1, 1),), color=color) for color in range(5)]
    assert len({style.color(line) for line in lines}) == len({style.mark(line) for line in lines}) == 5

    with (run / "events.jsonl").open("a") as stream:
        stream.write(json.dumps({"event": "resume", "step": 20}) + "\n")
    report(run).draw(tmp_path / "x.svg")
    assert "<!-- resumed -->" in (tmp_path / "x.svg").read_text()


def test_the_picture_names_its_lines_and_panels(real_runs: Path, tmp_path: Path) -> None:
    def drawn() -> str:
        report(tmp_path).draw(tmp_path / "x.svg")
        return (tmp_path / "x.svg").read_text()

    for name in ("plain20", "resnet20", "resnet32"):
        as_cifar(real_runs / "seed0", tmp_path / name, name, rows=[test_row(s, 0.91) for s in (391, 64_000)])
    text = drawn()

    words = ("plain20  9.00 %", "resnet20  9.00 %", "plain networks", "residual networks", "steps (× 1e4)")
    assert [word for word in words if f"<!-- {word} -->" not in text] == []
    shutil.rmtree(tmp_path / "resnet32")  # one of each are seen side by side, in two colours
    text = drawn()
    assert [word for word in words if f"<!-- {word} -->" not in text] == [words[2], words[3]]
    assert all(color in text for color in ("#0072b2", "#c04d00"))


def test_a_validation_curve_is_called_one(real_runs: Path, tmp_path: Path) -> None:
    rows = [test_row(391, 0.5) | {"kind": "val"}, test_row(782, 0.6) | {"kind": "val"}]
    as_cifar(real_runs / "seed0", tmp_path / "run", "resnet20", rows=rows)
    report(tmp_path).draw(tmp_path / "x.svg")

    text = (tmp_path / "x.svg").read_text()
    assert "<!-- validation error -->" in text
    assert "<!-- test error -->" not in text


@pytest.mark.parametrize("sight", SEEN)
@pytest.mark.parametrize("theme", ("light", "dark"))
def test_lines_look_different_to_colour_blind_readers_too(theme: str, sight: str) -> None:
    """CIE76 of any two of the first four >= 14, of the first five >= 9 (2.3 is just noticeable)."""
    style = _Style(theme=THEMES[theme], unit=1, is_lone=False)  # type: ignore[index]
    seen = [lab(style.color(curve(((1, 1),), color=color)), sight) for color in range(5)]
    least = {n: min(math.dist(a, b) for a, b in combinations(seen[:n], 2)) for n in (4, 5)}
    assert least[4] >= 14
    assert least[5] >= 9


def test_a_report_without_a_picture_imports_neither_torch_nor_matplotlib(real_runs: Path) -> None:
    code = (
        f"import sys; from resnetlab.cli import main; main(['report', {str(real_runs)!r}]); "
        "sys.exit(bool({'torch', 'matplotlib', 'numpy'} & {*sys.modules}))"
    )
    started = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True)

    assert done.returncode == 0
    assert time.perf_counter() - started < 3


def test_what_is_read_is_not_changed(real_runs: Path, tmp_path: Path) -> None:
    run = copied(real_runs / "seed0", tmp_path / "run")
    before = {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()}
    assert main(["report", str(run), "-o", str(tmp_path / "x.png"), "--csv", str(tmp_path / "x.csv")]) == 0

    assert {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()} == before


def test_a_short_run_is_seen_whole_and_far_errors_on_an_axis_of_powers() -> None:
    short = error_axis([curve(((45, 90.0), (90, 8.0)))])
    assert (short.low, short.high, short.is_log) == (0.0, 100.0, False)
    far = error_axis([curve(((45, 90.0), (90, 8.0), (135, 0.6)))])
    assert (far.low, far.high, far.is_log) == (0.5, 100.0, True)
    assert error_axis([curve(paper_like(13.8, at_drop=33))]).high == 20.0


def test_no_name_lies_on_a_line() -> None:
    falling = [(0.0, 100.0), (100.0, 0.0)]
    name = Label(x=40, y=55, width=30, height=12)

    moved = off_the_lines(name, [falling], 200)

    assert moved.x == name.x and moved.y > 60 + 6, "above the line where it is highest"
    assert off_the_lines(name, [[(0.0, 10.0), (100.0, 10.0)]], 200) == name
    assert off_the_lines(name, [[(0.0, y), (100.0, y)] for y in range(0, 201, 5)], 200) == name, "no room"


def test_a_run_with_few_rows_of_training_has_its_training_curve_of_the_evaluations(
    real_runs: Path, tmp_path: Path
) -> None:
    rows = [test_row(step, 0.5) | {"train_accuracy": step / 10_000} for step in (1000, 2000, 3000)]
    last = {"kind": "train", "step": 3000, "train_accuracy": 0.9}
    as_cifar(real_runs / "seed0", tmp_path / "run", "resnet20", rows=[*rows, last])
    (found,) = curves_of(report(tmp_path).groups)

    assert found.train.mean == ((500, 90.0), (1500, 80.0), (2500, pytest.approx(70.0)))
