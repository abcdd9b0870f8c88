"""Another encoding, a full disk, a reader who has left: no command ends in a traceback for its output."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

import numpy as np
import pytest
from PIL import Image

from resnetlab.cli import main
from resnetlab.watching.one_run import watching
from resnetlab.watching.streams import OnTheWay

NAME = os.fsdecode(
    "ré 你 ".encode() + b"\xe9"
)  # no encoding below has all of it, and its last byte is no text
TRAIN = (
    "train", "resnet8", "--data", "digits", "--steps", "2", "--batch", "32", "--set", "width=0.25",
    "--set", "compile=off", "--set", "eval_every=1st", "--val", "20", "--out",
)  # fmt: skip


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of images in classes of such names, and a run on it of such a name."""
    work = tmp_path_factory.mktemp("output")
    rng = np.random.default_rng(1)
    for part, number in (("train", 4), ("test", 2)):
        for label in ("é ±", "你"):
            folder = work / "photos ©" / part / label
            folder.mkdir(parents=True)
            for index in range(number):
                Image.fromarray(rng.integers(0, 256, (16, 16, 3)).astype(np.uint8)).save(
                    folder / f"ü{index}.png"
                )
    train = [*TRAIN[:2], "--data", str(work / "photos ©"), *TRAIN[4:6], "--batch", "4", *TRAIN[8:14], "--out"]
    for seed in (0, 1):
        assert main([*train, str(work / f"{NAME}{seed}"), "--seed", str(seed)]) == 0
    return work


class Encoded(io.TextIOWrapper):
    """A standard output of this encoding, kept in memory."""

    def __init__(self, encoding: str) -> None:
        self.bytes = io.BytesIO()
        super().__init__(self.bytes, encoding=encoding)


VERBS = {
    "show": ["show", "{run}"],
    "report": ["report", "{run}", "{other}"],
    "report as Markdown": ["report", "{run}", "{other}", "--markdown"],
    "eval": ["eval", "{run}"],
    "predict": ["predict", "{run}", "{image}"],
    "predict --csv": ["predict", "{run}", "{image}", "--csv", "-"],
    "data describe": ["data", "describe", "{data}"],
    "data check": ["data", "check", "{data}"],
    "train --dry-run": ["train", "resnet8", "--data", "{data}", "--batch", "4", "--dry-run"],
    "resume": ["resume", "{run}"],
    "a refusal": ["data", "describe", "{work}/ø"],
    "list": ["list"],
}


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
@pytest.mark.parametrize("verb", VERBS)
def test_names_that_an_encoding_lacks_are_written_another_way(
    verb: str, encoding: str, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = {
        "run": work / f"{NAME}0", "other": work / f"{NAME}1", "data": work / "photos ©", "work": work,
        "image": work / "photos ©" / "test" / "你" / "ü0.png",
    }  # fmt: skip
    stream, errors = Encoded(encoding), Encoded(encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setattr(sys, "stderr", errors)

    code = main([part.format(**places) for part in VERBS[verb]])

    assert code == (3 if verb == "a refusal" else 0)
    assert (sys.stdout, sys.stderr) == (stream, errors)
    shown = stream.bytes.getvalue()
    if verb == "eval":
        name = {"ascii": rb"r\xe9 \u4f60 ", "cp1252": b"r\xe9 \\u4f60 ", "utf-8": NAME[:-1].encode()}[
            encoding
        ]
        assert name + b"\xe90" in shown  # the byte that is no text as the file's name has it
    if verb == "report" and encoding == "ascii":
        assert b" +- " in shown


def full() -> TextIO:
    return open("/dev/full", "w")


def left() -> TextIO:
    """A pipe whose reader has gone."""
    reading, writing = os.pipe()
    os.close(reading)
    return os.fdopen(writing, "w")


def closed() -> None:
    return None


@pytest.fixture
def stands_behind(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    opened = []

    def stand(stream: TextIO | None, name: str = "stdout") -> None:
        opened.append(stream)
        monkeypatch.setattr(sys, name, stream)

    yield stand
    for stream in opened:
        if stream:
            stream.close()  # which raises if anything is left to be written


ENDS = [
    (full, 74, "resnetlab: the output could not be written: No space left on device\n"),
    (closed, 74, "resnetlab: the output could not be written: it is closed\n"),
    (left, 141, ""),
]
needs_full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")


@needs_full
@pytest.mark.parametrize(("behind", "code", "said"), ENDS)
@pytest.mark.parametrize("verb", [["list"], ["show", "resnet1001", "--full"], ["show", "resnet20", "--json"]])
def test_an_output_that_cannot_be_written_ends_a_verb_with_one_line(
    verb: list[str], behind: Callable[[], TextIO], code: int, said: str, stands_behind, capsys
) -> None:
    stands_behind(behind())

    assert main(verb) == code
    assert capsys.readouterr().err == said


@needs_full
@pytest.mark.parametrize(("behind", "code", "said"), ENDS)
def test_training_goes_on_when_nobody_can_see_it(
    behind: Callable[[], TextIO], code: int, said: str, stands_behind, capsys, tmp_path: Path
) -> None:
    stands_behind(behind())

    assert main([*TRAIN, str(tmp_path / "run")]) == code
    assert json.loads((tmp_path / "run" / "RESULT.json").read_text())["step"] == 2
    assert capsys.readouterr().err == (said and said.rstrip() + "; the work goes on\n" + said)


@needs_full
def test_several_runs_go_on_when_nobody_can_see_them(stands_behind, capsys, tmp_path: Path) -> None:
    stands_behind(full())

    assert main([*TRAIN, str(tmp_path / "study"), "--seeds", "2"]) == 74
    assert len([*(tmp_path / "study").glob("*/RESULT.json")]) == 2


@needs_full
def test_remarks_that_cannot_be_written_change_nothing(stands_behind, capsys, tmp_path: Path) -> None:
    stands_behind(full(), "stderr")

    assert main([*TRAIN, str(tmp_path / "run"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["step"] == 2


def test_a_terminal_that_has_gone_does_not_end_the_training() -> None:
    class Gone(io.StringIO):
        def isatty(self) -> bool:
            return True

        def write(self, text: str) -> int:
            raise OSError(5, "Input/output error")

    with watching(Gone()) as watcher:
        watcher.begin({"model": "m"}, step=0, num_steps=3)
        watcher.progress(1, samples=8, seconds=1.0)
        watcher.note("n")


def test_what_is_shown_on_the_way_is_spelt_where_the_stream_has_no_letters_for_it() -> None:
    """As a script's own output is strict, and a class may be a name that is no UTF-8."""
    written = io.BytesIO()
    stream = io.TextIOWrapper(written, encoding="ascii", errors="strict", write_through=True)

    print("caf\udce9 ± 犬", file=OnTheWay(stream))

    assert written.getvalue() == rb"caf\udce9 \xb1 \u72ac" + b"\n"


def test_what_is_shown_on_the_way_is_lost_but_once(capsys) -> None:
    class Full(io.StringIO):
        writes = 0

        def write(self, text: str) -> int:
            self.writes += 1
            raise OSError(28, "No space left on device")

    stream = Full()
    for _ in range(3):
        print("a line", file=OnTheWay(stream))
    shown = OnTheWay(stream)
    for _ in range(3):
        print("a line", file=shown)

    assert stream.writes == 3 + 1
    assert capsys.readouterr().err.count("the work goes on") == 3 + 1


@pytest.mark.skipif(sys.platform == "win32", reason="a shell of Unix")
@pytest.mark.parametrize(
    ("redirected", "code", "said"),
    [
        (">/dev/full", 74, "resnetlab: the output could not be written: No space left on device\n"),
        (">&-", 74, "resnetlab: the output could not be written: it is closed\n"),
        (">&- 2>&- <&-", 74, ""),
        ("2>/dev/full >/dev/null", 0, ""),
    ],
)
def test_pythons_own_end_adds_nothing(redirected: str, code: int, said: str) -> None:
    done = subprocess.run(
        f'"{sys.executable}" -m resnetlab --help {redirected}', shell=True, stderr=subprocess.PIPE, text=True
    )

    assert (done.returncode, done.stderr) == (code, said)
