"""Parsers of what users write, and of what clients send."""

import contextlib
import io
import json
from collections.abc import Callable, Mapping, Sequence
from email.parser import Parser
from http import HTTPStatus
from pathlib import Path
from typing import Any, cast

from resnetlab.base.pages.exchange import Answer, Refused, Request
from resnetlab.base.pages.server import Handler, Server
from resnetlab.board.folder import Folder
from resnetlab.board.server import BoardServer
from resnetlab.cli.given_classes import given_class_names, read_class_names
from resnetlab.data.sources.choices import Choices
from resnetlab.network.catalog import model_spec
from resnetlab.network.spec import KNOBS, parse_knob
from resnetlab.recipe import Recipe
from resnetlab.recipe.settings import Resolution, leaves, read_settings_file, recipe_from_json
from resnetlab.trained.serving.sent import pictures_of
from tests.fuzz.target import Target, in_a_file, of_reader
from tests.kit.outside import READERS, RUN


def _recipe(name: str) -> Target:
    return of_reader(f"a recipe: {name}")


def _settings(content: bytes, folder: Path) -> None:
    """Have texts read as `--set NAME=VALUE` gives them, a line each."""
    texts = dict(line.partition("=")[::2] for line in content.decode(errors="replace").split("\n"))
    resolution = Resolution(Recipe())
    resolution.set_texts(texts, "--set")
    resolution.recipe  # noqa: B018


def _set_texts(folder: Path) -> Sequence[bytes]:
    texts = {
        "run.batch": "64",
        "length": "3ep",
        "lr": "0.1",
        "schedule": "cosine",
        "warmup": "1ep",
        "val": "5",
        "seed": "3",
        "milestones": "1ep,2ep",
        "factors": "0.1,0.1",
        "channel_mean": "0.5,0.5,0.5",
        "channel_std": "0.2,0.2,0.2",
        "keep_checkpoints": "2",
    }
    known = {name.rpartition(".")[2]: name for name in leaves(Recipe())}
    kept = {name: text for name, text in texts.items() if name.rpartition(".")[2] in known}
    return ["\n".join(f"{name}={text}" for name, text in kept.items()).encode(), b"batch=32\nlr=0.5"]


def _knobs(content: bytes, folder: Path) -> None:
    texts = dict(line.partition("=")[::2] for line in content.decode(errors="replace").split("\n"))
    values = {name: parse_knob(name, text) for name, text in texts.items()}
    model_spec("resnet8").with_(**values)


def _whole_recipe(content: bytes, folder: Path) -> None:
    path = folder / "recipe.json"
    path.write_bytes(content)
    recipe_from_json(read_settings_file(path))


def _choices(content: bytes, folder: Path) -> None:
    Choices.parse(content.decode(errors="surrogateescape").split("\n"))


def _class_names(content: bytes, folder: Path) -> None:
    given_class_names(content.decode(errors="surrogateescape").replace("\0", ""))


# Requests.

_FORM = (
    b"Content-Type: multipart/form-data; boundary=xyz\r\n\r\n"
    b'--xyz\r\nContent-Disposition: form-data; name="image";'
    b' filename="a.jpg"\r\nContent-Type: image/jpeg\r\n\r\n\xff\xd8\xff\r\n'
    b'--xyz\r\nContent-Disposition: form-data; name="top"\r\n\r\n5\r\n--xyz--\r\n'
)
_TOKENS = (
    b"--xyz", b"\r\n", b"\r\n\r\n", b"boundary=", b'boundary="', b"filename=", b"filename*=utf-8''%FF",
    b"filename*0=", b";", b"Content-Length: 5\r\n", b"Content-Length: -1\r\n",
    b"Content-Length: 99999999999999999999\r\n", b"Host: a\r\n", b"Transfer-Encoding: chunked\r\n",
    b"Expect: 100-continue\r\n", b"Origin: http://x\r\n", b"HEAD ", b"POST ", b"HTTP/0.9", b"HTTP/9.9",
    b"HTTP/1.0", b"?top=", b"?run=%ff&run=b", b"%00", b"//", b"http://[::1", b"@", b"&", b"=", b"=?utf-8?b?",
    b"?=",
)  # fmt: skip


def _sent(content: bytes, folder: Path) -> None:
    """Have the head and the content of a request taken apart, as the server gives them."""
    head, _, body = content.partition(b"\r\n\r\n")
    pictures_of(Parser().parsestr(head.decode("latin-1") + "\r\n\r\n"), body, most=8)


_REQUEST = b"GET /compare?run=run&since=3 HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n"
_POST = b"POST /predict?top=3 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nabcd"


def _answer(request: Request) -> Answer:
    if request.method == "POST":
        request.body(100)
        raise Refused(HTTPStatus.BAD_REQUEST, "no")
    return Answer(f"{request.path} {request.asked}")


class _Connection:
    """A connection without a network: all that a client sends is there, and what it is told is kept."""

    def __init__(self, content: bytes) -> None:
        self._sent, self.told = io.BytesIO(content), bytearray()

    def makefile(self, *_: object) -> io.BytesIO:
        return io.BytesIO()

    def settimeout(self, seconds: float) -> None:
        """Whoever sends has sent all."""

    def recv_into(self, buffer: bytearray) -> int:
        return self._sent.readinto(buffer)

    def sendall(self, content: bytes) -> None:
        self.told += content

    def shutdown(self, how: int) -> None:
        """Nobody waits."""


class _Asked:
    """A server that is asked, with a connection for each request."""

    def __init__(self, make: Callable[[Path], Server]) -> None:
        self._make = make
        self._server: Server | None = None

    def __call__(self, content: bytes, folder: Path) -> None:
        if self._server is None:
            self._server = self._make(folder)
        connection = _Connection(content)
        with contextlib.suppress(ConnectionError):  # who asks has left
            Handler(cast(Any, connection), ("127.0.0.1", 1), self._server)
        answers = bytes(connection.told)
        if b"HTTP/1.1 500" in answers:
            raise AssertionError(answers[-300:].decode(errors="replace"))


def _plain_server(folder: Path) -> Server:
    return Server(
        _answer, lambda why: Answer(why.words, status=why.status), what="x", port=0, takes_posts=True
    )


def _board(folder: Path) -> Server:
    READERS["board: RESULT.json"].make(folder)
    return BoardServer(Folder(folder), 0)


TARGETS: Mapping[str, Target] = {
    **{f"a recipe: {name}": _recipe(name) for name in ("changes.json", "changes.toml", "changes.yaml")},
    "a whole recipe": Target(
        make=lambda folder: [(RUN / "recipe.json").read_bytes()], call=_whole_recipe, kind="json"
    ),
    "--set": Target(
        make=_set_texts, call=_settings, kind="text", tokens=(*leaves(Recipe()), "ep", "st", "k")
    ),
    "--set of a network": Target(
        make=lambda folder: [b"width=2\nblocks=1,1,1", b"classes=7", b"unit=basic"],
        call=_knobs,
        kind="text",
        tokens=KNOBS,
    ),
    "--data-set": Target(
        make=lambda folder: [b"label_column=breed\nsubset=x"],
        call=_choices,
        kind="text",
        tokens=("image_column", "class_names", "separator", "train_split"),
    ),
    "--classes": Target(make=lambda folder: [b"cat,dog"], call=_class_names, kind="text"),
    "classes in a .json": Target(
        make=lambda folder: [json.dumps({"0": ["n1", "ant"], "1": ["n2", "bee"]}).encode()],
        kind="json",
        call=in_a_file("names.json", read_class_names),
    ),
    "classes in a .txt": Target(
        make=lambda folder: [b"ant\nbee\n"], kind="text", call=in_a_file("names.txt", read_class_names)
    ),
    "a form": Target(make=lambda folder: [_FORM], call=_sent, tokens=_TOKENS, allowed=(Refused,)),
    "a request": Target(make=lambda folder: [_REQUEST, _POST], call=_Asked(_plain_server), tokens=_TOKENS),
    "a request to a board": Target(
        make=lambda folder: [_REQUEST.replace(b"/compare?run=run&since=3", b"/?since=3")],
        call=_Asked(_board),
        tokens=_TOKENS,
    ),
}
