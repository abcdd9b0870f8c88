"""Requests to a server of ours, as programs and forms make them."""

import contextlib
import json
import socket
import threading
from collections.abc import Iterator, Mapping
from http.client import HTTPConnection, HTTPResponse
from typing import Any

from resnetlab.base.pages.server import Server

BOUNDARY = "a line between"

OTHER = "127.0.0.2"
"""Another client: on Linux this machine has all of 127.*."""


@contextlib.contextmanager
def running(server: Server) -> Iterator[None]:
    """Serve while inside."""
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def ask(
    server: Server,
    path: str,
    *,
    method: str = "GET",
    host: str | None = None,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    client: str = "127.0.0.1",
) -> tuple[HTTPResponse, str]:
    """Return what is answered, and its content; of the body no length is said if the headers do not."""
    port = server.server_address[1]
    connection = HTTPConnection("127.0.0.1", port, timeout=20, source_address=(client, 0))
    connection.putrequest(method, path, skip_host=host is not None)
    given = ({} if host is None else {"Host": host}) | dict(headers or {})
    for name, value in given.items():
        connection.putheader(name, value)
    connection.endheaders(body)
    response = connection.getresponse()
    content = response.read().decode()
    connection.close()
    return response, content


def send(
    server: Server,
    content: bytes,
    query: str = "",
    *,
    kind: str = "",
    client: str = "127.0.0.1",
    **headers: str,
) -> tuple[HTTPResponse, Any]:
    """Return what is answered to what is sent to /predict, as plain data."""
    said = {"Content-Length": str(len(content))} | ({"Content-Type": kind} if kind else {})
    given = said | headers
    response, told = ask(
        server, f"/predict{query}", method="POST", body=content, headers=given, client=client
    )
    return response, json.loads(told)


def slow_sender(server: Server, length: int = 9) -> socket.socket:
    """Return a connection that has said it sends a picture, and is to be told to."""
    sender = socket.create_connection(("127.0.0.1", server.server_address[1]), timeout=20)
    head = f"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n"
    sender.sendall(f"{head}Expect: 100-continue\r\n\r\n".encode())
    return sender


def form(*files: tuple[str, bytes]) -> tuple[bytes, str]:
    """Return the content of a form with these files, and its kind."""
    parts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="image"; filename="{name}"\r\n'
        "Content-Type: image/jpeg\r\n\r\n".encode()
        + data
        + b"\r\n"
        for name, data in files
    ]
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode(), f'multipart/form-data; boundary="{BOUNDARY}"'
