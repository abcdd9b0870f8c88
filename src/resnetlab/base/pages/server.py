"""A server for browsers: its port, who may ask, what goes with every answer, and how it ends.

A request must name the server as it is known: a page of others, which has had its own name lead here (DNS
rebinding), is refused, and what such a page sends here from elsewhere (its Origin) is too. Nothing is ever
opened by the path of a request. Imports no torch.
"""

import contextlib
import io
import ipaddress
import os
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from resnetlab.base.pages.exchange import Answer, Refused, Request
from resnetlab.base.pages.places import Places, client_at, no_place
from resnetlab.base.pages.ports import HOST, PRODUCT, WHAT, address_of, cannot_listen

_LOOPBACK = (HOST, "localhost", "::1")
_MOST_CONNECTIONS = 64
_IDLE_SECONDS = 60.0
"""That a connection is kept open for the next request."""
_HEAD_SECONDS, _BODY_SECONDS = 10.0, 60.0
"""In which a request has to come, however small the parts that it comes in."""
_LINGER_SECONDS, _LINGER_BYTES = 2.0, 1 << 28
_BLOCK = 1 << 16

_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Server(ThreadingHTTPServer):
    """Gives answers until it is told to stop.

    Args:
        answer: Makes them; it may raise Refused. Several threads call it at once.
        refuse: Makes the answer that says why there is none.
        what: What is served, in words, for who finds the port taken.
        host: Where it listens: an address of this machine, or a name for one.
        port: 0 takes one that is free.
        names: Others by which requests may name it, where it listens for other machines.
        takes_posts: Whether POST is answered beside GET and HEAD.

    Raises:
        UsageError: If the port is taken, or may not be used; says which is free.
    """

    daemon_threads = True
    allow_reuse_address = os.name != "nt"  # there it would let two listen
    request_queue_size = 64

    def __init__(
        self,
        answer: Callable[[Request], Answer],
        refuse: Callable[[Refused], Answer],
        *,
        what: str,
        port: int,
        host: str = HOST,
        names: tuple[str, ...] = (),
        takes_posts: bool = False,
    ) -> None:
        self.answer, self.refuse, self.what, self.host = answer, refuse, what, host
        self.methods = ("GET", "HEAD", "POST") if takes_posts else ("GET", "HEAD")
        self.is_local = host in _LOOPBACK
        own = (HOST, "localhost", host) if self.is_local else (*_LOOPBACK, host, socket.gethostname())
        self._given = frozenset(name.lower() for name in names)
        self._names = self._given | {name.lower() for name in own}
        self._connections = Places(_MOST_CONNECTIONS)
        self._under_way = 0
        self._less = threading.Condition()
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            super().__init__((host, port), Handler)
        except OSError as error:
            raise cannot_listen(host, port, error) from error

    def server_bind(self) -> None:
        """Take the port, without asking the network for the machine's name."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.host, int(self.server_address[1])

    @property
    def url(self) -> str:
        """Where a browser of this machine finds it."""
        return address_of(self.host, self.server_port)

    def is_named(self, host: str | None) -> bool:
        """Return whether a host, with or without a port, is a name of this server.

        An address always is where it listens for other machines: names alone can be led here by others.
        """
        try:
            name = urlsplit(f"//{host}").hostname or "" if host and "@" not in host else ""
        except ValueError:
            return False
        return name in self._names or (not self.is_local and _is_address(name))

    def has_page(self, origin: str, host: str) -> bool:
        """Return whether a page of this origin is of this server, which was called by this host and port.

        A name that was given may be a proxy's, which calls by another.
        """
        place = origin.partition("://")[2].lower()
        try:
            return place == host.lower() or urlsplit(f"//{place}").hostname in self._given
        except ValueError:
            return False

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """Count an answer that is being made."""
        with self._less:
            self._under_way += 1
        try:
            yield
        finally:
            with self._less:
                self._under_way -= 1
                self._less.notify_all()

    def finish(self, seconds: float) -> None:
        """Wait for answers that are being made, but not longer than so many seconds."""
        self.server_close()
        with self._less:
            self._less.wait_for(lambda: not self._under_way, seconds)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread of its own, or say at once that there are too many."""
        client = client_at(client_address[0])
        if self._connections.take(client):
            try:
                super().process_request(request, client_address)
            except BaseException:  # there may be no thread to be had
                self._connections.leave(client)
                raise
            return
        with contextlib.suppress(OSError):
            words = "So many connections are open that none is to spare."
            request.settimeout(1)
            request.sendall(_raw(self.refuse(no_place(words))))
        self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer one connection, and count it."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._connections.leave(client_at(client_address[0]))

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a browser that has left."""


class _Arriving(io.RawIOBase):
    """What a client sends, which has to be here in time: a time limit of each part alone has no end."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self.within(_IDLE_SECONDS)

    def within(self, seconds: float) -> None:
        """Have so much time, from now on."""
        self._until = time.monotonic() + seconds

    def readable(self) -> bool:
        """Be read from."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Wait for a part of it; raises TimeoutError if the time is over."""
        if (left := self._until - time.monotonic()) <= 0:
            raise TimeoutError("what was to be sent did not come in time")
        self._connection.settimeout(left)
        return self._connection.recv_into(buffer)


class Handler(BaseHTTPRequestHandler):
    """Answers one connection."""

    server: Server
    protocol_version = "HTTP/1.1"
    timeout = 60
    _is_unread = _is_awaited = False

    def setup(self) -> None:
        """Read by the clock."""
        super().setup()
        self.rfile.close()
        self._arriving = _Arriving(self.connection)
        self.rfile = self._reader = io.BufferedReader(self._arriving)

    def handle_one_request(self) -> None:
        """Wait for a request, and answer it if its head is here in time."""
        try:
            self._arriving.within(_IDLE_SECONDS)
            if self._reader.peek(1):
                self._arriving.within(_HEAD_SECONDS)
        except OSError:
            self.close_connection = True
            return
        super().handle_one_request()

    def do_GET(self) -> None:
        """Give an answer."""
        has_content = self.headers.get("Content-Length", "0") != "0" or "Transfer-Encoding" in self.headers
        self._is_unread = has_content or self.command not in ("GET", "HEAD")
        with self.server.at_work():
            try:
                self._give(self._answered())
            except (ConnectionError, TimeoutError):
                self.close_connection = True
        if self._is_unread:
            self._linger()
        self._is_awaited = False

    do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = do_TRACE = do_CONNECT = do_GET

    def handle_expect_100(self) -> bool:
        """Ask for what is to be sent only when it is read: it may be too much."""
        self._is_awaited = True
        return True

    def version_string(self) -> str:
        """Return how the server calls itself."""
        return PRODUCT

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: a browser asks every other second."""

    def _answered(self) -> Answer:
        try:
            self._refuse_others()
            address = urlsplit(self.path)
            if address.path == WHAT:
                return Answer(self.server.what, kind="text/plain")
            if address.path == "/favicon.ico":
                return Answer(status=HTTPStatus.NO_CONTENT)
            method = "GET" if self.command == "HEAD" else self.command
            asked, who = _values(address.query), client_at(self.client_address[0])
            return self.server.answer(Request(method, address.path, asked, self.headers, who, self._body))
        except Refused as why:
            return self.server.refuse(why)
        except (ConnectionError, TimeoutError):
            raise
        except Exception as error:  # whatever it comes upon, the server goes on
            words = f"It could not be answered: {error or repr(error)}"
            return self.server.refuse(Refused(HTTPStatus.INTERNAL_SERVER_ERROR, words))

    def _refuse_others(self) -> None:
        """Raise Refused if the request is not sent to this server by name, or by a page of another one."""
        hosts, origin = self.headers.get_all("Host") or [], self.headers.get("Origin")
        if len(hosts) != 1 or not self.server.is_named(hosts[0]):
            raise Refused(HTTPStatus.FORBIDDEN, f"The server answers at {self.server.url} alone.")
        # A form of ours has no Origin to tell, as ours have no referrer, but browsers say where it is from.
        is_own_form = origin == "null" and self.headers.get("Sec-Fetch-Site") == "same-origin"
        if origin is not None and not is_own_form and not self.server.has_page(origin, hosts[0]):
            raise Refused(HTTPStatus.FORBIDDEN, "Pages of other servers get no answer.")
        if self.command not in self.server.methods:
            allowed = ", ".join(self.server.methods)
            words = f"{self.command} is not answered, only {allowed}."
            raise Refused(HTTPStatus.METHOD_NOT_ALLOWED, words, headers={"Allow": allowed})

    def _body(self, most: int) -> bytes:
        lengths = self.headers.get_all("Content-Length") or []
        is_number = len(lengths) == 1 and lengths[0].isascii() and lengths[0].isdecimal()
        if not is_number or "Transfer-Encoding" in self.headers:
            words = "The request does not say how long its content is (Content-Length)."
            raise Refused(HTTPStatus.LENGTH_REQUIRED, words)
        left = int(lengths[0]) if len(lengths[0]) < 20 else most + 1
        if left > most:
            words = f"That is too large: at most {most / 1e6:g} MB are taken."
            raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, words)
        if self._is_awaited:
            self.send_response_only(HTTPStatus.CONTINUE)
            self.end_headers()
        parts = []
        self._arriving.within(_BODY_SECONDS)
        while left:
            try:
                part = self.rfile.read1(min(left, _BLOCK))
            except TimeoutError:
                words = f"What was to be sent did not come in {_BODY_SECONDS:g} seconds."
                raise Refused(HTTPStatus.REQUEST_TIMEOUT, words) from None
            if not part:
                raise ConnectionError("the client has left")
            parts.append(part)
            left -= len(part)
        self._is_unread = False
        return b"".join(parts)

    def _give(self, answer: Answer) -> None:
        body = answer.content.encode(errors="replace")
        self.close_connection |= self._is_unread
        self.connection.settimeout(self.timeout)
        self.send_response(answer.status)
        for name, value in _headers(answer, body).items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD" and answer.status != HTTPStatus.NO_CONTENT:
            self.wfile.write(body)

    def _linger(self) -> None:
        """Read what was sent and not wanted, for a while: closed before that, the answer would be lost."""
        left = _LINGER_BYTES
        with contextlib.suppress(OSError):
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_WR)
            self._arriving.within(_LINGER_SECONDS)
            while left > 0 and (part := self.rfile.read1(_BLOCK)):
                left -= len(part)


def _headers(answer: Answer, body: bytes) -> dict[str, str]:
    headers = {**_HEADERS, **answer.headers}
    if answer.status != HTTPStatus.NO_CONTENT:
        headers |= {"Content-Type": f"{answer.kind}; charset=utf-8", "Content-Length": str(len(body))}
    return headers


def _raw(answer: Answer) -> bytes:
    """Return an answer as it is sent, to whose request nobody listens."""
    body = answer.content.encode(errors="replace")
    headers = {**_headers(answer, body), "Connection": "close"}
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {answer.status.value} {answer.status.phrase}\r\n{head}\r\n".encode() + body


def _values(query: str) -> dict[str, list[str]]:
    """Return what a query asks for; names of files may hold bytes that are no UTF-8."""
    found: dict[str, list[str]] = {}
    for name, value in parse_qsl(query, keep_blank_values=True, errors="surrogateescape"):
        found.setdefault(name, []).append(value)
    return found


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
