"""What pages hold that is made of the program itself, in the place of `<!-- made: NAME ... -->`."""

import argparse
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import make_gallery

from resnetlab.base.files import make_directory, write_file
from resnetlab.base.units import format_count, format_rounded
from resnetlab.cli import parser as command_line
from resnetlab.network.catalog import families, model_spec
from resnetlab.recipe import Recipe
from resnetlab.recipe.named import list_recipes, named_recipe, recipe_doc
from resnetlab.recipe.settings import Leaf, leaf_help, leaves
from resnetlab.show.drawing.svg import to_svg
from resnetlab.show.picture import draw
from resnetlab.show.tables.align import markdown_table, markdown_text
from resnetlab.show.tables.differences import differing_leaves

_OF_ALL = ("debug", "json")
"""Flags that every verb has; they stand last."""

_PAGE = re.compile(r"(?<![\w/(])docs/([\w/-]+\.md)")
_SHOWN = re.compile(r"\[!\[([^\]]*)\]\((gallery/[\w-]+)\.svg\)\]\(\2\.svg\)")
_BOTH = "\n".join(
    rf'<a class="only-{theme}" href="\2{suffix}.svg"><img alt="\1" src="\2{suffix}.svg"></a>'
    for theme, suffix in (("light", ""), ("dark", "-dark"))
)
_MARK = re.compile(r"<!-- made: (\w+)(?: ([\w., \n]+?))? -->")


def fill(app: Any, page: str, source: list[str]) -> None:
    """Put what is made into a page; pages that it names become links."""

    def made(match: re.Match[str]) -> str:
        return _PAGE.sub(r"[\1](\1)", MAKERS[match[1]](Path(app.outdir), (match[2] or "").split()))

    source[0] = _MARK.sub(made, source[0])


def commands(out: Path, names: list[str]) -> str:
    """Return every verb with its flags, as its `--help` has them."""
    top = command_line.build_parser()
    verbs = _verbs_under(top)
    parts = []
    for title, files in command_line._GROUPS.items():
        parts.append(f"## {title[0].upper()}{title[1:]}")
        for file in files:
            parts += _verb(verbs[command_line._typed(file)], "###")
    return "\n\n".join(parts)


def _verbs_under(parser: argparse.ArgumentParser) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            found |= action.choices
    return found


def _verb(parser: Any, heading: str) -> Iterator[str]:
    if parser.add_flags:  # they come with the first use
        parser.add_flags(parser)
        parser.add_flags = None
    yield f"{heading} {parser.prog}"
    yield parser.description or ""
    formatter = parser._get_formatter()
    yield f"```{{program}} {parser.prog}\n```"
    for action in sorted(parser._actions, key=lambda each: each.dest in _OF_ALL):
        if action.help and action.help != argparse.SUPPRESS and action.dest != "help":
            typed = formatter._format_action_invocation(action)
            told = markdown_text(formatter._expand_help(action))
            yield f"```{{option}} {typed}\n:no-contents-entry:\n\n{told}\n```"
    if parser.epilog and ":\n" in parser.epilog:
        yield f"```text\n{parser.epilog.partition(':')[2].strip(chr(10))}\n```"
    for verb in _verbs_under(parser).values():
        yield from _verb(verb, f"{heading}#")


def in_both_themes(app: Any, page: str, source: list[str]) -> None:
    """Draw what the gallery shows on dark ground too, and let the site's switch choose."""
    if page == "gallery":
        for figure in (each for figures in make_gallery.FIGURES.values() for each in figures):
            dark = replace(figure, theme="dark")
            make_directory(Path(app.outdir) / make_gallery.FOLDER)
            write_file(
                Path(app.outdir) / make_gallery.FOLDER / f"{dark.stem}.svg", make_gallery.drawn(dark).encode()
            )
        source[0] = _SHOWN.sub(_BOTH, source[0])


def networks(out: Path, names: list[str]) -> str:
    """Return the listed networks by family, counted, each with its drawing."""
    parts = []
    for family, members in families().items():
        rows = []
        for spec in map(model_spec, members):
            published = spec.published_parameters
            rows.append((
                f"[{spec.name}]", f"{spec.num_parameters:,}", format_rounded(published) if published else "",
                format_count(spec.num_multiply_adds()), f"{spec.input_size}×{spec.input_size}",
            ))  # fmt: skip
        head = ("network", "parameters", "published", "multiply-adds", "images")
        parts.append(f"## {family}\n\n{model_spec(members[0]).source}\n\n{markdown_table(head, rows)}")
    return re.sub(r"\[(\w+)\]", lambda match: _drawn(out, match[1]), "\n\n".join(parts))


def _drawn(out: Path, name: str) -> str:
    """Draw a network, and return its name with a link to the drawing."""
    make_directory(out / "networks")
    write_file(out / "networks" / f"{name}.svg", to_svg(draw([model_spec(name)])[0]).encode())
    return f'<a href="networks/{name}.svg">{name}</a>'


def recipes(out: Path, names: list[str]) -> str:
    """Return every recipe: what its author says, and the values that are its own."""
    parts = []
    for name in list_recipes():
        recipe = named_recipe(name)
        rows = [(f"`{leaf}`", f"`{own.text}`", each) for leaf, own, each in _own_values(recipe)]
        parts.append(
            f"## {name}\n\n{recipe_doc(name)}\n\n{markdown_table(('value', 'is', 'what it is'), rows, 3)}"
        )
    return "\n\n".join(parts)


def _own_values(recipe: Recipe) -> Iterator[tuple[str, Leaf, str]]:
    for name, (_, own) in differing_leaves(Recipe(), recipe).items():
        yield name, own, leaf_help(recipe, name)


def values(out: Path, names: list[str]) -> str:
    """Return every value that a recipe has, by groups."""
    parts, recipe = [], Recipe()
    known = leaves(recipe)
    for group in dict.fromkeys(leaf.group for leaf in known.values()):
        rows = [
            (f"`{name}`", f"`{leaf.text}`" if leaf.text else "", leaf_help(recipe, name))
            for name, leaf in known.items()
            if leaf.group == group
        ]
        parts.append(
            f"### {group}\n\n{markdown_table(('value', 'if nothing is said', 'what it is'), rows, 3)}"
        )
    return "\n\n".join(parts)


def api(out: Path, names: list[str]) -> str:
    """Return what the docstrings of public things say; names are of the package or of modules in it."""
    return "```{eval-rst}\n" + "\n".join(map(_documented, names)) + "\n```"


def _documented(name: str) -> str:
    import resnetlab

    thing: Any = resnetlab
    for part in name.split("."):
        thing = getattr(thing, part)
    if isinstance(thing, type):
        kind = "autoexception" if issubclass(thing, BaseException) else "autoclass"
        return f".. {kind}:: resnetlab.{name}\n   :members:\n"
    return f".. autofunction:: resnetlab.{name}\n"


MAKERS: dict[str, Callable[[Path, list[str]], str]] = {
    "commands": commands, "networks": networks, "recipes": recipes, "values": values, "api": api,
}  # fmt: skip
