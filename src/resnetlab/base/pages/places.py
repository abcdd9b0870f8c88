"""So many at once, of which no client gets all."""

import contextlib
import ipaddress
import threading
from collections import Counter
from collections.abc import Iterator
from http import HTTPStatus

from resnetlab.base.pages.exchange import Refused

_KEPT = 1 / 4
"""Share of the places that is for clients who have none."""
_NETWORK = 64
"""Bits of an IPv6 address that tell clients apart: the rest is a client's own to choose."""


class Places:
    """So many are had at once; the last quarter goes to clients that have none, one each.

    So one that takes all it can get keeps nobody out, and where only one asks, as a proxy does, it has three
    quarters of them.
    """

    def __init__(self, count: int) -> None:
        self.count, self._kept = count, int(_KEPT * count)
        self._of: Counter[str] = Counter()
        self._taken, self._lock = 0, threading.Lock()

    def take(self, client: str) -> bool:
        """Return whether the client has got a place, which it must leave."""
        with self._lock:
            if self._taken >= self.count - (self._kept if client in self._of else 0):
                return False
            self._taken += 1
            self._of[client] += 1
            return True

    def leave(self, client: str) -> None:
        """Have one place less."""
        with self._lock:
            self._taken -= 1
            self._of[client] -= 1
            if not self._of[client]:
                del self._of[client]

    @contextlib.contextmanager
    def one(self, client: str, words: str) -> Iterator[None]:
        """Have a place while inside.

        Raises:
            Refused: If there is none, in these words.
        """
        if not self.take(client):
            raise no_place(words)
        try:
            yield
        finally:
            self.leave(client)


def no_place(words: str) -> Refused:
    """Return the refusal that says to come again."""
    return Refused(HTTPStatus.SERVICE_UNAVAILABLE, words, headers={"Retry-After": "1"})


def client_at(address: str) -> str:
    """Return who is at an address: the address, of IPv6 the network, which is his."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((found, _NETWORK), strict=False))
