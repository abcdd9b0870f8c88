"""What is seen of a run and of a study, on terminals of all kinds and where there is none."""

import io
import re
from collections.abc import Callable

import pytest

from resnetlab.training.run import Result
from resnetlab.watching.a_study import watching_study
from resnetlab.watching.fitting import block, wrapped
from resnetlab.watching.one_run import PlainWatcher, watching

ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")
FACTS = {
    "model": "resnet8: a network with as many words as it takes to go on in the next line",
    "run": "runs/x",
}
Stream = Callable[..., io.TextIOWrapper]


@pytest.fixture
def stream(monkeypatch: pytest.MonkeyPatch) -> Stream:
    """Make a stream: a terminal of a kind and a size, or with no size a file."""

    def make(columns: int = 0, *, term: str = "xterm-256color", encoding: str = "utf-8") -> io.TextIOWrapper:
        class Made(io.TextIOWrapper):
            def isatty(self) -> bool:
                return columns > 0

        monkeypatch.setenv("TERM", term)
        for name, value in (("COLUMNS", columns), ("LINES", 30)):
            monkeypatch.setenv(name, str(value)) if columns else monkeypatch.delenv(name, raising=False)
        return Made(io.BytesIO(), encoding=encoding, write_through=True)

    return make


def said(stream: io.TextIOWrapper) -> str:
    return stream.buffer.getvalue().decode(stream.encoding)  # type: ignore[attr-defined]


def play(watcher: PlainWatcher, kind: str = "test") -> None:
    """A run of 20 steps, evaluated twice."""
    watcher.begin(FACTS, step=0, num_steps=20)
    for step in range(1, 21):
        watcher.lately(loss=2.0 / step, accuracy=step / 25)
        row = {"step": step, "train_loss": 2.0 / step, "train_accuracy": step / 25, "learning_rate": 0.1}
        if step % 5 == 0:
            watcher.train_row({"kind": "train", **row})
        if step % 10 == 0:
            watcher.evaluating(5, 10)
            spent = {"samples": 8 * step, "seconds": step / 2, "peak_memory": 0, "is_best": kind == "val"}
            watcher.row(
                {"kind": kind, "epoch": step / 10, "loss": 1.5, "accuracy": step / 30, **row, **spent}
            )
        watcher.progress(step, samples=8 * step, seconds=step / 2)
    watcher.note("a note")


def test_a_file_gets_plain_lines_of_all_columns_and_the_curve_at_the_end(stream: Stream) -> None:
    file = stream()
    with watching(file) as watcher:
        play(watcher)

    lines = said(file).splitlines()
    assert lines[0] == f"model  {FACTS['model']}"
    assert [line.split() for line in lines[4:8]] == [
        ["───", "training", "────", "─────", "test", "──────"],
        ["epoch", "step", "lr", "loss", "accuracy", "loss", "accuracy", "images/s", "elapsed", "left"],
        ["1.00", "10", "0.1", "0.2000", "40.00", "%", "1.5000", "33.33", "%", "16", "5.0", "s", "5.0", "s"],
        ["2.00", "20", "0.1", "0.1000", "80.00", "%", "1.5000", "66.67", "%", "16", "10", "s", "0.0", "s"],
    ]  # fmt: skip
    assert lines[8:10] == ["a note", ""]
    assert "test error 33.33 %" in said(file) and "2 epochs" in lines[-1]
    assert "\x1b" not in said(file)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_an_encoding_without_braille_loses_nothing(encoding: str, stream: Stream) -> None:
    for columns in (0, 80):
        where = stream(columns, encoding=encoding)
        with watching(where) as watcher:
            play(watcher)
        text = ANSI.sub("", said(where))
        assert text.isascii()
        assert "--- training ---" in text and "test error 33.33 %" in text


@pytest.mark.parametrize("columns", [36, 40, 60, 80, 120])
@pytest.mark.parametrize("kind", ["test", "val"])
def test_a_terminal_shows_a_bar_and_a_curve_in_lines_that_fit(
    columns: int, kind: str, stream: Stream
) -> None:
    terminal = stream(columns)
    with watching(terminal) as watcher:
        play(watcher, kind)
        moving = "".join(segment.plain for segment in watcher._screen.drawn().renderables)  # type: ignore[attr-defined]

    lines = [line for line in ANSI.sub("\n", said(terminal)).splitlines() if line.strip()]
    assert max(map(len, lines)) <= columns
    assert "training ━" in moving and "finishing" in moving
    assert ("loss 0.1000" in moving) == (columns >= 80)
    assert ("80.0 % right" in moving) == (columns >= 60)
    what = "validation" if kind == "val" else "test"
    assert f"{what} error 33.33 %" in moving
    assert f"{what} error 33.33 %" in "\n".join(lines[-12:]), "and once more, when all that moved is gone"


def test_a_dumb_terminal_gets_plain_lines_in_its_width(stream: Stream) -> None:
    terminal = stream(60, term="dumb")
    with watching(terminal) as watcher:
        play(watcher)

    assert "\x1b" not in said(terminal)
    assert max(map(len, said(terminal).splitlines())) <= 60


def test_no_color_is_none(stream: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    colors = re.compile(r"\x1b\[[0-9;]*3[0-7]m")
    found = []
    for asked in ("", "1"):
        monkeypatch.setenv("NO_COLOR", asked)
        terminal = stream(80)
        with watching(terminal) as watcher:
            play(watcher)
        found.append(bool(colors.search(said(terminal))))

    assert found == [True, False]


def test_who_goes_on_sees_the_curve_from_its_beginning(stream: Stream) -> None:
    file = stream()
    with watching(file) as watcher:
        watcher.begin(FACTS, step=10, num_steps=20)
        watcher.past([{"kind": "test", "step": 10, "epoch": 1.0, "accuracy": 0.25}])
        row = {"kind": "test", "step": 20, "epoch": 2.0, "loss": 1.0, "accuracy": 0.5, "learning_rate": 0.1}
        watcher.row(row | {"samples": 160, "seconds": 9.0, "peak_memory": 0})

    assert "resumed  after step 10" in said(file)
    assert "test error 50.00 %" in said(file)


def result(accuracy: float) -> Result:
    return Result(
        run="r", step=20, epochs=2.0, accuracy=accuracy, interval=(0.0, 1.0), correct=1, seen=2, loss=1.0,
        accuracy_top_5=1.0, weights="weights", stopped_on_test=False, plain_accuracy=None,
        best_val_accuracy=None, best_val_step=None, train_seconds=12.0, images_per_second=345.6,
    )  # fmt: skip


@pytest.mark.parametrize("columns", [0, 40, 80])
def test_a_study_has_a_line_for_each_run(columns: int, stream: Stream) -> None:
    names = [f"resnet8-seed{seed}" for seed in range(3)]
    where = stream(columns)
    with watching_study(where) as watcher:
        watcher.begin(dict.fromkeys(names, 20), at_once=1)
        first, second = (watcher.of(name) for name in names[:2])
        play(first)  # type: ignore[arg-type]
        watcher.ended(names[0], result(0.75))
        second.begin(FACTS, step=0, num_steps=20)
        second.progress(5, samples=40, seconds=2.0)
        second.lately(loss=1.25, accuracy=0.5)
        if columns:
            screen = watcher._screen  # type: ignore[attr-defined]
            moving = [segment.plain for segment in screen.drawn().renderables]
            assert [line.split()[0] for line in moving] == names[1:]
            assert "6.0 s left" in moving[0] and moving[1].endswith("waiting")
            assert ("loss 1.2500" in moving[0]) == (columns == 80)

    lines = ANSI.sub("\n", said(where)).splitlines()
    assert not columns or max(map(len, lines)) <= columns
    (ended,) = [line for line in lines if line.startswith(names[0]) and "25.00 % test error" in line]
    assert "12 s" in ended or columns == 40
    assert ("346 images/s" in ended) == (columns != 40)
    assert "resnet8-seed0: a note" in lines


def test_titles_and_texts_share_the_columns() -> None:
    lines = {"resnetlab eval runs/first": "per class, confusion matrix", "x": "short"}

    assert block(lines, columns=80) == block(lines)
    assert block(lines, columns=53).splitlines() == [
        "  resnetlab eval runs/first  per class, confusion",
        "                             matrix",
        "  x                          short",
    ]
    assert block(lines, columns=40).splitlines() == [
        "  resnetlab eval runs/first",
        "      per class, confusion matrix",
        "  x",
        "      short",
    ]
    long = {
        "resnetlab finetune --weights runs/tty --data FOLDER": "your own",
        "x": "result, curve, differences",
    }
    assert max(map(len, block(long, columns=80).splitlines())) <= 80
    assert wrapped("one two three\n  four five six", 9) == "one two\nthree\n  four\n  five\n  six"
