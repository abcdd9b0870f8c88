"""`resnetlab draw` as a user meets it: files, output, exit codes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from resnetlab.cli import main
from resnetlab.network.catalog import model_spec
from resnetlab.show.drawing.svg import to_svg
from resnetlab.show.picture import draw


@pytest.fixture(autouse=True)
def _in_an_empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_it_draws_into_the_current_directory_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["draw", "resnet20"]) == 0

    assert capsys.readouterr().out == "resnet20.svg\n"
    assert Path("resnet20.svg").read_text() == to_svg(draw([model_spec("resnet20")])[0])


def test_every_flag_reaches_the_drawing(capsys: pytest.CaptureFixture[str]) -> None:
    flags = ("--theme", "print", "--layout", "NCHW", "--input-size", "64x96", "--columns", "1")
    assert main(["draw", "resnet20", "-o", "x.svg", *flags, "--set", "shortcut=B", "--json"]) == 0

    assert json.loads(capsys.readouterr().out) == {"files": ["x.svg"], "pages": 1}
    spec = model_spec("resnet20").with_(shortcut="B")
    (scene,) = draw([spec], theme="print", layout="NCHW", height=64, width=96, columns=1)
    assert Path("x.svg").read_text() == to_svg(scene)


def test_unfolded_pages_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["draw", "resnet32", "--unfold", "--json"]) == 0

    said = json.loads(capsys.readouterr().out)
    assert said["pages"] == len(said["files"]) > 1
    assert sorted(said["files"]) == sorted(path.name for path in Path().iterdir())


def test_a_run_is_drawn_from_its_directory(capsys: pytest.CaptureFixture[str]) -> None:
    spec = model_spec("resnet20").with_(classes=7)
    Path("run").mkdir()
    Path("run/recipe.json").write_text("{}")
    Path("run/spec.json").write_text(json.dumps(spec.to_json()))

    assert main(["draw", "run", "-o", "run.svg"]) == 0
    assert "W=[64,7]" in Path("run.svg").read_text()


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    (
        (["resnet21x"], 2, "Did you mean resnet"),
        (["resnet20", "-o", "x.jpg"], 2, "no such kind of picture: .jpg\nName the file .svg, .pdf or .png."),
        (["resnet20", "-o", "x"], 2, "x: no kind of picture"),
        (["resnet20", "-o", "no/where.svg"], 74, "could not write no/where.svg: no is no directory"),
        (
            ["resnet20", "-o", "x" * 300 + ".svg"],
            74,
            ".svg: File name too long\nMend that, or name another file.",
        ),
        (["chaoji_resnet20", "--input-size", "33"], 2, "for images of 33x33 px"),
        (["resnet20", "--input-size", "big"], 2, "big"),
        (["resnet20", "--style", "overview", "--unfold"], 2, "unfold goes with the style full"),
        (["resnet20", "--columns", "0"], 2, "columns must be at least 1"),
        (["resnet20", "plain20", "--style", "full"], 2, "draws one network, got 2"),
        (["resnet20", "--set", "lr=0.1"], 2, "lr: of a recipe"),
    ),
)
def test_bad_input_is_told(
    arguments: list[str], code: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["draw", *arguments]) == code

    assert words in capsys.readouterr().err
    assert list(Path().iterdir()) == []


def test_an_unwritable_path_is_told_before_anything_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """The input size cannot be drawn either, but the path is what is told."""
    Path("x.svg").mkdir()

    assert main(["draw", "chaoji_resnet20", "-o", "x.svg", "--input-size", "33"]) == 74


def test_an_svg_is_drawn_without_torch_and_matplotlib() -> None:
    code = (
        "import sys; from resnetlab.cli import main; main(['draw', 'resnet1001']);"
        "sys.exit('torch' in sys.modules or 'matplotlib' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
