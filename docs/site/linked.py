"""What pages link to that is no page comes along: pictures, examples, the source, where links look for it."""

import importlib
import inspect
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.addnodes import download_reference

DOCS = Path(__file__).parents[1]
ROOT = DOCS.parent

_sources: set[Path] = set()
"""Python files that are linked to, which become pages."""

_files: set[Path] = set()
"""Other files, which are copied."""

_PICTURE = re.compile(
    r'(?:<a href="[^"]+">)?<picture>\s*'
    r'<source media="\(prefers-color-scheme: dark\)" srcset="(?P<dark>[^"]+)">\s*'
    r'<img alt="(?P<alt>[^"]*)" src="(?P<light>[^"]+)">\s*</picture>(?:</a>)?'
)


def by_theme(app: Any, page: str, source: list[str]) -> None:
    """Let the site's own switch choose among a picture's two themes, which a forge leaves to the browser."""

    def both(match: re.Match[str]) -> str:
        shown = []
        for theme in ("light", "dark"):
            _files.add((DOCS / page).parent / match[theme])
            image = f'<img alt="{match["alt"]}" src="{match[theme]}">'
            shown.append(f'<a class="only-{theme}" href="{match[theme]}">{image}</a>')
        return "<p>" + "".join(shown) + "</p>"

    source[0] = _PICTURE.sub(both, source[0])


def follow(app: Any, tree: Any) -> None:
    """Turn links to files into plain ones: to a page of the source, or to the file at the same place."""
    page = app.env.current_document.docname
    for node in list(tree.findall(download_reference)):
        path = (DOCS / page).parent / node["reftarget"]
        is_source = path.resolve().is_relative_to(ROOT / "src")
        target = "../" * page.count("/") + _page_of(path.resolve()) if is_source else node["reftarget"]
        (_sources if is_source else _files).add(path.resolve())
        node.replace_self(nodes.reference("", "", *node.children, refuri=target, classes=["internal"]))


def source_of(domain: str, info: dict[str, str]) -> str | None:
    """Return the page with the code of something documented, and the line where it begins."""
    thing: Any = importlib.import_module(info["module"])
    for name in info["fullname"].split("."):
        thing = getattr(thing, name, None)
    thing = inspect.unwrap(thing.fget if isinstance(thing, property) else thing)
    try:
        path, line = Path(inspect.getsourcefile(thing) or ""), inspect.getsourcelines(thing)[1]
    except (TypeError, OSError):  # a value
        return None
    if not path.is_relative_to(ROOT / "src"):  # inherited
        return None
    _sources.add(path)
    return f"{_page_of(path)}#line-{line}"


def _page_of(path: Path) -> str:
    return f"source/{path.relative_to(ROOT / 'src').with_suffix('.html')}"


def source_pages(app: Any) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Yield a page for each file of the source that something links to."""
    for path in sorted(_sources):
        title = str(path.relative_to(ROOT / "src"))
        code = app.builder.highlighter.highlight_block(
            path.read_text(encoding="utf-8"), "python", lineanchors="line", anchorlinenos=True
        )
        body = f"<h1>{title.replace('/', '/<wbr>')}</h1>\n{code}"
        yield _page_of(path).removesuffix(".html"), {"title": title, "body": body}, "page.html"


def copy_files(app: Any, error: Exception | None) -> None:
    """Copy what is linked to and no page to the same place in the site."""
    if error is None:
        for path in {*_files, *(DOCS / "gallery").iterdir()}:
            target = Path(app.outdir) / path.relative_to(DOCS)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
