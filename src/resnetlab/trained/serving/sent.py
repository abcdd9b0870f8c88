"""What a request brings: one picture as it is, or several as a form sends files."""

import re
from collections.abc import Iterator
from email.message import Message
from email.parser import HeaderParser
from http import HTTPStatus

from resnetlab.base.pages.exchange import Refused
from resnetlab.data.images.image import EncodedImage

HOW = "Send the picture itself, or files as a form does: curl -F image=@photo.jpg ADDRESS"
_FORM = "multipart/form-data"
_PLAIN = re.compile(r"image/.+|application/(octet-stream|x-www-form-urlencoded)|")
"""Kinds of content that are taken for a picture: what curl says of any file, and nothing, among them."""
_LONGEST = 200  # letters of a file's name
_LONGEST_HEAD = 8192
"""Bytes of a part's head: what reads it takes their square in time."""
_MOST_PARTS = 256


def pictures_of(headers: Message, content: bytes, *, most: int) -> list[EncodedImage]:
    """Return the pictures that a request brings, in their order, as yet undecoded.

    Args:
        headers: Of the request.
        content: What came with it.
        most: How many there may be.

    Raises:
        Refused: If it brings none, too many, or what cannot hold any.
    """
    kind = headers.get_content_type() if "Content-Type" in headers else ""
    if kind == _FORM:
        found = _files(headers.get_param("boundary"), content, most)
        if not found:
            raise Refused(HTTPStatus.BAD_REQUEST, "The form has no file in it.", hint=HOW)
        return found
    if not _PLAIN.fullmatch(kind):
        raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"{kind} is no picture.", hint=HOW)
    if not content:
        raise Refused(HTTPStatus.BAD_REQUEST, "There is no picture in the request.", hint=HOW)
    return [EncodedImage(content, "the picture")]


def _files(boundary: object, content: bytes, most: int) -> list[EncodedImage]:
    """Return the files of a form; its other fields are passed over.

    Source: RFC 7578, and RFC 2046, section 5.1, for what stands between the parts.
    """
    if not isinstance(boundary, str) or not 0 < len(boundary) <= 70:
        raise Refused(
            HTTPStatus.BAD_REQUEST, "The form does not say what stands between its parts.", hint=HOW
        )
    line = b"\r\n--" + boundary.encode("latin-1", "replace")
    found = list[EncodedImage]()
    for head, data in _parts(line, content):
        name = HeaderParser().parsestr(head.strip().decode("utf-8", "replace")).get_filename()
        if name is not None and (name or data):  # an empty field of a form has neither
            found.append(EncodedImage(data, _last(name)))
        if len(found) > most:
            words = f"More than {most} pictures at once: {most} are taken at most."
            raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, words)
    return found


def _parts(line: bytes, content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield head and content of a form's parts, between which a line stands: not too many, of short heads."""
    cut_off = Refused(HTTPStatus.BAD_REQUEST, "The form is cut off.", hint=HOW)
    at = -2 if content.startswith(line[2:]) else content.find(line)
    if at == -1:
        raise cut_off
    for _ in range(_MOST_PARTS):
        begin = at + len(line)
        if content.startswith(b"--", begin):
            return
        if (at := content.find(line, begin)) < 0:
            raise cut_off
        if (end := content.find(b"\r\n\r\n", begin, min(at, begin + _LONGEST_HEAD))) < 0:
            raise Refused(HTTPStatus.BAD_REQUEST, "A part of the form does not say what it is.", hint=HOW)
        yield content[begin:end], content[end + 4 : at]
    raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"The form has more than {_MOST_PARTS} parts.")


def _last(name: str) -> str:
    """Return a file's name without its folders, as some browsers send them."""
    return re.split(r"[/\\]", name)[-1][-_LONGEST:] or "the picture"
