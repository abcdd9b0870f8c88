"""The board as a server for the browsers of this machine: it gives pages, and nothing else, to nobody else.

It listens on 127.0.0.1 alone. Nothing is ever opened by the path of a request: it is looked up among the runs
that were found. Only GET and HEAD are answered.
"""

import os
import threading
from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import unquote_to_bytes

from resnetlab.base.pages.exchange import Answer, Refused, Request
from resnetlab.base.pages.server import Server
from resnetlab.board.folder import Folder, Listing
from resnetlab.board.glance import Glance
from resnetlab.board.grouping import MOST_TOGETHER
from resnetlab.board.run_pages import RunPages, plain_page
from resnetlab.board.table import Board

_RUN = "/run/"


class BoardServer(Server):
    """A board of a folder.

    Args:
        folder: What is shown.
        port: Where it listens; 0 takes one that is free.

    Raises:
        UsageError: If the port is taken, or may not be used; says which is free.
    """

    def __init__(self, folder: Folder, port: int) -> None:
        self.folder = folder
        self.board = Board()
        self.guard = threading.Lock()
        self.pages = RunPages()
        super().__init__(self._answer, _refuse, what=f"a board of {folder.path.absolute()}", port=port)

    def _answer(self, request: Request) -> Answer:
        listing, path = self.folder.look(), request.path
        if path == "/":
            return self._table(listing, request.asked)
        if path == "/compare":
            names = [*dict.fromkeys(request.asked.get("run", []))]
            return self._runs(listing, names[: MOST_TOGETHER + 1], request.asked)
        if path.startswith(_RUN):
            return self._runs(listing, [_name(path.removeprefix(_RUN))], request.asked)
        raise Refused(HTTPStatus.NOT_FOUND, "There is no such page.")

    def _table(self, listing: Listing, asked: Mapping[str, list[str]]) -> Answer:
        since = _number(asked, "since")
        with self.guard:
            self.board.take(listing)
            content = self.board.page(listing) if since is None else self.board.changes(listing, since)
        return _UNCHANGED if content is None else Answer(content)

    def _runs(self, listing: Listing, names: list[str], asked: Mapping[str, list[str]]) -> Answer:
        known = {glance.name: glance for glance in listing.glances}
        found: list[Glance] = [known[name] for name in names if name in known]
        if len(names) > MOST_TOGETHER:
            more = "`resnetlab report RUN...` takes more"
            told = f"At most {MOST_TOGETHER} runs fit one page of the board; {more}."
            raise Refused(HTTPStatus.BAD_REQUEST, told)
        if not names:
            raise Refused(HTTPStatus.BAD_REQUEST, "Tick runs in the table to see them together.")
        if len(found) < len(names):
            gone = next(name for name in names if name not in known)
            raise Refused(HTTPStatus.NOT_FOUND, f"There is no run {gone!r} in the folder, or not any more.")
        page = self.pages.of(found, self.folder.root)
        return _UNCHANGED if asked.get("since") == [page.version] else Answer(page.content)


_UNCHANGED = Answer(status=HTTPStatus.NO_CONTENT)


def _refuse(why: Refused) -> Answer:
    page = plain_page(why.status.phrase, f"{why.words} {why.hint}".strip())
    return Answer(page, status=why.status, headers=why.headers)


def _number(asked: Mapping[str, list[str]], name: str) -> int | None:
    text = asked.get(name, [""])[-1]
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else None


def _name(quoted: str) -> str:
    return os.fsdecode(unquote_to_bytes(quoted))
