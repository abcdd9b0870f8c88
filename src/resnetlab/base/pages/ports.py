"""Where a server listens: its address, and what to say of a port that is taken."""

import contextlib
import errno
import socket
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

from resnetlab.errors import UsageError

HOST = "127.0.0.1"
PRODUCT = "resnetlab"
"""How our servers call themselves."""
WHAT = "/what"
"""Where each of them says in words what it is."""
_TRIED = 100


def checked_port(port: int) -> int:
    """Return a port as it was asked for.

    Raises:
        UsageError: If it is none.
    """
    if not 0 <= port < 65536:
        raise UsageError(f"--port {port}: a port is a number from 0 to 65535")
    return port


def address_of(host: str, port: int) -> str:
    """Return where a browser of this machine finds a server that listens there."""
    seen = {"0.0.0.0": HOST, "::": "::1"}.get(host, host)
    return f"http://[{seen}]:{port}/" if ":" in seen else f"http://{seen}:{port}/"


def cannot_listen(host: str, port: int, error: OSError) -> UsageError:
    """Return what to tell the user of a port that was not to be had."""
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return UsageError(
            f"--host {host} is no address of this machine",
            hint=f"{HOST} is for this machine alone, 0.0.0.0 for every machine that reaches it.",
        )
    if error.errno not in (errno.EADDRINUSE, errno.EACCES):
        return UsageError(
            f"port {port} cannot be listened on: {error.strerror or error}", hint="Try --port 0."
        )
    free = _free_port(host, port)
    other = f"--port {free} is free; " if free else ""
    hint = f"{other}--port 0 takes any that is."
    if error.errno == errno.EACCES:
        return UsageError(f"port {port} may not be used without special rights", hint=hint)
    if what := _what_is_at(host, port):
        return UsageError(
            f"port {port} is in use: {what} is at {address_of(host, port)} already",
            hint=f"Open that one, or start another: {hint}",
        )
    return UsageError(f"port {port} is in use by another program", hint=hint[0].upper() + hint[1:])


def _free_port(host: str, port: int) -> int | None:
    """Return the next port on which nobody listens."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for other in range(max(port, 1023) + 1, min(65536, port + _TRIED)):
        with socket.socket(family) as tried, contextlib.suppress(OSError):
            tried.bind((host, other))
            return other
    return None


def _what_is_at(host: str, port: int) -> str:
    """Return what a server of ours on this port serves; "" if there is none."""
    where = urlsplit(address_of(host, port)).hostname or HOST
    connection = HTTPConnection(where, port, timeout=1)
    try:
        connection.request("GET", WHAT)
        answer = connection.getresponse()
        is_ours = answer.status == HTTPStatus.OK and answer.getheader("Server") == PRODUCT
        return answer.read(10_000).decode(errors="replace") if is_ours else ""
    except (OSError, HTTPException):
        return ""
    finally:
        connection.close()
