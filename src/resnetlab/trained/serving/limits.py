"""How much may be asked: of one client in a second, of all at once, in one request."""

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

from resnetlab.base.pages.exchange import Refused
from resnetlab.errors import UsageError

_SECONDS_OF_BURST = 2.0
_MOST_CLIENTS = 4096
"""Remembered; those that have not asked for a while are forgotten first."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What is taken.

    Raises:
        UsageError: If one of them cannot be.
    """

    megabytes: float = 20.0
    """Of one request, in units of 1,000,000 bytes."""
    rate: float = 30.0
    """Requests of one client in a second, on average; 0 is any number."""
    waiting: int = 16
    """Requests that are being read or answered at once, of one client three quarters: what more come are told
    to come again."""
    pictures: int = 16
    """Of one request."""

    def __post_init__(self) -> None:
        if not 0 < self.megabytes <= 1000:
            raise UsageError(f"--limit-mb {self.megabytes:g}: a picture has more than 0 and at most 1,000 MB")
        if not 0 <= self.rate < math.inf:
            raise UsageError(f"--rate {self.rate:g}: requests of a client in a second, 0 for any number")

    @property
    def most_bytes(self) -> int:
        """Of one request."""
        return round(self.megabytes * 1e6)


class Rate:
    """Counts requests by client: so many in a second, and twice as many at once after a pause.

    Args:
        per_second: For each client; 0 counts nothing.
        now: The time in seconds.
    """

    def __init__(self, per_second: float, now: Callable[[], float] = time.monotonic) -> None:
        self._per_second, self._now = per_second, now
        self._most = max(1.0, _SECONDS_OF_BURST * per_second)
        self._left: dict[str, tuple[float, float]] = {}  # by client, the last one at the end: how many, when
        self._lock = threading.Lock()

    def take(self, client: str) -> None:
        """Count a request.

        Raises:
            Refused: If it is one too many; it says when to come again.
        """
        if not self._per_second:
            return
        with self._lock:
            now = self._now()
            left, at = self._left.pop(client, (self._most, now))
            left = min(self._most, left + (now - at) * self._per_second)
            self._left[client] = (left - 1 if left >= 1 else left, now)
            if len(self._left) > _MOST_CLIENTS:
                del self._left[next(iter(self._left))]
        if left < 1:
            wait = math.ceil((1 - left) / self._per_second)
            raise Refused(
                HTTPStatus.TOO_MANY_REQUESTS,
                f"That was more than {self._per_second:g} requests a second.",
                hint="Who starts the server can allow more: --rate N, 0 for any number.",
                headers={"Retry-After": str(wait)},
            )
