"""Every command of README and docs/ is one of ours, and what takes seconds is typed in a prepared folder."""

import ast
import glob
import inspect
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import torch

import resnetlab
from tests.docs.pages import blocks_of, commands_of, run_page
from tests.kit.commands import accept, run
from tests.kit.photographs import write_photographs

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
WITH_CODE = [page for page in PAGES if any(block.kind == "python" for block in blocks_of(page))]
RUN_ELSEWHERE = (
    "tutorial",
    "walk",
    "plan_resnet50",
    "extending",
    "many-machines",
    "originals",
    "gallery",
    "results",
)
"""Pages whose commands other tests run, whose pictures `make check` draws, or that tell of what was run."""

TRAINING = {"train", "finetune", "reproduce"}
"""Verbs that are typed with --dry-run."""

LONG = {"board", "bench", "explain", "doctor", "resume", "serve", "lr-find"}
"""Verbs that serve, measure or train whatever they are told; their own rooms run them."""

ELSEWHERE = re.compile(
    r"cifar|imagenet|hf:|minutes|/data/|shared/|FILE|DIR|DATA$|TARS|NET$|mynet|^[AB]$|\.th$|mps|wandb|SOURCE"
)
"""What a word has that no test has at hand: data and weights to be fetched, a server, a placeholder."""


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT).with_suffix(""))


@pytest.mark.parametrize("page", [page for page in PAGES if page.stem != "extending"], ids=name_of)
def test_every_command_on_a_page_is_accepted(page: Path) -> None:
    for words in commands_of(page):
        try:
            accept(*words)
        except SystemExit as end:  # of argparse, after help, a version, or a mistake
            assert not end.code, f"{page.name}: resnetlab {' '.join(words)}"


def typed() -> dict[str, list[list[str]]]:
    """Return the commands that are typed, by their pages."""
    found = {}
    for page in PAGES:
        place = page.relative_to(DOCS if page.is_relative_to(DOCS) else ROOT)
        if place.parts[0].removesuffix(".md") not in RUN_ELSEWHERE:
            once = dict.fromkeys(map(tuple, commands_of(page)))
            found[name_of(page)] = [[*words] for words in once if takes_seconds(words)]
    return {name: commands for name, commands in found.items() if commands}


def takes_seconds(words: Sequence[str]) -> bool:
    """Return whether a command takes seconds, and needs nothing but what is prepared here."""
    if words[0] in LONG or any(map(ELSEWHERE.search, words)):
        return False
    needed = {"train": "--data", "finetune": "--weights", "reproduce": "smoke"}  # else it downloads
    return needed.get(words[0], words[0]) in words


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what pages speak of: photos, a run of them under several names, a study, an ONNX file."""
    folder = tmp_path_factory.mktemp("pages")
    for name in ("photos", "new-photos"):
        write_photographs(folder / name)
    shutil.copytree(folder / "photos/val/cat", folder / "new")
    small = ("--batch", "8", "--steps", "2", "--workers", "0", "--no-report")
    sizes = ("--recipe", "photos", "--set", "width=0.125", "--set", "image_size=32")
    run("train", "resnet8", "--data", "photos", *sizes, *small, "--out", "RUN", cwd=folder)
    for name in ("runs/RUN", "runs/first", "runs/better", "runs/OLD", "runs/a", "runs/b", "a"):
        shutil.copytree(folder / "RUN", folder / name)
    study = (
        "plain20",
        "resnet20",
        "--data",
        "digits",
        "--seeds",
        "2",
        "--steps",
        "1",
        "--set",
        "width=0.125",
    )
    run("train", *study, "--no-report", "--out", "runs/both", cwd=folder)
    run("export", "RUN", "--to", "onnx", "-o", "MODEL.onnx", cwd=folder)
    return folder


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.docs
@pytest.mark.parametrize("page", typed())
def test_what_takes_seconds_runs(
    page: str, prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "here"
    shutil.copytree(prepared, folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("RESNETLAB_CACHE", str(tmp_path / "cache"))
    for words in typed()[page]:
        arguments = [path for word in words for path in (sorted(glob.glob(word)) if "*" in word else [word])]
        is_dry = words[0] in TRAINING and "--dry-run" not in words
        run(*arguments, *(["--dry-run"] if is_dry else []))


def calls(page: Path) -> Iterator[tuple[str, ast.Call]]:
    """Yield each call of a public function on a page, by the function's name."""
    for block in blocks_of(page):
        if block.kind == "python":
            for node in ast.walk(ast.parse(block.text)):
                called = node.func if isinstance(node, ast.Call) else None
                if isinstance(called, ast.Attribute) and getattr(called.value, "id", "") == "resnetlab":
                    yield called.attr, node


@pytest.mark.parametrize("page", WITH_CODE, ids=name_of)
def test_python_on_a_page_calls_what_there_is(page: Path) -> None:
    for name, call in calls(page):
        assert name in resnetlab.__all__, f"{page.name}: resnetlab.{name}"
        signature = inspect.signature(getattr(resnetlab, name))
        signature.bind_partial(*call.args, **{each.arg: each.value for each in call.keywords if each.arg})


@pytest.mark.docs
@pytest.mark.parametrize("pages", ["api formats", "watching", "data"])
def test_short_python_runs(pages: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in pages.split():
        whole = (DOCS / f"{name}.md").read_text(encoding="utf-8")
        code = re.findall(r"^```python\n.*?^```$", whole, re.MULTILINE | re.DOTALL)
        page = tmp_path / f"{name}.md"
        page.write_text("\n".join(["```python\nimport resnetlab\n```", *code]))
        assert len(run_page(page)) == len(code) + 1 > 1
