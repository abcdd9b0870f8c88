"""What lies in a stranger's folder is not run: not by a command typed there, nor by one that is given it."""

import json
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from resnetlab.training.measured.together import measure_sums
from tests.kit.commands import run as typed
from tests.kit.photographs import write_photographs
from tests.kit.processes import Command
from tests.kit.torch_files import save
from tests.promises.audited import MARK

MODULES = (
    "PIL", "array", "json", "multiprocessing", "numpy", "pickle", "queue", "random", "resnetlab", "selectors",
    "signal", "sitecustomize", "socket", "struct", "tempfile", "threading", "torch", "usercustomize",
)  # fmt: skip
"""What processes of ours, and Python itself, import as they start."""

READER = "resnetlab.weights.files.unpickle"
"""The module that reads pickles in a process of its own and makes nothing of what they name."""


class Evil:
    """Touches a file when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.marker} # {MARK}",)


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    return tmp_path / "was-run"


def plant_modules(folder: Path, marker: Path) -> None:
    folder.mkdir(exist_ok=True)
    for name in MODULES:
        text = f"open({str(marker)!r}, 'a').write({name!r} + ' ')\nraise ImportError({MARK!r})\n"
        (folder / f"{name}.py").write_text(text)


@pytest.mark.processes
@pytest.mark.starts_anew
def test_modules_of_the_working_directory_are_not_run_by_processes_that_read_images(
    tmp_path: Path, marker: Path
) -> None:
    plant_modules(tmp_path / "here", marker)
    photographs = write_photographs(tmp_path / "photographs")
    tiny = ["--steps", "2", "--batch", "4", "--workers", "1", "--no-report", "--out", "run"]
    command = ["train", "resnet8", "--data", str(photographs), *tiny]

    script = tmp_path / "resnetlab"  # as the installed command: with -P processes of its own had it too
    script.write_text(
        "from resnetlab.cli import main\n\nif __name__ == '__main__':\n    raise SystemExit(main())\n"
    )

    done = subprocess.run(
        [sys.executable, str(script), *command],
        cwd=tmp_path / "here",
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert not marker.exists(), marker.read_text()
    assert done.returncode == 0, done.stderr


@pytest.mark.processes
@pytest.mark.starts_anew
def test_nor_by_processes_that_measure_how_fast_they_add(
    tmp_path: Path, marker: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant_modules(tmp_path / "here", marker)
    monkeypatch.chdir(tmp_path / "here")

    assert measure_sums([1000], seconds=0.01)[1000] > 0
    assert not marker.exists(), marker.read_text()


@pytest.fixture
def folder(tmp_path: Path, marker: Path) -> Path:
    """A stranger's folder: a run, weights, data and a recipe that all have code in them."""
    folder = tmp_path / "strangers"
    plant_modules(folder, marker)
    run = folder / "run"
    tiny = ["--data", "digits", "--steps", "2", "--batch", "8", "--no-report"]
    typed("train", "resnet8", *tiny, "--out", str(run))
    code = f"__import__('os').system('touch {marker}') # {MARK}()"
    evil = pickle.dumps(Evil(marker))
    save({"weight": Evil(marker)}, folder / "evil.pth")
    for name in ("recipe", "spec", "data", "environment"):
        shutil.copytree(run, folder / name)
        told = json.loads((folder / name / f"{name}.json").read_text())
        (folder / name / f"{name}.json").write_text(json.dumps(planted(told, code)))
    shutil.copytree(run, folder / "pickled")
    for path in (folder / "pickled" / "checkpoints").rglob("*.safetensors"):
        path.write_bytes(evil)
    batches = folder / "cifar-10-batches-py"
    batches.mkdir()
    for name in ("data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch",
                 "batches.meta"):  # fmt: skip
        (batches / name).write_bytes(evil)
    (folder / "recipe.yaml").write_text(f'lr: !!python/object/apply:os.system ["touch {marker} # {MARK}"]\n')
    (folder / "formula.json").write_text(json.dumps({"lr": code}))
    for name in ("model.keras", "model.onnx"):
        (folder / name).write_bytes(evil)
    return folder


def planted(value: Any, code: str) -> Any:
    """Return it with code in the place of each text."""
    if isinstance(value, dict):
        return {name: planted(each, code) for name, each in value.items()}
    if isinstance(value, list):
        return [planted(each, code) for each in value]
    return code if isinstance(value, str) else value


@pytest.mark.processes
def test_commands_that_are_given_a_strangers_folder_run_nothing_of_it(
    folder: Path, marker: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    digits = ["--data", "digits", "--steps", "1", "--no-report", "--dry-run"]
    commands = [
        [verb, name]
        for name in ("recipe", "spec", "data", "environment", "pickled")
        for verb in ("show", "report", "eval", "resume", "verify")
    ]
    commands += [
        ["report", "data", "-o", "page.html"],
        ["import", "evil.pth"],
        ["import", "model.keras"],
        ["predict", "model.onnx", "page.html"],
        ["train", "resnet8", "--data", "cifar-10-batches-py", "--steps", "1", "--dry-run"],
        ["train", "resnet8", "--recipe", "recipe.yaml", *digits],
        ["train", "resnet8", "--recipe", "formula.json", *digits],
        ["data", "check", "cifar-10-batches-py"],
    ]
    words = [word for command in commands for word in ["--then", *command]][1:]

    command = Command(*words, module="tests.promises.audited", RESNETLAB_OFFLINE="1")
    told = json.loads(command.finish().splitlines()[-1])

    assert not marker.exists()
    codes = dict(zip(map(" ".join, commands), told["codes"], strict=True))
    assert {line for line, code in codes.items() if code not in (0, 2, 3, 4, 5)} == set()
    assert sum(code != 0 for code in told["codes"]) > len(commands) // 2, codes
    assert {" ".join(detail.split()[1:4]) for event, detail in told["seen"]} == {f"-P -m {READER}"}
    assert {event for event, _ in told["seen"]} == {"subprocess.Popen"}
