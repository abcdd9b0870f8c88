"""The site that `make docs` makes: each page has its place, and what is made of the program is all there."""

import argparse
import importlib.util
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import resnetlab
from resnetlab.cli.parser import build_parser
from resnetlab.recipe import Recipe
from resnetlab.recipe.named import list_recipes
from resnetlab.recipe.settings import leaves

DOCS = Path(__file__).parents[2] / "docs"
PAGES = {
    str(path.relative_to(DOCS).with_suffix("")): path.read_text(encoding="utf-8")
    for path in DOCS.rglob("*.md")
}


@pytest.fixture(scope="module")
def site() -> Any:
    """The modules of docs/site by their names."""
    sys.path[:0] = [str(DOCS), str(DOCS / "site")]  # as conf.py does
    try:
        yield {name: loaded(name) for name in ("order", "made")}
    finally:
        del sys.path[:2]


def loaded(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"site_{name}", DOCS / "site" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_page_has_its_place_and_once(site: Any) -> None:
    placed = [page for pages in site["order"].ORDER.values() for page in pages]

    assert sorted(placed) == sorted({*PAGES} - {"index"}), "docs/site/order.py has the navigation"


def test_what_is_made_is_asked_for_somewhere_and_can_be_made(site: Any) -> None:
    asked = {name for text in PAGES.values() for name in re.findall(r"<!-- made: (\w+)(?= |\n)", text)}

    assert asked == site["made"].MAKERS.keys()


def test_every_verb_and_flag_stands_on_the_page_of_commands(site: Any, tmp_path: Path) -> None:
    page = site["made"].commands(tmp_path, [])
    verbs = build_parser().known_verbs()

    assert [verb for verb in verbs if f"### resnetlab {verb}\n" not in page] == []
    assert "#### resnetlab data pack\n" in page and "#### resnetlab explain residual\n" in page
    assert (
        page.count("```{option} --debug\n") == page.count("```{program} ") - 2
    )  # of data and explain alone not
    assert "```{option} --batch N\n" in page and "```{option} -o FILE, --out FILE\n" in page
    shown = {
        part.partition("\n")[0]: {*re.findall(r"--[\w-]+", " ".join(re.findall(r"{option} (.*)", part)))}
        for part in page.split("```{program} ")[1:]
    }
    assert shown == dict(_flags_of(build_parser()))
    assert "%(" not in page and "==SUPPRESS==" not in page


def _flags_of(parser: Any) -> Iterator[tuple[str, set[str]]]:
    """Yield every verb below a parser with its flags but the help's."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for verb in action.choices.values():
                verb._get_flags()
                told = [each for each in verb._actions if each.help != argparse.SUPPRESS]
                flags = {flag for each in told for flag in each.option_strings}
                yield verb.prog, {flag for flag in flags - {"--help"} if flag.startswith("--")}
                yield from _flags_of(verb)


def test_every_recipe_and_value_stands_on_the_page_of_recipes(site: Any, tmp_path: Path) -> None:
    made = site["made"]

    assert re.findall(r"^## (.+)$", made.recipes(tmp_path, []), re.MULTILINE) == list_recipes()
    assert re.findall(r"^\| `(\w+)` \|", made.values(tmp_path, []), re.MULTILINE) == [*leaves(Recipe())]


def test_every_network_is_listed_and_drawn(
    site: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = site["made"]
    monkeypatch.setattr(made, "families", lambda: {"some": ("resnet8", "preresnet20")})

    page = made.networks(tmp_path, [])

    assert re.findall(r'href="networks/(\w+)\.svg">\1</a> \| ([\d,]+)', page) == [
        ("resnet8", "75,290"), ("preresnet20", "269,722"),
    ]  # fmt: skip
    assert sorted(path.name for path in (tmp_path / "networks").iterdir()) == [
        "preresnet20.svg",
        "resnet8.svg",
    ]


def test_everything_public_stands_on_the_page_of_python() -> None:
    named = set(" ".join(re.findall(r"<!-- made: api (.+?) -->", PAGES["api"], re.DOTALL)).split())

    assert {*resnetlab.__all__} - named == {"register"}  # by its functions
    assert {f"register.{each}" for each in ("recipe", "optimizer", "container", "naming")} <= named
