"""The tutorial's pages do what they say: every command is run, and what they show is printed."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.docs.pages import NOT_RUN, blocks_of, first_missing, run_page

DOCS = Path(__file__).parents[2] / "docs"
TUTORIAL = sorted((DOCS / "tutorial").glob("[0-9]-*.md"))
OTHERS = ("tutorial/README.md", "finetuning.md", "weights.md", "many-machines.md", "originals.md", "gpu.md")
PAGES = [*TUTORIAL, *(DOCS / name for name in OTHERS)]
BELONGINGS = {"3-pretrained": "photographs_and_weights", "5-imagenet": "archives_and_shards"}
"""The fixture that lays down what a page supposes its reader to have."""


@pytest.fixture
def empty_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current folder of a page, one thread, and no network."""
    folder = tmp_path_factory.mktemp("tutorial")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("RESNETLAB_OFFLINE", "1")
    monkeypatch.setenv("RESNETLAB_CACHE", str(folder / ".cache"))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield folder
    torch.set_num_threads(threads)


@pytest.mark.docs
@pytest.mark.parametrize("page", TUTORIAL, ids=[page.stem for page in TUTORIAL])
def test_every_command_of_a_page_runs_and_prints_what_the_page_shows(
    page: Path, empty_folder: Path, request: pytest.FixtureRequest
) -> None:
    if page.stem in BELONGINGS:
        request.getfixturevalue(BELONGINGS[page.stem])
    assert run_page(page)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            "```sh\nresnetlab list data\n```\n```sh\nresnetlab trian resnet8\n```\n",
            "page.md:4: resnetlab trian",
        ),
        ("```sh\nls there\n```\n", "page.md:1: ls there"),
        ("```sh\nresnetlab list data\n```\n```text\nno such line\n```\n", "not printed: no such line"),
        ("```sh not-ran\nresnetlab list data\n```\n", "page.md:1: ```sh not-ran"),
        ("```python\nassert 1 == 2, 'one is not two'\n```\n", "one is not two"),
    ],
)
def test_a_page_with_a_mistake_fails(text: str, complaint: str, empty_folder: Path) -> None:
    page = empty_folder / "page.md"
    page.write_text(text)

    with pytest.raises(AssertionError, match=re.escape(complaint)):
        run_page(page)


@pytest.mark.parametrize(
    ("shown", "missing"),
    [
        ("step 20  loss 2.5\n...\nthe end", None),
        ("the end\nstep 1 loss 1", "step 1 loss 1"),
        ("step ten loss 1", "step ten loss 1"),
    ],
)
def test_lines_are_compared_in_order_and_numbers_are_not(shown: str, missing: str | None) -> None:
    assert first_missing(shown, "step 1 loss 3.25\nmore\nthe end") == missing


@pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])
def test_links_lead_somewhere_and_what_is_not_run_is_said(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)", text):
        assert "://" in target or (page.parent / target).exists(), target
    if page in TUTORIAL and any(block.marker == NOT_RUN for block in blocks_of(page)):
        assert "not run by the tests" in " ".join(text.split())
