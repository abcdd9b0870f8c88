"""A web server on this machine, and on it the Hugging Face hub's layout of a repository."""

import contextlib
import hashlib
import http.server
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Answer:
    """What is said of a path.

    `cut_at` ends the body early; `length` is what Content-Length claims, -1 for no such header;
    `range_start` is the first byte that Content-Range claims.
    """

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut_at: int | None = None
    length: int | None = None
    knows_ranges: bool = True
    range_start: int | None = None


@dataclass
class Site:
    """What the server serves, and what it was asked: method, path, Range."""

    url: str = ""
    answers: dict[str, Answer] = field(default_factory=dict)
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)
    error_code: str = "RepoNotFound"
    """What the hub's header X-Error-Code says of a path that is not served."""

    def add_repository(self, name: str, files: dict[str, bytes], *, revision: str = "main") -> None:
        """Serve files as the hub does: small ones from its pages, weights from another place."""
        for file, body in files.items():
            for of in (revision, COMMIT):
                path = f"/{name}/resolve/{of}/{file}"
                common = {"X-Repo-Commit": COMMIT, "ETag": f'"{hashlib.sha1(body).hexdigest()}"'}
                if file.endswith(".json"):
                    self.answers[path] = Answer(body, headers=common)
                    continue
                digest = hashlib.sha256(body).hexdigest()
                large = {"X-Linked-ETag": f'"{digest}"', "X-Linked-Size": str(len(body))}
                # Another host by its name, to which the library does not follow when it asks for sizes.
                to = {"Location": f"{self.url.replace('127.0.0.1', 'localhost')}/cdn/{digest}"}
                self.answers[path] = Answer(status=302, headers=common | large | to)
                self.answers[f"/cdn/{digest}"] = Answer(body, headers={"ETag": f'"{digest}"'})
        self.error_code = "EntryNotFound"


class _Handler(http.server.BaseHTTPRequestHandler):
    site: Site

    def do_HEAD(self) -> None:
        self._answer(has_body=False)

    def do_GET(self) -> None:
        self._answer(has_body=True)

    def _answer(self, *, has_body: bool) -> None:
        wanted = self.headers["Range"]
        self.site.asked.append((self.command, self.path, wanted))
        missing = Answer(status=404, headers={"X-Error-Code": self.site.error_code, "X-Repo-Commit": COMMIT})
        answer = self.site.answers.get(self.path, missing)
        is_part = wanted is not None and answer.knows_ranges and answer.status == 200
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and is_part else 0
        body, status = answer.body[start:], 206 if is_part else answer.status
        if status == 206 and not body:
            status = 416
        self.send_response(status)
        if answer.length != -1:
            self.send_header("Content-Length", str(len(body) if answer.length is None else answer.length))
        if status == 206:
            first = start if answer.range_start is None else answer.range_start
            self.send_header("Content-Range", f"bytes {first}-{len(answer.body) - 1}/{len(answer.body)}")
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if has_body:
            self.wfile.write(body[: answer.cut_at])

    def log_message(self, *arguments: object) -> None:
        pass


@contextlib.contextmanager
def running() -> Iterator[Site]:
    """Serve an empty site until the end of the block."""
    site = Site()
    handler = type("Handler", (_Handler,), {"site": site})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        site.url = f"http://127.0.0.1:{server.server_port}"
        yield site
        server.shutdown()


def point_hub_to(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    constants = pytest.importorskip("huggingface_hub.constants")
    template = constants.HUGGINGFACE_CO_URL_TEMPLATE.removeprefix(constants.ENDPOINT)
    monkeypatch.setattr(constants, "ENDPOINT", url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", url + template)
