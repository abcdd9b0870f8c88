"""CONTRIBUTING, SECURITY, CITATION and README name rooms, files, commands and a version that are there."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", "CONTRIBUTING.md", "SECURITY.md")


@pytest.mark.parametrize("name", PAGES)
def test_what_a_page_names_is_there(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    files = [target for target in re.findall(r"\]\(([^)#]+)", text) if "://" not in target]
    files += [each.rstrip(".") for each in re.findall(r"\b(?:tests|benchmarks|docs)/[\w/.-]+", text)]
    targets = set(re.findall(r"(?:`|^ {4})make ([a-z-]+)", text, re.MULTILINE))

    assert [file for file in files if not (ROOT / file).exists() and file != "tests/ROOM"] == []
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert [each for each in sorted(targets) if not re.search(rf"^{each}:", makefile, re.MULTILINE)] == []


def test_contributors_are_told_of_every_room() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    table = re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)
    rooms = [path.parent.name for path in (ROOT / "src/resnetlab").glob("*/__init__.py")]

    assert sorted(table) == sorted(rooms)


def test_what_is_cited_is_this_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    cited = (ROOT / "CITATION.cff").read_text(encoding="utf-8").splitlines()

    assert {f"version: {project['version']}", f"license: {project['license']}"} <= set(cited)
    assert {f"title: {project['name']}", f'abstract: "{project["description"]}"'} <= set(cited)
    assert {f"  - {word}" for word in project["keywords"]} <= set(cited)
