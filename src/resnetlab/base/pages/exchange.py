"""What a server of ours is asked, and what it answers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.message import Message
from http import HTTPStatus


@dataclass(frozen=True)
class Answer:
    """What a request is given."""

    content: str = ""
    status: HTTPStatus = HTTPStatus.OK
    kind: str = "text/html"
    headers: Mapping[str, str] = field(default_factory=dict)


class Refused(Exception):
    """A request that is answered by no more than why not."""

    def __init__(
        self, status: HTTPStatus, words: str, *, hint: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(words)
        self.status, self.words, self.hint, self.headers = status, words, hint, headers or {}


@dataclass(frozen=True)
class Request:
    """What is asked."""

    method: str
    """GET, HEAD as GET, or POST."""
    path: str
    asked: Mapping[str, list[str]]
    """The values of the query, by name."""
    headers: Message
    address: str
    """Who asks."""
    body: Callable[[int], bytes] = field(repr=False)
    """Reads what is sent with it, of so many bytes at most; raises Refused if it is more, or no body."""
