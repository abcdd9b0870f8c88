"""The board as a server for the browsers of this machine: it gives pages, and nothing else, to nobody else.

It listens on 127.0.0.1 alone. A request must name that host: a page of another one, which has had its own
name lead here (DNS rebinding), is refused. Nothing is ever opened by the path of a request: it is looked up
among the runs that were found. Only GET and HEAD are answered.
"""

import contextlib
import errno
import os
import socket
import threading
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote_to_bytes, urlsplit

from resnetlab.board.folder import Folder, Listing
from resnetlab.board.glance import Glance
from resnetlab.board.grouping import MOST_TOGETHER
from resnetlab.board.run_pages import RunPages, plain_page
from resnetlab.board.table import Board
from resnetlab.errors import UsageError

HOST = "127.0.0.1"
PORT = 8642
_HOSTS = (HOST, "localhost")
_PRODUCT = "resnetlab-board"
_TRIED = 100
_FOLDER, _RUN = "/folder", "/run/"

_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class BoardServer(ThreadingHTTPServer):
    """A board of a folder.

    Args:
        folder: What is shown.
        port: Where it listens; 0 takes one that is free.

    Raises:
        UsageError: If the port is taken, or may not be used; says which is free.
    """

    daemon_threads = True
    allow_reuse_address = os.name != "nt"  # there it would let two listen

    def __init__(self, folder: Folder, port: int = PORT) -> None:
        self.folder = folder
        self.board = Board()
        self.guard = threading.Lock()
        self.pages = RunPages()
        try:
            super().__init__((HOST, port), Handler)
        except OSError as error:
            raise _cannot_listen(port, error) from error

    @property
    def url(self) -> str:
        """Where a browser finds it."""
        return f"http://{HOST}:{self.server_address[1]}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a browser that has left."""


def _cannot_listen(port: int, error: OSError) -> UsageError:
    if error.errno not in (errno.EADDRINUSE, errno.EACCES):
        return UsageError(
            f"port {port} cannot be listened on: {error.strerror or error}", hint="Try --port 0."
        )
    free = _free_port(port)
    other = f"--port {free} is free; " if free else ""
    hint = f"{other}--port 0 takes any that is."
    if error.errno == errno.EACCES:
        return UsageError(f"port {port} may not be used without special rights", hint=hint)
    if shown := _board_at(port):
        return UsageError(
            f"port {port} is in use: a board of {shown} is at http://{HOST}:{port}/ already",
            hint=f"Open that one, or start another: {hint}",
        )
    return UsageError(f"port {port} is in use by another program", hint=hint[0].upper() + hint[1:])


def _free_port(port: int) -> int | None:
    """Return the next port on which nobody listens."""
    for other in range(max(port, 1023) + 1, min(65536, port + _TRIED)):
        with socket.socket() as tried, contextlib.suppress(OSError):
            tried.bind((HOST, other))
            return other
    return None


def _board_at(port: int) -> str:
    """Return the folder that a board on this port shows; "" if there is none."""
    connection = HTTPConnection(HOST, port, timeout=1)
    try:
        connection.request("GET", _FOLDER)
        answer = connection.getresponse()
        is_board = (answer.getheader("Server") or "").startswith(_PRODUCT)
        return answer.read(10_000).decode(errors="replace") if is_board else ""
    except (OSError, HTTPException):
        return ""
    finally:
        connection.close()


class Handler(BaseHTTPRequestHandler):
    """Answers one browser."""

    server: BoardServer
    server_version = _PRODUCT
    sys_version = ""
    protocol_version = "HTTP/1.1"
    timeout = 60

    def do_GET(self) -> None:
        """Give a page."""
        if not self._is_ours():
            self._refuse(HTTPStatus.FORBIDDEN, f"The board answers at {self.server.url} alone.")
            return
        try:
            self._answer()
        except (ConnectionError, TimeoutError):
            self.close_connection = True
        except Exception as error:  # whatever a folder holds, the board goes on
            self._refuse(HTTPStatus.INTERNAL_SERVER_ERROR, f"It could not be shown: {error or repr(error)}")

    do_HEAD = do_GET

    def do_POST(self) -> None:
        """Refuse what is no reading."""
        self.close_connection = True  # what was sent with it is not read
        self._refuse(HTTPStatus.METHOD_NOT_ALLOWED, "The board is only read.")

    do_PUT = do_DELETE = do_PATCH = do_OPTIONS = do_TRACE = do_CONNECT = do_POST

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: a browser asks every other second."""

    def _is_ours(self) -> bool:
        """Return whether the request names this machine, as whom it was sent to."""
        hosts = self.headers.get_all("Host") or []
        return len(hosts) == 1 and hosts[0].partition(":")[0].lower() in _HOSTS

    def _answer(self) -> None:
        address = urlsplit(self.path)
        asked = _values(address.query)
        if address.path == _FOLDER:
            self._give(str(self.server.folder.path.absolute()), kind="text/plain")
            return
        if address.path == "/favicon.ico":
            self._give("", status=HTTPStatus.NO_CONTENT)
            return
        listing = self.server.folder.look()
        if address.path == "/":
            self._table(listing, asked)
        elif address.path == "/compare":
            names = [*dict.fromkeys(asked.get("run", []))]
            self._runs(listing, names[: MOST_TOGETHER + 1], asked)
        elif address.path.startswith(_RUN):
            self._runs(listing, [_name(address.path.removeprefix(_RUN))], asked)
        else:
            self._refuse(HTTPStatus.NOT_FOUND, "There is no such page.")

    def _table(self, listing: Listing, asked: dict[str, list[str]]) -> None:
        since = _number(asked, "since")
        with self.server.guard:
            board = self.server.board
            board.take(listing)
            content = board.page(listing) if since is None else board.changes(listing, since)
        self._give(content or "", status=HTTPStatus.OK if content else HTTPStatus.NO_CONTENT)

    def _runs(self, listing: Listing, names: list[str], asked: dict[str, list[str]]) -> None:
        known = {glance.name: glance for glance in listing.glances}
        found: list[Glance] = [known[name] for name in names if name in known]
        if len(names) > MOST_TOGETHER:
            more = "`resnetlab report RUN...` takes more"
            told = f"At most {MOST_TOGETHER} runs fit one page of the board; {more}."
            self._refuse(HTTPStatus.BAD_REQUEST, told)
        elif not names:
            self._refuse(HTTPStatus.BAD_REQUEST, "Tick runs in the table to see them together.")
        elif len(found) < len(names):
            gone = next(name for name in names if name not in known)
            self._refuse(HTTPStatus.NOT_FOUND, f"There is no run {gone!r} in the folder, or not any more.")
        else:
            page = self.server.pages.of(found, self.server.folder.root)
            is_known = asked.get("since") == [page.version]
            self._give(
                "" if is_known else page.content, status=HTTPStatus.NO_CONTENT if is_known else HTTPStatus.OK
            )

    def _refuse(self, status: HTTPStatus, words: str) -> None:
        with contextlib.suppress(OSError):
            self._give(plain_page(status.phrase, words), status=status)

    def _give(self, content: str, *, status: HTTPStatus = HTTPStatus.OK, kind: str = "text/html") -> None:
        body = content.encode(errors="replace")
        self.send_response(status)
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        if status == HTTPStatus.METHOD_NOT_ALLOWED:
            self.send_header("Allow", "GET, HEAD")
        if status != HTTPStatus.NO_CONTENT:
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD" and status != HTTPStatus.NO_CONTENT:
            self.wfile.write(body)


def _values(query: str) -> dict[str, list[str]]:
    """Return what a query asks for; names of files may hold bytes that are no UTF-8."""
    found: dict[str, list[str]] = {}
    for name, value in parse_qsl(query, keep_blank_values=True, errors="surrogateescape"):
        found.setdefault(name, []).append(value)
    return found


def _number(asked: dict[str, list[str]], name: str) -> int | None:
    text = asked.get(name, [""])[-1]
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else None


def _name(quoted: str) -> str:
    return os.fsdecode(unquote_to_bytes(quoted))
