"""What a page says and is made of, read by Python's own parser."""

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

_VOID = {"meta", "img", "input", "br", "rect", "path", "circle", "line"}
_QUIET = {"style", "script", "title", "desc", "svg"}


class Page(HTMLParser):
    """A page: its tags with their attributes, its visible texts, what is open at the end."""

    def __init__(self, content: str) -> None:
        super().__init__(convert_charrefs=True)
        self.content = content
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.feed(content)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag in _VOID:
            return
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)

    def handle_data(self, data: str) -> None:
        if not _QUIET & {*self.open} and (words := " ".join(data.split())):
            self.texts.append(words)

    def of(self, tag: str) -> list[dict[str, str | None]]:
        """Return the attributes of all elements of a kind."""
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def sections(self) -> list[str | None]:
        return [each.get("id") for each in self.of("section")]


def read_golden(folder: Path) -> Any:
    return json.loads((folder / "golden.json").read_text())
